// Notices when a broker that may have lost records has caught up with everybody: only then may a later start of it
// forget the loss. It has when each of its partitions has taken it into the ISR under a registration of this life.
import type { LossMark } from '../log/loss-mark.ts';
import type { ReplicaContext } from './context.ts';

export class CatchUp {
  readonly #context: ReplicaContext;
  readonly #loss: LossMark;
  /** Registrations ascend: those from this one on are of this life. */
  #firstEpoch: number | undefined;

  constructor(context: ReplicaContext, loss: LossMark) {
    this.#context = context;
    this.#loss = loss;
  }

  /** Looks at the metadata's image, after each change of it. */
  look(): void {
    if (!this.#loss.lossy) return;
    const { brokerEpoch, onFatal } = this.#context;
    if (brokerEpoch() >= 0) this.#firstEpoch ??= brokerEpoch();
    if (this.#firstEpoch === undefined || !this.#isMemberOfAll(this.#firstEpoch)) return;
    try {
      this.#loss.caughtUp();
    } catch (error) {
      onFatal(error as Error);
    }
  }

  /**
   * That it is in no ISR is not enough: a leader that has not heard of its new registration may still take it
   * in for what it fetched before the stop.
   */
  #isMemberOfAll(firstEpoch: number): boolean {
    const { brokerId, metadata } = this.#context;
    for (const { partitions, deleting } of metadata.image.topics.values()) {
      if (deleting) continue;
      for (const { replicas, state } of partitions) {
        if (!replicas.includes(brokerId)) continue;
        if (state === undefined || !state.isr.includes(brokerId)) return false;
        if ((state.brokerEpochs?.[brokerId] ?? -1) < firstEpoch) return false;
      }
    }
    return true;
  }
}
