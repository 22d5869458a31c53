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
import { soundSettings } from './topic-settings.ts';
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

/** `damaged`: there is a node that cannot be read. */
export type KnownState = StoredState | 'damaged' | undefined;

/** A topic with all that the controller needs of it. */
export interface TopicView {
  readonly name: string;
  readonly node: TopicNode;
  readonly settings: Readonly<Record<string, string>>;
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
  readonly #settings = new Map<string, Readonly<Record<string, string>>>();
  readonly #states = new Map<string, Map<number, KnownState>>();
  readonly #deletions = new Set<string>();
  #controller: ControllerNode | undefined;
  #clusterId: string | undefined;

  /** Takes over what a znode says now. @throws ZnodeError for what it should not say; that is then as absent. */
  learn(subject: Subject, znode: Znode): void {
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
      case 'settings':
        this.#learnSettings(subject.topic, readSettings(data));
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

  /** One wrong value must not stop all brokers, nor take the right ones with it. */
  #learnSettings(topic: string, settings: Readonly<Record<string, string>>): void {
    const { sound, faults } = soundSettings(settings);
    this.#settings.set(topic, sound);
    if (faults.length > 0) throw new ZnodeError(`left out: ${faults.join('; ')}`);
  }

  #forget(subject: Subject): void {
    if (subject.kind === 'broker') this.#brokers.delete(subject.id);
    else if (subject.kind === 'topic') this.#nodes.delete(subject.topic);
    else if (subject.kind === 'settings') this.#settings.delete(subject.topic);
    else if (subject.kind === 'deletion') this.#deletions.delete(subject.topic);
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
    return {
      name,
      node,
      settings: this.#settings.get(name) ?? {},
      deleting: this.#deletions.has(name),
      states: node.replicas.map((_, partition) => {
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
