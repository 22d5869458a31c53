// ZooKeeper's recipe for a lock or a leadership, step by step: an ephemeral sequential node, the smallest
// number holds, all others watch the one before them. Writes of the holder carry its node's zxid as fencing
// token and check the node in the same multi.
import type { Event } from '../history/event.ts';
import type { OpStep, Plan } from '../history/plan.ts';
import type { WorkloadContext } from '../history/plugin.ts';
import type { Random } from '../history/random.ts';
import { finalRandom, finalReads, millis, rest, SETTLE_MS, wander } from './pacing.ts';

/** How long one wait for the predecessor lasts before the list is looked at again, ms. */
const WAIT_MS = 1_500;
/** After an operation without an answer: the next must not spin, ms. */
const PAUSE_MS = 50;
/** A leader change may eat several attempts of one operation. */
const ATTEMPTS_MAX = 20;

/** What is contended for: a directory of candidates and the resource that its holder writes. */
export interface Place {
  directory: string;
  /** What candidates' names begin with. */
  prefix: string;
  resource: string;
}

/** How one holder behaves. */
export interface Tenure {
  /** Guarded writes while it holds. */
  writes: number;
  /** Between two of them, ms; 0: at the workload's rate. */
  pauseMs: number;
  /** It says nothing more, so that its node vanishes with its session. */
  dies: boolean;
}

/** One thread's way to a place, through it and out of it. */
export class Contender {
  readonly #context: WorkloadContext;
  readonly #random: Random;
  readonly #thread: number;
  #own: { path: string; token: number } | undefined;
  #first = false;

  constructor(context: WorkloadContext, thread: number, random: Random) {
    this.#context = context;
    this.#thread = thread;
    this.#random = random;
  }

  /** Registers, waits, holds and leaves; returns early when the session is lost. */
  *hold(place: Place, tenure: Tenure): Plan {
    yield* this.#register(place);
    if (this.#own === undefined) return;
    yield* this.#wait(place);
    // One whose patience ended without its turn must not act, even if it could not take its node back.
    const writes = this.#first ? tenure.writes : 0;
    for (let i = 0; i < writes && this.#own !== undefined; i++) {
      yield* this.#write(place);
      if (tenure.pauseMs > 0) yield { kind: 'sleep', ms: tenure.pauseMs };
      else yield* rest(this.#context, this.#random);
    }
    yield* this.#leave(tenure.dies && this.#first);
  }

  *#do(step: OpStep, each: (event: Event) => void): Plan {
    const completion = yield step;
    if (completion.kind !== 'op') return;
    const { event } = completion;
    // After info another process goes on, with another session.
    if (event.type === 'info' || /^(SessionExpired|NoSession)\b/.test(event.error ?? '')) {
      this.#own = undefined;
    }
    each(event);
    if (event.type !== 'ok' && event.zxid === undefined) yield { kind: 'sleep', ms: PAUSE_MS };
  }

  *#register({ directory, prefix }: Place): Plan {
    this.#own = undefined;
    this.#first = false;
    const key = `${directory}/${prefix}`;
    const data = { by: this.#thread };
    const step: OpStep = {
      kind: 'op',
      f: 'create-ephemeral',
      key,
      value: { sequential: true, data },
    };
    yield* this.#do(step, ({ type, value, zxid }) => {
      if (type !== 'ok' || zxid === undefined) return;
      this.#own = { path: (value as { path: string }).path, token: zxid };
    });
  }

  /** Until it is the first of the list. */
  *#wait({ directory }: Place): Plan {
    for (let i = 0; i < ATTEMPTS_MAX && this.#own !== undefined; i++) {
      let before: string | undefined;
      yield* this.#do({ kind: 'op', f: 'children', key: directory }, ({ type, value }) => {
        if (type !== 'ok') return;
        const names = (value as string[]).sort((a, b) => numberOf(a) - numberOf(b));
        const own = names.indexOf(nameOf(this.#own?.path ?? ''));
        // Not in the list: the session is over, and the next operation will say so.
        if (own === -1) this.#own = undefined;
        this.#first = own === 0;
        if (own > 0) before = `${directory}/${names[own - 1]}`;
      });
      if (this.#first) return;
      if (before !== undefined) yield* this.#watch(before);
    }
  }

  *#watch(key: string): Plan {
    if (this.#random.bool(0.1)) yield* this.#do(wander(this.#context, this.#random), () => {});
    let there = false;
    yield* this.#do({ kind: 'op', f: 'exists', key, value: { watch: true } }, ({ type, value }) => {
      there = type === 'ok' && (value as { exists: boolean }).exists;
    });
    if (!there) return;
    yield* this.#do({ kind: 'op', f: 'await', key, value: { timeoutMs: WAIT_MS } }, () => {});
  }

  /** Reads the resource and writes what follows from it, if its node is still there. */
  *#write({ resource }: Place): Plan {
    let n: number | undefined;
    yield* this.#do({ kind: 'op', f: 'get', key: resource }, ({ type, value }) => {
      if (type === 'ok') n = (value as { data: { n: number } }).data.n;
    });
    const own = this.#own;
    if (n === undefined || own === undefined) return;
    const data = { n: n + 1, token: own.token, by: `t${this.#thread}-${own.token}-${n + 1}` };
    const ops = [
      { op: 'check', path: own.path },
      { op: 'set', path: resource, data },
    ];
    yield* this.#do(
      { kind: 'op', f: 'multi', key: resource, value: { ops } },
      ({ type, error }) => {
        if (type === 'fail' && /^NoNode\b/.test(error ?? '')) this.#own = undefined;
      },
    );
  }

  *#leave(dies: boolean): Plan {
    for (let i = 0; i < ATTEMPTS_MAX && this.#own !== undefined; i++) {
      const key = this.#own.path;
      const step: OpStep = dies
        ? { kind: 'op', f: 'abandon', value: { burst: [] } }
        : { kind: 'op', f: 'delete', key };
      yield* this.#do(step, ({ type, zxid }) => {
        if (type === 'ok' || zxid !== undefined) this.#own = undefined;
      });
    }
  }
}

/**
 * One thread's end: what the load left behind must be gone; then everybody gets its place once more, and
 * `keys` are read through every server.
 */
export function* lastHold(
  context: WorkloadContext,
  thread: number,
  place: Place,
  keys: readonly string[],
): Plan {
  yield { kind: 'op', f: 'open' };
  yield { kind: 'sleep', ms: millis(context, 'sessionTimeoutMs') + SETTLE_MS };
  const contender = new Contender(context, thread, finalRandom(context, thread));
  yield* contender.hold(place, { writes: 1, pauseMs: 0, dies: false });
  yield* finalReads(context, thread, keys);
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function numberOf(name: string): number {
  return Number(name.slice(-10));
}
