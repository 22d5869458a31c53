// The brokers' metadata for tests: the znodes as one image in memory, changed by a test in the place of a
// controller. So a test decides what is elected, when, and what a broker may be told of it.
import {
  type BrokerInfo,
  type MetadataImage,
  NO_LEADER,
  type PartitionInfo,
  type PartitionState,
  type TopicInfo,
  type TopicPartition,
} from '../contract.ts';

/** Sees the store, as it is or as it was. */
export interface StoreView {
  /** The store holds another image. */
  catchUp(): void;
}

/** The znodes: one truth, of which each broker has its own view. */
export class TestStore {
  image: MetadataImage = { brokers: new Map(), topics: new Map(), controller: undefined };
  readonly views = new Set<StoreView>();
  /** Told every state before anybody sees it. */
  readonly onStored: (
    of: TopicPartition,
    state: PartitionState,
    by: 'controller' | 'leader',
  ) => void;
  #epochs = 100;

  constructor(onStored: TestStore['onStored'] = () => undefined) {
    this.onStored = onStored;
  }

  change(topics: readonly TopicInfo[], brokers?: ReadonlyMap<number, BrokerInfo>): void {
    const all = new Map(this.image.topics);
    for (const topic of topics) all.set(topic.name, topic);
    this.#publish({ ...this.image, topics: all, ...(brokers === undefined ? {} : { brokers }) });
  }

  #publish(image: MetadataImage): void {
    this.image = image;
    for (const view of this.views) view.catchUp();
  }

  register(id: number, lossy = false): number {
    this.#epochs += 1;
    const brokers = new Map(this.image.brokers);
    brokers.set(id, { id, epoch: this.#epochs, endpoints: {}, lossy });
    this.change([], brokers);
    return this.#epochs;
  }

  createTopic(
    name: string,
    replicas: readonly (readonly number[])[],
    settings: Record<string, string> = {},
  ): void {
    this.#epochs += 1;
    const id = this.#epochs.toString(16).padStart(32, '0');
    const partitions = replicas.map((ids, partition): PartitionInfo => {
      const [leader = NO_LEADER] = ids;
      const brokerEpochs = this.#epochsOf(ids);
      const first = { leader, leaderEpoch: 0, isr: ids, brokerEpochs };
      const state = { ...first, controllerEpoch: 1, version: 0 };
      this.onStored({ topic: name, partition }, state, 'controller');
      return { replicas: ids, state };
    });
    this.change([{ name, id, partitions, settings, deleting: false }]);
  }

  #epochsOf(ids: readonly number[]): Record<number, number> {
    return Object.fromEntries(ids.map((id) => [id, this.image.brokers.get(id)?.epoch ?? 0]));
  }

  deleteTopic(name: string): void {
    const topics = new Map(this.image.topics);
    topics.delete(name);
    this.#publish({ ...this.image, topics });
  }

  stateOf({ topic, partition }: TopicPartition): PartitionState | undefined {
    return this.image.topics.get(topic)?.partitions[partition]?.state;
  }

  /** As a controller does: another leader (or none), under the next epoch. */
  elect(of: TopicPartition, leader: number, isr?: readonly number[]): void {
    const state = this.stateOf(of) as PartitionState;
    const { leaderEpoch, version } = state;
    const brokerEpochs = { ...state.brokerEpochs, ...this.#epochsOf([leader]) };
    const next = { leader, leaderEpoch: leaderEpoch + 1, brokerEpochs, version: version + 1 };
    this.setState(of, { ...state, ...next, isr: isr ?? state.isr });
  }

  setState(
    { topic: name, partition }: TopicPartition,
    state: PartitionState,
    by: 'controller' | 'leader' = 'controller',
  ): void {
    this.onStored({ topic: name, partition }, state, by);
    const topic = this.image.topics.get(name) as TopicInfo;
    const partitions = topic.partitions.map((each, i) => {
      return i === partition ? { ...each, state } : each;
    });
    this.change([{ ...topic, partitions }]);
  }

  setReplicas({ topic: name, partition }: TopicPartition, replicas: readonly number[]): void {
    const topic = this.image.topics.get(name) as TopicInfo;
    const partitions = topic.partitions.map((each, i) => {
      return i === partition ? { ...each, replicas } : each;
    });
    this.change([{ ...topic, partitions }]);
  }
}
