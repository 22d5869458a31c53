// Says which states this broker stored. When the reply to a write never came, nobody knows, until the state
// is seen: then it is said as well, so that the record does not lack the cause of what others saw.
import { type EventSink, partitionKey, type TopicPartition } from '../contract.ts';
import type { ImageKeeper } from './keeper.ts';
import { type StoredState, writeState } from './znodes.ts';

export type Writer = 'controller' | 'leader';

interface Unknown {
  readonly of: TopicPartition;
  readonly state: StoredState;
  readonly by: Writer;
  readonly unclean: boolean;
}

export class StoredStates {
  readonly #events: EventSink;
  /** By partition, the writes of which nobody knows. Bounded by the partitions there are. */
  readonly #unknown = new Map<string, Unknown>();

  constructor(events: EventSink, keeper: ImageKeeper) {
    this.#events = events;
    keeper.subscribe(({ topics }) => {
      if (this.#unknown.size === 0) return;
      for (const { of } of [...this.#unknown.values()]) {
        if (topics.has(of.topic)) this.saw(of, keeper.topic(of.topic)?.states[of.partition]);
      }
    });
  }

  /** It was stored. `flush` has to follow. */
  told(
    of: TopicPartition,
    state: StoredState,
    by: Writer,
    { unclean, inferred }: { unclean?: true; inferred?: true } = {},
  ): void {
    const { leader, leaderEpoch, isr, eligible, controllerEpoch, version } = state;
    const tp = partitionKey(of);
    this.#unknown.delete(tp);
    this.#events.emit({
      ev: 'stateStored',
      tp,
      by,
      leader,
      leaderEpoch,
      isr: [...isr],
      ...(eligible.length > 0 ? { elr: [...eligible] } : {}),
      controllerEpoch,
      version,
      ...(unclean ? { unclean } : {}),
      ...(inferred ? { inferred } : {}),
    });
  }

  flush(): void {
    this.#events.flush();
  }

  /** Nobody knows whether it was stored. */
  unknown(
    of: TopicPartition,
    state: StoredState,
    by: Writer,
    { unclean = false }: { unclean?: boolean } = {},
  ): void {
    this.#unknown.set(partitionKey(of), { of, state, by, unclean });
  }

  /** What stands there now; said if it is what this broker meant to write. */
  saw(of: TopicPartition, state: StoredState | 'damaged' | undefined): void {
    const open = this.#unknown.get(partitionKey(of));
    if (open === undefined || typeof state !== 'object') return;
    if (state.version < open.state.version && state.topicId === open.state.topicId) return;
    this.#unknown.delete(partitionKey(of));
    if (state.version !== open.state.version) return;
    if (!writeState(state).equals(writeState(open.state))) return;
    const how = open.unclean ? ({ unclean: true } as const) : {};
    this.told(of, state, open.by, { ...how, inferred: true });
    this.flush();
  }
}
