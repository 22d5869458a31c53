// Random lives of a log against a model: what was durable survives every crash or the log refuses
// to open, nothing appears that was never appended, and order and contiguity hold.
import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { TxnRecord } from '../txn.ts';
import { epochOf, makeZxid } from '../zxid.ts';
import { CorruptLogError, inspectLog } from './log-inspection.ts';
import { walkSegment } from './log-reading.ts';
import { contents, restoreFiles, setData, snapshotFiles, temporaryDirectory } from './testing.ts';
import { TxnLog, type TxnLogOptions } from './txn-log.ts';

const SECTOR_BYTES = 64;
const LIMITS = { segmentBytes: 3000, growBytes: 512 };

type Action =
  | { kind: 'append'; sizes: number[]; newEpoch: boolean }
  | { kind: 'roll' }
  | { kind: 'reopen' }
  | { kind: 'truncate'; part: number }
  | { kind: 'purge'; part: number }
  | { kind: 'powerCut'; sizes: number[]; newEpoch: boolean; seed: number }
  | { kind: 'cutWhileTruncating'; part: number; steps: number }
  | { kind: 'damage'; seed: number };

// Not fc.double, which favours numbers next to 0.
const part = fc.noBias(fc.integer({ min: 0, max: 1000 })).map((n) => n / 1000);
const seed = fc.noBias(fc.integer({ min: 1 }));
const sizes = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 6 });
const newEpoch = fc.boolean();
const append = fc.record({ kind: fc.constant('append' as const), sizes, newEpoch });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: append },
  fc.record({ kind: fc.constant('roll' as const) }),
  fc.record({ kind: fc.constant('reopen' as const) }),
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('truncate' as const), part }) },
  fc.record({ kind: fc.constant('purge' as const), part }),
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('powerCut' as const), sizes, newEpoch, seed }),
  },
  fc.record({
    kind: fc.constant('cutWhileTruncating' as const),
    part,
    steps: fc.integer({ min: 0, max: 3 }),
  }),
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('damage' as const), seed }) },
);

/** Numbers in [0, 1) from a seed (mulberry32). */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What a power cut may leave of writes that no fsync covered: any of their sectors, any length. */
function tear(
  before: ReadonlyMap<string, Buffer>,
  after: ReadonlyMap<string, Buffer>,
  random: () => number,
): Map<string, Buffer> {
  const image = new Map(before);
  for (const [name, data] of after) {
    const old = before.get(name);
    if (old?.equals(data)) continue;
    if (old === undefined && random() < 0.2) continue;
    const least = old?.length ?? 0;
    const length =
      random() < 0.5 ? data.length : least + Math.floor(random() * (data.length - least));
    const torn = Buffer.alloc(length);
    old?.copy(torn);
    const odds = random();
    for (let at = 0; at < length; at += SECTOR_BYTES) {
      if (random() < odds) data.copy(torn, at, at, Math.min(at + SECTOR_BYTES, length));
    }
    image.set(name, torn);
  }
  return image;
}

const root = temporaryDirectory();
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));
let lives = 0;

/** How often each outcome came about, so that the test notices when it stops testing something. */
const seen = { refused: 0, cutOff: 0, unharmed: 0, torn: 0, whole: 0, lost: 0 };

class Life {
  readonly #dir: string;
  #log: TxnLog;
  #all: TxnRecord[] = [];
  #after = 0;
  #marks = 0;

  constructor() {
    lives += 1;
    this.#dir = path.join(root, `${lives}`);
    this.#log = this.#open();
  }

  get #options(): TxnLogOptions {
    return { ...LIMITS, after: this.#after };
  }

  #open(): TxnLog {
    return TxnLog.open(this.#dir, this.#options).log;
  }

  #make(bytes: readonly number[], startsEpoch: boolean): TxnRecord[] {
    let last = this.#log.lastLogged;
    return bytes.map((size, i) => {
      const jump = last === 0 || (startsEpoch && i === Math.floor(bytes.length / 2));
      last = jump ? makeZxid(epochOf(last) + 1, 1) : last + 1;
      this.#marks += 1;
      return setData(last, size, this.#marks);
    });
  }

