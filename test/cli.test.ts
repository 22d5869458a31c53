// The command line: what it refuses and how, what it prints last, and its exit codes. Most of it runs in
// this process on the memory cluster; signals and the start under another Node run as processes.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { runCli } from '../harness/cli/main.ts';
import type { RunJson } from '../harness/cli/run-command.ts';
import { type MemoryQuirks, memoryRegistry, QUICK } from '../harness/testing.ts';

const root = mkdtempSync(join(tmpdir(), 'chaos-cli-'));
afterAll(() => rmSync(root, { recursive: true }));

class Collected extends Writable {
  text = '';
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
  get lines(): string[] {
    return this.text.trimEnd().split('\n');
  }
}

interface Ran {
  exit: number;
  stdout: Collected;
  stderr: Collected;
  registry: ReturnType<typeof memoryRegistry>;
  json(): RunJson;
}

let stores = 0;

async function chaos(
  argv: string[],
  given: { quirks?: MemoryQuirks; storeDir?: string; signal?: AbortSignal } = {},
): Promise<Ran> {
  const stdout = new Collected();
  const stderr = new Collected();
  const registry = memoryRegistry(given.quirks);
  const storeDir = given.storeDir ?? join(root, `store-${stores++}`);
  const signal = given.signal ?? new AbortController().signal;
  const terminal = { stdout, stderr, signal, storeDir };
  const exit = await runCli(argv, { terminal, registry, timing: QUICK });
  const json = () => JSON.parse(stdout.lines.at(-1) ?? '') as RunJson;
  return { exit, stdout, stderr, registry, json };
}

const memoryRun = (...more: string[]) => [
  'run',
  ...['--system', 'memory', '--workload', 'memory', '--nemesis', 'pause-once'],
  ...['--rate', '0', '--concurrency', '3', '--seed', '7'],
  ...more,
];

describe('bad arguments end in 254 before anything starts', () => {
  it.each([
    [['run', '--nemesis', 'pause-onec'], /unknown system "stack".*known: memory/],
    [memoryRun('--nemesis', 'pause-onec'), /unknown nemesis "pause-onec"; did you mean pause-once/],
    [memoryRun('--nemesis', 'xyzzy'), /unknown nemesis "xyzzy"; known: pause-once, skew-clocks/],
    [memoryRun('--workload', 'memori'), /did you mean memory\?/],
    [memoryRun('--cluster', 'locel'), /unknown cluster "locel"; did you mean local/],
    [memoryRun('--nemesis', 'skew-clocks'), /needs skew, which the local cluster cannot do/],
    [memoryRun('--nodes', '2'), /needs at least 3 nodes, got 2/],
    [memoryRun('--nodes', '0'), /--nodes to be a whole number from 1 to 9, got "0"/],
    [memoryRun('--nodes', '3.5'), /--nodes to be a whole number/],
    [memoryRun('--concurrency', '1001'), /--concurrency to be a whole number from 1 to 1000/],
    [memoryRun('--rate', '-1'), /--rate/],
    [memoryRun('--rate', '1e3'), /--rate to be a whole number/],
    [memoryRun('--time-limit', '30'), /--time-limit to be 1s to 24h/],
    [memoryRun('--time-limit', '25h'), /--time-limit to be 1s to 24h/],
    [memoryRun('--time-limit', '999ms'), /--time-limit to be 1s to 24h/],
    [memoryRun('--seed', '9007199254740993'), /--seed to be a whole number/],
    [memoryRun('--seed', 'abc'), /--seed/],
    [memoryRun('--mutant', 'Z99'), /unknown mutant "Z99"; there are none/],
    [memoryRun('--name', '../elsewhere'), /--name/],
    [memoryRun('--name', 'latest'), /--name/],
    [memoryRun('--sead', '1'), /chaos: unknown option '--sead'[\s\S]*--seed[\s\S]*run --help/],
    [memoryRun('surplus'), /too many arguments/],
    [['rum'], /unknown command 'rum'[\s\S]*run/],
    [['check', 'no/such/run'], /there is no run "no\/such\/run"/],
    [['check', 'x', '--format', 'jepsen-lok'], /did you mean jepsen-log/],
    [['check', 'x', '--format', 'jepsen-log', '--model', 'mutexx'], /did you mean mutex/],
    [['check', 'x', '--format', 'jepsen-log'], /there is no file x/],
    [['check', root, '--format', 'jepsen-log'], /expected a file with --format, .* is a folder/],
    [['check', 'package.json'], /package.json is a file: say what it is with --format jepsen-log/],
    [['list', 'run'], /did you mean runs/],
    [['up', 'memori'], /did you mean memory/],
  ])('%j', async (argv, message) => {
    const { exit, stderr, stdout, registry } = await chaos(argv);
    expect(stderr.text).toMatch(message);
    expect(exit).toBe(254);
    expect(stdout.text).toBe('');
    expect(registry.driver.created).toEqual([]);
  });
});

