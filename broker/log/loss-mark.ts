// Remembers, for a broker's folder of logs, whether they count what is not durable, and whether such records may
// have been lost since. Who may have lost some must not be elected before it has caught up (KIP-966), and that
// holds over every restart until then, with whatever settings.
import path from 'node:path';
import { replaceFile } from '../../wire/durable-files.ts';
import { encodeCheckpoint, readCheckpoint } from './checkpoint.ts';
import { CorruptLogError } from './errors.ts';

export const LOSS_MARK_NAME = '.unsynced-appends';

interface LossState {
  /** A log here counts, or counted since the last orderly stop, what is not durable. */
  readonly counting: boolean;
  /** It did when this broker stopped otherwise, and the broker has not caught up since. */
  readonly lossy: boolean;
}

export class LossMark {
  readonly #file: string;
  #state: LossState;

  /**
   * Reads the mark in `dir` at a start; `clean`: the stop before was in order. What it says from here on is
   * durable when it returns. A damaged mark is taken for the worst.
   */
  static load(dir: string, clean: boolean): LossMark {
    const file = path.join(dir, LOSS_MARK_NAME);
    const before = read(file);
    const mark = new LossMark(file, before);
    mark.#become({ counting: false, lossy: before.lossy || (before.counting && !clean) });
    return mark;
  }

  private constructor(file: string, state: LossState) {
    this.#file = file;
    this.#state = state;
  }

  /** Records that counted may be gone, and this broker has not caught up since. */
  get lossy(): boolean {
    return this.#state.lossy;
  }

  /** From now on a log counts what is not durable; to be told before it does. Throws what the disk throws. */
  counting(): void {
    this.#become({ ...this.#state, counting: true });
  }

  /** This broker has caught up with every leader. Throws what the disk throws. */
  caughtUp(): void {
    this.#become({ ...this.#state, lossy: false });
  }

  #become(state: LossState): void {
    const { counting, lossy } = this.#state;
    if (state.counting === counting && state.lossy === lossy) return;
    replaceFile(this.#file, encodeCheckpoint([[Number(state.counting), Number(state.lossy)]]));
    this.#state = state;
  }
}

function read(file: string): LossState {
  try {
    const [counting = 0, lossy = 0] = readCheckpoint(file)?.[0] ?? [];
    return { counting: counting === 1, lossy: lossy === 1 };
  } catch (error) {
    if (!(error instanceof CorruptLogError)) throw error;
    return { counting: true, lossy: true };
  }
}
