// A run that is interrupted or killed, in every phase and on every cluster: Ctrl-C ends it in good
// order with a report, and after a kill `chaos clean` removes what is left and nothing else.
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { clusterDrivers } from '../harness/clusters/index.ts';
import type { RunInfo } from '../history/run-record.ts';
import {
  chaos,
  type Ended,
  foreignFiles,
  LiveRun,
  lastObject,
  NOTHING,
  type User,
  until,
} from './interrupt/live-run.ts';

/** A moment of a run: how the run must be to have it, and when it has come. */
interface Moment {
  name: string;
  options: string[];
  come(run: LiveRun): Promise<void>;
  /** Whether a kill at that moment certainly leaves containers behind. */
  booted: boolean;
  /** Tried on docker only with CHAOS_LONG set: containers take their time. */
  long?: true;
}

const LOAD = ['--nemesis', 'partition-leader', '--time-limit', '30s', '--rate', '100'];
const SHORT = ['--nemesis', 'partition-leader', '--time-limit', '1s', '--rate', '100'];
/** One client and hundreds of keys: creating and reading them all takes about a second each. */
const MANY_KEYS = [
  '--nemesis',
  'none',
  '--time-limit',
  '1s',
  '--rate',
  '3000',
  '--concurrency',
  '1',
];

const inPhase = (phase: string) => (run: LiveRun) => run.reaches(phase);

const MOMENTS: readonly Moment[] = [
  { name: 'boot, at once', options: LOAD, come: inPhase('boot'), booted: false },
  { name: 'boot, servers starting', options: LOAD, come: (r) => r.serverStarted(), booted: true },
  { name: 'setup', options: MANY_KEYS, come: inPhase('setup'), booted: true, long: true },
  { name: 'warmup', options: LOAD, come: inPhase('warmup'), booted: true, long: true },
  { name: 'faults', options: LOAD, come: (run) => run.faultInPlace(), booted: true },
  { name: 'heal', options: SHORT, come: inPhase('heal'), booted: true, long: true },
  { name: 'final', options: MANY_KEYS, come: inPhase('final'), booted: true, long: true },
];

const long = (process.env.CHAOS_LONG ?? '') !== '';
const inCi = (process.env.CI ?? '') !== '';
/** Ctrl-C again and again: what comes within half a second is taken for the same one. */
const IMPATIENCE_MS = 100;

// Five runs at a time, with their servers, on a machine that may have two cores.
vi.setConfig({ testTimeout: 120_000 });

const folders: string[] = [];
const runs: LiveRun[] = [];

function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'chaos interrupted-'));
  folders.push(folder);
  return folder;
}

let names = 0;

function begin(
  folder: string,
  kind: LiveRun['kind'],
  options: readonly string[],
  user?: User,
): LiveRun {
  const run = new LiveRun(folder, kind, `run-${names++}`, options, user);
  runs.push(run);
  return run;
}

