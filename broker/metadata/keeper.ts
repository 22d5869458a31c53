// Keeps the image of the metadata up to date: lasting watches first, then everything is read, then what the
// watches say changed is read again. After every new connection and session all of it begins anew, because
// what happened in between was told to nobody (KAFKA-5502).
import { randomBytes } from 'node:crypto';
import {
  type CoordinatorClient,
  CoordinatorError,
  ErrorCode,
  type LastingKind,
  Op,
  readData,
} from '../../coordinator/client/index.ts';
import type { EventSink, MetadataChange, MetadataImage } from '../contract.ts';
import {
  ClusterImage,
  type ClusterView,
  EMPTY_IMAGE,
  nextImage,
  type Onlooker,
  type TopicView,
} from './image.ts';
import {
  BROKER_IDS,
  CLUSTER_ID,
  CONTROLLER,
  CONTROLLER_EPOCH,
  DELETIONS,
  FIXED_NODES,
  pathOf,
  type Subject,
  statePath,
  subjectOf,
  TOPIC_SETTINGS,
  TOPICS,
} from './paths.ts';
import type { CoordinatorSession } from './session.ts';
import { writeClusterId, writeControllerEpoch, ZnodeError } from './znodes.ts';

/** Nodes read by one request: 64 of the largest topics still fit into a frame. */
const READS_MAX = 64;

const WATCHES: readonly (readonly [string, LastingKind])[] = [
  ['/brokers', 'persistentRecursive'],
  [TOPIC_SETTINGS, 'persistentRecursive'],
  [DELETIONS, 'persistentRecursive'],
  [CONTROLLER, 'persistent'],
];

/** A node that the coordinator does not show. */
const UNREADABLE = { data: null, czxid: 0, version: 0 };

/** Told after each change, in order. */
export type ChangeListener = (change: MetadataChange) => void;

export class ImageKeeper {
  readonly #session: CoordinatorSession;
  readonly #events: EventSink;
  readonly #listeners = new Set<ChangeListener>();
  #cluster = new ClusterImage();
  #image = EMPTY_IMAGE;
  #onlooker: Onlooker;
  /** Changed since they were read last, by path. */
  readonly #stale = new Map<string, Subject>();
  #everythingStale = true;
  #working = false;
  #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  #armed: { client: CoordinatorClient; paths: Set<string> } | undefined;

  constructor(session: CoordinatorSession, events: EventSink, brokerId: number) {
    this.#session = session;
    this.#events = events;
    this.#onlooker = { id: brokerId, epoch: undefined };
    session.onConnected(() => {
      this.#everythingStale = true;
      this.#kick();
    });
  }

  get image(): MetadataImage {
    return this.#image;
  }

  view(): ClusterView {
    return this.#cluster.view();
  }

  /** A topic as the znodes say it. */
  topic(name: string): TopicView | undefined {
    return this.#cluster.topic(name);
  }

  /** The registration of the broker itself is another one: what it leads shows differently. */
  registeredAs(epoch: number | undefined): void {
    this.#onlooker = { ...this.#onlooker, epoch };
    this.#publish('all');
  }