describe('run', () => {
  it('prints the configuration first and the reproduction last, and exits 0', async () => {
    const storeDir = join(root, 'run-store');
    const { exit, stdout, stderr, registry } = await chaos(memoryRun(), { storeDir });
    expect(stderr.text).not.toMatch(/chaos:/);
    expect(exit).toBe(0);
    expect(stdout.lines.slice(0, 5).join('\n')).toMatch(/system +memory on n1 n2 n3/);
    expect(stdout.text).toMatch(/seed +7/);
    expect(stdout.lines.at(-1)).toBe(
      'reproduce: npx chaos run --system memory --workload memory --nemesis pause-once ' +
        '--cluster local --nodes 3 --time-limit 30s --rate 0 --concurrency 3 --seed 7',
    );
    const latest = join(storeDir, 'latest');
    expect(readdirSync(latest).sort()).toEqual([
      'events.jsonl',
      'history.jsonl',
      'latency.hgrm',
      'nodes',
      'report.html',
      'results.json',
      'run.json',
    ]);
    const { deeds } = registry.driver.created[0]!;
    expect(deeds.filter((deed) => !deed.startsWith('start'))).toEqual([
      'inject pause n1',
      'heal pause n1',
      'close',
    ]);
  });

  it('with --json ends stdout with one object on one line, and nothing else', async () => {
    const { stdout, stderr, json, exit } = await chaos(memoryRun('--json'));
    expect(stdout.lines).toHaveLength(1);
    const object = json();
    expect(Object.keys(object)).toEqual([
      'verdict',
      'exit',
      'run',
      'seed',
      'ops',
      'verdicts',
      'faults',
      'recoveryMs',
    ]);
    expect(object).toMatchObject({
      verdict: 'valid',
      exit: 0,
      seed: 7,
      verdicts: { 'written-before': 'valid' },
      faults: { injected: 1, verified: 1 },
    });
    expect(exit).toBe(0);
    expect(object.ops.ok).toBeGreaterThan(10);
    expect(object.recoveryMs.each).toHaveLength(1);
    expect(object.recoveryMs.max).toBe(object.recoveryMs.each[0]);
    expect(stderr.text).toMatch(/reproduce: /);
  });

  it('a violation is 1', async () => {
    const { exit, json } = await chaos(memoryRun('--json'), { quirks: { wrongReads: true } });
    expect(exit).toBe(1);
    expect(json()).toMatchObject({ verdict: 'invalid', exit: 1 });
  });

  it('an unverified fault is 255 and never valid; a violation still wins', async () => {
    const thin = await chaos(memoryRun('--json'), { quirks: { unverified: true } });
    expect(thin.exit).toBe(255);
    expect(thin.json()).toMatchObject({
      verdict: 'unknown',
      exit: 255,
      faults: { injected: 1, verified: 0 },
    });
    expect(thin.stderr.text).toMatch(/fault 0 was not verified/);
    const both = await chaos(memoryRun('--json'), {
      quirks: { unverified: true, wrongReads: true },
    });
    expect(both.exit).toBe(1);
  });

  it('a server that ends by itself is 255', async () => {
    const { exit, json, stderr } = await chaos(memoryRun('--json'), { quirks: { crashes: 'n3' } });
    expect(exit).toBe(255);
    expect(json().verdict).toBe('unknown');
    expect(stderr.text).toMatch(/n3 ended by itself: exit code 7/);
  });

  it('a failing boot is 255, with the object and a report', async () => {
    const { exit, json, registry } = await chaos(memoryRun('--json'), {
      quirks: { failsToStart: true },
    });
    expect(exit).toBe(255);
    const object = json();
    expect(object).toMatchObject({ verdict: 'unknown', exit: 255, ops: { ok: 0 } });
    expect(existsSync(join(object.run ?? '', 'report.html'))).toBe(true);
    expect(registry.driver.created[0]?.deeds.at(-1)).toBe('close');
  });

  it.each([0, 60, 120])('interrupted after %i ms it heals, reports and is 130', async (ms) => {
    const abort = new AbortController();
    setTimeout(() => abort.abort(), ms);
    const { exit, json, registry } = await chaos(memoryRun('--json', '--time-limit', '1h'), {
      signal: abort.signal,
      quirks: { neverReady: ms === 0 },
    });
    expect(exit).toBe(130);
    const object = json();
    expect(object.exit).toBe(130);
    expect(existsSync(join(object.run ?? '', 'report.html'))).toBe(true);
    const deeds = registry.driver.created[0]?.deeds ?? [];
    expect(deeds.filter((d) => d.startsWith('heal'))).toHaveLength(
      deeds.filter((d) => d.startsWith('inject')).length,
    );
    expect(deeds.at(-1)).toBe('close');
  });
});

