// What handlers need to know of the broker's configuration, and how topics come into being by themselves. It is
// apart from the file's reader, so that a test can give it directly.
import {
  type Metadata,
  MetadataError,
  type MetadataImage,
  OFFSETS_TOPIC,
  type TopicInfo,
} from '../contract.ts';

export interface TopicDefaults {
  /** `num.partitions` */
  readonly partitions: number;
  /** `default.replication.factor` */
  readonly replicationFactor: number;
  /** `auto.create.topics.enable` */
  readonly autoCreate: boolean;
  /** `offsets.topic.num.partitions` */
  readonly offsetsPartitions: number;
  /** `offsets.topic.replication.factor` */
  readonly offsetsReplicationFactor: number;
  /** Settings of the offsets topic; its records must never age away. */
  readonly offsetsSettings: Readonly<Record<string, string>>;
}

/** Topics that are made because somebody asked for them. */
export class AutoTopics {
  readonly #metadata: Metadata;
  readonly #defaults: TopicDefaults;
  /** Being made: those who ask meanwhile wait for the same. */
  readonly #making = new Map<string, Promise<TopicInfo>>();

  constructor(metadata: Metadata, defaults: TopicDefaults) {
    this.#metadata = metadata;
    this.#defaults = defaults;
  }

  get enabled(): boolean {
    return this.#defaults.autoCreate;
  }

  /** Makes a topic with the defaults. Rejects as Metadata.createTopic does. */
  create(name: string): Promise<TopicInfo> {
    const making = this.#making.get(name);
    if (making !== undefined) return making;
    const { partitions, replicationFactor, offsetsSettings } = this.#defaults;
    const internal = name === OFFSETS_TOPIC;
    const placement = internal
      ? {
          partitions: this.#defaults.offsetsPartitions,
          replicationFactor: this.#defaults.offsetsReplicationFactor,
        }
      : { partitions, replicationFactor };
    const settings = internal ? offsetsSettings : {};
    const made = this.#metadata.createTopic({ name, placement, settings });
    this.#making.set(name, made);
    const over = (): void => void this.#making.delete(name);
    made.then(over, over);
    return made;
  }

  /** The same, where it does not matter who made it. Rejects as Metadata.createTopic does. */
  async ensure(name: string): Promise<void> {
    try {
      await this.create(name);
    } catch (error) {
      if (error instanceof MetadataError && error.error === 'TOPIC_ALREADY_EXISTS') return;
      throw error;
    }
  }
}

/**
 * Waits until the image satisfies `holds`, at most `timeoutMs`. False: it did not in time.
 */
export function imageShows(
  metadata: Metadata,
  holds: (image: MetadataImage) => boolean,
  timeoutMs: number,
): Promise<boolean> {
  if (holds(metadata.image)) return Promise.resolve(true);
  return new Promise((resolve) => {
    const end = (outcome: boolean): void => {
      clearTimeout(timer);
      unsubscribe();
      resolve(outcome);
    };
    const timer = setTimeout(() => end(false), timeoutMs);
    const unsubscribe = metadata.subscribe(() => {
      if (holds(metadata.image)) end(true);
    });
  });
}