  subscribe(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Resolves once the image shows all that was committed before the call; `everything` reads all again.
   * @throws CoordinatorError when the coordinator cannot be had.
   */
  async refresh(everything = false): Promise<void> {
    if (everything) this.#everythingStale = true;
    // Events of what came before the sync arrive before its reply.
    await this.#session.client.sync('/brokers');
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#kick();
    });
  }

  close(): void {
    const name = 'ConnectionLoss';
    const error = new CoordinatorError(name, 'the metadata was closed', { sent: false });
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  #kick(): void {
    if (this.#working) return;
    this.#working = true;
    void this.#work();
  }

  async #work(): Promise<void> {
    while (!this.#session.closed) {
      const { client } = this.#session;
      try {
        if (this.#everythingStale) await this.#readAll(client);
        else if (this.#stale.size > 0) await this.#readStale(client);
        else break;
      } catch (error) {
        if (!(error instanceof CoordinatorError)) throw error;
        this.#everythingStale = true;
        await this.#session.pause();
      }
    }
    this.#working = false;
    if (this.#session.closed) this.close();
    else for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  async #arm(client: CoordinatorClient): Promise<void> {
    if (this.#armed?.client !== client) this.#armed = { client, paths: new Set() };
    const { paths } = this.#armed;
    const first = [
      { path: CONTROLLER_EPOCH, data: writeControllerEpoch(0).toString() },
      // Whoever is first names the cluster; 16 random bytes, as Kafka writes them.
      { path: CLUSTER_ID, data: writeClusterId(randomBytes(16).toString('base64url')).toString() },
    ];
    // Asked for in one go, here and below: a session's requests are done in the order sent, and every wait
    // for an answer is one that clients of a restarted broker share.
    const fixed = paths.size > 0 ? [] : [...FIXED_NODES, ...first];
    await Promise.all(
      fixed.map(async ({ path, data }) => {
        try {
          await client.create(path, data === null ? null : Buffer.from(data));
        } catch (error) {
          if (!(error instanceof CoordinatorError) || error.name !== 'NodeExists') throw error;
        }
      }),
    );
    const unwatched = WATCHES.filter(([path]) => !paths.has(path));
    const armed = unwatched.map(async ([path, kind]) => {
      await client.addWatch(path, kind, ({ path: changed, type }) => {
        if (client !== this.#session.client || type === 'childrenChanged') return;
        const subject = subjectOf(changed);
        if (subject === undefined) return;
        this.#stale.set(changed, subject);
        this.#kick();
      });
      paths.add(path);
    });
    await Promise.all(armed);
  }

  async #readAll(client: CoordinatorClient): Promise<void> {
    await this.#arm(client);
    // From here on: a change that comes later is read again later.
    this.#everythingStale = false;
    this.#stale.clear();
    // A new session may have come to a server that is behind what this broker has seen.
    await client.sync('/brokers');
    const subjects: Subject[] = [{ kind: 'controller' }, { kind: 'cluster' }];
    const parents = [BROKER_IDS, DELETIONS, TOPIC_SETTINGS, TOPICS];
    const lists = await Promise.all(parents.map((parent) => client.getChildren(parent)));
    for (const [at, { children }] of lists.entries()) {
      const parent = parents[at] as string;
      for (const child of children.sort()) {
        const subject = subjectOf(`${parent}/${child}`);
        if (subject !== undefined) subjects.push(subject);
        else this.#refused(`${parent}/${child}`, 'a name that nothing here has');
      }
    }
    const cluster = new ClusterImage(this.#cluster);
    await this.#read(client, cluster, subjects);
    const states = [...cluster.topicNames()].flatMap((name) =>
      (cluster.topic(name)?.states ?? []).map((_, partition) => statePath(name, partition)),
    );
    await this.#read(
      client,
      cluster,
      states.map((path) => subjectOf(path) as Subject),
    );
    if (client !== this.#session.client) return;
    this.#cluster = cluster;
    this.#publish('all');
  }

  async #readStale(client: CoordinatorClient): Promise<void> {
    const taken = [...this.#stale.values()].slice(0, READS_MAX);
    for (const subject of taken) this.#stale.delete(pathOf(subject));
    await this.#read(client, this.#cluster, taken);
    const topics = taken.flatMap((subject) => ('topic' in subject ? [subject.topic] : []));
    this.#publish(new Set(topics));
  }

  async #read(
    client: CoordinatorClient,
    cluster: ClusterImage,
    subjects: readonly Subject[],
  ): Promise<void> {
    for (let from = 0; from < subjects.length; from += READS_MAX) {
      const batch = subjects.slice(from, from + READS_MAX);
      const { results } = await client.multiRead(batch.map((each) => readData(pathOf(each))));
      // What another session read is older than what this one may have seen.
      if (client !== this.#session.client) return;
      for (const [at, subject] of batch.entries()) this.#learn(cluster, subject, results[at]);
    }
  }

  #learn(
    cluster: ClusterImage,
    subject: Subject,
    result: Awaited<ReturnType<CoordinatorClient['multiRead']>>['results'][number] | undefined,
  ): void {
    try {
      if (result?.type === Op.getData) {
        const { czxid, version } = result.stat;
        cluster.learn(subject, { data: result.data, czxid, version });
      } else {
        const gone = result?.type === Op.error && result.err === ErrorCode.NoNode;
        if (!gone) this.#refused(pathOf(subject), `it cannot be read: ${JSON.stringify(result)}`);
        // Settings that are there must not count as none.
        cluster.learn(subject, gone || subject.kind !== 'settings' ? undefined : UNREADABLE);
      }
    } catch (error) {
      if (!(error instanceof ZnodeError)) throw error;
      this.#refused(pathOf(subject), error.message);
    }
  }

  #refused(path: string, reason: string): void {
    this.#events.emit({ ev: 'znodeRefused', path, reason });
  }

  #publish(touched: ReadonlySet<string> | 'all'): void {
    const next = nextImage(this.#image, this.#cluster, touched, this.#onlooker);
    if (next === undefined) return;
    this.#image = next.image;
    for (const listener of [...this.#listeners]) listener(next.change);
  }
}
