// The workload `bank`: accounts whose money moves by multi, two conditional writes at once, while others
// read all accounts. Whatever a fault cuts in two would show as money made or lost.
import { bank as bankChecker } from '../checkers/bank.ts';
import { tree } from '../checkers/tree.ts';
import type { Event } from '../history/event.ts';
import type { OpStep, Plan } from '../history/plan.ts';
import type { Workload, WorkloadContext } from '../history/plugin.ts';
import type { Random } from '../history/random.ts';
import { createAll, finalReads, onTree, paced } from './pacing.ts';

const ROOT = '/chaos/bank';
const ACCOUNTS = 12;
const INITIAL = 100;
const AMOUNT_MAX = 20;
/** How often a thread looks at all accounts although it knows enough for a transfer. */
const READ_SHARE = 0.35;

const accounts = Array.from(
  { length: ACCOUNTS },
  (_, i) => `${ROOT}/a${String(i).padStart(2, '0')}`,
);

/** What one thread saw of an account last. */
interface Seen {
  balance: number;
  version: number;
}

class Teller {
  readonly #thread: number;
  readonly #random: Random;
  readonly #seen = new Map<string, Seen>();
  #transfers = 0;

  constructor(thread: number, random: Random) {
    this.#thread = thread;
    this.#random = random;
  }

  next(): OpStep {
    const random = this.#random;
    const [from, to] = random.shuffle(accounts);
    const source = this.#seen.get(from as string);
    const target = this.#seen.get(to as string);
    const enough = source !== undefined && target !== undefined && source.balance > 0;
    if (!enough || random.bool(READ_SHARE)) {
      return { kind: 'op', f: 'reads', key: ROOT, value: { paths: accounts } };
    }
    const amount = random.int(1, Math.min(AMOUNT_MAX, source.balance));
    // A name of its own for every transfer, so that a half of one is known by what it wrote.
    const by = `t${this.#thread}-${++this.#transfers}`;
    const set = (path: string, { version, balance }: Seen, change: number) => {
      return { op: 'set', path, data: { balance: balance + change, by }, version };
    };
    const ops = [set(from as string, source, -amount), set(to as string, target, amount)];
    return { kind: 'op', f: 'multi', key: ROOT, value: { ops } };
  }

  learn({ f, type, value }: Event): void {
    // After a transfer, made or refused, what was known is old.
    if (f === 'multi') this.#seen.clear();
    if (f !== 'reads' || type !== 'ok') return;
    for (const { path, data, version } of value as {
      path: string;
      data: Seen;
      version: number;
    }[]) {
      this.#seen.set(path, { balance: data.balance, version });
    }
  }
}

function load(context: WorkloadContext, thread: number, random: Random): Plan {
  const teller = new Teller(thread, random);
  return paced(
    context,
    thread,
    random,
    () => teller.next(),
    (event) => teller.learn(event),
  );
}

function* final(context: WorkloadContext, thread: number): Plan {
  yield* finalReads(context, thread, accounts);
  for (const node of context.nodes) {
    yield { kind: 'op', f: 'reads', key: ROOT, value: { paths: accounts }, node };
  }
}

/** Steps: `reads` shows every account with its zxids, `multi` makes a transfer. */
export const bank: Workload = {
  name: 'bank',
  description: 'transfers between accounts by multi; the total and every balance are watched',
  ...onTree(false),
  setup: (context, thread) =>
    createAll(context, thread, accounts, () => ({ balance: INITIAL, by: 'setup' })),
  load,
  final,
  checkers: [bankChecker, tree],
};
