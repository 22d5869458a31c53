// The heap against a sorted list, the streams' independence, the trace's checkpoints, and how fast
// messages go through the whole (printed, not judged: the machine is not always ours alone).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventHeap, HeapEntry } from './heap.ts';
import { simulate } from './index.ts';
import { retransmissionNs } from './network.ts';
import { Entropy } from './random.ts';
import { runs } from './testing.ts';
import { firstDifference, Trace } from './trace.ts';

function entry(heap: EventHeap, timeNs: number, tie: number, seq: number): HeapEntry {
  return new HeapEntry(heap, { timeNs, tie, seq }, 'x', undefined, () => {}, false);
}

describe('the heap', () => {
  it('gives entries in order of time, tiebreak and sequence, without the cancelled', () => {
    const drawn = fc.record({ time: fc.nat(9), tie: fc.nat(3), cancelled: fc.boolean() });
    fc.assert(
      fc.property(fc.array(drawn, { maxLength: 60 }), (list) => {
        const heap = new EventHeap();
        const entries = list.map(({ time, tie }, seq) => entry(heap, time, tie, seq));
        for (const one of entries) heap.push(one);
        list.forEach(({ cancelled }, i) => {
          if (cancelled) entries[i]!.cancel();
        });
        const expected = entries
          .filter((_, i) => !list[i]!.cancelled)
          .sort((a, b) => a.timeNs - b.timeNs || a.tie - b.tie || a.seq - b.seq);
        expect(heap.size).toBe(expected.length);
        const given: HeapEntry[] = [];
        for (let one = heap.pop(); one !== undefined; one = heap.pop()) given.push(one);
        expect(given).toEqual(expected);
      }),
    );
  });

  it('sweeps out what was cancelled and keeps the rest', () => {
    const heap = new EventHeap();
    const entries = Array.from({ length: 5000 }, (_, i) => entry(heap, 5000 - i, 0, i));
    for (const one of entries) heap.push(one);
    for (const one of entries.slice(0, 4000)) heap.cancel(one);
    for (const one of entries.slice(0, 10)) heap.cancel(one);
    expect(heap.size).toBe(1000);
    const times = Array.from({ length: 1000 }, () => heap.pop()!.timeNs);
    expect(times).toEqual(Array.from({ length: 1000 }, (_, i) => i + 1));
    expect(heap.pop()).toBeUndefined();
  });
});

describe('entropy', () => {
  it('is drawn from streams that do not shift each other', () => {
    const draws = (extra: number) => {
      const entropy = new Entropy('s');
      for (let i = 0; i < extra; i++) entropy.stream('disk').float();
      return Array.from({ length: 5 }, () => entropy.stream('network').float());
    };
    expect(draws(0)).toEqual(draws(7));
    expect(new Entropy('s').stream('a').float()).not.toBe(new Entropy('s').stream('b').float());
    expect(new Entropy('s').stream('a').float()).not.toBe(new Entropy('t').stream('a').float());
  });

  it('is even enough', () => {
    const stream = new Entropy('s').stream('x');
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < 10_000; i++) counts[stream.int(10)]!++;
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
    expect(stream.bytes(7)).toHaveLength(7);
    expect(() => stream.int(0)).toThrow('expected a bound');
  });
});

describe('the trace', () => {
  it('has checkpoints that say where two runs part', () => {
    const written = (odd: number) => {
      const trace = new Trace({ checkpointEvery: 10, keepLast: 3 });
      for (let i = 0; i < 95; i++) trace.write(i, 'kind', 'p', i === odd ? 'odd' : '');
      return { hash: trace.hash(), events: trace.events, checkpoints: trace.checkpoints, trace };
    };
    expect(firstDifference(written(-1), written(-1))).toBeUndefined();
    expect(firstDifference(written(-1), written(37))).toEqual({ from: 30, to: 40 });
    expect(firstDifference(written(-1), written(93))).toEqual({ from: 90, to: 95 });
    expect(written(93).trace.last()).toEqual(['92 kind p ', '93 kind p odd', '94 kind p ']);
  });
});

describe('retransmission', () => {
  it('doubles its waits up to two minutes', () => {
    expect(retransmissionNs(0, 1)).toBe(0.2e9);
    expect(retransmissionNs(0, 0.2e9 + 1)).toBe(0.6e9);
    expect(retransmissionNs(0, 0.6e9 + 1)).toBe(1.4e9);
    const late = 1000e9;
    expect(retransmissionNs(0, late) - late).toBeLessThanOrEqual(120e9);
  });
});

describe('speed', () => {
  it('echoes through real streams over simulated sockets', async () => {
    const messages = 20_000;
    const sim = simulate({
      seed: 1,
      processes: {
        s: await runs(`import net from 'node:net';
          net.createServer((s) => s.pipe(s)).listen(4000);`),
        c: await runs(
          `import net from 'node:net';
          let left = Number(process.argv[2]), got = 0;
          setTimeout(() => {
            const socket = net.connect(4000, 's', () => socket.write(Buffer.alloc(16)));
            socket.on('data', (data) => {
              for (got += data.length; got >= 16; got -= 16) {
                if (--left === 0) process.exit();
                socket.write(Buffer.alloc(16));
              }
            });
          }, 20);`,
          { argv: [String(messages)] },
        ),
      },
    });
    sim.start();
    const startMs = performance.now();
    await sim.runUntil(() => !sim.process('c').running);
    const seconds = (performance.now() - startMs) / 1000;
    expect(sim.process('c').exits).toMatchObject([{ code: 0 }]);
    console.log(
      `${Math.round((2 * messages) / seconds)} messages/s, ${Math.round(sim.events / seconds)} ` +
        `events/s, ${(sim.nowMs / 1000 / seconds).toFixed(1)} virtual seconds a second`,
    );
  });
});
