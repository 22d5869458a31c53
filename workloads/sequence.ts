// The workload `sequence`: sequential nodes under a few parents at a time, made singly and in pipelines that
// do not wait for answers, listed and deleted. Parents take turns, and one whose turn is over is emptied, so
// that the tree stays small while the numbers go on.
import { fifo, sequence as sequenceChecker } from '../checkers/sequence.ts';
import { tree } from '../checkers/tree.ts';
import type { Event } from '../history/event.ts';
import type { OpStep, Plan } from '../history/plan.ts';
import type { Workload, WorkloadContext } from '../history/plugin.ts';
import type { Random } from '../history/random.ts';
import { createAll, finalReads, onTree, paced } from './pacing.ts';

const ROOT = '/chaos/sequence';
/** In one turn; a list of children that holds all of them still fits into one multi. */
const OPS_PER_PARENT = 50;
const PARENTS = 16;
/** Parents in use at once. */
const ACTIVE = 2;
const BURST_MIN = 2;
const BURST_MAX = 6;
/** How operations are drawn; the rest list a parent's children. */
const SHARE = { create: 0.55, burst: 0.12, delete: 0.2 } as const;
/** Own nodes remembered for deletion. */
const OWN_MAX = 20;
/** What a client puts into one multi at most. */
const MULTI_PARTS_MAX = 100;

const parents = Array.from({ length: PARENTS }, (_, i) => `${ROOT}/p${String(i).padStart(2, '0')}`);

/** One of the parents whose turn it is. */
function parentAt(turn: number, place: number): string {
  return parents[(turn * ACTIVE + place) % PARENTS] as string;
}

/** The turn that a thread's round belongs to. */
function turnAt({ concurrency }: WorkloadContext, round: number): number {
  return Math.floor((round * concurrency) / (ACTIVE * OPS_PER_PARENT));
}

/** What one thread does next: draws operations, and empties parents when that is its task. */
class Maker {
  readonly #context: WorkloadContext;
  readonly #thread: number;
  readonly #random: Random;
  readonly #own: string[] = [];
  #made = 0;
  #turn = 0;
  /** Parents to be emptied, and what was listed of the first of them. */
  readonly #retired: string[] = [];
  #leftovers: string[] = [];

  constructor(context: WorkloadContext, thread: number, random: Random) {
    this.#context = context;
    this.#thread = thread;
    this.#random = random;
  }

  next(round: number): OpStep {
    const random = this.#random;
    this.#retire(turnAt(this.#context, round));
    const empties = this.#empty();
    if (empties !== undefined) return empties;
    const key = parentAt(this.#turn, random.int(0, ACTIVE - 1));
    let point = random.float();
    const drawn = (share: number): boolean => (point -= share) < 0;
    if (drawn(SHARE.create)) {
      const value = `t${this.#thread}-${++this.#made}`;
      return { kind: 'op', f: 'create-sequential', key: `${key}/n-`, value };
    }
    if (drawn(SHARE.burst)) {
      const name = `b${this.#thread}-${++this.#made}`;
      return { kind: 'op', f: 'burst', key, value: { count: this.#burst(), name } };
    }
    const looks = random.bool();
    if (!drawn(SHARE.delete)) return { kind: 'op', f: 'children', key };
    const victim = looks ? random.pick([...this.#own, key]) : this.#own.shift();
    if (victim === undefined) return { kind: 'op', f: 'children', key };
    return { kind: 'op', f: looks ? 'exists' : 'delete', key: victim };
  }

  learn({ f, type, key, value }: Event): void {
    if (f === 'create-sequential' && type === 'ok') {
      this.#own.push((value as { path: string }).path);
      if (this.#own.length > OWN_MAX) this.#own.shift();
    }
    const [retired] = this.#retired;
    if (f !== 'children' || type !== 'ok' || retired === undefined || key !== retired) return;
    this.#leftovers = (value as string[]).map((name) => `${retired}/${name}`);
    if (this.#leftovers.length === 0) this.#retired.shift();
  }

  #burst(): number {
    return this.#random.int(BURST_MIN, BURST_MAX);
  }

  /** Threads take turns in emptying what the turn before has left. */
  #retire(turn: number): void {
    if (turn === this.#turn) return;
    const over = turn - 1;
    this.#turn = turn;
    if (over % this.#context.concurrency !== this.#thread) return;
    this.#retired.splice(0);
    this.#leftovers = [];
    for (let place = 0; place < ACTIVE; place++) this.#retired.push(parentAt(over, place));
  }

  /** Lists a parent, deletes all that was listed at once, and lists it again, until it is empty. */
  #empty(): OpStep | undefined {
    const [key] = this.#retired;
    if (key === undefined) return undefined;
    const all = this.#leftovers.splice(0).slice(0, MULTI_PARTS_MAX);
    if (all.length === 0) return { kind: 'op', f: 'children', key };
    const ops = all.map((path) => ({ op: 'delete', path }));
    return { kind: 'op', f: 'multi', key, value: { ops } };
  }
}

function load(context: WorkloadContext, thread: number, random: Random): Plan {
  const maker = new Maker(context, thread, random);
  const next = (round: number): OpStep => maker.next(round);
  return paced(context, thread, random, next, (event) => maker.learn(event));
}

function* final(context: WorkloadContext, thread: number): Plan {
  yield* finalReads(context, thread, parents);
  yield* finalReads(context, thread, parents, 'children');
}

/** Steps: `create-sequential`, `burst` (several at once), `delete`, `children`, `multi` of deletions. */
export const sequence: Workload = {
  name: 'sequence',
  description: 'sequential nodes, singly and in pipelines: numbers rise, order is kept',
  ...onTree(false),
  setup: (context, thread) => createAll(context, thread, parents),
  load,
  final,
  checkers: [sequenceChecker, fifo, tree],
};
