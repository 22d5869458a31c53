// A broker's door to the cluster's metadata: one session with the coordinator, its registration, the image
// that is kept up to date, and the ways to change what it shows. The controller stands on it too.
import { CoordinatorError } from '../../coordinator/client/index.ts';
import type {
  BrokerInfo,
  EventSink,
  Metadata,
  MetadataChange,
  MetadataImage,
  NewTopic,
  PartitionState,
  TopicInfo,
  TopicPartition,
} from '../contract.ts';
import { MetadataError } from '../contract.ts';
import { Admin } from './admin.ts';
import { ImageKeeper } from './keeper.ts';
import { Registration } from './registration.ts';
import { CoordinatorSession, type SessionOptions } from './session.ts';
import { PartitionStates } from './states.ts';
import { StoredStates } from './stored-states.ts';
import type { ReplicationDefaults } from './topic-settings.ts';

export interface MetadataOptions extends SessionOptions {
  readonly broker: Omit<BrokerInfo, 'epoch'>;
  readonly events: EventSink;
  /** The broker's own settings, where a topic has none. They must be the same on all brokers. */
  readonly defaults: ReplicationDefaults;
  /** From 0 to below 1, for placement. Default Math.random. */
  readonly random?: () => number;
  /** Partitions that one topic may have. Default 1000. */
  readonly partitionsMax?: number;
  /** Longest wait for another session's registration before it is said and looked at again, ms. */
  readonly registrationWaitMs?: number;
  /** Longest time until the broker is registered and knows the metadata, ms. Default 60,000. */
  readonly startTimeoutMs?: number;
  /** Longest wait of deleteTopic for the topic to be gone, ms. Default 10,000. */
  readonly deletionWaitMs?: number;
}

const PARTITIONS_MAX = 1000;
const REGISTRATION_WAIT_MS = 10_000;
const START_TIMEOUT_MS = 60_000;
const DELETION_WAIT_MS = 10_000;

export class ClusterMetadata implements Metadata {
  readonly session: CoordinatorSession;
  readonly registration: Registration;
  readonly keeper: ImageKeeper;
  readonly stored: StoredStates;
  readonly brokerId: number;
  readonly events: EventSink;
  readonly defaults: ReplicationDefaults;
  readonly #options: MetadataOptions;
  readonly #admin: Admin;
  readonly #states: PartitionStates;
  readonly #registered = new Set<(epoch: number | undefined) => void>();

  constructor(options: MetadataOptions) {
    const { broker, events, defaults } = options;
    this.#options = options;
    this.brokerId = broker.id;
    this.events = events;
    this.defaults = defaults;
    this.session = new CoordinatorSession(options, events);
    this.keeper = new ImageKeeper(this.session, events, broker.id);
    this.registration = new Registration({
      session: this.session,
      broker,
      events,
      waitMs: options.registrationWaitMs ?? REGISTRATION_WAIT_MS,
      onChange: (epoch) => {
        this.keeper.registeredAs(epoch);
        for (const each of [...this.#registered]) each(epoch);
      },
    });
    this.#admin = new Admin({
      keeper: this.keeper,
      brokerId: broker.id,
      random: options.random ?? Math.random,
      partitionsMax: options.partitionsMax ?? PARTITIONS_MAX,
    });
    this.stored = new StoredStates(events, this.keeper);
    this.#states = new PartitionStates({ keeper: this.keeper, stored: this.stored, defaults });
  }

  get image(): MetadataImage {
    return this.keeper.image;
  }

  /** Told the epoch of the registration that stands, or undefined when its session has ended. */
  onRegistration(listener: (epoch: number | undefined) => void): void {
    this.#registered.add(listener);
  }

  /** Resolves once the broker is registered and its image is complete; rejects after `startTimeoutMs`. */
  async start(): Promise<void> {
    const { startTimeoutMs = START_TIMEOUT_MS, broker } = this.#options;
    let done: (epoch: number | undefined) => void = () => undefined;
    const standing = new Promise<void>((resolve) => {
      done = (epoch) => (epoch === undefined ? undefined : resolve());
    });
    this.#registered.add(done);
    const ready = this.#ready(standing);
    const what =
      `broker ${broker.id} could not register within ${startTimeoutMs} ms: either the coordinator ` +
      'does not answer, or another broker has this id';
    const late = new MetadataError('DUPLICATE_BROKER_REGISTRATION', what);
    try {
      await within(ready, startTimeoutMs, late);
    } finally {
      this.#registered.delete(done);
    }
  }

  async #ready(standing: Promise<void>): Promise<void> {
    await this.session.open();
    await Promise.all([standing, this.#firstImage()]);
  }

  /** A coordinator may go away while it is asked: that is a reason to ask again, not to give up. */
  async #firstImage(): Promise<void> {
    for (;;) {
      try {
        return await this.keeper.refresh();
      } catch (error) {
        if (!(error instanceof CoordinatorError) || this.session.closed) throw error;
        await this.session.pause();
      }
    }
  }

  /** What the registration says of this broker has changed. */
  announce(): void {
    this.registration.announce();
  }

  subscribe(listener: (change: MetadataChange) => void): () => void {
    return this.keeper.subscribe(listener);
  }

  changeIsr(
    of: TopicPartition,
    expected: PartitionState,
    isr: readonly number[],
  ): Promise<PartitionState | undefined> {
    return this.#states.changeIsr(this.session.client, of, expected, isr);
  }

  readState(of: TopicPartition): Promise<PartitionState | undefined> {
    return this.#states.readState(this.session.client, of);
  }

  createTopic(topic: NewTopic, validateOnly = false): Promise<TopicInfo> {
    return this.#admin.createTopic(this.session.client, topic, validateOnly);
  }

  /** Resolves when the topic is gone; REQUEST_TIMED_OUT when it is marked and the deletion goes on. */
  async deleteTopic(name: string): Promise<void> {
    await this.keeper.refresh();
    const id = this.image.topics.get(name)?.id;
    await this.#admin.deleteTopic(this.session.client, name);
    let look: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => {
      look = () => (this.image.topics.get(name)?.id === id ? undefined : resolve());
    });
    const unsubscribe = this.subscribe(() => look());
    look();
    const { deletionWaitMs = DELETION_WAIT_MS } = this.#options;
    const message = `topic '${name}' is marked and not yet gone after ${deletionWaitMs} ms`;
    const late = new MetadataError('REQUEST_TIMED_OUT', message);
    try {
      await within(gone, deletionWaitMs, late);
    } finally {
      unsubscribe();
    }
  }

  createPartitions(name: string, total: number, validateOnly = false): Promise<void> {
    return this.#admin.createPartitions(this.session.client, name, total, validateOnly);
  }

  producerIds(count: number): Promise<number> {
    return this.#admin.producerIds(this.session.client, count);
  }

  /** Ends the session: the registration vanishes, and with it the controller's node if it was this one. */
  async close(): Promise<void> {
    await this.session.close();
    this.registration.close();
    this.keeper.close();
  }
}

async function within<T>(promise: Promise<T>, timeoutMs: number, late: Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
