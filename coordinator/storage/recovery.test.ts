// A whole server's disk: what recovery makes of it, what it refuses, and who may use it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeZxid, type Zxid } from '../zxid.ts';
import { EpochStore } from './epochs.ts';
import { DirectoryInUseError } from './lock.ts';
import { type RecoveredStorage, recover } from './recovery.ts';
import { contents, records, snapshotFiles, temporaryDirectory } from './testing.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const NODE = path.join(ROOT, 'node_modules/.bin/node');
const STATE = [Buffer.from('state')];

let dataDir: string;
let version2: string;
beforeEach(() => {
  dataDir = temporaryDirectory();
  version2 = path.join(dataDir, 'version-2');
});
afterEach(() => {
  fs.rmSync(dataDir, { recursive: true, force: true });
});

function found(storage: RecoveredStorage): { lastLogged: Zxid; epochs: number[]; snapshot: Zxid } {
  const { epochs, log, snapshot } = storage;
  return {
    lastLogged: log.lastLogged,
    epochs: [epochs.accepted, epochs.current],
    snapshot: snapshot?.zxid ?? 0,
  };
}

async function write(
  storage: RecoveredStorage,
  batches: readonly ReturnType<typeof records>[],
): Promise<void> {
  for (const batch of batches) {
    storage.log.append(batch, 0);
    await storage.log.drained();
  }
}

/** A server with ten transactions of epoch 1 and a snapshot at the fifth. */
async function tenTransactions(): Promise<void> {
  const storage = recover(dataDir);
  storage.epochs.setAccepted(1);
  storage.epochs.setCurrent(1);
  await write(storage, [records(1, 1, 5)]);
  await storage.snapshots.save(makeZxid(1, 5), STATE, 'five');
  storage.log.roll();
  await write(storage, [records(1, 6, 8), records(1, 9, 10)]);
  await storage.log.close();
}

