// Whatever order of appends, elections, cuts, lagging views, kills and restarts: nothing that was acknowledged
// is lost or moves, and the logs of two replicas are the same below the lower high watermark.
import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { splitBatches } from '../log/batch-walk.ts';
import { TestCluster } from './testing.ts';

const OF = { topic: 't', partition: 0 };
const PATIENCE = { timeout: 30_000, interval: 5 };

type Step =
  | { do: 'produce'; at: number; count: number }
  | { do: 'elect'; at: number }
  | { do: 'cut'; a: number; b: number }
  | { do: 'heal' }
  | { do: 'behind'; at: number; behind: boolean }
  | { do: 'kill' | 'stop'; at: number }
  | { do: 'fate'; at: number; fate: 'written' | 'lost' | 'written, unanswered' }
  | { do: 'breathe'; ms: number };

const id = fc.integer({ min: 1, max: 3 });
/** 0: whoever leads, as the store has it. */
const target = fc.constantFrom(0, 0, 0, 1, 2, 3);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('produce'),
      at: target,
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('elect'), at: id }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut'), a: id, b: id }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('heal') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('behind'), at: id, behind: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('kill', 'stop'), at: id }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('fate'),
      at: id,
      fate: fc.constantFrom('written', 'lost', 'written, unanswered'),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('breathe'), ms: fc.integer({ min: 1, max: 60 }) }),
  },
) as fc.Arbitrary<Step>;

interface Run {
  readonly cluster: TestCluster;
  /** Values that were acknowledged, with their offsets. */
  readonly acked: Map<number, string>;
  readonly waiting: Promise<unknown>[];
  values: number;
}

/** Sends to whoever believes to lead, also wrongly: what it acknowledges has to stay. */
function produce(run: Run, at: number, count: number): void {
  const leader = run.cluster.store.stateOf(OF)?.leader ?? 1;
  const broker = run.cluster.broker(at === 0 ? leader : at);
  const values = Array.from({ length: count }, () => `v${run.values++}`);
  run.waiting.push(
    broker.produce(OF, { values }, -1, 400).then(({ error, baseOffset }) => {
      if (error !== undefined) return;
      for (const [i, value] of values.entries()) {
        const other = run.acked.get(baseOffset + i);
        expect(other, `two values acknowledged at offset ${baseOffset + i}`).toBeUndefined();
        run.acked.set(baseOffset + i, value);
      }
    }),
  );
}

async function perform(run: Run, each: Step): Promise<void> {
  const { cluster } = run;
  const { store } = cluster;
  if (each.do === 'produce') produce(run, each.at, each.count);
  else if (each.do === 'elect') {
    if (store.stateOf(OF)?.isr.includes(each.at) === true) store.elect(OF, each.at);
  } else if (each.do === 'cut') {
    if (each.a !== each.b) cluster.cut(each.a, each.b);
  } else if (each.do === 'heal') cluster.heal();
  else if (each.do === 'behind') cluster.broker(each.at).metadata.behind = each.behind;
  else if (each.do === 'fate') cluster.broker(each.at).metadata.fate = each.fate;
  else if (each.do === 'breathe') await new Promise((resolve) => setTimeout(resolve, each.ms));
  else {
    const broker = cluster.broker(each.at);
    await (each.do === 'kill' ? broker.kill() : broker.stop());
    broker.start();
    // What a controller does when it sees another registration of a leader.
    if (store.stateOf(OF)?.leader === each.at) store.elect(OF, each.at);
  }
}

/** Everything that a broker's consumers may read: value by offset. */
async function readAll(run: Run, at: number): Promise<string[]> {
  const values: string[] = [];
  for (;;) {
    const got = await run.cluster.broker(at).consume(OF, values.length);
    if (got.length === 0) return values;
    for (const bytes of got) {
      const [batch] = splitBatches(bytes) as { header: { leaderEpoch: number } }[];
      for (const [value] of bytes.toString('latin1').matchAll(/v\d+/g)) {
        values.push(`${value}@${batch?.header.leaderEpoch}`);
      }
    }
  }
}

/** Resolves when everybody is in the ISR, and may be elected: on a slow machine one may have left it again. */
async function wholeIsr({ store }: TestCluster): Promise<void> {
  await vi.waitFor(() => {
    expect(store.stateOf(OF)?.isr.toSorted()).toEqual([1, 2, 3]);
  }, PATIENCE);
}

async function converge(run: Run): Promise<void> {
  const { cluster } = run;
  cluster.heal();
  for (const { metadata } of cluster.brokers) {
    metadata.behind = false;
    metadata.fate = 'written';
  }
  await Promise.all(run.waiting);
  await wholeIsr(cluster);
  // What was not acknowledged may still come or go; after one more that is, nothing does.
  const before = run.acked.size;
  await vi.waitFor(async () => {
    produce(run, 0, 1);
    await Promise.all(run.waiting);
    expect(run.acked.size).toBeGreaterThan(before);
  }, PATIENCE);
}

it('loses and moves nothing that was acknowledged, and keeps logs alike', async () => {
  let acked = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
      const cluster = new TestCluster(3, { 'replica.lag.time.max.ms': 60 });
      const run: Run = { cluster, acked: new Map(), waiting: [], values: 0 };
      try {
        for (const broker of cluster.brokers) broker.start();
        cluster.store.createTopic('t', [[1, 2, 3]]);
        for (const each of steps) await perform(run, each);
        await converge(run);
        const contents: string[][] = [];
        for (const at of [1, 2, 3]) {
          await wholeIsr(cluster);
          if (cluster.store.stateOf(OF)?.leader !== at) cluster.store.elect(OF, at);
          await vi.waitFor(() => {
            const { replicas } = cluster.broker(at);
            expect(replicas.leaderEpochOf(OF)).toBe(cluster.store.stateOf(OF)?.leaderEpoch);
          }, PATIENCE);
          contents.push(await readAll(run, at));
        }
        const [first = []] = contents;
        for (const other of contents) expect(other).toEqual(first);
        acked += run.acked.size;
        for (const [offset, value] of run.acked) {
          expect(first[offset]?.split('@')[0], `at offset ${offset}`).toBe(value);
        }
        expect(cluster.brokers.map(({ fatal }) => fatal)).toEqual([
          undefined,
          undefined,
          undefined,
        ]);
      } finally {
        await cluster.end();
      }
    }),
    { numRuns: Number(process.env.REPLICA_RUNS ?? 12), endOnFailure: true },
  );
  expect(acked).toBeGreaterThan(0);
}, 120_000);
