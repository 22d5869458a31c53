// Whatever is cut, healed, delayed and paused, a connection that both ends keep delivers every byte once
// and in order. Schedules are drawn, so that orders nobody thought of come up.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { loadProgram, simulate } from './index.ts';

const SENDER = `
  import net from 'node:net';
  const socket = net.connect(4000, 's');
  let next = 0;
  const timer = setInterval(() => {
    const bytes = Buffer.alloc(1 + (next * 7919) % 9000);
    for (let i = 0; i < bytes.length; i++) bytes[i] = next++ & 255;
    socket.write(bytes);
  }, 20);
  process.once('SIGTERM', () => { clearInterval(timer); socket.end(); });
  socket.on('close', () => console.log('sent', next));
  socket.resume();
`;
const RECEIVER = `
  import net from 'node:net';
  net.createServer((socket) => {
    let next = 0;
    socket.on('data', (data) => {
      for (const byte of data) {
        if (byte !== (next++ & 255)) { console.log('wrong byte', next); process.exit(1); }
      }
      if (next % 3 === 0) { socket.pause(); setTimeout(() => socket.resume(), 50); }
    });
    socket.on('error', (error) => console.log(error.code));
    socket.on('end', () => console.log('received', next));
  }).listen(4000);
`;

const HOSTS = ['s', 'c'] as const;

it('delivers every byte once and in order', async () => {
  const [sender, receiver] = await Promise.all([
    loadProgram({ source: SENDER }),
    loadProgram({ source: RECEIVER }),
  ]);
  const step = fc.record({
    what: fc.constantFrom('cut', 'heal', 'slow', 'fast', 'pause', 'resume'),
    side: fc.nat(1),
    waitMs: fc.integer({ min: 1, max: 1500 }),
  });
  const schedule = fc.array(step, { maxLength: 15 });
  const property = fc.asyncProperty(fc.nat(), schedule, async (seed, steps) => {
    const processes = { s: { program: receiver }, c: { program: sender } };
    const sim = simulate({ seed, processes });
    sim.start('s');
    await sim.runFor(20);
    sim.start('c');
    for (const { what, side, waitMs } of steps) {
      const [from, to] = [HOSTS[side]!, HOSTS[1 - side]!];
      if (what === 'cut') sim.network.cut(from, to);
      if (what === 'heal') sim.network.heal(from, to);
      if (what === 'slow') sim.network.shape(from, to, { delayMs: 300, loss: 0.05 });
      if (what === 'fast') sim.network.shape(from, to, { delayMs: 0, loss: 0 });
      if (what === 'pause') sim.process(from).pause();
      if (what === 'resume') sim.process(from).resume();
      await sim.runFor(waitMs);
    }
    for (const [from, to] of [HOSTS, [...HOSTS].reverse()] as [string, string][]) {
      sim.network.heal(from, to);
      sim.network.shape(from, to, { delayMs: 0, loss: 0 });
      sim.process(from).resume();
    }
    await sim.runFor(60_000);
    sim.process('c').kill('SIGTERM');
    await sim.runUntil(() => !sim.process('c').running, { limitMs: 300_000 });
    const sent = sim.process('c').output().at(-1)!;
    expect(sent).toMatch(/^sent \d+$/);
    expect(sim.process('s').output()).toEqual([sent.replace('sent', 'received')]);
  });
  await fc.assert(property, { numRuns: 25 });
});
