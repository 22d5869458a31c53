// The tree grows to its bounds and not past them, also while much is under way, and what shrinks it
// makes room.
import { describe, expect, it } from 'vitest';
import { ErrorCode } from '../protocol/codes.ts';
import { ask, part, SoloLeader } from './testing.ts';

describe('a bound on the tree', () => {
  it('refuses the node past it with QuotaExceeded, and a delete makes room', () => {
    const leader = new SoloLeader(undefined, undefined, {
      limits: { nodesMax: 6, dataBytesMax: 0 },
    });
    const session = leader.open();
    expect(leader.tree.nodeCount).toBe(4);
    expect(leader.run(ask.create('/a'), session).err).toBe(0);
    expect(leader.run(ask.create('/b'), session).err).toBe(0);
    expect(leader.run(ask.create('/c'), session).err).toBe(ErrorCode.QuotaExceeded);
    expect(leader.run(ask.setData('/a', 'more'), session).err).toBe(0);
    expect(leader.run(ask.delete('/a'), session).err).toBe(0);
    expect(leader.run(ask.create('/c'), session).err).toBe(0);
  });

  it('holds for a multi as a whole', () => {
    const leader = new SoloLeader(undefined, undefined, {
      limits: { nodesMax: 5, dataBytesMax: 0 },
    });
    const session = leader.open();
    const both = ask.multi(part.create('/a'), part.create('/b'));
    expect(leader.run(both, session).multi?.at(-1)).toMatchObject({
      err: ErrorCode.QuotaExceeded,
    });
    expect(leader.tree.nodeCount).toBe(4);
    expect(leader.run(ask.create('/a'), session).err).toBe(0);
  });

  it('on its data counts creates and sets; smaller data is always taken', () => {
    const leader = new SoloLeader(undefined, undefined, {
      limits: { nodesMax: 0, dataBytesMax: 1000 },
    });
    const session = leader.open();
    expect(leader.run(ask.create('/a', 'x'.repeat(500)), session).err).toBe(0);
    expect(leader.run(ask.create('/b', 'x'.repeat(500)), session).err).toBe(
      ErrorCode.QuotaExceeded,
    );
    expect(leader.run(ask.setData('/a', 'x'.repeat(990)), session).err).toBe(
      ErrorCode.QuotaExceeded,
    );
    expect(leader.run(ask.setData('/a', ''), session).err).toBe(0);
    expect(leader.run(ask.create('/b', 'x'.repeat(500)), session).err).toBe(0);
    expect(leader.tree.dataBytes).toBeLessThan(1000);
  });
});
