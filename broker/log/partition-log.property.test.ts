// The log against a model of it, a list of batches, over random appends, reads, cuts, rolls and reopenings.
import fs from 'node:fs';
import fc from 'fast-check';
import { afterAll, expect, test, vi } from 'vitest';
import type { PartitionLog } from './partition-log.ts';
import {
  batch,
  contentOf,
  describeBatch,
  fetched,
  openLog,
  temporaryDirectory,
} from './testing.ts';

// Real fsyncs: on a busy machine they take their time.
vi.setConfig({ testTimeout: 300_000 });

const root = temporaryDirectory();
afterAll(() => fs.rmSync(root, { recursive: true }));

type Step =
  | { do: 'append' | 'fetch'; records: number; bytes: number; newEpoch: boolean; stepMs: number }
  | { do: 'read'; at: number; maxBytes: number; limit: number }
  | { do: 'truncate'; at: number }
  | { do: 'advance'; at: number }
  | { do: 'anew'; ahead: number }
  | { do: 'time'; at: number }
  | { do: 'flush' | 'reopen' | 'retain' | 'stamp' };

const share = fc.double({ min: 0, max: 1, noNaN: true });
const appended = {
  records: fc.integer({ min: 1, max: 5 }),
  bytes: fc.integer({ min: 0, max: 300 }),
  newEpoch: fc.boolean(),
  stepMs: fc.integer({ min: -500, max: 1000 }),
};
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('append' as const), ...appended }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('fetch' as const), ...appended }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('read' as const),
      at: share,
      maxBytes: fc.integer({ min: 0, max: 2000 }),
      limit: share,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('truncate' as const), at: share }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('advance' as const), at: share }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('anew' as const), ahead: fc.nat(10) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('time' as const), at: share }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('flush' as const, 'reopen' as const, 'retain' as const, 'stamp' as const),
    }),
  },
);

interface Held {
  base: number;
  next: number;
  epoch: number;
  bytes: Buffer;
  times: number[];
}

class Model {
  start = 0;
  end = 0;
  epoch = 0;
  batches: Held[] = [];
  nowMs = 1_700_000_000_000;
  serial = 0;

  make(step: { records: number; bytes: number; stepMs: number }): {
    values: string[];
    timestamps: number[];
  } {
    this.nowMs += step.stepMs;
    const values = Array.from({ length: step.records }, () =>
      `${++this.serial}`.padEnd(step.bytes),
    );
    return { values, timestamps: values.map((_, i) => this.nowMs + ((i * 37) % 100)) };
  }

  take(bytes: Buffer, times: number[]): void {
    const base = this.end;
    this.end += times.length;
    this.batches.push({ base, next: this.end, epoch: this.epoch, bytes, times });
  }

  offset(at: number): number {
    return this.start + Math.round(at * (this.end - this.start));
  }

  /** Batches that hold anything from the log's start on. */
  get live(): Held[] {
    return this.batches.filter(({ next }) => next > this.start);
  }

  cut(offset: number): void {
    this.batches = this.batches.filter(({ next }) => next <= offset);
    this.end = this.batches.at(-1)?.next ?? Math.min(this.end, Math.max(this.start, 0));
  }

  find(timestamp: number): { offset: number; timestamp: number; leaderEpoch: number } | undefined {
    for (const { base, times, epoch } of this.live) {
      for (const [i, time] of times.entries()) {
        if (base + i < this.start || time < timestamp) continue;
        return { offset: base + i, timestamp: time, leaderEpoch: epoch };
      }
    }
    return undefined;
  }
}

async function expectSame(log: PartitionLog, model: Model): Promise<void> {
  expect(log.logStartOffset).toBe(model.start);
  expect(log.logEndOffset).toBe(model.end);
  const content = await contentOf(log);
  expect(content.map(describeBatch)).toEqual(model.live.map(({ bytes }) => describeBatch(bytes)));
  expect(Buffer.concat(content)).toEqual(Buffer.concat(model.live.map(({ bytes }) => bytes)));
}

async function read(log: PartitionLog, model: Model, step: Step & { do: 'read' }): Promise<void> {
  const offset = model.offset(step.at);
  const limitOffset = model.offset(step.limit);
  const { records, nextOffset } = await log.read(offset, { maxBytes: step.maxBytes, limitOffset });
  const candidates = model.live.filter(({ next }) => next > offset && next <= limitOffset);
  const first = model.live.find(({ next }) => next > offset);
  if (first === undefined || candidates[0] !== first) {
    expect(nextOffset).toBe(offset);
    expect(records.length).toBe(0);
    return;
  }
  const last = candidates.findIndex(({ next }) => next === nextOffset);
  expect(last).toBeGreaterThanOrEqual(0);
  const got = candidates.slice(0, last + 1);
  expect(records).toEqual(Buffer.concat(got.map(({ bytes }) => bytes)));
  if (got.length > 1) expect(records.length).toBeLessThanOrEqual(step.maxBytes);
}

