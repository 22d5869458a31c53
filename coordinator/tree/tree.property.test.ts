// Random requests with any number of them between decided and applied must end as if each had been
// alone: in the plain model, on a leader that applies at once, on a replay, and after a snapshot.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ApplyResult } from '../contract.ts';
import type { MultiOp } from '../protocol/multi.ts';
import { openTxn } from '../txn.ts';
import { makeZxid } from '../zxid.ts';
import { DataTree } from './data-tree.ts';
import { type ModelAsk, ModelTree } from './model.ts';
import { type Ask, ask, part, SoloLeader } from './testing.ts';

const path = fc.constantFrom('/a', '/b', '/a/x', '/a/y', '/a/x/q', '/b/x', '/zookeeper/quota', '/');
const data = fc.constantFrom(null, '', '1', '22', 'abcdefg');
const version = fc.constantFrom(-1, -1, -1, 0, 1, 2);
const createPath = fc.constantFrom('/a', '/b', '/a/x', '/a/y', '/a/x/q', '/b/x', '/a/s', '/s');
const ttl = fc.integer({ min: 1, max: 2 ** 40 - 1 });
const flags = fc.constantFrom(0, 0, 1, 2, 3);

const op: fc.Arbitrary<MultiOp> = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(createPath, data, flags).map(([p, d, f]) => make(p, d, f)) },
  { weight: 1, arbitrary: fc.tuple(createPath, data).map(([p, d]) => part.createContainer(p, d)) },
  {
    weight: 1,
    arbitrary: fc.tuple(createPath, ttl, data).map(([p, t, d]) => part.createTtl(p, t, d)),
  },
  { weight: 3, arbitrary: fc.tuple(path, version).map(([p, v]) => part.delete(p, v)) },
  { weight: 3, arbitrary: fc.tuple(path, data, version).map(([p, d, v]) => part.setData(p, d, v)) },
  { weight: 1, arbitrary: fc.tuple(path, version).map(([p, v]) => part.check(p, v)) },
);

function make(target: string, content: string | null, mode: number): MultiOp {
  return part.create(target, content, { flags: mode });
}

const request: fc.Arbitrary<ModelAsk> = fc.oneof(
  { weight: 1, arbitrary: fc.constant({ kind: 'open' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'close' as const }) },
  { weight: 8, arbitrary: op.map((one) => ({ kind: 'one' as const, op: one })) },
  {
    weight: 3,
    arbitrary: fc
      .array(op, { minLength: 1, maxLength: 4 })
      .map((ops) => ({ kind: 'multi' as const, ops })),
  },
);

/** A request, by which of the sessions opened so far, and how many may wait after it. */
const script = fc.array(fc.tuple(request, fc.nat(3), fc.nat(12)), { maxLength: 80 });
type Script = [ModelAsk, number, number][];

function encodeAsk(asked: ModelAsk): Ask {
  if (asked.kind === 'open') return ask.createSession();
  if (asked.kind === 'close') return ask.closeSession();
  if (asked.kind === 'multi') return ask.multi(...asked.ops);
  const one = asked.op;
  switch (one.type) {
    case 1:
    case 15:
      return ask.create(one.path, one.data, { flags: one.flags });
    case 19:
      return ask.createContainer(one.path, one.data);
    case 21:
      return ask.createTtl(one.path, one.ttl, one.data, { flags: one.flags });
    case 2:
      return ask.delete(one.path, one.version);
    case 5:
      return ask.setData(one.path, one.data, one.version);
    case 13:
      return ask.check(one.path, one.version);
  }
}

interface Played {
  leader: SoloLeader;
  results: ApplyResult[];
  model: ModelTree;
  expected: ApplyResult[];
}

/** Plays a script on a leader and on the model; `delay` decides how many may wait to be applied. */
function play(steps: Script, delay: (wait: number) => number): Played {
  const leader = new SoloLeader();
  const model = new ModelTree();
  const results: ApplyResult[] = [];
  const expected: ApplyResult[] = [];
  const sessions: number[] = [];
  for (const [asked, who, wait] of [...openings, ...steps]) {
    const session = sessions[who % Math.max(1, sessions.length)] ?? 0;
    const { zxid } = leader.prepare(encodeAsk(asked), session);
    expected.push(model.run(asked, session, zxid, SoloLeader.timeOf(zxid)));
    if (asked.kind === 'open') sessions.push(zxid);
    while (leader.waiting > delay(wait)) results.push(leader.applyNext());
  }
  while (leader.waiting > 0) results.push(leader.applyNext());
  return { leader, results, model, expected };
}

const openings: Script = [
  [{ kind: 'open' }, 0, 5],
  [{ kind: 'open' }, 0, 5],
];

function allNodes(tree: DataTree): Map<string, unknown> {
  const found = new Map<string, unknown>();
  const visit = (at: string) => {
    const read = tree.getChildren(at);
    const content = tree.getData(at);
    if (!read.ok || !content.ok) throw new Error(`expected to read ${at}`);
    found.set(at, { data: content.data, stat: read.stat });
    for (const name of read.children) visit(at === '/' ? `/${name}` : `${at}/${name}`);
  };
  visit('/');
  return found;
}

const NUM_RUNS = 300;

