// What a program sees when its peer is cut off, slow, paused, killed or without power: as the kernel
// would show it, in virtual time.
import { describe, expect, it } from 'vitest';
import { loadProgram, type Simulation, simulate } from './index.ts';
import { CLIENT, ECHO_SERVER, numbersOf, runs } from './testing.ts';

async function connected(seed = 1): Promise<Simulation> {
  const sim = simulate({
    seed,
    processes: { s: await runs(ECHO_SERVER), c: await runs(CLIENT, { argv: ['s'] }) },
  });
  sim.start('s');
  await sim.runFor(20);
  sim.start('c');
  await sim.runFor(500);
  expect(sim.process('c').output()[0]).toBe('connect');
  return sim;
}

function received(sim: Simulation): number {
  return numbersOf(sim.process('c').output()).length;
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

describe('cuts', () => {
  it.each([
    ['c', 's'],
    ['s', 'c'],
  ])(
    'a one-way cut %s > %s stalls, and nothing is lost or doubled after the heal',
    async (a, b) => {
      const sim = await connected();
      sim.network.cut(a, b);
      await sim.runFor(20);
      const before = received(sim);
      await sim.runFor(3000);
      expect(received(sim)).toBe(before);
      expect(sim.process('c').output()).not.toContain('close');
      sim.network.heal(a, b);
      await sim.runFor(10_000);
      const numbers = numbersOf(sim.process('c').output());
      expect(numbers.length).toBeGreaterThan(before + 1000);
      expect(numbers).toEqual(upTo(numbers.length));
    },
  );

  it('a connect hangs while cut either way, goes through after the heal, ends after 127 s', async () => {
    for (const [a, b] of [
      ['c', 's'],
      ['s', 'c'],
    ] as const) {
      const sim = simulate({
        seed: 3,
        processes: { s: await runs(ECHO_SERVER), c: await runs(CLIENT, { argv: ['s'] }) },
      });
      sim.network.cut(a, b);
      sim.start();
      await sim.runFor(5000);
      expect(sim.process('c').output()).toEqual([]);
      sim.network.heal(a, b);
      await sim.runFor(5000);
      expect(sim.process('c').output()[0]).toBe('connect');

      sim.process('c').kill();
      sim.network.cut(a, b);
      sim.process('c').start();
      await sim.runUntil(() => !sim.process('c').running);
      expect(sim.process('c').output().slice(-2)).toEqual(['error ETIMEDOUT connect', 'close']);
    }
  });

  it('a stream without acknowledgements stalls once its window is full', async () => {
    const sim = simulate({
      seed: 1,
      processes: {
        s: await runs(
          `
          import net from 'node:net';
          let got = 0;
          net.createServer((s) => s.on('data', (d) => { got += d.length; globalThis.report(got); }))
            .listen(4000);
        `,
          { globals: { report: (bytes: number) => (got = bytes) } },
        ),
        c: await runs(`
          import net from 'node:net';
          const socket = net.connect(4000, 's', () => console.log('connect'));
          setInterval(() => socket.write(Buffer.alloc(1000)), 10);
        `),
      },
    });
    let got = 0;
    sim.start('s');
    await sim.runFor(20);
    sim.start('c');
    await sim.runUntil(() => got > 0);
    sim.network.cut('s', 'c');
    await sim.runFor(5000);
    const stalledAt = got;
    expect(stalledAt).toBeGreaterThan(40_000);
    expect(stalledAt).toBeLessThanOrEqual(65_536 + 16_384);
    await sim.runFor(1000);
    expect(got).toBe(stalledAt);
    sim.network.heal('s', 'c');
    await sim.runFor(10_000);
    expect(got).toBeGreaterThan(500_000);
  });

  it('delay and loss slow a stream down and break nothing', async () => {
    const sim = await connected();
    sim.network.shape('c', 's', { delayMs: 400, loss: 0.1 });
    const before = received(sim);
    await sim.runFor(300);
    expect(received(sim)).toBeLessThan(before + 5);
    await sim.runFor(20_000);
    const numbers = numbersOf(sim.process('c').output());
    expect(numbers).toEqual(upTo(numbers.length));
    expect(numbers.length).toBeGreaterThan(before + 100);
  });
});

describe('deaths', () => {
  it('a killed server: its clients see an end or a reset, then refusal, until it is back', async () => {
    const sim = await connected();
    sim.process('s').kill();
    await sim.runFor(10);
    expect(sim.process('c').output().at(-1)).toBe('close');
    sim.process('c').start();
    await sim.runFor(50);
    expect(sim.process('c').output().slice(-2)).toEqual(['error ECONNREFUSED connect', 'close']);
    sim.start();
    await sim.runFor(50);
    sim.process('c').restart();
    await sim.runFor(100);
    expect(sim.process('s').exits).toMatchObject([{ code: null, signal: 'SIGKILL' }]);
    expect(sim.process('c').output().at(-1)).toMatch(/^data/);
  });

  it('a killed process behind a cut is noticed after the heal only', async () => {
    const sim = await connected();
    sim.network.cut('s', 'c');
    sim.process('s').kill();
    await sim.runFor(5000);
    expect(sim.process('c').running).toBe(true);
    sim.network.heal('s', 'c');
    await sim.runFor(20_000);
    expect(sim.process('c').running).toBe(false);
  });

  it('a machine without power is silent; back again, it resets what it does not know', async () => {
    const sim = await connected();
    sim.powerLoss('s');
    expect(sim.process('s').exits).toMatchObject([{ code: null, signal: 'power loss' }]);
    await sim.runFor(5000);
    expect(sim.process('c').output()).not.toContain('close');
    sim.start('s');
    await sim.runFor(20_000);
    expect(sim.process('c').output().slice(-2)).toEqual(['error ECONNRESET read', 'close']);
  });

  it('a crash point falls inside the call: what comes behind it does not happen', async () => {
    const program = await loadProgram({
      source: `
        import fs from 'node:fs';
        setInterval(() => {
          try {
            console.log('before');
            fs.writeFileSync('/tmp/' + process.hrtime.bigint(), 'x');
            console.log('after');
          } catch { console.log('caught'); } finally { fs.writeFileSync('/tmp/finally', 'x'); }
        }, 10);
      `,
    });
    const sim = simulate({ seed: 1, processes: { p: { program } } });
    sim.start();
    await sim.runFor(35);
    const before = sim.process('p').output().length;
    sim.process('p').crashAt({ call: 1, match: 'fs.', how: 'kill' });
    await sim.runUntil(() => !sim.process('p').running);
    expect(sim.process('p').output().slice(before)).toEqual(['before']);
    const files = sim.disk('p').list('/tmp').length;
    await sim.runFor(1000);
    expect(sim.disk('p').list('/tmp')).toHaveLength(files);
    expect(sim.process('p').output()).toHaveLength(before + 1);
  });

  it('a power loss takes what was not synced, a kill does not', async () => {
    const program = await loadProgram({
      source: `
        import fs from 'node:fs';
        for (const name of ['synced', 'volatile']) {
          try { console.log(name, fs.readFileSync('/' + name, 'utf8')); }
          catch (error) { console.log(name, error.code); }
          const fd = fs.openSync('/' + name, 'w');
          fs.writeSync(fd, name);
          if (name === 'synced') { fs.fsyncSync(fd); fs.fsyncSync(fs.openSync('/', 'r')); }
        }
        setInterval(() => {}, 1000);
      `,
    });
    let lost = 0;
    for (let seed = 0; seed < 12; seed++) {
      const sim = simulate({ seed, processes: { p: { program } } });
      sim.start();
      await sim.runFor(10);
      sim.process('p').restart();
      await sim.runFor(10);
      expect(sim.process('p').output().slice(2)).toEqual(['synced synced', 'volatile volatile']);
      sim.powerLoss('p');
      sim.start();
      await sim.runFor(10);
      if (sim.process('p').output()[5] !== 'volatile volatile') lost++;
    }
    expect(lost).toBeGreaterThan(0);
  });
});

describe('standing still and wrong clocks', () => {
  it('a paused server is connected to and answers when it goes on', async () => {
    const sim = simulate({
      seed: 5,
      processes: { s: await runs(ECHO_SERVER), c: await runs(CLIENT, { argv: ['s'] }) },
    });
    sim.start('s');
    await sim.runFor(20);
    sim.process('s').pause();
    sim.start('c');
    await sim.runFor(1000);
    expect(sim.process('c').output()).toEqual(['connect']);
    sim.process('s').resume();
    await sim.runFor(100);
    const numbers = numbersOf(sim.process('c').output());
    expect(numbers.length).toBeGreaterThan(90);
    expect(numbers).toEqual(upTo(numbers.length));
  });

  it('skews the wall clock by offset and rate and leaves the monotonic one', async () => {
    const sim = simulate({
      seed: 1,
      processes: {
        p: await runs(`
          const started = performance.now();
          setInterval(() => console.log(Date.now(), Math.round(performance.now() - started)), 1000);
        `),
      },
      epochMs: 0,
    });
    sim.start();
    await sim.runFor(1500);
    sim.process('p').skew({ offsetMs: 60_000, rate: 2 });
    await sim.runFor(2000);
    const rows = sim
      .process('p')
      .output()
      .map((line) => line.split(' ').map(Number));
    expect(rows.map((row) => row[1])).toEqual([1000, 2000, 3000]);
    expect(rows[1]![0]! - rows[0]![0]!).toBeGreaterThan(60_500);
    expect(rows[2]![0]! - rows[1]![0]!).toBe(2000);
    sim.process('p').skew({ monotonicRate: 4 });
    const lines = sim.process('p').output().length;
    await sim.runFor(2000);
    expect(sim.process('p').output().length - lines).toBeGreaterThan(5);
  });
});
