// `chaos doctor`: what this machine can do for a run, and what to install for what it cannot.
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { delimiter, join } from 'node:path';
import { EXIT } from '../../history/verdict.ts';
import { errorLine } from '../clock.ts';
import type { Registry } from '../registry-types.ts';
import { pinnedNode } from './pinned-node.js';
import { columns, Output, type Terminal } from './terminal.ts';

/** One thing looked at. */
interface Finding {
  name: string;
  state: 'ok' | 'missing' | 'optional';
  found: string;
  /** What to do about it, when it is not ok. */
  remedy?: string;
}

const CORES_MIN = 2;
const MEMORY_BYTES_MIN = 2 * 2 ** 30;
const PROBE_MS_MAX = 5_000;
const SYSTEM_FOLDERS = ['/usr/sbin', '/sbin', '/usr/local/sbin'];

/** Where a program is, in PATH and where administrators' programs are. */
function findProgram(...names: string[]): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_FOLDERS];
  for (const name of names) {
    for (const folder of folders) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not here; the next folder may have it.
      }
    }
  }
  return undefined;
}

function attempt(program: string, args: string[]): { ok: boolean; said: string } {
  try {
    const said = execFileSync(program, args, {
      encoding: 'utf8',
      timeout: PROBE_MS_MAX,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return { ok: true, said: said.trim().split('\n')[0] ?? '' };
  } catch (error) {
    // What the program itself said is worth more than the command line that failed.
    const { stderr } = error as { stderr?: string };
    return { ok: false, said: stderr?.trim().split('\n')[0] || errorLine(error) };
  }
}

function program(name: string, names: string[], versionArg: string, remedy: string): Finding {
  const path = findProgram(...names);
  if (path === undefined) return { name, state: 'optional', found: 'not installed', remedy };
  const { ok, said } = attempt(path, [versionArg]);
  return { name, state: 'ok', found: ok ? `${said} (${path})` : path };
}

/** Whether the kernel can delay and lose packets, tried in a network namespace of its own. */
function netem(): Finding {
  const name = 'netem';
  const remedy =
    'load the kernel module sch_netem and install iproute2 (delays and losses need it)';
  const unshare = findProgram('unshare');
  const tc = findProgram('tc');
  if (process.platform !== 'linux' || unshare === undefined || tc === undefined) {
    return { name, state: 'optional', found: 'unshare and tc are not installed', remedy };
  }
  const rule = [tc, 'qdisc', 'add', 'dev', 'lo', 'root', 'netem', 'delay', '1ms'];
  const { ok, said } = attempt(unshare, ['--user', '--map-root-user', '--net', ...rule]);
  if (ok) return { name, state: 'ok', found: 'the kernel has it' };
  return { name, state: 'optional', found: `a probe failed: ${said}`, remedy };
}

/** A client library of ZooKeeper's, which the tests of the wire protocol use. */
function kazoo(): Finding {
  const name = 'kazoo';
  const remedy = 'install python3-kazoo (only the tests of the wire protocol need it)';
  const python = findProgram('python3');
  const show = 'import kazoo.version; print(kazoo.version.__version__)';
  const tried = python === undefined ? undefined : attempt(python, ['-c', show]);
  if (tried?.ok === true) return { name, state: 'ok', found: `${tried.said} (${python})` };
  return { name, state: 'optional', found: 'not installed', remedy };
}

async function clusters(registry: Registry): Promise<Finding[]> {
  return Promise.all(
    registry.drivers.map(async (driver): Promise<Finding> => {
      const here = await driver.available();
      const name = `cluster ${driver.kind}`;
      if (here.ok) {
        return { name, state: 'ok', found: `works; faults: ${[...driver.supports].join(', ')}` };
      }
      return { name, state: 'optional', found: here.reason, remedy: here.remedy };
    }),
  );
}

/** What systems need that do not come with this project. */
function systems(registry: Registry): Finding[] {
  return registry.systems.flatMap((system): Finding[] => {
    const here = system.available?.();
    if (here === undefined) return [];
    const name = `system ${system.name}`;
    if (here.ok) return [{ name, state: 'ok', found: 'installed' }];
    return [{ name, state: 'optional', found: here.reason, remedy: here.remedy }];
  });
}

function machine(): Finding[] {
  const cores = availableParallelism();
  const memory = totalmem();
  const pinned = pinnedNode();
  const node: Finding = {
    name: 'Node',
    state: pinned === undefined ? 'optional' : 'ok',
    found: `${process.versions.node}${pinned === undefined ? '' : ` (pinned: ${pinned})`}`,
  };
  if (pinned === undefined) node.remedy = 'run `npm ci` without --omit=optional for the pinned one';
  const few: Finding = { name: 'cores', state: 'ok', found: String(cores) };
  if (cores < CORES_MIN) {
    few.state = 'optional';
    few.remedy = `${CORES_MIN} or more make timeouts and latencies mean something`;
  }
  const small: Finding = {
    name: 'memory',
    state: 'ok',
    found: `${Math.round(memory / 2 ** 20)} MB`,
  };
  if (memory < MEMORY_BYTES_MIN) {
    small.state = 'optional';
    small.remedy = 'nine nodes want 2 GB; run fewer';
  }
  return [node, few, small];
}

/** Looks at everything; exit 255 when no cluster can run here at all. */
export async function doctorCommand(
  json: boolean,
  terminal: Terminal,
  registry: Registry,
): Promise<number> {
  const output = new Output(terminal, json);
  const driverFindings = await clusters(registry);
  const findings: Finding[] = [
    ...machine(),
    ...driverFindings,
    program('docker client', ['docker'], '--version', 'install docker.io (for the docker cluster)'),
    program('nft', ['nft'], '--version', 'install nftables (for cuts in the docker cluster)'),
    netem(),
    kazoo(),
    ...systems(registry),
    program(
      'chromium',
      ['chromium', 'chromium-browser', 'google-chrome'],
      '--version',
      'install chromium (only the tests of the HTML report need it)',
    ),
  ];
  const able = driverFindings.some((finding) => finding.state === 'ok');
  const rows = findings.map(({ name, state, found }) => [state === 'ok' ? '✓' : '–', name, found]);
  for (const row of columns(rows)) output.line(row);
  const remedies = findings.filter((finding) => finding.remedy !== undefined);
  if (remedies.length > 0) output.line('\nWhat would help:');
  for (const { name, remedy } of remedies) output.line(`  ${name}: ${remedy}`);
  output.line(able ? '\nRuns work here.' : '\nNo cluster works here.');
  output.object({ able, findings });
  return able ? EXIT.valid : EXIT.infrastructure;
}
