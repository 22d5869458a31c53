// What a power loss may do, over random operations against an oracle that knows every version a
// sector, a size and a directory entry ever had since its last sync.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SimulatedDisk } from './disk.ts';
import { createFs } from './fs.ts';
import type { FileInode } from './inode.ts';
import { stream, TestHost } from './testing.ts';

const SECTOR = 512;
const NAMES = ['a', 'b', 'd/a'];

type Step =
  | { readonly do: 'write'; readonly file: string; readonly at: number; readonly length: number }
  | { readonly do: 'truncate'; readonly file: string; readonly size: number }
  | { readonly do: 'append'; readonly file: string; readonly length: number }
  | { readonly do: 'fsync' | 'unlink' | 'create'; readonly file: string }
  | { readonly do: 'rename'; readonly file: string; readonly to: string }
  | { readonly do: 'syncdir'; readonly dir: string };

const file = fc.constantFrom(...NAMES);
const anySteps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constant('write' as const),
      file,
      at: fc.nat(2500),
      length: fc.integer({ min: 1, max: 1200 }),
    }),
    fc.record({
      do: fc.constant('append' as const),
      file,
      length: fc.integer({ min: 1, max: 1500 }),
    }),
    fc.record({ do: fc.constant('truncate' as const), file, size: fc.nat(2500) }),
    fc.record({
      do: fc.constantFrom('fsync' as const, 'unlink' as const, 'create' as const),
      file,
    }),
    fc.record({ do: fc.constant('rename' as const), file, to: file }),
    fc.record({ do: fc.constant('syncdir' as const), dir: fc.constantFrom('/', '/d') }),
  ),
  { maxLength: 40 },
);

/** A file of the oracle: every content since the last fsync, that one first. */
interface OracleFile {
  versions: Buffer[];
}

/** The entries of both directories since they were last synced. */
class Oracle {
  /** Path to file, now. */
  entries = new Map<string, OracleFile>();
  /** For each path: what it led to at each moment since its directory was synced. */
  readonly history = new Map<string, Set<OracleFile | null>>();

  constructor() {
    for (const name of NAMES) this.history.set(name, new Set([null]));
  }

  set(name: string, value: OracleFile | null): void {
    if (value === null) this.entries.delete(name);
    else this.entries.set(name, value);
    this.history.get(name)?.add(value);
  }

  synced(inDirectory: string): void {
    for (const name of NAMES) {
      if (name.includes('/') !== (inDirectory === '/d')) continue;
      this.history.set(name, new Set([this.entries.get(name) ?? null]));
    }
  }
}

let stamp = 0;

/** Content that tells which write it came from: no two writes share a byte pattern of a sector. */
function fresh(length: number): Buffer {
  stamp = (stamp % 250) + 1;
  return Buffer.alloc(length, stamp);
}

function changed(base: Buffer, data: Buffer, at: number): Buffer {
  const next = Buffer.alloc(Math.max(base.length, at + data.length));
  base.copy(next);
  data.copy(next, at);
  return next;
}

function resized(base: Buffer, size: number): Buffer {
  const next = Buffer.alloc(size);
  base.copy(next, 0, 0, size);
  return next;
}

/** Runs the steps on the disk and in the oracle; `oracle.entries` is the state before any loss. */
function runSteps(steps: readonly Step[], disk: SimulatedDisk): Oracle {
  const { fs } = createFs(new TestHost(), disk);
  disk.seedDirectory('/d');
  const oracle = new Oracle();
  // One file is there from the start, so that not every run begins with an empty disk.
  const old = fresh(1500);
  disk.seedFile('/a', old);
  oracle.set('a', { versions: [old] });
  oracle.synced('/');
  for (const step of steps) {
    if (step.do === 'syncdir') {
      const fd = fs.openSync(step.dir, 'r');
      fs.fsyncSync(fd);
      fs.closeSync(fd);
      oracle.synced(step.dir);
      continue;
    }
    const path = `/${step.file}`;
    const known = oracle.entries.get(step.file);
    if (step.do === 'create' && known === undefined) {
      fs.closeSync(fs.openSync(path, 'wx'));
      oracle.set(step.file, { versions: [Buffer.alloc(0)] });
      continue;
    }
    if (known === undefined) continue;
    const now = known.versions.at(-1) as Buffer;
    if (step.do === 'unlink') {
      fs.unlinkSync(path);
      oracle.set(step.file, null);
    } else if (step.do === 'rename') {
      fs.renameSync(path, `/${step.to}`);
      if (step.to === step.file) continue;
      oracle.set(step.file, null);
      oracle.set(step.to, known);
    } else if (step.do === 'truncate') {
      fs.truncateSync(path, step.size);
      known.versions.push(resized(now, step.size));
    } else if (step.do === 'fsync') {
      const fd = fs.openSync(path, 'r');
      fs.fsyncSync(fd);
      fs.closeSync(fd);
      known.versions = [now];
    } else if (step.do === 'write' || step.do === 'append') {
      const data = fresh(step.length);
      const at = step.do === 'append' ? now.length : step.at;
      const fd = fs.openSync(path, 'r+');
      fs.writeSync(fd, data, 0, data.length, at);
      fs.closeSync(fd);
      known.versions.push(changed(now, data, at));
    }
  }
  return oracle;
}

/**
 * Whether each sector of `content` is as it was in some version, or zero where it was not yet. A file's
 * size is journaled apart from its data: a write may be lost and a truncation after it survive, so a
 * version may also have been cut at any size that the file had, with zeros behind.
 */
