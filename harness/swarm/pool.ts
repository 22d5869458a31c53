// Runs many configurations on all cores, a worker process each. A run that hangs is killed, counted and
// named; a part of all runs is done twice, in two processes, and must leave the same trace.
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunConfig } from '../../history/run-record.ts';
import type { SeedResult } from './seed.ts';

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url));
/** A run of a virtual minute takes some seconds; one that takes this long runs away. */
const RUN_MS_MAX = 180_000;
/** Runs after which a worker is replaced, so that no memory adds up. */
const RUNS_A_WORKER = 40;

/** How one configuration ended. */
export type PoolResult =
  | { kind: 'done'; config: RunConfig; result: SeedResult }
  /** Killed after RUN_MS_MAX, or the worker died. */
  | { kind: 'lost'; config: RunConfig; why: string }
  /** Two runs of one configuration left different traces. */
  | { kind: 'nondeterministic'; config: RunConfig; traces: [string, string] };

export interface PoolOptions {
  jobs?: number;
  /** Share of runs that are done twice; default 0.05. */
  twice?: number;
  onResult(result: PoolResult): void;
  /** Ends the pool early. */
  signal?: AbortSignal;
}

class Worker {
  readonly #tmp: string;
  #child: ChildProcess | undefined;
  #runs = 0;

  /** `tmp`: folder for what its runs write, removed by whoever made it. */
  constructor(tmp: string) {
    this.#tmp = tmp;
  }

  run(config: RunConfig): Promise<PoolResult> {
    const child = this.#take();
    return new Promise((resolve) => {
      const end = (result: PoolResult) => {
        clearTimeout(timer);
        child.off('message', onMessage);
        child.off('exit', onExit);
        if (result.kind === 'lost' || ++this.#runs >= RUNS_A_WORKER) this.stop();
        resolve(result);
      };
      const lost = (why: string) => end({ kind: 'lost', config, why });
      const onMessage = (message: { result?: SeedResult; error?: string }) => {
        if (message.result !== undefined) end({ kind: 'done', config, result: message.result });
        else lost(message.error ?? 'an empty answer');
      };
      const onExit = (code: number | null, signal: string | null) => {
        lost(`the worker ended (${code ?? signal})`);
      };
      const timer = setTimeout(() => lost(`killed after ${RUN_MS_MAX / 1000} s`), RUN_MS_MAX);
      child.on('message', onMessage);
      child.on('exit', onExit);
      child.send(config);
    });
  }

  #take(): ChildProcess {
    if (this.#child === undefined || this.#child.exitCode !== null) {
      this.#runs = 0;
      this.#child = fork(WORKER, {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        env: { ...process.env, TMPDIR: this.#tmp },
      });
    }
    return this.#child;
  }

  stop(): void {
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
  }
}

/** Runs every configuration; resolves when all are done or the signal is given. */
export async function runPool(configs: Iterable<RunConfig>, options: PoolOptions): Promise<void> {
  const { onResult, signal, twice = 0.05 } = options;
  const every = twice > 0 ? Math.round(1 / twice) : 0;
  const queue = configs[Symbol.iterator]();
  const workers: Worker[] = [];
  // A worker that is killed cannot tidy up after itself.
  const tmp = mkdtempSync(join(tmpdir(), 'chaos-swarm-'));
  let started = 0;
  const one = async (): Promise<void> => {
    const worker = new Worker(tmp);
    const second = new Worker(tmp);
    workers.push(worker, second);
    for (;;) {
      const next = signal?.aborted === true ? { done: true as const } : queue.next();
      if (next.done === true) break;
      const config = next.value as RunConfig;
      const again = every > 0 && started++ % every === 0;
      const first = await worker.run(config);
      if (signal?.aborted === true) break;
      if (again && first.kind === 'done') {
        const repeat = await second.run(config);
        second.stop();
        if (repeat.kind === 'done' && repeat.result.trace !== first.result.trace) {
          const traces: [string, string] = [first.result.trace, repeat.result.trace];
          onResult({ kind: 'nondeterministic', config, traces });
          continue;
        }
      }
      onResult(first);
    }
    worker.stop();
    second.stop();
  };
  const stopAll = () => {
    for (const worker of workers) worker.stop();
  };
  signal?.addEventListener('abort', stopAll, { once: true });
  const jobs = options.jobs ?? availableParallelism();
  await Promise.all(Array.from({ length: jobs }, one));
  signal?.removeEventListener('abort', stopAll);
  rmSync(tmp, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}
