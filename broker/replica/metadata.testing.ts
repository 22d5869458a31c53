// One broker's door to the test's store of metadata: behind, deaf, without a session, or losing what it
// writes, as the test wants it. These are the ways in which a broker can be wrong about the others.
import {
  type Metadata,
  type MetadataChange,
  type MetadataImage,
  NO_LEADER,
  type PartitionInfo,
  type PartitionState,
  type TopicInfo,
  type TopicPartition,
} from '../contract.ts';
import type { StoreView, TestStore } from './store.testing.ts';

/** What happens to a broker's write of an ISR. */
export type WriteFate = 'written' | 'lost' | 'written, unanswered' | 'kept waiting';

/** One broker's door to the store. */
export class TestMetadata implements Metadata, StoreView {
  image: MetadataImage;
  fate: WriteFate = 'written';
  /** Reads are not answered. */
  deaf = false;
  readonly #store: TestStore;
  readonly #brokerId: number;
  #behind = false;
  #registered = true;
  /** What the store was when this view of it was made. */
  #seenFrom: MetadataImage;
  #waiting: (() => void)[] = [];
  readonly #listeners = new Set<(change: MetadataChange) => void>();

  constructor(store: TestStore, brokerId: number) {
    this.#store = store;
    this.#brokerId = brokerId;
    this.image = store.image;
    this.#seenFrom = store.image;
    store.views.add(this);
  }

  /** While it is behind, its image stays as it is. */
  set behind(behind: boolean) {
    this.#behind = behind;
    this.catchUp();
  }

  /** While its session is over it sees nothing that it leads, and versions stay as they are. */
  set registered(registered: boolean) {
    if (this.#registered === registered) return;
    this.#registered = registered;
    this.#publish();
  }

  #seen(): MetadataImage {
    const { image } = this.#store;
    if (this.#registered) return image;
    const unled = ({ state, ...rest }: PartitionInfo): PartitionInfo => {
      if (state?.leader !== this.#brokerId) return { ...rest, ...(state && { state }) };
      return { ...rest, state: { ...state, leader: NO_LEADER } };
    };
    const topics = [...image.topics].map(([name, topic]) => {
      return [name, { ...topic, partitions: topic.partitions.map(unled) }] as const;
    });
    return { ...image, topics: new Map(topics) };
  }

  catchUp(): void {
    if (this.#behind || this.#seenFrom === this.#store.image) return;
    this.#publish();
  }

  #publish(): void {
    const before = this.image;
    this.#seenFrom = this.#store.image;
    this.image = this.#seen();
    const names = [...before.topics.keys(), ...this.image.topics.keys()];
    const topics = new Set(
      names.filter((name) => before.topics.get(name) !== this.image.topics.get(name)),
    );
    const brokers = before.brokers !== this.image.brokers;
    for (const listener of this.#listeners) listener({ topics, brokers });
  }

  subscribe(listener: (change: MetadataChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ends the writes that are kept waiting, written. */
  answerWrites(): void {
    for (const write of this.#waiting.splice(0)) write();
  }

  async changeIsr(
    of: TopicPartition,
    expected: PartitionState,
    isr: readonly number[],
  ): Promise<PartitionState | undefined> {
    const epochs = new Map([...this.image.brokers].map(([id, { epoch }]) => [id, epoch]));
    if (this.fate === 'kept waiting') {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    if (this.fate === 'lost') throw new Error('connection lost');
    const stored = this.#store.stateOf(of);
    if (stored?.version !== expected.version) return undefined;
    const joining = isr.filter((id) => !stored.isr.includes(id));
    // As this broker sees them: what it judged by is what it writes.
    const joined = joining.map((id) => [id, epochs.get(id) ?? 0] as const);
    const brokerEpochs = { ...stored.brokerEpochs, ...Object.fromEntries(joined) };
    const state = { ...stored, isr: [...isr], brokerEpochs, version: stored.version + 1 };
    this.#store.setState(of, state, 'leader');
    if (this.fate === 'written, unanswered') throw new Error('connection lost');
    return state;
  }

  async readState(of: TopicPartition): Promise<PartitionState | undefined> {
    await Promise.resolve();
    if (this.deaf) throw new Error('connection lost');
    return this.#store.stateOf(of);
  }

  createTopic(): Promise<TopicInfo> {
    return Promise.reject(new Error('tests create topics in the store'));
  }

  deleteTopic(): Promise<void> {
    return Promise.reject(new Error('tests delete topics in the store'));
  }

  createPartitions(): Promise<void> {
    return Promise.reject(new Error('tests create partitions in the store'));
  }

  producerIds(): Promise<number> {
    return Promise.reject(new Error('replicas need no producer ids'));
  }
}
