// Tries configurations side by side and takes the first, in their order, that does what is looked for.
// Its workers stay up between the questions of a shrinker, which asks hundreds of short ones.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunConfig } from '../../history/run-record.ts';
import type { SeedResult } from './seed.ts';
import { Worker } from './worker-process.ts';

/** How a configuration's run ended. */
export type Trial =
  | { kind: 'done'; config: RunConfig; result: SeedResult }
  /** It ran away and was killed, or its worker died. */
  | { kind: 'lost'; config: RunConfig; why: string };

/** A configuration that did what was looked for, with how it ended. */
export interface Hit {
  config: RunConfig;
  outcome: Trial;
}

/** Runs one more configuration, beside the others. */
export type Run = (config: RunConfig) => Promise<Trial>;

export class Trials {
  readonly #workers: Worker[];
  readonly #tmp: string;
  readonly #signal: AbortSignal;
  /** Runs begun since the start. */
  runs = 0;

  /** `jobs` worker processes; after `signal` nothing is found any more. Close it when done. */
  constructor(jobs: number, signal: AbortSignal) {
    this.#tmp = mkdtempSync(join(tmpdir(), 'chaos-trials-'));
    this.#workers = Array.from({ length: jobs }, () => new Worker({ tmp: this.#tmp }));
    this.#signal = signal;
    signal.addEventListener('abort', this.#stop, { once: true });
  }

  /**
   * The first configuration, in the order given, whose run `fits`; what comes after it may not have
   * been run. The answer does not depend on how many workers there are or how fast they were.
   */
  async first(
    configs: readonly RunConfig[],
    fits: (outcome: Trial, run: Run) => boolean | Promise<boolean>,
  ): Promise<Hit | undefined> {
    let next = 0;
    let found: { at: number; outcome: Trial } | undefined;
    const work = async (worker: Worker): Promise<void> => {
      const run: Run = async (config) => {
        this.runs += 1;
        const answer = await worker.ask({ config });
        if ('lost' in answer) return { kind: 'lost', config, why: answer.lost };
        return { kind: 'done', config, result: answer.result };
      };
      while (!this.#signal.aborted && next < Math.min(configs.length, found?.at ?? Infinity)) {
        const at = next++;
        const outcome = await run(configs[at] as RunConfig);
        if (this.#signal.aborted) return;
        if ((await fits(outcome, run)) && at < (found?.at ?? Infinity)) found = { at, outcome };
      }
    };
    await Promise.all(this.#workers.map(work));
    if (found === undefined || this.#signal.aborted) return undefined;
    return { config: configs[found.at] as RunConfig, outcome: found.outcome };
  }

  /** Runs all of them; results in the order given, fewer when the signal was given. */
  async all(configs: readonly RunConfig[]): Promise<Trial[]> {
    const results = new Map<RunConfig, Trial>();
    await this.first(configs, (outcome) => {
      results.set(outcome.config, outcome);
      return false;
    });
    return configs.flatMap((config) => results.get(config) ?? []);
  }

  readonly #stop = (): void => {
    for (const worker of this.#workers) worker.stop();
  };

  close(): void {
    this.#signal.removeEventListener('abort', this.#stop);
    this.#stop();
    rmSync(this.#tmp, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}
