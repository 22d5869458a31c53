// What belongs to one turn of the event loop, in which order it runs, and that no failure of one part
// keeps the others back.
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { atTurnEnd } from './turn.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('the end of a turn', () => {
  it('runs what was asked for in order, and what that asks for in the same turn', async () => {
    const ran: string[] = [];
    atTurnEnd(() => {
      ran.push('first');
      atTurnEnd(() => ran.push('third'));
    });
    atTurnEnd(() => ran.push('second'));
    setImmediate(() => ran.push('after'));
    expect(ran).toEqual([]);
    await turn();
    expect(ran).toEqual(['first', 'second', 'third', 'after']);
  });

  it('runs the rest in the next turn when one throws', async () => {
    const before = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    const ran: string[] = [];
    try {
      const thrown = once(process, 'uncaughtException');
      atTurnEnd(() => {
        throw new Error('one of many');
      });
      atTurnEnd(() => ran.push('the other'));
      expect((await thrown)[0]).toEqual(new Error('one of many'));
      await turn();
      expect(ran).toEqual(['the other']);
    } finally {
      for (const listener of before) process.on('uncaughtException', listener);
    }
  });
});