describe('recovery', () => {
  it('begins with nothing', async () => {
    const storage = recover(dataDir);
    expect(found(storage)).toEqual({ lastLogged: 0, epochs: [0, 0], snapshot: 0 });
    expect(storage.warnings).toEqual([]);
    expect(storage.committed).toBe(0);
    await storage.log.close();
    expect(fs.readdirSync(version2)).toEqual(['durableMark']);
  });

  it('gives snapshot, log and epochs', async () => {
    await tenTransactions();
    fs.writeFileSync(path.join(version2, 'currentEpoch.tmp'), '9');
    const storage = recover(dataDir);
    const [last, five] = [makeZxid(1, 10), makeZxid(1, 5)];
    expect(found(storage)).toEqual({ lastLogged: last, epochs: [1, 1], snapshot: five });
    expect(storage.committed).toBe(five);
    expect(contents(storage.records(five))).toEqual(contents(records(1, 6, 10)));
    expect(storage.warnings).toEqual([]);
    expect(fs.existsSync(path.join(version2, 'currentEpoch.tmp'))).toBe(false);
    await storage.log.close();
  });

  /** Ten transactions, the last two damaged; gives what the mark said before those two. */
  async function damagedTail(): Promise<{ file: string; mark: string; earlier: Buffer }> {
    await tenTransactions();
    const mark = path.join(version2, 'durableMark');
    const storage = recover(dataDir);
    const earlier = fs.readFileSync(mark);
    await write(storage, [records(1, 11, 12)]);
    await storage.log.close();
    const file = path.join(version2, 'log.100000006');
    const data = fs.readFileSync(file);
    data[data.indexOf(records(1, 12, 12)[0]?.bytes ?? '')] = 0x55;
    fs.writeFileSync(file, data);
    return { file, mark, earlier };
  }

  it('says what it cut', async () => {
    const { file, mark, earlier } = await damagedTail();
    // As after a power loss, which takes what was never synced: the tail, and the mark behind it.
    fs.writeFileSync(mark, earlier);
    const storage = recover(dataDir);
    expect(storage.log.lastLogged).toBe(makeZxid(1, 10));
    expect(storage.warnings).toEqual([expect.stringContaining(`unsynced tail at ${file}, offset`)]);
    await storage.log.close();
  });

  it('refuses a bad tail that had been durable, and changes nothing', async () => {
    const { file } = await damagedTail();
    const before = snapshotFiles(version2);
    const refusal =
      /log.100000006, offset.*is damage.*0x10000000a but had been fsynced up to 0x10000000c/;
    expect(() => recover(dataDir)).toThrow(refusal);
    expect(snapshotFiles(version2)).toEqual(before);
    fs.writeFileSync(file, Buffer.alloc(4096));
    expect(() => recover(dataDir)).toThrow(/had been fsynced up to/);
    fs.rmSync(file);
    expect(() => recover(dataDir)).toThrow(/had been fsynced up to/);
  });

  it('refuses a damaged mark, and makes one where there was none', async () => {
    await tenTransactions();
    const mark = path.join(version2, 'durableMark');
    const whole = fs.readFileSync(mark);
    for (let i = 0; i < whole.length; i++) {
      const bad = Buffer.from(whole);
      bad[i] = (bad[i] as number) ^ 4;
      fs.writeFileSync(mark, bad);
      expect(() => recover(dataDir)).toThrow(/durableMark, offset 0: expected a mark/);
    }
    fs.rmSync(mark);
    const storage = recover(dataDir);
    expect(storage.log.lastLogged).toBe(makeZxid(1, 10));
    await storage.log.close();
    expect(fs.readFileSync(mark)).toEqual(whole);
  });

  it('moves the mark down before it truncates or resets the log', async () => {
    await tenTransactions();
    const storage = recover(dataDir);
    storage.log.truncate(makeZxid(1, 7));
    await storage.log.close();
    const again = recover(dataDir);
    expect(again.log.lastLogged).toBe(makeZxid(1, 7));
    again.snapshots.installSync(makeZxid(1, 6), STATE, 'six');
    again.log.reset(makeZxid(1, 6));
    await again.log.close();
    const third = recover(dataDir);
    expect(third.log.lastLogged).toBe(makeZxid(1, 6));
    await third.log.close();
  });

  it('does without a damaged snapshot only where the log makes up for it', async () => {
    await tenTransactions();
    const file = path.join(version2, 'snapshot.100000005');
    const whole = fs.readFileSync(file);
    fs.writeFileSync(file, 'rot');
    const storage = recover(dataDir);
    expect(found(storage).snapshot).toBe(0);
    expect(contents(storage.records(0))).toHaveLength(10);
    expect(storage.warnings).toEqual([expect.stringContaining(`damaged snapshot ${file}`)]);
    await storage.log.close();

    fs.writeFileSync(file, whole);
    const purged = recover(dataDir);
    expect(purged.log.purge(makeZxid(1, 5))).toBe(1);
    await purged.log.close();
    fs.writeFileSync(file, 'rot');
    expect(() => recover(dataDir)).toThrow(/snapshot.100000005.*there is no older one and the log/);
    fs.writeFileSync(file, whole);
    fs.writeFileSync(path.join(version2, 'snapshot.10000000b'), 'rot');
    expect(() => recover(dataDir)).toThrow(/snapshot.10000000b.*the next is 0x100000005/);
  });

  it('refuses a log without the snapshot it follows', async () => {
    await tenTransactions();
    const storage = recover(dataDir);
    storage.log.purge(makeZxid(1, 5));
    await storage.log.close();
    fs.rmSync(path.join(version2, 'snapshot.100000005'));
    expect(() => recover(dataDir)).toThrow('what is between is missing');
  });

  it('finishes the installation of a snapshot', async () => {
    await tenTransactions();
    const storage = recover(dataDir);
    storage.epochs.setAccepted(2);
    storage.snapshots.installSync(makeZxid(1, 7), STATE, 'seven');
    // The crash comes before the log is reset.
    await storage.log.close();
    const again = recover(dataDir);
    const seven = makeZxid(1, 7);
    expect(found(again)).toEqual({ lastLogged: seven, epochs: [2, 1], snapshot: seven });
    expect(again.snapshot?.digest).toBe('seven');
    await write(again, [records(1, 8, 9)]);
    await again.log.close();
    const third = recover(dataDir);
    expect(third.log.lastLogged).toBe(makeZxid(1, 9));
    await third.log.close();
  });

  it('refuses impossible epochs', async () => {
    await tenTransactions();
    const [accepted, current] = ['acceptedEpoch', 'currentEpoch'].map((n) =>
      path.join(version2, n),
    );
    const epochs = EpochStore.open(version2);
    epochs.setAccepted(3);
    epochs.setCurrent(3);
    const storage = recover(dataDir);
    await write(storage, [records(3, 1, 2)]);
    await storage.log.close();
    fs.writeFileSync(current as string, '2\n');
    expect(() => recover(dataDir)).toThrow(
      /the last transaction is 0x300000002, of epoch 3.*currentEpoch 2 and acceptedEpoch 3/,
    );
    fs.rmSync(current as string);
    expect(() => recover(dataDir)).toThrow('What to do');
    fs.rmSync(accepted as string);
    expect(() => recover(dataDir)).toThrow('currentEpoch 0 and acceptedEpoch 0');
    fs.writeFileSync(current as string, '3\n');
    expect(() => recover(dataDir)).toThrow('acceptedEpoch is missing');
  });

  it('finishes a synchronisation that a crash interrupted', async () => {
    await tenTransactions();
    const storage = recover(dataDir);
    storage.epochs.setAccepted(3);
    // Records of the established leader's epoch, logged before currentEpoch may be written (I-Z10).
    await write(storage, [records(3, 1, 4)]);
    await storage.log.close();
    const again = recover(dataDir);
    expect([again.epochs.accepted, again.epochs.current]).toEqual([3, 3]);
    expect(again.warnings).toEqual([expect.stringContaining('interrupted synchronisation')]);
    await again.log.close();
    expect(EpochStore.open(version2).current).toBe(3);
  });
});