afterAll(async () => {
  // A test that failed may have left one running.
  for (const run of runs.filter(({ over }) => !over)) {
    run.kill('SIGKILL');
    await run.ended;
    await chaos(run.folder, 'clean');
  }
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** What must hold after Ctrl-C, whenever it came. */
async function expectOrderlyEnd(run: LiveRun, ended: Ended): Promise<void> {
  expect(ended.exit, ended.stderr).toBe(130);
  const object = lastObject(ended);
  expect(object).toMatchObject({ exit: 130, run: run.dir });
  expect(object.faults.verified).toBe(object.faults.injected);
  const results = readFileSync(join(run.dir as string, 'results.json'), 'utf8');
  expect(JSON.parse(results)).toMatchObject({ exit: 130, outcome: object.verdict });
  const info = JSON.parse(readFileSync(join(run.dir as string, 'run.json'), 'utf8')) as RunInfo;
  expect(info.ended).toBe('interrupted');
  expect(existsSync(join(run.dir as string, 'report.html'))).toBe(true);
  expect(await run.remains()).toEqual(NOTHING);
}

/** Removes what a run left, which must be something where it certainly was. */
async function expectCleanable(run: LiveRun, folder: string, sure: boolean): Promise<void> {
  if (sure) expect(await run.remains()).not.toEqual(NOTHING);
  const cleaned = await chaos(folder, 'clean');
  expect(cleaned.exit, cleaned.stderr).toBe(0);
  expect(await run.remains()).toEqual(NOTHING);
}

/** Stops what the harness must ask before it can heal, so that an orderly end takes its time. */
async function freeze(run: LiveRun): Promise<void> {
  if (run.kind === 'local') for (const pid of run.serverPids()) process.kill(pid, 'SIGSTOP');
  else await Promise.all((await run.holders()).map((holder) => holder.pause()));
}

/** Another user than root, so that files of the wrong owner show; it may talk to the daemon. */
function otherUser(): User {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  if (uid !== 0) return { uid, gid };
  const socket = '/var/run/docker.sock';
  return { uid: 65_534, gid: existsSync(socket) ? statSync(socket).gid : 65_534 };
}

function tests(kind: LiveRun['kind']): void {
  const all = long || kind === 'local';
  const moments = all ? MOMENTS : MOMENTS.filter((moment) => moment.long === undefined);

  for (const { name, options, come } of moments) {
    test.concurrent(`Ctrl-C in ${name}: healed, judged, reported, nothing left`, async () => {
      const run = begin(freshFolder(), kind, options);
      await come(run);
      run.kill('SIGINT');
      await expectOrderlyEnd(run, await run.ended);
    });
  }

  for (const { name, options, come, booted } of moments) {
    test.concurrent(`kill -9 in ${name}: clean removes what is left`, async () => {
      const folder = freshFolder();
      const run = begin(folder, kind, options);
      await come(run);
      run.kill('SIGKILL');
      expect((await run.ended).signal).toBe('SIGKILL');
      // Local servers end by themselves, as soon as they notice.
      await expectCleanable(run, folder, booted && kind === 'docker');
    });
  }

  // The conformance tests try the same on a cluster alone, so the whole run does only now and then.
  if (long) {
    test.concurrent('kill -9 while a server is paused: clean removes that one too', async () => {
      const folder = freshFolder();
      const run = begin(folder, kind, [...LOAD, '--nemesis', 'pause-leader']);
      await run.faultInPlace();
      run.kill('SIGKILL');
      await run.ended;
      await expectCleanable(run, folder, true);
    });
  }

  test.concurrent('clean does not disturb a run that lives', async () => {
    const folder = freshFolder();
    const living = begin(folder, kind, ['--nemesis', 'none', '--time-limit', '1s']);
    const killed = begin(folder, kind, LOAD);
    await Promise.all([living.reaches('warmup'), killed.reaches('warmup')]);
    killed.kill('SIGKILL');
    await killed.ended;
    await expectCleanable(killed, folder, kind === 'docker');
    const ended = await living.ended;
    expect(ended.exit, ended.stderr).toBe(0);
    expect(lastObject(ended)).toMatchObject({ verdict: 'valid' });
    expect(await living.remains()).toEqual(NOTHING);
  });

  test.concurrent('a second Ctrl-C ends at once, and clean removes the rest', async () => {
    const folder = freshFolder();
    const run = begin(folder, kind, LOAD);
    await run.faultInPlace();
    await freeze(run);
    run.kill('SIGINT');
    await run.awaits('its answer', () => run.stderr.includes('interrupted: healing'));
    await until('the end', async () => {
      run.kill('SIGINT');
      await delay(IMPATIENCE_MS);
      return run.over;
    });
    const { exit, stderr, stdout } = await run.ended;
    expect(exit).toBe(130);
    expect(stderr).toMatch(/ended at once; `chaos clean` removes what is left/);
    expect(stdout).toBe('');
    await expectCleanable(run, folder, true);
  });

  test.concurrent('files of a run belong to the user who ran it', async () => {
    const user = otherUser();
    const folder = freshFolder();
    chownSync(folder, user.uid, user.gid);
    const run = begin(folder, kind, LOAD, user);
    await run.faultInPlace();
    run.kill('SIGINT');
    await expectOrderlyEnd(run, await run.ended);
    expect(existsSync(join(run.dir as string, 'nodes', 'n1', 'data'))).toBe(true);
    expect(foreignFiles(folder, user)).toEqual([]);
  });
}

test('Ctrl-C in the simulator: judged, reported', async () => {
  const run = begin(freshFolder(), 'sim', ['--time-limit', '1h']);
  await run.awaits('its history', () => run.dir !== undefined && existsSync(`${run.dir}/run.json`));
  run.kill('SIGINT');
  await expectOrderlyEnd(run, await run.ended);
});

for (const driver of clusterDrivers.filter(({ kind }) => kind !== 'sim')) {
  const found = await driver.available();
  describe(`interrupted runs on ${driver.kind}`, () => {
    if (found.ok) tests(driver.kind);
    else {
      const missing = `${found.reason}; ${found.remedy}`;
      test.skipIf(!inCi)(`cluster ${driver.kind} is available (${missing})`, () => {
        expect(missing).toBeUndefined();
      });
    }
  });
}
