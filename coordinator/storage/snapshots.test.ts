// Snapshots and epochs on real files: whole or absent after a crash, and damage is always seen.
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EpochStore } from './epochs.ts';
import { CorruptLogError } from './log-inspection.ts';
import { SnapshotStore } from './snapshots.ts';
import { temporaryDirectory } from './testing.ts';

let dir: string;
beforeEach(() => {
  dir = temporaryDirectory();
});
afterEach(() => {
  fs.rmSync(dir, { recursive: true, force: true });
});

const chunks = [
  Buffer.alloc(3000, 1),
  Buffer.alloc(0),
  Buffer.from('tree'),
  Buffer.alloc(70_000, 2),
];

describe('snapshots', () => {
  it('come back as they were saved, the newest first', async () => {
    const store = new SnapshotStore(dir, { currentEpoch: () => 4 });
    await store.save(0x1_0000_0005, chunks, 'abc');
    await store.save(0x1_0000_0009, [], '');
    store.installSync(0x1_0000_0007, chunks, 'def');
    // What was above the installed one is not this server's state any more.
    expect(store.list()).toEqual([0x1_0000_0007, 0x1_0000_0005]);
    const again = new SnapshotStore(dir);
    expect(again.loadLatest()).toEqual({
      snapshot: { zxid: 0x1_0000_0007, chunks, digest: 'def', installed: true, currentEpoch: 4 },
      broken: [],
    });
    again.deleteAbove(0x1_0000_0006);
    expect(again.loadLatest().snapshot).toMatchObject({ digest: 'abc', installed: false });
    expect(fs.readdirSync(dir)).toEqual(['snapshot.100000005']);
  });

  it('show damage to any byte', async () => {
    const store = new SnapshotStore(dir);
    await store.save(7, [Buffer.from('one'), Buffer.from('two')], 'd');
    const file = path.join(dir, 'snapshot.7');
    const whole = fs.readFileSync(file);
    for (let at = 0; at < whole.length; at++) {
      const data = Buffer.from(whole);
      data[at] = (data[at] as number) ^ 1;
      fs.writeFileSync(file, data);
      expect(store.loadLatest().broken, `byte ${at}`).toHaveLength(1);
    }
    for (let length = 0; length < whole.length; length++) {
      fs.writeFileSync(file, whole.subarray(0, length));
      expect(store.loadLatest().broken, `length ${length}`).toHaveLength(1);
    }
    fs.writeFileSync(file, Buffer.concat([whole, Buffer.from([0])]));
    expect(store.loadLatest().broken[0]?.reason).toContain('1 bytes after the end');
    fs.writeFileSync(file, whole);
    fs.renameSync(file, path.join(dir, 'snapshot.8'));
    expect(store.loadLatest().broken[0]?.reason).toContain('of 0x7');
  });

  it('fall back to an older one and name the damaged', async () => {
    const store = new SnapshotStore(dir);
    await store.save(5, chunks, 'five');
    await store.save(9, chunks, 'nine');
    fs.writeFileSync(path.join(dir, 'snapshot.9'), 'nothing');
    const { snapshot, broken } = store.loadLatest();
    expect(snapshot?.digest).toBe('five');
    const file = path.join(dir, 'snapshot.9');
    expect(broken).toEqual([{ zxid: 9, file, reason: 'not a snapshot' }]);
  });

  it('that a crash tore are removed', async () => {
    fs.writeFileSync(path.join(dir, 'snapshot.9.tmp'), 'half');
    fs.writeFileSync(path.join(dir, 'snapshot.8.saving.tmp'), 'half');
    expect(new SnapshotStore(dir).loadLatest()).toEqual({ snapshot: null, broken: [] });
    expect(fs.readdirSync(dir)).toEqual([]);
  });

  it('do not appear after they were rolled back', async () => {
    const store = new SnapshotStore(dir);
    const saving = store.save(9, chunks, 'nine');
    await expect(store.save(10, chunks, 'ten')).rejects.toThrow('one at a time');
    store.deleteAbove(8);
    await saving;
    expect(fs.readdirSync(dir)).toEqual([]);
    await store.save(9, chunks, 'other');
    expect(store.loadLatest().snapshot?.digest).toBe('other');
  });

  it('are purged but for the newest', async () => {
    const store = new SnapshotStore(dir);
    expect(await store.purge()).toBe(0);
    for (const zxid of [1, 2]) await store.save(zxid, [], '');
    expect(await store.purge()).toBe(0);
    for (const zxid of [3, 4, 5]) await store.save(zxid, [], '');
    expect(await store.purge()).toBe(3);
    expect(store.list()).toEqual([5, 4, 3]);
    expect(await store.purge(1)).toBe(5);
  });
});

describe('epochs', () => {
  it('are kept on disk and never go back', () => {
    const epochs = EpochStore.open(dir);
    expect([epochs.accepted, epochs.current]).toEqual([0, 0]);
    epochs.setAccepted(3);
    expect(() => epochs.setCurrent(4)).toThrow('while acceptedEpoch is 3');
    epochs.setCurrent(2);
    expect(() => epochs.setAccepted(2)).toThrow('acceptedEpoch 3 cannot become 2');
    expect(() => epochs.setCurrent(1)).toThrow('currentEpoch 2 cannot become 1');
    const again = EpochStore.open(dir);
    expect([again.accepted, again.current]).toEqual([3, 2]);
    expect(fs.readdirSync(dir).sort()).toEqual(['acceptedEpoch', 'currentEpoch']);
  });

  it('are on disk before in memory', () => {
    const epochs = EpochStore.open(dir);
    epochs.setAccepted(1);
    fs.mkdirSync(path.join(dir, 'acceptedEpoch.tmp'));
    expect(() => epochs.setAccepted(2)).toThrow('EISDIR');
    expect(epochs.accepted).toBe(1);
  });

  it('that contradict each other or are damaged are refused', () => {
    const epochs = EpochStore.open(dir);
    epochs.setAccepted(12);
    epochs.setCurrent(12);
    const file = path.join(dir, 'acceptedEpoch');
    const whole = fs.readFileSync(file);
    for (let at = 0; at < whole.length - 1; at++) {
      const data = Buffer.from(whole);
      data[at] = (data[at] as number) ^ 1;
      fs.writeFileSync(file, data);
      expect(() => EpochStore.open(dir), `byte ${at}`).toThrow(CorruptLogError);
    }
    fs.writeFileSync(file, '');
    expect(() => EpochStore.open(dir)).toThrow('expected an epoch and its CRC32C, got ""');
    fs.writeFileSync(file, '11');
    expect(() => EpochStore.open(dir)).toThrow('currentEpoch is 12, but acceptedEpoch is 11');
    fs.rmSync(file);
    expect(() => EpochStore.open(dir)).toThrow('acceptedEpoch is missing');
  });
});
