// Runs many configurations on all cores, a worker process each. A run that hangs is killed, counted and
// named; a part of all runs is done twice, in two fresh processes, and must leave the same trace.
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunConfig } from '../../history/run-record.ts';
import { type Difference, differenceOf } from './difference.ts';
import type { SeedResult } from './seed.ts';
import { Worker } from './worker-process.ts';

/** How one configuration ended. */
export type PoolResult =
  | { kind: 'done'; config: RunConfig; result: SeedResult }
  /** Killed after its time, or the worker died. */
  | { kind: 'lost'; config: RunConfig; why: string }
  /** It ran on other code than the runs before it: the sources were edited meanwhile. */
  | { kind: 'changed'; config: RunConfig; why: string }
  /** Two runs of one configuration left different traces. */
  | {
      kind: 'nondeterministic';
      config: RunConfig;
      traces: [string, string];
      difference: Difference;
    };

/** A run that a worker is at. */
export interface RunningSeed {
  config: RunConfig;
  /** By `performance.now()`. */
  startedMs: number;
  /** Run again, to be compared. */
  again: boolean;
}

export interface PoolOptions {
  jobs?: number;
  /** Share of runs that are done twice; default 0.05. */
  twice?: number;
  onResult(result: PoolResult): void;
  /** Told of what all workers do, by worker, whenever one begins something else. */
  onRunning?(running: readonly (RunningSeed | undefined)[]): void;
  /** Ends the pool early. */
  signal?: AbortSignal;
  /** The workers' entry point; another one in tests. */
  entry?: string;
}

export const CHANGED =
  'the sources changed while seeds ran: their results cannot be put together; leave the sources ' +
  'alone, or work in another checkout, and run the seeds again';

class Pool {
  readonly #options: PoolOptions;
  readonly #queue: Iterator<RunConfig>;
  readonly #every: number;
  // A worker that is killed cannot tidy up after itself.
  readonly #tmp = mkdtempSync(join(tmpdir(), 'chaos-swarm-'));
  readonly #workers = new Set<Worker>();
  readonly #running: (RunningSeed | undefined)[];
  /** The code that ran, by mutant: the parts of every system that did. */
  readonly #programs = new Map<string, SeedResult['programs']>();
  #started = 0;

  constructor(configs: Iterable<RunConfig>, jobs: number, options: PoolOptions) {
    const { twice = 0.05 } = options;
    this.#options = options;
    this.#queue = configs[Symbol.iterator]();
    this.#every = twice > 0 ? Math.round(1 / twice) : 0;
    this.#running = Array.from({ length: jobs }, () => undefined);
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    const stopAll = () => {
      for (const worker of this.#workers) worker.stop();
    };
    signal?.addEventListener('abort', stopAll, { once: true });
    try {
      await Promise.all(this.#running.map((_, slot) => this.#work(slot)));
    } finally {
      signal?.removeEventListener('abort', stopAll);
      stopAll();
      rmSync(this.#tmp, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    }
  }

  get #stopped(): boolean {
    return this.#options.signal?.aborted === true;
  }

  async #work(slot: number): Promise<void> {
    const worker = this.#worker();
    while (!this.#stopped) {
      const next = this.#queue.next();
      if (next.done === true) break;
      const twice = this.#every > 0 && this.#started++ % this.#every === 0;
      const outcome = await (twice
        ? this.#twice(slot, next.value)
        : this.#once(slot, next.value, worker));
      if (!this.#stopped) this.#options.onResult(outcome);
    }
    this.#show(slot, undefined);
    worker.stop();
  }

  #worker(): Worker {
    const { entry } = this.#options;
    const worker = new Worker({ tmp: this.#tmp, ...(entry === undefined ? {} : { entry }) });
    this.#workers.add(worker);
    return worker;
  }

  #show(slot: number, running: RunningSeed | undefined): void {
    this.#running[slot] = running;
    this.#options.onRunning?.(this.#running);
  }

  async #once(slot: number, config: RunConfig, worker: Worker, again = false): Promise<PoolResult> {
    this.#show(slot, { config, startedMs: performance.now(), again });
    const answer = await worker.ask({ config });
    if ('lost' in answer) return { kind: 'lost', config, why: answer.lost };
    return this.#sameCode(config, answer.result);
  }

  /** Runs of different systems have some parts in common; a part is the same wherever it runs. */
  #sameCode(config: RunConfig, result: SeedResult): PoolResult {
    const key = config.mutant ?? '';
    const known = this.#programs.get(key) ?? {};
    const ran = Object.entries(result.programs);
    const same = ran.every(([part, hash]) => (known[part] ?? hash) === hash);
    if (same) this.#programs.set(key, { ...known, ...result.programs });
    return same ? { kind: 'done', config, result } : { kind: 'changed', config, why: CHANGED };
  }

  /** Both in processes that have run nothing before: what a first run leaves behind would hide there. */
  async #twice(slot: number, config: RunConfig): Promise<PoolResult> {
    const fresh = async <T>(use: (worker: Worker) => Promise<T>): Promise<T> => {
      const worker = this.#worker();
      try {
        return await use(worker);
      } finally {
        worker.stop();
        this.#workers.delete(worker);
      }
    };
    const first = await fresh((worker) => this.#once(slot, config, worker));
    if (first.kind !== 'done' || this.#stopped) return first;
    const second = await fresh((worker) => this.#once(slot, config, worker, true));
    if (second.kind !== 'done') return second;
    const traces: [string, string] = [first.result.trace, second.result.trace];
    if (traces[0] === traces[1] || this.#stopped) return first;
    const ask: Parameters<typeof differenceOf>[1] = (trace) =>
      fresh((worker) => worker.ask({ config, trace }));
    return {
      kind: 'nondeterministic',
      config,
      traces,
      difference: await differenceOf(traces, ask),
    };
  }
}

/** Runs every configuration; resolves when all are done or the signal is given. */
export async function runPool(configs: Iterable<RunConfig>, options: PoolOptions): Promise<void> {
  await new Pool(configs, options.jobs ?? availableParallelism(), options).run();
}
