// All metadata as the znodes say it, and the image of it that the rest of the broker sees. A state belongs to
// a topic's id, so that what is left of a deleted topic is never shown as the new one's of the same name.
import {
  type BrokerInfo,
  type MetadataChange,
  type MetadataImage,
  NO_LEADER,
  type PartitionInfo,
  type TopicInfo,
} from '../contract.ts';
import type { Subject } from './paths.ts';
import { soundSettings, strictestSettings } from './topic-settings.ts';
import {
  type ControllerNode,
  readBroker,
  readClusterId,
  readController,
  readSettings,
  readState,
  readTopic,
  type StoredState,
  type TopicNode,
  ZnodeError,
} from './znodes.ts';

/** A znode as it was read; undefined: there is none. */
export type Znode =
  | { readonly data: Buffer | null; readonly czxid: number; readonly version: number }
  | undefined;

/** `damaged`: there is a node that cannot be read, or one of the settings that it depends on. */
export type KnownState = StoredState | 'damaged' | undefined;

type Settings = Readonly<Record<string, string>>;

/** `damaged`: there is a node that cannot be read, and nothing is known of what it said before. */
export type KnownSettings = Settings | 'damaged';

/** A topic with all that the controller needs of it. */
export interface TopicView {
  readonly name: string;
  readonly node: TopicNode;
  readonly settings: Settings;
  readonly deleting: boolean;
  readonly states: readonly KnownState[];
}

/** What stands in the znodes, without regard to who looks. */
export interface ClusterView {
  readonly brokers: ReadonlyMap<number, BrokerInfo>;
  readonly topics: ReadonlyMap<string, TopicView>;
  /** Topics to be deleted, whether or not anything of them is left. */
  readonly deletions: ReadonlySet<string>;
  readonly controller: ControllerNode | undefined;
}

export class ClusterImage {
  readonly #brokers = new Map<number, BrokerInfo>();
  readonly #nodes = new Map<string, TopicNode>();
  readonly #settings = new Map<string, KnownSettings>();
  /** What an earlier image knew. */
  readonly #settingsBefore: Map<string, KnownSettings>;
  readonly #states = new Map<string, Map<number, KnownState>>();
  readonly #deletions = new Set<string>();
  #controller: ControllerNode | undefined;
  #clusterId: string | undefined;

  /** `before`: the image that this one is to replace. */
  constructor(before?: ClusterImage) {
    this.#settingsBefore = new Map(before === undefined ? [] : before.#settings);
  }

  /**
   * Takes over what a znode says now. @throws ZnodeError for what it should not say; that is then as absent,
   * but for a state, which is damaged, and for settings, of which the last that are known stay.
   */
  learn(subject: Subject, znode: Znode): void {
    if (subject.kind === 'settings' && znode !== undefined) {
      this.#learnSettings(subject.topic, znode.data);
      return;
    }
    this.#forget(subject);
    if (znode === undefined) return;
    const { data, version } = znode;
    switch (subject.kind) {
      case 'broker':
        this.#brokers.set(subject.id, readBroker(subject.id, data, znode.czxid));
        break;
      case 'topic':
        this.#nodes.set(subject.topic, readTopic(data));
        break;
      case 'deletion':
        this.#deletions.add(subject.topic);
        break;
      case 'controller':
        this.#controller = readController(data);
        break;
      case 'cluster':
        this.#clusterId = readClusterId(data);
        break;
      case 'state': {
        const states = this.#states.get(subject.topic) ?? new Map<number, KnownState>();
        this.#states.set(subject.topic, states.set(subject.partition, 'damaged'));
        states.set(subject.partition, readState(data, version));
      }
    }
  }

