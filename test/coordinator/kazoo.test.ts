// kazoo, ZooKeeper's client for Python, against our ensemble: a stranger's idea of the protocol. The
// scripts in kazoo/ check what they see; here servers are killed and what is left is looked at.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Docker from 'dockerode';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { dockerDriver } from '../../harness/clusters/docker/driver.ts';
import { LABEL_FILTER } from '../../harness/clusters/docker/labels.ts';
import { Ensemble, PATIENT } from './ensemble.ts';
import { endStarted, kazoo, missingKazoo, parts, Started } from './started.ts';

const INSTALL = 'apt-get install python3-kazoo';
const BIN = fileURLToPath(new URL('../../harness/cli/bin.js', import.meta.url));
const inCi = process.env.CI !== undefined && process.env.CI !== '';

const missing = missingKazoo();
const script = (name: string, ...args: string[]) => kazoo(name, args);

afterEach(endStarted);

if (missing !== undefined) {
  test.skipIf(!inCi)(`kazoo is available (${missing}; ${INSTALL})`, () => {
    expect(missing).toBeUndefined();
  });
}

describe.skipIf(missing !== undefined)(`kazoo against an ensemble (${INSTALL})`, () => {
  let ensemble: Ensemble;

  beforeAll(async () => {
    ensemble = await Ensemble.serving({ size: 3, systemOptions: { ...PATIENT } });
  });
  afterAll(() => ensemble?.close());

  /** The node that listens on a port. */
  const nodeAt = (port: unknown) => {
    const at = (node: string) => ensemble.cluster.address(node, 'client').port === port;
    return ensemble.nodes.find(at) ?? '';
  };

  test('operations and their errors', async () => {
    expect(await parts(script('operations.py', ensemble.connectString()))).toHaveLength(13);
  });

  test('watches tell once and in order', async () => {
    expect(await parts(script('watches.py', ensemble.connectString()))).toHaveLength(6);
  });

  test('access lists, authentication, the ensemble and quotas', async () => {
    expect(await parts(script('access.py', ensemble.connectString()))).toHaveLength(6);
  });

  test('recipes: lock and election', async () => {
    expect(await parts(script('recipes.py', ensemble.connectString()))).toHaveLength(2);
  });

  test('recipes: readers and writers, semaphore, and what a dead holder leaves', async () => {
    expect(await parts(script('locks.py', ensemble.connectString()))).toHaveLength(4);
  });

  test('recipes: barriers, counter, queues and party', async () => {
    expect(await parts(script('gathering.py', ensemble.connectString()))).toHaveLength(7);
  });

  test('recipes: DataWatch, ChildrenWatch and TreeCache', async () => {
    expect(await parts(script('caches.py', ensemble.connectString()))).toHaveLength(4);
  });

  test('locks, leases and caches outlive the server of their clients', async () => {
    const started = script('failover.py', ensemble.connectString());
    const { port } = JSON.parse(await started.line(0)) as { port: number };
    await ensemble.kill(nodeAt(port));
    started.say('killed');
    expect(await parts(started)).toEqual(['hold_and_wait']);
    await ensemble.startAll();
  });

  test('an ephemeral node outlives a client killed -9 by its session, no longer', async () => {
    const timeoutMs = 1_000;
    const holder = script('hold.py', ensemble.connectString(), '/held', `${timeoutMs / 1_000}`);
    const { session } = JSON.parse(await holder.line(0)) as { session: string };
    const client = ensemble.client(ensemble.nodes);
    await client.sync('/held');
    let gone: () => void = () => undefined;
    const deleted = new Promise<void>((resolve) => {
      gone = resolve;
    });
    const { stat } = await client.exists('/held', () => gone());
    expect(stat?.ephemeralOwner.toString(16)).toBe(session);
    holder.child.kill('SIGKILL');
    await deleted;
    expect((await client.exists('/held')).stat).toBeNull();
    const leader = await ensemble.leader();
    const expired = await ensemble.told(leader, 'sessionExpired', (e) => e.session === session);
    expect(expired.silentMs).toBeGreaterThanOrEqual(timeoutMs);
    expect(expired.timeoutMs).toBe(timeoutMs);
  });

  test('a client whose server is killed -9 keeps its session at another', async () => {
    const started = script('reconnect.py', ensemble.connectString());
    const { port, session } = JSON.parse(await started.line(0)) as Record<string, number | string>;
    await ensemble.kill(nodeAt(port));
    started.say('killed');
    expect(await parts(started)).toEqual(['survive']);
    await ensemble.startAll();
    const opened = ensemble.nodes.flatMap((each) => ensemble.eventsOf(each, 'sessionExpired'));
    expect(opened.map((event) => event.session)).not.toContain(session);
  });
});

