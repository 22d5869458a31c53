// One change of a partition's ISR at a time, from the leader's wish to a known outcome. An answer that does not
// come leaves open what is stored, and then both must be counted with until a read, or a write, tells.
import type { PartitionState } from '../contract.ts';
import type { IsrView } from './isr-view.ts';
import type { Replica } from './replica.ts';

const FIRST_PAUSE_MS = 50;
const PAUSE_MS_MAX = 2000;

export class IsrChange {
  readonly #replica: Replica;
  readonly #view: IsrView;
  readonly #stored: (state: PartitionState) => void;
  readonly #ended: () => void;
  #stopped = false;
  #underWay = false;
  #pause: { timer: NodeJS.Timeout; end: () => void } | undefined;

  /** `stored` is told every state that a read or a write showed, `ended` when another change may begin. */
  constructor(
    replica: Replica,
    view: IsrView,
    parts: { stored: (state: PartitionState) => void; ended: () => void },
  ) {
    this.#replica = replica;
    this.#view = view;
    this.#stored = parts.stored;
    this.#ended = parts.ended;
  }

  /** Begins to change the ISR to `isr`, unless a change is under way. */
  begin(isr: readonly number[]): void {
    if (this.#underWay || this.#stopped) return;
    this.#underWay = true;
    const expected = this.#view.stored;
    this.#view.propose(isr);
    void this.#run(expected, isr).finally(() => {
      this.#underWay = false;
      if (!this.#stopped) this.#ended();
    });
  }

  async #run(expected: PartitionState, isr: readonly number[]): Promise<void> {
    if (await this.#write(expected, isr)) return;
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.#stopped && this.#view.isOpen) {
      if (await this.#resolve(expected)) return;
      await this.#wait(pauseMs);
      pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX);
    }
  }

  /** Whether the outcome is known now: it was written. */
  async #write(expected: PartitionState, isr: readonly number[]): Promise<boolean> {
    const { context, of } = this.#replica;
    context.events.flush();
    let written: PartitionState | undefined;
    try {
      written = await context.metadata.changeIsr(of, expected, isr);
    } catch {
      // Whether it was written is found out by reading; the coordinator's client has said why.
      return false;
    }
    if (written !== undefined) this.#stored(written);
    return written !== undefined;
  }

  /**
   * Reads what is stored. If it is still the state from before, the write may yet be under way somewhere:
   * another one against the same version comes before it or fails after it, and settles it either way.
   */
  async #resolve(expected: PartitionState): Promise<boolean> {
    const { context, of } = this.#replica;
    let state: PartitionState | undefined;
    try {
      state = await context.metadata.readState(of);
    } catch {
      // Asked again after a pause, for as long as this broker leads.
      return false;
    }
    if (this.#stopped || !this.#view.isOpen) return true;
    if (state === undefined) return false;
    if (state.version === expected.version) return this.#write(expected, expected.isr);
    this.#stored(state);
    return true;
  }

  #wait(pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#pause = undefined;
        resolve();
      };
      const timer = setTimeout(end, pauseMs);
      this.#pause = { timer, end };
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#pause?.end();
  }
}