describe('check, report and list', () => {
  it('re-judges a stored run to the same object, and rewrites what was lost', async () => {
    const storeDir = join(root, 'check-store');
    const first = await chaos(memoryRun('--json', '--name', 'mine'), { storeDir });
    const dir = first.json().run ?? '';
    for (const file of ['results.json', 'report.html']) rmSync(join(dir, file));
    const again = await chaos(['check', dir, '--json'], { storeDir });
    expect(again.exit).toBe(0);
    expect(again.json()).toEqual(first.json());
    expect(existsSync(join(dir, 'report.html'))).toBe(true);
    expect((await chaos(['check', 'latest'], { storeDir })).exit).toBe(0);
    const title = `mine/${readdirSync(join(storeDir, 'mine'))[0]}`;
    expect((await chaos(['check', title], { storeDir })).exit).toBe(0);
    const listed = await chaos(['list', 'runs'], { storeDir });
    expect(listed.stdout.text).toContain(title);
    expect(listed.stdout.text).toMatch(/valid +exit 0 +complete/);
    rmSync(join(dir, 'report.html'));
    expect((await chaos(['report', title], { storeDir })).exit).toBe(0);
    expect(readFileSync(join(dir, 'report.html'), 'utf8')).toBe('<title>valid</title>');
  });

  it('keeps the infrastructure error of the run when judging again', async () => {
    const storeDir = join(root, 'error-store');
    await chaos(memoryRun(), { storeDir, quirks: { crashes: 'n2' } });
    const again = await chaos(['check', 'latest', '--json'], { storeDir });
    expect(again.exit).toBe(255);
    expect(again.stderr.text.match(/ended by itself/g)).toHaveLength(1);
  });

  it('a history of a complete run that lacks its end is 255, also for its report', async () => {
    const storeDir = join(root, 'short-store');
    const { json } = await chaos(memoryRun('--json'), { storeDir });
    const path = join(json().run ?? '', 'history.jsonl');
    const lines = readFileSync(path, 'utf8').split('\n');
    writeFileSync(path, lines.slice(0, -2).join('\n'));
    for (const command of ['check', 'report']) {
      const again = await chaos([command, 'latest'], { storeDir });
      expect(again.exit).toBe(255);
      expect(again.stderr.text).toMatch(/its history ends in phase final, expected done/);
    }
  });

  it('one damaged run does not hide the others', async () => {
    const storeDir = join(root, 'mixed-store');
    await chaos(memoryRun('--name', 'whole'), { storeDir });
    const { json } = await chaos(memoryRun('--json', '--name', 'torn'), { storeDir });
    const path = join(json().run ?? '', 'run.json');
    for (const text of ['{"config": {', '{}']) {
      writeFileSync(path, text);
      const { exit, stdout } = await chaos(['list', 'runs'], { storeDir });
      expect(exit).toBe(0);
      expect(stdout.lines[0]).toMatch(/whole\/\S+ +valid +exit 0/);
      expect(stdout.lines[1]).toMatch(/torn\/\S+ +damaged: .*run\.json/);
      expect((await chaos(['check', 'latest'], { storeDir })).exit).toBe(255);
    }
    const empty = await chaos(['list', 'runs'], { storeDir: join(root, 'nowhere') });
    expect(empty.stdout.text).toMatch(/none in .*nowhere/);
  });

  it('says beforehand what leaves little to judge', async () => {
    const thin = await chaos(memoryRun('--concurrency', '1', '--time-limit', '1s'));
    expect(thin.stdout.text).toMatch(/--concurrency 1 leaves servers without a client/);
    expect(thin.stdout.text).toMatch(/--time-limit 1s ends faults before much can happen/);
    expect((await chaos(memoryRun())).stdout.text).not.toMatch(/^note/m);
  });

  it('a damaged history is 255 with the object', async () => {
    const storeDir = join(root, 'damaged-store');
    const { json } = await chaos(memoryRun('--json'), { storeDir });
    const path = join(json().run ?? '', 'history.jsonl');
    const lines = readFileSync(path, 'utf8').split('\n');
    writeFileSync(path, [...lines.slice(0, 5), ...lines.slice(6)].join('\n'));
    const again = await chaos(['check', 'latest', '--json'], { storeDir });
    expect(again.exit).toBe(255);
    expect(again.stderr.text).toMatch(/the history has a gap/);
    expect(again.json().exit).toBe(255);
  });

  it('judges histories of other tools', async () => {
    const file = join(root, 'jepsen.log');
    const line = (rest: string) => `INFO  jepsen.util - ${rest}\n`;
    const good = line('0\t:invoke\t:write\t3') + line('0\t:ok\t:write\t3');
    const read = (value: number) =>
      line('1\t:invoke\t:read\tnil') + line(`1\t:ok\t:read\t${value}`);
    const judge = (more: string[] = []) =>
      chaos(['check', file, '--format', 'jepsen-log', '--model', 'cas-register', ...more]);
    writeFileSync(file, good + read(3));
    expect((await judge()).exit).toBe(0);
    writeFileSync(file, good + read(4));
    const bad = await judge(['--json']);
    expect(bad.exit).toBe(1);
    expect(bad.json()).toMatchObject({ verdict: 'invalid', exit: 1, ops: { ok: 2 } });
    writeFileSync(file, line('0\t:ok\t:write\t3'));
    expect((await judge()).exit).toBe(255);
  });

  it('lists what there is', async () => {
    const all = await chaos(['list']);
    expect(all.stdout.text).toMatch(/nemeses\n {2}pause-once/);
    expect(all.stdout.text).toMatch(/clusters\n {2}local .*works here/);
    const { stdout, exit } = await chaos(['list', 'checkers', '--json']);
    expect(exit).toBe(0);
    expect(JSON.parse(stdout.text)).toEqual({
      checkers: [
        { name: 'written-before', description: 'A read returns a value that was written.' },
      ],
    });
  });

  it('doctor says what works', async () => {
    const { exit, stdout } = await chaos(['doctor']);
    expect(exit).toBe(0);
    expect(stdout.text).toMatch(/✓ +cluster local +works; faults: cut, kill, pause/);
    expect(stdout.text).toMatch(/Runs work here/);
  });

  it('clean removes nothing where nothing is', async () => {
    const { exit, stdout } = await chaos(['clean']);
    expect([exit, stdout.text]).toEqual([0, 'nothing was left behind\n']);
  });
});