  /**
   * One wrong value must not stop all brokers, nor take the right ones with it. What it was before stays in
   * its place, for the broker's own could be less than the topic was promised.
   */
  #learnSettings(topic: string, data: Buffer | null): void {
    const before = this.#settings.get(topic) ?? this.#settingsBefore.get(topic) ?? 'damaged';
    const outcome =
      before === 'damaged'
        ? `nothing is known here of what it said before, so ${topic} waits: write it anew`
        : `what it said before stays in force for ${topic}: write it anew`;
    let given: Settings;
    try {
      given = readSettings(data);
    } catch (error) {
      this.#settings.set(topic, before);
      if (!(error instanceof ZnodeError)) throw error;
      throw new ZnodeError(`${error.message}; ${outcome}`);
    }
    const { sound, faults, missed } = soundSettings(given);
    if (missed.length === 0) this.#settings.set(topic, sound);
    else if (before === 'damaged') this.#settings.set(topic, before);
    else {
      const kept = Object.entries(before).filter(([name]) => missed.includes(name));
      this.#settings.set(topic, { ...sound, ...Object.fromEntries(kept) });
    }
    if (faults.length === 0) return;
    const left = `left out: ${faults.join('; ')}`;
    throw new ZnodeError(missed.length === 0 ? left : `${left}; ${outcome}`);
  }

  #forget(subject: Subject): void {
    if (subject.kind === 'broker') this.#brokers.delete(subject.id);
    else if (subject.kind === 'topic') this.#nodes.delete(subject.topic);
    else if (subject.kind === 'settings') {
      this.#settings.delete(subject.topic);
      this.#settingsBefore.delete(subject.topic);
    } else if (subject.kind === 'deletion') this.#deletions.delete(subject.topic);
    else if (subject.kind === 'controller') this.#controller = undefined;
    else if (subject.kind === 'cluster') this.#clusterId = undefined;
    else {
      const states = this.#states.get(subject.topic);
      states?.delete(subject.partition);
      if (states?.size === 0) this.#states.delete(subject.topic);
    }
  }

  topicNames(): Iterable<string> {
    return this.#nodes.keys();
  }

  topic(name: string): TopicView | undefined {
    const node = this.#nodes.get(name);
    if (node === undefined) return undefined;
    const states = this.#states.get(name);
    const settings = this.#settings.get(name) ?? {};
    const known = settings !== 'damaged';
    return {
      name,
      node,
      settings: known
        ? settings
        : strictestSettings(Math.max(...node.replicas.map((r) => r.length))),
      deleting: this.#deletions.has(name),
      states: node.replicas.map((_, partition) => {
        // Who is eligible follows from what the leader took min.insync.replicas to be: a guess would not be
        // safe in either direction. So nobody here leads, follows or elects before it is known.
        if (!known) return 'damaged';
        const state = states?.get(partition);
        return typeof state !== 'object' || state.topicId === node.id ? state : undefined;
      }),
    };
  }

  view(): ClusterView {
    const topics = [...this.topicNames()].map(
      (name) => [name, this.topic(name) as TopicView] as const,
    );
    return {
      brokers: new Map(this.#brokers),
      topics: new Map(topics),
      deletions: new Set(this.#deletions),
      controller: this.#controller,
    };
  }

  get brokers(): ReadonlyMap<number, BrokerInfo> {
    return this.#brokers;
  }

  get controller(): ControllerNode | undefined {
    return this.#controller;
  }

  get clusterId(): string | undefined {
    return this.#clusterId;
  }
}

/** Who looks at an image: a broker, and the registration of it that stands. */
export interface Onlooker {
  readonly id: number;
  readonly epoch: number | undefined;
}

/**
 * A topic as a broker is to see it. That the broker itself leads a partition shows only if it was elected
 * under the registration that it has now: an earlier life of it may have known more of that epoch.
 */
export function topicInfoOf(view: TopicView, { id, epoch }: Onlooker): TopicInfo {
  const partitions = view.node.replicas.map((replicas, partition): PartitionInfo => {
    const state = view.states[partition];
    if (typeof state !== 'object') return { replicas };
    if (state.leader === id && state.brokerEpochs[id] !== epoch) {
      return { replicas, state: { ...state, leader: NO_LEADER } };
    }
    return { replicas, state };
  });
  const { name, settings, deleting } = view;
  return { name, id: view.node.id, partitions, settings, deleting };
}

export const EMPTY_IMAGE: MetadataImage = {
  brokers: new Map(),
  topics: new Map(),
  controller: undefined,
};

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

/** The image after `before`, of which only `touched` may differ (all: everything may), and how it does. */
export function nextImage(
  before: MetadataImage,
  cluster: ClusterImage,
  touched: ReadonlySet<string> | 'all',
  onlooker: Onlooker,
): { image: MetadataImage; change: MetadataChange } | undefined {
  const topics = new Map(before.topics);
  const changed = new Set<string>();
  const names = touched === 'all' ? [...before.topics.keys(), ...cluster.topicNames()] : touched;
  for (const name of new Set(names)) {
    const view = cluster.topic(name);
    const info = view && topicInfoOf(view, onlooker);
    if (same(info, before.topics.get(name))) continue;
    changed.add(name);
    if (info === undefined) topics.delete(name);
    else topics.set(name, info);
  }
  const listed = (brokers: MetadataImage['brokers']) =>
    [...brokers.values()].sort((a, b) => a.id - b.id);
  const brokers = !same(listed(before.brokers), listed(cluster.brokers));
  const { controller, clusterId } = cluster;
  const named = clusterId === before.clusterId && same(controller, before.controller);
  if (changed.size === 0 && !brokers && named) return undefined;
  const image = {
    brokers: brokers ? new Map(cluster.brokers) : before.brokers,
    topics,
    controller,
    ...(clusterId === undefined ? {} : { clusterId }),
  };
  return { image, change: { topics: changed, brokers } };
}