/** Runs one step on both; returns the log, another one after a reopening. */
async function run(log: PartitionLog, model: Model, step: Step, open: () => PartitionLog) {
  switch (step.do) {
    case 'append': {
      if (step.newEpoch) log.becomeLeader(++model.epoch);
      const facts = model.make(step);
      const bytes = batch(facts);
      const result = log.appendAsLeader(bytes, model.epoch);
      expect(result).toMatchObject({ ok: true, baseOffset: model.end, duplicate: false });
      model.take(bytes, facts.timestamps);
      break;
    }
    case 'fetch': {
      if (step.newEpoch) model.epoch++;
      const several = [model.make(step), model.make(step)].map((facts) => {
        const bytes = fetched(facts, model.end, model.epoch);
        model.take(bytes, facts.timestamps);
        return bytes;
      });
      expect(log.appendAsFollower(Buffer.concat(several))).toBe(model.end);
      break;
    }
    case 'read':
      await read(log, model, step);
      break;
    case 'truncate': {
      const offset = model.offset(step.at);
      model.cut(offset);
      const end = await log.truncateTo(offset);
      if (model.batches.length > 0) expect(end).toBe(model.end);
      model.end = end;
      model.start = Math.min(model.start, end);
      break;
    }
    case 'advance':
      model.start = model.offset(step.at);
      await log.advanceLogStart(model.start);
      break;
    case 'anew':
      model.start = model.end = model.end + step.ahead;
      model.batches = [];
      await log.truncateFullyAndStartAt(model.end);
      break;
    case 'time': {
      const timestamp = model.nowMs - 2000 + Math.round(step.at * 3000);
      expect(log.offsetForTimestamp(timestamp)).toEqual(model.find(timestamp));
      break;
    }
    case 'retain': {
      const before = log.segmentOffsets;
      const bytes = log.sizeBytes;
      await log.applyRetention(model.end);
      const after = log.segmentOffsets;
      // Never less than what the limit asks to be kept, and never a part of a segment.
      expect(log.sizeBytes).toBeGreaterThanOrEqual(Math.min(bytes, 4000));
      if (after[0] !== before[0]) model.start = Math.max(model.start, after[0] as number);
      expect(before).toEqual(expect.arrayContaining(after));
      break;
    }
    case 'stamp':
      log.becomeLeader(++model.epoch);
      break;
    case 'flush':
      await log.flush();
      expect(log.flushedOffset).toBe(model.end);
      break;
    case 'reopen':
      await log.close();
      return open();
  }
  return log;
}

test('the log is a list of batches that can be cut at both ends', async () => {
  let folders = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 60 }), async (steps) => {
      const dir = `${root}/p-${folders++}`;
      const settings = {
        'segment.bytes': 2048,
        'index.interval.bytes': 300,
        'retention.bytes': 4000,
        'retention.ms': -1,
      };
      const open = () => openLog(dir, settings).log;
      const model = new Model();
      let log = open();
      for (const step of steps) {
        log = await run(log, model, step, open);
        expect(log.logEndOffset).toBe(model.end);
      }
      await expectSame(log, model);
      await log.close();
      const { log: again, recovered } = openLog(dir, settings);
      expect(recovered.clean).toBe(true);
      await expectSame(again, model);
      for (const { base, epoch } of model.live) {
        if (base >= model.start) expect(again.endOffsetFor(epoch)?.epoch).toBe(epoch);
      }
      await again.close();
      fs.rmSync(dir, { recursive: true });
    }),
    { numRuns: 60 },
  );
});

test('a killed log comes back with everything that was appended', async () => {
  let folders = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 40 }), async (steps) => {
      const dir = `${root}/k-${folders++}`;
      const settings = {
        'segment.bytes': 2048,
        'index.interval.bytes': 300,
        'retention.bytes': 4000,
      };
      const model = new Model();
      const open = () => openLog(dir, settings).log;
      let log = open();
      for (const step of steps) log = await run(log, model, step, open);
      await log.flush();
      // The files as a kill leaves them: nothing is closed.
      fs.cpSync(dir, `${dir}-killed`, { recursive: true });
      const { log: again, recovered } = openLog(`${dir}-killed`, settings);
      expect(recovered).toMatchObject({ clean: false, cut: null });
      await expectSame(again, model);
      expect(again.producers).toEqual(log.producers);
      await Promise.all([log.close(), again.close()]);
    }),
    { numRuns: 30 },
  );
});