  #expectLog(log: TxnLog, expected: readonly TxnRecord[]): void {
    expect(contents(log.readAfter(this.#after))).toEqual(contents(expected));
    expect(log.lastLogged).toBe(expected.at(-1)?.txn.zxid ?? this.#after);
  }

  #at(fraction: number): number {
    return Math.floor(fraction * (this.#all.length + 0.999));
  }

  async reopen(): Promise<void> {
    await this.#log.close();
    this.#log = this.#open();
    this.#expectLog(this.#log, this.#all);
  }

  async perform(step: Action): Promise<void> {
    switch (step.kind) {
      case 'append': {
        const made = this.#make(step.sizes, step.newEpoch);
        this.#log.append(made, 0);
        await this.#log.drained();
        this.#all.push(...made);
        break;
      }
      case 'roll':
        this.#log.roll();
        break;
      case 'reopen':
        await this.reopen();
        break;
      case 'truncate':
        this.#all.length = this.#at(step.part);
        this.#log.truncate(this.#all.at(-1)?.txn.zxid ?? this.#after);
        this.#expectLog(this.#log, this.#all);
        break;
      case 'purge': {
        const covered = this.#all[this.#at(step.part) - 1]?.txn.zxid ?? this.#after;
        this.#log.purge(covered);
        expect(this.#log.startsAfter).toBeLessThanOrEqual(covered);
        this.#after = this.#log.startsAfter;
        this.#all = this.#all.filter((record) => record.txn.zxid > this.#after);
        break;
      }
      case 'powerCut':
        await this.#powerCut(step);
        break;
      case 'cutWhileTruncating':
        await this.#cutWhileTruncating(step);
        break;
      case 'damage':
        await this.#damage(randomFrom(step.seed));
        break;
    }
  }

  /** The power fails while one batch is being written. */
  async #powerCut(step: Action & { kind: 'powerCut' }): Promise<void> {
    const before = snapshotFiles(this.#dir);
    const made = this.#make(step.sizes, step.newEpoch);
    this.#log.append(made, 0);
    await this.#log.close();
    const image = tear(before, snapshotFiles(this.#dir), randomFrom(step.seed));
    restoreFiles(this.#dir, image);
    const { log, recovered } = TxnLog.open(this.#dir, this.#options);
    this.#log = log;
    if (this.#log.lastLogged === made.at(-1)?.txn.zxid) {
      this.#all.push(...made);
      seen.whole += 1;
    } else if (recovered.cut === null) seen.lost += 1;
    else seen.torn += 1;
    this.#expectLog(this.#log, this.#all);
  }

  /** The power fails after some of the segments that a truncation removes are gone. */
  async #cutWhileTruncating(step: Action & { kind: 'cutWhileTruncating' }): Promise<void> {
    const keep = this.#at(step.part);
    const to = this.#all[keep - 1]?.txn.zxid ?? this.#after;
    const first = (name: string): number => Number.parseInt(name.slice(4), 16);
    const gone = this.#log.segmentFiles.filter((name) => first(name) > to).reverse();
    await this.#log.close();
    for (const name of gone.slice(0, step.steps)) fs.unlinkSync(path.join(this.#dir, name));
    fs.writeFileSync(path.join(this.#dir, 'log.1.tmp'), 'half a segment');
    this.#log = this.#open();
    const left = contents(this.#log.readAfter(this.#after));
    expect(left.length).toBeGreaterThanOrEqual(keep);
    expect(left).toEqual(contents(this.#all.slice(0, left.length)));
    this.#all.length = left.length;
  }

  /** A byte rots in a copy of the directory: found, or harmless, or in the last batch. */
  async #damage(random: () => number): Promise<void> {
    const { segments } = inspectLog(this.#dir);
    const segment = segments[Math.floor(random() * segments.length)];
    if (segment === undefined) return;
    const copy = `${this.#dir}.copy`;
    fs.cpSync(this.#dir, copy, { recursive: true });
    const file = path.join(copy, segment.name);
    const data = fs.readFileSync(file);
    const offset = Math.floor(random() * data.length);
    data[offset] = (data[offset] as number) ^ (1 + Math.floor(random() * 255));
    fs.writeFileSync(file, data);
    const batches = [...walkSegment(this.#dir, segment, this.#after)].map(({ batch }) => batch);
    const isLast = segment === segments.at(-1);
    const lastBatch = batches.at(-1);
    const tailFrom = batches.length === 1 ? 0 : (lastBatch?.offset ?? 0);
    try {
      const { log } = TxnLog.open(copy, this.#options);
      if (offset >= segment.end.offset) {
        expect(isLast).toBe(true);
        this.#expectLog(log, this.#all);
        seen.unharmed += 1;
      } else {
        // Nothing on disk tells a rotten last batch from a torn one.
        expect(isLast && offset >= tailFrom).toBe(true);
        this.#expectLog(log, this.#all.slice(0, -(lastBatch?.records.length ?? 0)));
        seen.cutOff += 1;
      }
      await log.close();
    } catch (error) {
      if (!(error instanceof CorruptLogError)) throw error;
      expect(isLast && offset >= tailFrom).toBe(false);
      seen.refused += 1;
    } finally {
      fs.rmSync(copy, { recursive: true, force: true });
    }
  }

  async end(): Promise<void> {
    await this.reopen();
    await this.#log.close();
    fs.rmSync(this.#dir, { recursive: true, force: true });
  }
}

describe('a log under random appends, truncations, power cuts and damage', () => {
  it('keeps what was durable or refuses', async () => {
    const runs = Number(process.env.FUZZ_RUNS ?? 80);
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 25 }), async (actions) => {
        const life = new Life();
        for (const step of actions) await life.perform(step);
        await life.end();
      }),
      { numRuns: runs },
    );
    for (const [outcome, times] of Object.entries(seen)) {
      expect(times, `lives with outcome ${outcome}`).toBeGreaterThan(0);
    }
  });
});
