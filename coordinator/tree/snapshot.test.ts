import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CreateFlag } from '../protocol/codes.ts';
import { DataTree } from './data-tree.ts';
import { SnapshotError, snapshotZxid } from './snapshot.ts';
import { ask, SoloLeader } from './testing.ts';

const readOnly = [{ perms: 1, scheme: 'world', id: 'anyone' }];

function filled(): SoloLeader {
  const leader = new SoloLeader();
  const session = leader.open(4321);
  leader.run(ask.create('/a', 'data'), session);
  leader.run(ask.create('/a/ü', null, { acl: readOnly }), session);
  leader.run(ask.create('/a/e', 'x', { flags: CreateFlag.ephemeral }), session);
  leader.run(ask.setData('/a', 'more data'), session);
  return leader;
}

describe('snapshots', () => {
  it('load however their bytes are cut', () => {
    const { tree } = filled();
    const bytes = Buffer.concat(tree.serialize());
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (cuts) => {
        const ends = [...cuts.sort((a, b) => a - b), bytes.length];
        const chunks = ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
        const loaded = new DataTree();
        loaded.load(chunks);
        expect(loaded.digest()).toBe(tree.digest());
        expect(loaded.lastApplied).toBe(tree.lastApplied);
      }),
      { numRuns: 50 },
    );
    expect(snapshotZxid(bytes)).toBe(tree.lastApplied);
  });

  it('keep sessions, owners and lists', () => {
    const { tree } = filled();
    const loaded = new DataTree();
    loaded.load(tree.serialize());
    const [session] = loaded.sessions();
    expect(session).toEqual({ ...session, timeoutMs: 4321, password: Buffer.alloc(16, 7) });
    expect([...loaded.ephemerals(session?.id ?? 0)]).toEqual(['/a/e']);
    expect(loaded.getAcl('/a/ü')).toMatchObject({ acl: readOnly });
    expect(loaded.counts()).toEqual(tree.counts());
  });

  it('are of one moment, whatever is done to a node that is not yet written', async () => {
    const changes = [
      ask.create('/a/new', ''),
      ask.delete('/a/e'),
      ask.setData('/a', 'other'),
      ask.setAcl('/a', readOnly),
    ];
    for (const change of changes) {
      const leader = filled();
      const session = leader.open();
      const expected = Buffer.concat(leader.tree.serialize());
      const capturing = leader.tree.capture(1);
      leader.run(change, session);
      expect(Buffer.concat(leader.tree.serialize())).not.toEqual(expected);
      expect(Buffer.concat(await capturing)).toEqual(expected);
    }
    const { tree } = filled();
    const one = tree.capture(1);
    await expect(tree.capture(1)).rejects.toThrow('under way');
    await one;
  });

  it('refuse any damage and leave the state as it was', () => {
    const { tree } = filled();
    const bytes = Buffer.concat(tree.serialize());
    const target = filled().tree;
    const digest = target.digest();
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 0x41;
      expect(() => target.load([damaged]), `byte ${at}`).toThrow(SnapshotError);
    }
    for (let size = 0; size < bytes.length; size += 7) {
      expect(() => target.load([bytes.subarray(0, size)]), `cut at ${size}`).toThrow(SnapshotError);
    }
    expect(() => target.load([bytes, Buffer.alloc(9)])).toThrow(SnapshotError);
    expect(() => target.load([])).toThrow(/it is empty.*older snapshot/);
    expect(() => snapshotZxid(Buffer.from('nonsense'))).toThrow(SnapshotError);
    expect(target.digest()).toBe(digest);
    expect(target.recomputeDigest()).toBe(digest);
  });

  it('name both digests when the content is not what was written', () => {
    const { tree } = filled();
    const bytes = Buffer.concat(tree.serialize());
    bytes[bytes.indexOf('more data')] = 0x4d;
    expect(() => new DataTree().load([bytes])).toThrow(
      new RegExp(`content has digest [0-9a-f]{16}, the server that wrote it had ${tree.digest()}`),
    );
  });

  it('come in chunks of about 1 MB', () => {
    const leader = new SoloLeader();
    const session = leader.open();
    for (let i = 0; i < 60; i++) {
      const size = i % 10 === 0 ? 1_000_000 : 60_000;
      leader.run(ask.create(`/n${i}`, Buffer.alloc(size, i)), session);
    }
    const chunks = leader.tree.serialize();
    expect(chunks.length).toBeGreaterThan(8);
    for (const chunk of chunks) expect(chunk.length).toBeLessThanOrEqual(1_060_000);
    const loaded = new DataTree();
    loaded.load(chunks);
    expect(loaded.digest()).toBe(leader.tree.digest());
  });
});
