// What a leader does to the states of its partitions: it changes the ISR, by compare-and-set, and it reads
// them anew when it does not know whether it did. Who is eligible besides the ISR is worked out here.
import {
  type CoordinatorClient,
  CoordinatorError,
  type MultiOp,
  Op,
} from '../../coordinator/client/index.ts';
import {
  MetadataError,
  type PartitionState,
  partitionKey,
  type TopicPartition,
} from '../contract.ts';
import type { ImageKeeper } from './keeper.ts';
import { statePath, topicIdPath } from './paths.ts';
import type { StoredStates } from './stored-states.ts';
import { type ReplicationDefaults, replicationOf } from './topic-settings.ts';
import { readState, type StateToStore, type StoredState, writeState } from './znodes.ts';

const ANY_VERSION = -1;

/** Whether the topic that a write is meant for is still there: a check for a multi. */
export function topicStands(topicId: string): MultiOp {
  return { type: Op.check, path: topicIdPath(topicId), version: ANY_VERSION };
}

/** Replaces a state of that version: an operation for a multi. */
export function replaceState(of: TopicPartition, state: StateToStore, version: number): MultiOp {
  const path = statePath(of.topic, of.partition);
  return { type: Op.setData, path, data: writeState(state), version };
}

/**
 * Who, besides a new ISR, has everything that was committed. While the ISR is smaller than
 * min.insync.replicas nothing more is committed, so whoever leaves it, or was eligible before, still has all.
 */
export function eligibleBeside(
  isr: readonly number[],
  before: Pick<StoredState, 'isr' | 'eligible'>,
  minInsyncReplicas: number,
): number[] {
  if (isr.length >= minInsyncReplicas) return [];
  return [...new Set([...before.isr, ...before.eligible])].filter((id) => !isr.includes(id));
}

const isStored = (state: PartitionState): state is StoredState => 'brokerEpochs' in state;

export interface StatesOptions {
  readonly keeper: ImageKeeper;
  readonly stored: StoredStates;
  readonly defaults: ReplicationDefaults;
}

export class PartitionStates {
  readonly #options: StatesOptions;

  constructor(options: StatesOptions) {
    this.#options = options;
  }

  /** See Metadata.changeIsr. */
  async changeIsr(
    client: CoordinatorClient,
    of: TopicPartition,
    expected: PartitionState,
    isr: readonly number[],
  ): Promise<StoredState | undefined> {
    if (!isr.includes(expected.leader) || new Set(isr).size < isr.length) {
      throw new Error(`expected an ISR with its leader ${expected.leader}, got ${isr.join(', ')}`);
    }
    const { keeper, stored, defaults } = this.#options;
    const { image } = keeper;
    // Before anything is awaited: what the leader judged by must be what is written.
    const epochs = new Map([...image.brokers].map(([id, { epoch }]) => [id, epoch]));
    const settings = image.topics.get(of.topic)?.settings ?? {};
    const before = isStored(expected) ? expected : await this.readState(client, of);
    if (before === undefined || before.version !== expected.version) return undefined;
    const { minInsyncReplicas } = replicationOf(settings, defaults);
    const eligible = eligibleBeside(isr, before, minInsyncReplicas);
    const brokerEpochs: Record<number, number> = {};
    for (const id of [...isr, ...eligible]) {
      const known = joins(id, isr, before) ? epochs.get(id) : before.brokerEpochs[id];
      if (known === undefined) {
        const message = `${partitionKey(of)}: broker ${id} is not registered, it cannot join the ISR`;
        throw new MetadataError('INELIGIBLE_REPLICA', message);
      }
      brokerEpochs[id] = known;
    }
    const next: StateToStore = { ...before, isr: [...isr], eligible, brokerEpochs };
    const after = { ...next, version: before.version + 1 };
    try {
      if (!(await this.#store(client, of, next, before.version))) return undefined;
    } catch (error) {
      stored.unknown(of, after, 'leader');
      throw error;
    }
    stored.told(of, after, 'leader');
    stored.flush();
    return after;
  }

  /** False when somebody was there before, or the topic is gone. */
  async #store(
    client: CoordinatorClient,
    of: TopicPartition,
    state: StateToStore,
    version: number,
  ): Promise<boolean> {
    try {
      await client.multi([topicStands(state.topicId), replaceState(of, state, version)]);
      return true;
    } catch (error) {
      if (!(error instanceof CoordinatorError)) throw error;
      if (error.name === 'BadVersion' || error.name === 'NoNode') return false;
      throw error;
    }
  }

  /** See Metadata.readState; undefined also when it is another topic's of the same name. */
  async readState(client: CoordinatorClient, of: TopicPartition): Promise<StoredState | undefined> {
    const path = statePath(of.topic, of.partition);
    await client.sync(path);
    try {
      const { data, stat } = await client.getData(path);
      const state = readState(data, stat.version);
      this.#options.stored.saw(of, state);
      const topic = this.#options.keeper.image.topics.get(of.topic);
      return topic === undefined || topic.id === state.topicId ? state : undefined;
    } catch (error) {
      if (error instanceof CoordinatorError && error.name === 'NoNode') return undefined;
      throw error;
    }
  }
}

/** Whoever joins does so by what it caught up with under its present registration. */
function joins(id: number, isr: readonly number[], before: StoredState): boolean {
  return isr.includes(id) && !before.isr.includes(id);
}