const docker = await dockerDriver.available();

describe.skipIf(missing !== undefined)(`kazoo against chaos up (${INSTALL})`, () => {
  let storeDir: string;
  beforeAll(() => {
    storeDir = mkdtempSync(join(tmpdir(), 'chaos-up-'));
  });
  afterAll(() => rmSync(storeDir, { recursive: true, force: true }));

  const cannot = docker.ok ? '' : ` (${docker.reason}; ${docker.remedy})`;
  const clusters = [
    { kind: 'local', skipped: false, note: '' },
    { kind: 'docker', skipped: !docker.ok && !inCi, note: cannot },
  ];
  for (const { kind, skipped, note } of clusters) {
    test.skipIf(skipped)(`${kind}: serves until Ctrl-C and leaves nothing${note}`, async () => {
      const args = [BIN, 'up', 'coordinator', '--nodes', '3', '--cluster', kind];
      const up = new Started(process.execPath, args, { cwd: storeDir });
      const line = await up.line(0);
      expect(line).toMatch(/^coordinator 127\.0\.0\.1:\d+,127\.0\.0\.1:\d+,127\.0\.0\.1:\d+$/);
      const connectString = line.split(' ')[1] ?? '';
      const pids = kind === 'local' ? serverPids(storeDir) : [];
      expect(pids).toHaveLength(kind === 'local' ? 3 : 0);
      const runs = kind === 'docker' ? await runsPublishing(connectString) : [];
      expect(runs).toHaveLength(kind === 'docker' ? 1 : 0);
      expect(await parts(script('operations.py', connectString))).toHaveLength(13);
      up.child.kill('SIGINT');
      expect(await up.end()).toBe(130);
      expect(up.lines).toEqual([line]);
      expect(pids.filter(isRunning)).toEqual([]);
      for (const run of runs) expect(await remainsOf(run)).toEqual([]);
      for (const address of connectString.split(',')) {
        expect(await refusal(address)).toBe('ECONNREFUSED');
      }
    });
  }
});

/** The pids of the servers that `chaos up` noted in its run's directory. */
function serverPids(dir: string): number[] {
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' });
  const list = names.find((name) => name.endsWith('processes.json')) ?? 'no processes.json';
  const { processes } = JSON.parse(readFileSync(join(dir, list), 'utf8')) as {
    processes: { pid: number }[];
  };
  return processes.map(({ pid }) => pid);
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    // No such process.
    return false;
  }
}

/** The runs whose containers publish the ports of a connect string. */
async function runsPublishing(connectString: string): Promise<string[]> {
  const ports = connectString.split(',').map((address) => Number(address.split(':')[1]));
  const containers = await new Docker().listContainers({ filters: { label: LABEL_FILTER } });
  const ours = containers.filter(({ Ports }) =>
    Ports.some(({ PublicPort }) => ports.includes(PublicPort)),
  );
  return [...new Set(ours.map(({ Labels }) => Labels['chaos.run'] ?? 'no run'))];
}

/** Containers and networks of a run. */
async function remainsOf(run: string): Promise<string[]> {
  const options = { all: true, filters: { label: [`chaos.run=${run}`] } };
  const docker = new Docker();
  const containers = await docker.listContainers(options);
  const networks = await docker.listNetworks(options);
  return [...containers.flatMap(({ Names }) => Names), ...networks.map(({ Name }) => Name)];
}

/** The error's code of a connection that must not come about. */
function refusal(address: string): Promise<string> {
  const [host = '', port] = address.split(':');
  return new Promise((resolve) => {
    const socket = connect(Number(port), host);
    socket.on('connect', () => {
      socket.destroy();
      resolve(`${address} accepts connections`);
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'no code'));
  });
}
