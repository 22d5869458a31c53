// A program as a test sees it: a child process whose lines are read as they come. Strangers' clients are
// driven through it, and kazoo's scripts, which tell at their end what they did.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { until } from './ensemble.ts';

const PYTHON = '/usr/bin/python3';
const ERRORS_TAIL_CHARS = 2_000;
const running = new Set<ChildProcess>();

export interface StartOptions {
  cwd?: string;
  env?: Record<string, string>;
}

/** A process whose lines on stdout are read as they come. */
export class Started {
  readonly child: ChildProcess;
  readonly lines: string[] = [];
  #errors = '';
  readonly #closed: Promise<unknown>;

  constructor(command: string, args: string[], { cwd, env }: StartOptions = {}) {
    this.child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      ...(cwd === undefined ? {} : { cwd }),
    });
    running.add(this.child);
    createInterface({ input: this.child.stdout! }).on('line', (line) => this.lines.push(line));
    this.child.stderr!.on('data', (chunk: Buffer) => (this.#errors += chunk.toString()));
    this.#closed = once(this.child, 'close');
  }

  get errors(): string {
    return this.#errors;
  }

  say(line: string): void {
    this.child.stdin!.write(`${line}\n`);
  }

  /** Its `index`-th line, once there is one. */
  async line(index: number): Promise<string> {
    const look = () => this.errors.slice(-ERRORS_TAIL_CHARS);
    const there = () => this.lines.length > index || this.child.exitCode !== null;
    await until('the process prints a line', look, there);
    const line = this.lines[index];
    if (line === undefined) throw new Error(`it ended without a line: ${this.errors}`);
    return line;
  }

  /** Its exit code, once all its output was read. */
  async end(): Promise<number> {
    await this.#closed;
    running.delete(this.child);
    return this.child.exitCode ?? -1;
  }

  /** Waits until it has ended with 0; throws with all that it said of its errors where it did not. */
  async succeeded(): Promise<void> {
    const exit = await this.end();
    if (exit === 0 && this.errors === '') return;
    const seen = `got ${exit}, errors:\n${this.errors}\noutput: ${this.lines.join('\n')}`;
    throw new Error(`${this.child.spawnargs.join(' ')}: expected exit 0 without errors, ${seen}`);
  }
}

/** SIGKILL for whatever still runs. */
export function endStarted(): void {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
}

/** Why kazoo cannot be used here; undefined if it can. */
export function missingKazoo(): string | undefined {
  try {
    execFileSync(PYTHON, ['-c', 'import kazoo'], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return (error as Error).message.trim().split('\n').at(-1);
  }
}

/** Starts a script of the folder kazoo/. */
export function kazoo(name: string, args: string[], options: StartOptions = {}): Started {
  const path = fileURLToPath(new URL(`./kazoo/${name}`, import.meta.url));
  // -B: no compiled files beside the sources.
  return new Started(PYTHON, ['-B', path, ...args], options);
}

/** Waits for a script's end and gives the names of its parts. */
export async function parts(started: Started): Promise<string[]> {
  await started.succeeded();
  const { ok, done } = JSON.parse(started.lines.at(-1) ?? '') as { ok: boolean; done: string[] };
  expect(ok).toBe(true);
  return done;
}
