// The pool's end of a worker: starts it, asks it one run at a time, and replaces it when it hangs, dies or
// has run enough.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { RunConfig } from '../../history/run-record.ts';
import type { Checkpoint, TraceOptions } from '../../simulator/index.ts';
import type { SeedResult } from './seed.ts';

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url));
/** A run of a virtual minute takes some seconds; one that takes this long runs away. */
const RUN_MS_MAX = 180_000;
/** Runs after which a worker is replaced, so that no memory adds up. */
const RUNS_A_WORKER = 40;

/** What a worker is asked. With `trace` it also tells checkpoints and the lines asked for. */
export interface Question {
  config: RunConfig;
  trace?: TraceOptions;
}

export interface Answer {
  result: SeedResult;
  checkpoints?: readonly Checkpoint[];
  recorded?: readonly string[];
}

export interface WorkerOptions {
  /** Folder for what its runs write, removed by whoever made it. */
  tmp: string;
  /** Its entry point; another one in tests. */
  entry?: string;
}

export class Worker {
  readonly #options: WorkerOptions;
  #child: ChildProcess | undefined;
  #runs = 0;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  /** Runs it; `lost` says why there is no result. */
  ask(question: Question): Promise<Answer | { lost: string }> {
    const child = this.#take();
    return new Promise((resolve) => {
      const end = (answer: Answer | { lost: string }) => {
        clearTimeout(timer);
        child.off('message', onMessage);
        child.off('exit', onExit);
        if ('lost' in answer || ++this.#runs >= RUNS_A_WORKER) this.stop();
        resolve(answer);
      };
      const onMessage = (message: Partial<Answer> & { error?: string }) => {
        const { result, error } = message;
        if (result !== undefined) end({ ...message, result });
        else end({ lost: error ?? 'an empty answer' });
      };
      const onExit = (code: number | null, signal: string | null) => {
        end({ lost: `the worker ended (${code ?? signal})` });
      };
      const timer = setTimeout(
        () => end({ lost: `killed after ${RUN_MS_MAX / 1000} s` }),
        RUN_MS_MAX,
      );
      child.on('message', onMessage);
      child.on('exit', onExit);
      child.send(question);
    });
  }

  #take(): ChildProcess {
    if (this.#child === undefined || this.#child.exitCode !== null) {
      const { tmp, entry = WORKER } = this.#options;
      this.#runs = 0;
      this.#child = fork(entry, {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
        env: { ...process.env, TMPDIR: tmp },
      });
    }
    return this.#child;
  }

  stop(): void {
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
  }
}
