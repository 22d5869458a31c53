// Correct histories of clients on one tree for the tests of the checkers: a model applies operations one
// after the other, some answered by nobody, and servers that lag show the tree of an earlier zxid.
import type { Event } from '../history/event.ts';
import { Random } from '../history/random.ts';
import type { RunRecord } from '../history/run-record.ts';
import { recordOf, testConfig } from './testing-record.ts';

interface Node {
  data: unknown;
  version: number;
  mzxid: number;
}

type Tree = Map<string, Node>;

/** Ten digits, as the server numbers sequential nodes. */
export const numbered = (stem: string, number: number): string =>
  `${stem}${String(number).padStart(10, '0')}`;

const EPOCH = 0x1_0000_0000;

/** Operations on a model of the tree, recorded as a client would. */
export class TreeScript {
  readonly history: Event[] = [];
  readonly random: Random;
  /** The tree after each zxid, newest last. */
  readonly #states: { zxid: number; tree: Tree }[] = [{ zxid: EPOCH, tree: new Map() }];
  readonly #counters = new Map<string, number>();
  #process = 0;
  #now = 0;

  constructor(seed: number) {
    this.random = new Random(seed, 'tree-script');
  }

  /** The state that a server shows: the newest, or one a little older. */
  state(lag = 0): { zxid: number; tree: Tree } {
    const at = Math.max(0, this.#states.length - 1 - lag);
    return this.#states[at] as { zxid: number; tree: Tree };
  }

  /** Makes the next transaction; returns its zxid. */
  commit(change: (tree: Tree, zxid: number) => void): number {
    const { zxid, tree } = this.state();
    const next = new Map(tree);
    change(next, zxid + 1);
    this.#states.push({ zxid: zxid + 1, tree: next });
    return zxid + 1;
  }

  record(fields: Partial<Event> & { f: string }): void {
    this.#now += 1_000_000;
    const event = { index: this.history.length, time: this.#now, process: this.#process };
    this.history.push({ ...event, type: 'invoke', ...fields } as Event);
  }

  /** One operation, both ends. */
  op(invoke: Partial<Event> & { f: string }, end: Partial<Event>): void {
    this.record(invoke);
    this.record({ ...invoke, type: 'ok', node: 'n1', session: `s${this.#process}`, ...end });
    if (end.type === 'info') this.#process++;
  }

  put(path: string, data: unknown, f = 'write'): void {
    const zxid = this.commit((tree, at) => set(tree, path, data, at));
    this.op({ f, key: path, value: data }, this.#shown(path, zxid));
  }

  #shown(path: string, zxid: number): Partial<Event> {
    const { version, mzxid } = this.state().tree.get(path) as Node;
    return { zxid, version, mzxid };
  }

  get(path: string, lag = 0): void {
    const { zxid, tree } = this.state(lag);
    const node = tree.get(path);
    if (node === undefined) {
      this.op({ f: 'get', key: path }, { type: 'fail', error: 'NoNode', zxid });
      return;
    }
    const { data, version, mzxid } = node;
    this.op({ f: 'get', key: path }, { value: { data }, version, mzxid, zxid });
  }

  reads(paths: readonly string[]): void {
    const value = paths.map((path) => {
      const { zxid, tree } = this.state(this.random.int(0, 1));
      return { path, zxid, ...tree.get(path) };
    });
    this.op({ f: 'reads', key: '/', value: { paths } }, { value, zxid: this.state().zxid });
  }

  children(parent: string, lag = 0): void {
    const { zxid, tree } = this.state(lag);
    const below = [...tree.keys()].filter((path) => path.startsWith(`${parent}/`));
    const value = below.map((path) => path.slice(parent.length + 1)).sort();
    this.op({ f: 'children', key: parent }, { value, zxid });
  }

  remove(path: string): void {
    const zxid = this.commit((tree) => tree.delete(path));
    this.op({ f: 'delete', key: path }, { zxid });
  }

  /** All parts at one zxid; unanswered ones may have taken effect or not. */
  multi(
    parts: { path: string; data: unknown }[],
    outcome: 'ok' | 'fail' | 'done' | 'not' = 'ok',
  ): void {
    const ops = parts.map((part) => ({ op: 'set', ...part }));
    const invoke = { f: 'multi', key: '/', value: { ops } };
    if (outcome === 'fail') {
      this.op(invoke, { type: 'fail', error: 'BadVersion', zxid: this.state().zxid });
      return;
    }
    const zxid =
      outcome === 'not'
        ? 0
        : this.commit((tree, at) => {
            for (const { path, data } of parts) set(tree, path, data, at);
          });
    if (outcome !== 'ok') this.op(invoke, { type: 'info', error: 'Timeout' });
    else {
      const { tree } = this.state();
      const versions = parts.map(({ path }) => tree.get(path)?.version ?? null);
      this.op(invoke, { zxid, value: { ops, versions } });
    }
  }

  /** What was listed a moment ago, or all but the first `spared` of it, deleted at once. */
  empty(parent: string, spared = 0): void {
    const { tree } = this.state();
    const numbers = /-\d{10}$/;
    const below = [...tree.keys()].filter((path) => path.startsWith(`${parent}/`));
    const paths = below.filter((path) => numbers.test(path)).slice(spared);
    const ops = paths.map((path) => ({ op: 'delete', path }));
    const zxid = this.commit((next) => {
      for (const path of paths) next.delete(path);
    });
    const versions = paths.map(() => null);
    this.op({ f: 'multi', key: parent, value: { ops } }, { zxid, value: { ops, versions } });
  }

  #next(parent: string): number {
    const number = this.#counters.get(parent) ?? 0;
    this.#counters.set(parent, number + 1);
    return number;
  }

  sequential(parent: string, data: unknown): string {
    const path = numbered(`${parent}/n-`, this.#next(parent));
    const zxid = this.commit((tree, at) => set(tree, path, data, at));
    this.op(
      { f: 'create-sequential', key: `${parent}/n-`, value: data },
      { value: { path, data }, zxid },
    );
    return path;
  }

  /** A pipeline of `count`; cut after `done` of them took effect, if given. */
  burst(parent: string, name: string, count: number, done?: number): void {
    const parts = Array.from({ length: count }, (_, i) => {
      if (i >= (done ?? count)) return { error: 'ConnectionLoss' };
      const path = numbered(`${parent}/${name}-${i}-`, this.#next(parent));
      const zxid = this.commit((tree, at) => set(tree, path, null, at));
      return done === undefined ? { path, zxid } : { error: 'ConnectionLoss' };
    });
    const value = { name, count };
    const end =
      done === undefined
        ? { zxid: this.state().zxid }
        : { type: 'info' as const, error: 'ConnectionLoss' };
    this.op({ f: 'burst', key: parent, value }, { ...end, value: { ...value, parts } });
  }

  run(history: Event[] = this.history): RunRecord {
    return recordOf(testConfig(['n1', 'n2', 'n3']), structuredClone(history), []);
  }
}

function set(tree: Tree, path: string, data: unknown, zxid: number): void {
  const version = (tree.get(path)?.version ?? -1) + 1;
  tree.set(path, { data, version, mzxid: zxid });
}

const ACCOUNTS = ['/bank/a', '/bank/b', '/bank/c'];

/** A correct run of everything at once: registers, accounts, sequential nodes and pipelines. */
export function treeRun(seed: number, steps = 150): TreeScript {
  const script = new TreeScript(seed);
  const { random } = script;
  for (const path of ACCOUNTS) script.put(path, { balance: 100, by: path }, 'create');
  script.put('/d/x', 'first', 'create');
  const own: string[] = [];
  for (let i = 0; i < steps; i++) {
    const draw = random.int(0, 9);
    if (draw === 0) script.put('/d/x', `x${i}`);
    else if (draw === 1) own.push(script.sequential('/d', `d${i}`));
    else if (draw === 2) {
      const cut = random.bool(0.3) ? random.int(0, 4) : undefined;
      script.burst('/d', `b${i}`, 4, cut);
    } else if (draw === 3 && own.length > 3) script.remove(own.shift() as string);
    else if (draw === 4) script.children('/d', random.int(0, 2));
    else if (draw === 5) script.get('/d/x', random.int(0, 2));
    else if (draw < 8) transfer(script, i);
    else script.reads(ACCOUNTS);
  }
  script.children('/d');
  return script;
}

function transfer(script: TreeScript, i: number): void {
  const { random } = script;
  const [from, to] = random.shuffle(ACCOUNTS) as [string, string];
  const balance = (path: string) =>
    (script.state().tree.get(path) as { data: { balance: number } }).data.balance;
  const amount = random.int(0, balance(from));
  const parts = [
    { path: from, data: { balance: balance(from) - amount, by: `t${i}` } },
    { path: to, data: { balance: balance(to) + amount, by: `t${i}` } },
  ];
  script.multi(parts, random.pick(['ok', 'ok', 'ok', 'fail', 'done', 'not'] as const));
}
