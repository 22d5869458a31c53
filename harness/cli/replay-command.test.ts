// What a replay says of the code it ran: which programs are another than when the run was stored, old runs
// with one program of no name included.
import { describe, expect, it } from 'vitest';
import { changedParts } from './replay-command.ts';

describe('changedParts', () => {
  const now = { broker: 'b', coordinator: 'c', harness: 'h' };

  it('names the programs that differ, and one that is no more', () => {
    expect(changedParts(now, now)).toEqual([]);
    expect(changedParts({ ...now, broker: 'b1', harness: 'h1' }, now)).toEqual([
      'broker',
      'harness',
    ]);
    expect(changedParts({ ...now, gone: 'g' }, now)).toEqual(['gone']);
    expect(changedParts(undefined, now)).toEqual([]);
  });

  it('knows the only program of old runs as the coordinator', () => {
    const one = { coordinator: 'c', harness: 'h' };
    expect(changedParts({ server: 'c', harness: 'h' }, one)).toEqual([]);
    expect(changedParts({ server: 'c1', harness: 'h' }, one)).toEqual(['coordinator']);
  });
});
