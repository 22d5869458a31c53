// The log on a simulated disk that dies inside system calls, loses power, fails and rots: what was flushed is
// there, what is there is what was appended, and damage is refused instead of cut.
import { fileURLToPath } from 'node:url';
import { expect, test, vi } from 'vitest';
import { loadProgram, type Program, type Simulation, simulate } from '../../simulator/index.ts';
import { CrashOracle } from './log-crash.testing.ts';
import type { Told } from './log-crash-program.testing.ts';

const PROGRAM = fileURLToPath(new URL('./log-crash-program.testing.ts', import.meta.url));
const LIVES = 6;

// Thousands of simulated starts: on a busy machine they take their time.
vi.setConfig({ testTimeout: 300_000 });

let program: Promise<Program> | undefined;

interface Ran {
  sim: Simulation;
  oracle: CrashOracle;
  told: Told[];
}

async function prepare(seed: number, flushInterval = 1): Promise<Ran> {
  program ??= loadProgram(PROGRAM);
  const oracle = new CrashOracle();
  const told: Told[] = [];
  const ran = { oracle, told } as Ran;
  ran.sim = simulate({
    seed,
    processes: {
      p: {
        program: await program,
        argv: [String(flushInterval)],
        globals: {
          tell: (each: Told) => {
            // Code that catches its own death goes on for a moment; nobody hears of it.
            if (!ran.sim.process('p').running) return;
            told.push(each);
            oracle.tell(each);
          },
        },
      },
    },
  });
  return ran;
}

/** Starts the program and lets it run until it has died; power loss or kill, in a system call or between. */
async function live(ran: Ran, how: 'kill' | 'powerLoss', call: number): Promise<void> {
  const { sim } = ran;
  const process = sim.process('p');
  process.start();
  process.crashAt({ call, match: 'fs.', how });
  await sim.runUntil(() => !process.running);
  const crashed = process.exits.at(-1)?.signal !== null;
  if (!crashed && how === 'powerLoss') sim.powerLoss('p');
  if (how === 'powerLoss') ran.oracle.powerLoss();
}

async function lives(seed: number, flushInterval: number): Promise<CrashOracle> {
  const ran = await prepare(seed, flushInterval);
  const random = ran.sim.random('test');
  for (let life = 0; life < LIVES; life++) {
    const how = random.int(3) === 0 ? 'kill' : 'powerLoss';
    await live(ran, how, 1 + random.int(random.int(2) === 0 ? 60 : 1500));
  }
  ran.sim.process('p').start();
  const before = ran.oracle.seen.opened;
  await ran.sim.runUntil(() => ran.oracle.seen.opened > before || !ran.sim.process('p').running);
  expect(ran.sim.process('p').output('stderr')).toEqual([]);
  expect(ran.oracle.seen.opened).toBeGreaterThan(before);
  return ran.oracle;
}

test.each([
  ['every append is flushed', 1],
  ['flushes are rare', 40],
])('nothing flushed is lost by kills and power losses in any system call: %s', async (_, every) => {
  const seen = { opened: 0, clean: 0, lostTail: 0, keptUnflushed: 0 };
  for (let seed = 0; seed < 30; seed++) {
    const oracle = await lives(seed, every);
    expect(oracle.faults, `seed ${seed}`).toEqual([]);
    expect(oracle.seen.refused, `seed ${seed}`).toBe(0);
    for (const key of Object.keys(seen) as (keyof typeof seen)[]) seen[key] += oracle.seen[key];
  }
  // Crashes that never cost anything would show nothing.
  for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(5);
});

/** Starts the program and waits for what it finds; it is killed then. */
async function reopen(ran: Ran): Promise<Told | undefined> {
  const process = ran.sim.process('p');
  const before = ran.told.length;
  process.start();
  await ran.sim.runUntil(() => ran.told.length > before || !process.running);
  if (process.running) process.kill();
  await ran.sim.runUntil(() => !process.running);
  return ran.told[before];
}

test.each([
  ['eio', ['fsync']],
  ['eio', ['write']],
  ['enospc', undefined],
] as const)(
  'a failing disk (%s %s) ends the log, and nothing flushed is lost',
  async (kind, on) => {
    let failed = 0;
    let refused = 0;
    for (let seed = 0; seed < 30; seed++) {
      const ran = await prepare(seed, seed % 2 === 0 ? 1 : 30);
      const random = ran.sim.random('test');
      await live(ran, 'kill', 400);
      const nth = 1 + random.int(150);
      const disk = ran.sim.disk('p');
      const paths = ['/data/'];
      const fault = { kind, paths, nth, ...(on === undefined ? {} : { operations: on }) };
      disk.setFault(fault as Parameters<typeof disk.setFault>[0]);
      await live(ran, 'powerLoss', 1200);
      disk.clearFaults();
      // Twice: what a failed sync left in the cache must not count as durable after the first start.
      await reopen(ran);
      ran.sim.powerLoss('p');
      ran.oracle.powerLoss();
      await reopen(ran);
      expect(ran.oracle.faults, `seed ${seed}`).toEqual([]);
      failed += ran.oracle.seen.failed;
      refused += ran.oracle.seen.refused;
    }
    expect(failed).toBeGreaterThan(5);
    expect(refused).toBe(0);
  },
);

test('after a failed sync and a kill, what the next start tells of survives a power loss', async () => {
  let failed = 0;
  for (let seed = 0; seed < 24; seed++) {
    const ran = await prepare(seed);
    const disk = ran.sim.disk('p');
    const process = ran.sim.process('p');
    process.start();
    await ran.sim.runFor(8);
    disk.setFault({ kind: 'eio', operations: ['fsync'], paths: ['*.log'], times: 1 });
    await ran.sim.runUntil(() => !process.running);
    disk.clearFaults();
    await reopen(ran);
    ran.sim.powerLoss('p');
    ran.oracle.powerLoss();
    await reopen(ran);
    expect(ran.oracle.faults, `seed ${seed}`).toEqual([]);
    failed += ran.oracle.seen.failed;
  }
  expect(failed).toBeGreaterThan(15);
});

test.each(['rotten-read', 'misdirected-read', 'bit-rot'] as const)(
  'a disk that reads wrong (%s) is refused or harmless, and costs nothing once it reads right',
  async (kind) => {
    let refused = 0;
    let harmless = 0;
    for (let seed = 0; seed < 24; seed++) {
      const ran = await prepare(seed);
      const random = ran.sim.random('test');
      await live(ran, 'kill', 300 + random.int(900));
      // Of what was never flushed a wrong read may look like an unsynced tail.
      ran.oracle.powerLoss();
      const disk = ran.sim.disk('p');
      disk.setFault({ kind, paths: ['/data/'], nth: 1 + random.int(40), times: 1 });
      const found = await reopen(ran);
      disk.clearFaults();
      if (found?.kind === 'refused') {
        refused++;
      } else harmless++;
      expect(ran.oracle.faults, `seed ${seed} ${found?.kind}`).toEqual([]);
      if (kind === 'bit-rot') continue;
      // Once the disk reads right again, everything is there.
      await reopen(ran);
      expect(ran.oracle.faults, `seed ${seed} healed`).toEqual([]);
    }
    expect(refused).toBeGreaterThan(2);
    expect(harmless).toBeGreaterThan(5);
  },
);