describe('the tree under random requests', () => {
  it('does what the plain model does, however late it applies', () => {
    fc.assert(
      fc.property(script, (steps) => {
        const { leader, results, model, expected } = play(steps, (wait) => wait);
        expect(results).toEqual(expected);
        const nodes = [...model.nodes.keys()].map((at): [string, unknown] => [
          at,
          { data: model.nodes.get(at)?.data, stat: model.statOf(at) },
        ]);
        expect(allNodes(leader.tree)).toEqual(new Map(nodes));
        expect([...leader.tree.sessions()].map((each) => each.id)).toEqual([...model.sessions]);
        expect(leader.preparer.outstanding).toBe(0);
      }),
      { numRuns: NUM_RUNS },
    );
  });

  it('has the digest of its content at every zxid, late or at once, live or replayed', () => {
    fc.assert(
      fc.property(script, (steps) => {
        const { leader } = play(steps, (wait) => wait);
        const eager = play(steps, () => 0).leader;
        expect(eager.records.map((each) => each.hash)).toEqual(
          leader.records.map((each) => each.hash),
        );
        const replayed = new DataTree();
        for (const { bytes } of leader.records) {
          replayed.apply(openTxn(bytes));
          expect(replayed.recomputeDigest()).toBe(replayed.digest());
        }
        expect(replayed.digest()).toBe(leader.tree.digest());
        expect(eager.tree.digest()).toBe(leader.tree.digest());
      }),
      { numRuns: NUM_RUNS / 3 },
    );
  });

  it('goes on after a snapshot as if nothing had been', () => {
    fc.assert(
      fc.property(script, fc.nat(80), (steps, at) => {
        const { records, tree } = play(steps, (wait) => wait).leader;
        const cut = at % (records.length + 1);
        const before = new DataTree();
        for (const record of records.slice(0, cut)) before.apply(record);
        const after = new DataTree();
        after.load(before.serialize());
        expect(after.digest()).toBe(before.digest());
        expect(after.lastApplied).toBe(before.lastApplied);
        expect(allNodes(after)).toEqual(allNodes(before));
        for (const record of records.slice(cut)) {
          expect(after.apply(record)).toEqual(before.apply(record));
        }
        expect(after.digest()).toBe(tree.digest());
        // Also in order: what a client is told must not depend on which server was restarted.
        expect([...allNodes(after).keys()]).toEqual([...allNodes(before).keys()]);
        expect(Buffer.concat(after.serialize())).toEqual(Buffer.concat(before.serialize()));
      }),
      { numRuns: NUM_RUNS / 3 },
    );
  });

  it('is captured over many turns as it was when that began', async () => {
    await fc.assert(
      fc.asyncProperty(
        script,
        fc.nat(80),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 30 }),
        async (steps, at, nodesPerTurn, recordsPerTurn) => {
          const { records } = play(steps, (wait) => wait).leader;
          const cut = at % (records.length + 1);
          const tree = new DataTree();
          for (const record of records.slice(0, cut)) tree.apply(record);
          const expected = Buffer.concat(tree.serialize());
          const capturing = tree.capture(nodesPerTurn);
          expect(capturing).toBeInstanceOf(Promise);
          for (const [i, record] of records.slice(cut).entries()) {
            tree.apply(record);
            if ((i + 1) % recordsPerTurn === 0)
              await new Promise((resolve) => setImmediate(resolve));
          }
          expect(Buffer.concat(await capturing)).toEqual(expected);
          // The next one may begin, and shows what was applied meanwhile.
          const after = Buffer.concat(await tree.capture(nodesPerTurn));
          expect(after).toEqual(Buffer.concat(tree.serialize()));
        },
      ),
      { numRuns: NUM_RUNS },
    );
  });

  it('goes on under a new leader as if nothing had been', () => {
    fc.assert(
      fc.property(script, script, (steps, more) => {
        const { tree } = play(steps, (wait) => wait).leader;
        const copy = new DataTree();
        copy.load(tree.serialize());
        const digests = [tree, copy].map((each) => {
          const leader = new SoloLeader(each, makeZxid(2, 1));
          const sessions = [...each.sessions()].map((session) => session.id);
          for (const [asked, who] of more) {
            leader.run(encodeAsk(asked), sessions[who % Math.max(1, sessions.length)] ?? 0);
          }
          return each.digest();
        });
        expect(digests[0]).toBe(digests[1]);
      }),
      { numRuns: NUM_RUNS / 3 },
    );
  });

  it('numbers sequential nodes of a parent uniquely and upwards in zxid order', () => {
    fc.assert(
      fc.property(script, (steps) => {
        const { results } = play(steps, (wait) => wait);
        const last = new Map<string, number>();
        const check = (made: string, birth: number) => {
          const match = /^(.*)(\d{10})$/.exec(made);
          if (match === null) return;
          // A deleted parent starts again from 0: count per parent as created.
          const parent = `${made.slice(0, made.lastIndexOf('/'))} ${birth}`;
          expect(Number(match[2])).toBeGreaterThan(last.get(parent) ?? -1);
          last.set(parent, Number(match[2]));
        };
        const births = new Map<string, number>();
        let born = 0;
        for (const { path: made, multi } of results) {
          const paths = made === undefined ? [] : [made];
          for (const each of multi ?? []) if (each.type === 1) paths.push(each.path);
          for (const each of paths) {
            check(each, births.get(each.slice(0, each.lastIndexOf('/'))) ?? 0);
            births.set(each, ++born);
          }
        }
      }),
      { numRuns: NUM_RUNS / 3 },
    );
  });
});
