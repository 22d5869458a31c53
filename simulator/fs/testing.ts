// A host for the tests of this folder: a seeded event heap that runs by itself while anything waits
// in it. The simulator's own kernel is not used, so that the two are tested apart.
import { type HostInterface, ProcessDeath, type RandomStream, type Scheduled } from '../host.ts';
import { SeededStream } from '../random.ts';

interface Waiting {
  readonly atNs: number;
  readonly tie: number;
  readonly fn: () => void;
}

export function stream(seed: number, name = 'test'): RandomStream {
  return new SeededStream(String(seed), name);
}

export class TestHost implements HostInterface {
  readonly processName = 'p1';
  readonly hostName = 'm1';
  /** Every system call and event, as the trace of a run would have it. */
  readonly trace: string[] = [];
  /** The process dies in the system call with this number, counted from 1. */
  diesAtCall = Number.POSITIVE_INFINITY;
  calls = 0;
  alive = true;
  #now = 0;
  #waiting: Waiting[] = [];
  #pumping = false;
  readonly #seed: number;
  readonly #ties: RandomStream;
  readonly #streams = new Map<string, RandomStream>();
  readonly #whenDead: (() => void)[] = [];

  constructor(seed = 1) {
    this.#seed = seed;
    this.#ties = stream(seed, 'ties');
  }

  nowNs(): number {
    return this.#now;
  }

  wallMs(): number {
    return 1_700_000_000_000 + Math.floor(this.#now / 1e6);
  }

  random(name: string): RandomStream {
    const found = this.#streams.get(name) ?? stream(this.#seed, name);
    this.#streams.set(name, found);
    return found;
  }

  schedule(delayNs: number, fn: () => void): Scheduled {
    const entry = { atNs: this.#now + delayNs, tie: this.#ties.float(), fn };
    this.#waiting.push(entry);
    if (!this.#pumping) {
      this.#pumping = true;
      setImmediate(() => this.#pump());
    }
    return {
      cancel: () => {
        this.#waiting = this.#waiting.filter((each) => each !== entry);
      },
    };
  }

  syscall(name: string, detail: string | null = ''): void {
    if (this.alive && ++this.calls >= this.diesAtCall) this.die();
    if (!this.alive) throw new ProcessDeath(this.processName);
    if (detail !== null) this.trace.push(`${this.#now} ${name} ${detail}`);
  }

  onDeath(fn: () => void): void {
    this.#whenDead.push(fn);
  }

  die(): void {
    this.alive = false;
    this.#waiting = [];
    for (const fn of this.#whenDead) fn();
  }

  /** One event, then everything that it set off, then the next. */
  #pump(): void {
    this.#waiting.sort((a, b) => a.atNs - b.atNs || a.tie - b.tie);
    const next = this.#waiting.shift();
    if (next === undefined) {
      this.#pumping = false;
      return;
    }
    this.#now = next.atNs;
    try {
      next.fn();
    } catch (error) {
      if (!(error instanceof ProcessDeath)) throw error;
    }
    setImmediate(() => this.#pump());
  }
}