describe('the lock', () => {
  const hold = `
    import { recover } from '${ROOT}/coordinator/storage/recovery.ts';
    recover(process.argv[1]);
    console.log('held');
    setInterval(() => {}, 1000);
  `;

  it('keeps a second server off, and falls with the first, however that ends', async () => {
    const storage = recover(dataDir);
    expect(() => recover(dataDir)).toThrow(DirectoryInUseError);
    await storage.log.close();

    const child = spawn(NODE, ['--input-type=module', '-e', hold, dataDir]);
    try {
      await once(child.stdout, 'data');
      expect(() => recover(dataDir)).toThrow(`in use by the server with pid ${child.pid}`);
      // A paused server comes back: its lock holds.
      child.kill('SIGSTOP');
      expect(() => recover(dataDir)).toThrow(DirectoryInUseError);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    const after = recover(dataDir);
    await after.log.close();
    expect(fs.readdirSync(version2)).not.toContain('server.lock');
  });

  it('of another boot, namespace or start, or torn, is taken over; the living one is not', async () => {
    const child = spawn(NODE, ['--input-type=module', '-e', hold, dataDir]);
    const file = path.join(version2, 'server.lock');
    try {
      await once(child.stdout, 'data');
      const living = fs.readFileSync(file, 'utf8');
      const other = { bootId: 'another', pidNamespace: 'pid:[1]', startTicks: '1' };
      const dead = Object.entries(other).map(([name, value]) =>
        JSON.stringify({ ...JSON.parse(living), [name]: value }),
      );
      for (const lock of ['', '{', ...dead]) {
        fs.writeFileSync(file, living);
        expect(() => recover(dataDir)).toThrow(DirectoryInUseError);
        fs.writeFileSync(file, lock);
        const storage = recover(dataDir);
        await storage.log.close();
      }
    } finally {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });
});