describe('up', () => {
  it('prints the connect string on a line of its own, stays, cleans up, and is 130', async () => {
    const abort = new AbortController();
    const stdout = new Collected();
    const registry = memoryRegistry();
    const terminal = {
      stdout,
      stderr: new Collected(),
      signal: abort.signal,
      storeDir: join(root, 'up-store'),
    };
    const running = runCli(['up', 'memory'], { terminal, registry });
    await expect.poll(() => stdout.text).not.toBe('');
    expect(stdout.text).toBe('memory 127.0.0.1:10000,127.0.0.1:10001,127.0.0.1:10002\n');
    abort.abort();
    expect(await running).toBe(130);
    expect(registry.driver.created[0]?.deeds.at(-1)).toBe('close');
  });
});

describe('as a process', () => {
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  /** Starts Node on a script; `until` resolves when its output matches. */
  function begin(args: string[], cwd = root) {
    const child = spawn(process.execPath, args, { cwd });
    children.push(child);
    const ran = { child, stdout: '', stderr: '', exit: -1 };
    child.stdout.on('data', (chunk: Buffer) => (ran.stdout += chunk));
    child.stderr.on('data', (chunk: Buffer) => (ran.stderr += chunk));
    const ended = new Promise<typeof ran>((resolve) => {
      child.on('close', (code) => resolve({ ...ran, exit: code ?? -1 }));
    });
    const until = (pattern: RegExp) =>
      expect.poll(() => ran.stdout + ran.stderr, { timeout: 30_000 }).toMatch(pattern);
    return { child, ended, until };
  }

  const fixture = path('../harness/cli/testing-main.ts');

  it.each(['SIGINT', 'SIGTERM'] as const)('%s ends a run orderly with 130', async (signal) => {
    const { child, ended, until } = begin([fixture, ...memoryRun('--json')]);
    await until(/faults: memory/);
    child.kill(signal);
    // As a terminal and npm do: the same signal again, through another process.
    child.kill(signal);
    const { exit, stdout } = await ended;
    expect(exit).toBe(130);
    const object = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as RunJson;
    expect(object).toMatchObject({ exit: 130, faults: { injected: 1, verified: 1 } });
  });

  it('a closed pipe ends a run orderly with 130', async () => {
    const { child, ended } = begin([fixture, ...memoryRun('--json')]);
    // Before its first line: after its last one it would never learn that nobody listens.
    child.stderr?.destroy();
    const { exit, stdout } = await ended;
    expect(exit).toBe(130);
    expect(JSON.parse(stdout)).toMatchObject({ exit: 130 });
  });

  it('bin.js passes arguments in and the exit code out', async () => {
    const wrong = await begin([path('../harness/cli/bin.js'), 'run', '--nodes', '77']).ended;
    expect(wrong.stderr).toMatch(/--nodes to be a whole number from 1 to 9, got "77"/);
    expect(wrong.exit).toBe(254);
    const help = await begin([path('../harness/cli/bin.js'), '--help']).ended;
    expect(help.stdout).toMatch(/Usage: chaos/);
    expect(help.exit).toBe(0);
  });

  it('a process that is tethered ends when the one in front of it is killed', async () => {
    const front = join(root, 'front.mjs');
    const respawn = path('../harness/cli/respawn.js');
    writeFileSync(
      front,
      `import { respawn } from ${JSON.stringify(respawn)};
       const [node, ...args] = process.argv.slice(2);
       respawn(node, args, { tethered: true });`,
    );
    const run = [fixture, ...memoryRun()];
    const { child, ended, until } = begin([front, process.execPath, ...run]);
    await until(/faults: memory/);
    child.kill('SIGKILL');
    // Its output closes only when the tethered process, which holds it too, has ended.
    await ended;
  });

  it('a front process forwards signals and gives the exit code back', async () => {
    const front = join(root, 'front-2.mjs');
    writeFileSync(
      front,
      `import { respawn } from ${JSON.stringify(path('../harness/cli/respawn.js'))};
       respawn(process.execPath, process.argv.slice(2), { tethered: true });`,
    );
    const { child, ended, until } = begin([front, fixture, ...memoryRun()]);
    await until(/faults: memory/);
    child.kill('SIGINT');
    expect((await ended).exit).toBe(130);
  });
});