function sectorsAreKnown(content: Buffer, versions: readonly Buffer[]): boolean {
  const sizes = new Set(versions.map(({ length }) => length));
  for (let at = 0; at < content.length; at += SECTOR) {
    const end = Math.min(at + SECTOR, content.length);
    const sector = content.subarray(at, end);
    const padded = versions.flatMap((version) =>
      [...sizes, end].map((size) => resized(version.subarray(0, size), Math.max(size, end))),
    );
    if (!padded.some((version) => version.subarray(at, end).equals(sector))) return false;
  }
  return true;
}

test('only an fsync makes data durable: until then the platter has what the last one left', () => {
  fc.assert(
    fc.property(anySteps, (steps) => {
      const disk = new SimulatedDisk({ random: stream(1) });
      const oracle = runSteps(steps, disk);
      const inodes = new Map(disk.list().map(({ path, inode }) => [path, inode]));
      for (const [name, { versions }] of oracle.entries) {
        const inode = inodes.get(`/${name}`) as FileInode;
        const platter = Buffer.alloc(inode.durable.size);
        inode.durable.read(platter, 0);
        expect(platter).toEqual(versions[0]);
      }
    }),
    { numRuns: 200 },
  );
});

test('a kill loses nothing: the next process sees everything, synced or not', () => {
  fc.assert(
    fc.property(anySteps, (steps) => {
      const disk = new SimulatedDisk({ random: stream(1) });
      const oracle = runSteps(steps, disk);
      const { fs } = createFs(new TestHost(2), disk);
      for (const name of NAMES) {
        const expected = oracle.entries.get(name)?.versions.at(-1) ?? null;
        const path = `/${name}`;
        const found = fs.existsSync(path) ? fs.readFileSync(path) : null;
        expect(found).toEqual(expected);
      }
    }),
    { numRuns: 150 },
  );
});

test('after a power loss entries and sectors are as they were at some time since their sync', () => {
  const seen = { lostEntry: 0, lostData: 0, mixed: 0, kept: 0 };
  fc.assert(
    fc.property(anySteps, fc.nat(), (steps, seed) => {
      const disk = new SimulatedDisk({ random: stream(seed) });
      const oracle = runSteps(steps, disk);
      disk.powerLoss();
      for (const name of NAMES) {
        const content = disk.contentOf(`/${name}`);
        const led = oracle.history.get(name) as Set<OracleFile | null>;
        const candidates = [...led];
        if (content === null) {
          expect(candidates).toContain(null);
          if (oracle.entries.has(name)) seen.lostEntry++;
          continue;
        }
        const files = candidates.filter((each) => each !== null);
        const fits = files.find(({ versions }) => {
          const sizes = versions.map((version) => version.length);
          const sizeKnown = sizes.includes(content.length) || content.length % SECTOR === 0;
          return sizeKnown && sectorsAreKnown(content, versions);
        });
        expect(fits, `${name} holds content that none of its files ever had`).toBeDefined();
        // With one version left everything was synced, and then it is there exactly.
        if (led.size === 1 && files[0]?.versions.length === 1) {
          expect(content.equals(files[0].versions[0] as Buffer)).toBe(true);
          seen.kept++;
        } else if (files.some(({ versions }) => versions.at(-1)?.equals(content))) seen.kept++;
        else if (files.some(({ versions }) => versions.some((each) => each.equals(content)))) {
          seen.lostData++;
        } else seen.mixed++;
      }
      // Nothing here makes hard links, so a file with two names would be half a rename.
      const inodes = disk.list().map(({ inode }) => inode);
      expect(new Set(inodes).size).toBe(inodes.length);
      // The loss is over: a second one with nothing written in between takes nothing.
      const before = disk.list().map(({ path }) => [path, disk.contentOf(path)]);
      disk.powerLoss(stream(seed + 1));
      expect(disk.list().map(({ path }) => [path, disk.contentOf(path)])).toEqual(before);
      expect(disk.unsynced()).toEqual({ names: 0, files: [] });
    }),
    { numRuns: 600 },
  );
  // A property that held because nothing was ever lost would say nothing.
  for (const [outcome, count] of Object.entries(seen)) expect(count, outcome).toBeGreaterThan(0);
});

test('the same steps and seed leave the same disk', () => {
  fc.assert(
    fc.property(anySteps, fc.nat(), (steps, seed) => {
      const left = [1, 2].map(() => {
        stamp = 0;
        const disk = new SimulatedDisk({ random: stream(seed) });
        runSteps(steps, disk);
        disk.powerLoss();
        return disk.list().map(({ path }) => [path, disk.contentOf(path)]);
      });
      expect(left[0]).toEqual(left[1]);
    }),
    { numRuns: 60 },
  );
});

test('with one journal for the disk, entries survive as a prefix of one order', () => {
  const counts = new Set<number>();
  for (let seed = 0; seed < 60; seed++) {
    const disk = new SimulatedDisk({ random: stream(seed), namespace: 'journal' });
    const { fs } = createFs(new TestHost(), disk);
    disk.seedDirectory('/d');
    for (let file = 0; file < 6; file++) {
      fs.writeFileSync(file % 2 === 0 ? `/f${file}` : `/d/f${file}`, '');
    }
    disk.powerLoss();
    const there = [0, 1, 2, 3, 4, 5].map((file) => {
      return disk.contentOf(file % 2 === 0 ? `/f${file}` : `/d/f${file}`) !== null;
    });
    const count = there.filter(Boolean).length;
    expect(there).toEqual(there.map((_, index) => index < count));
    counts.add(count);
  }
  expect(counts.size).toBe(7);
});
