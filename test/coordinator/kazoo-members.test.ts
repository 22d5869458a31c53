// kazoo as the administrator of an ensemble and as the client of a server without a quorum: what a
// stranger's client makes of reconfig and of read-only mode.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { CoordinatorClient } from '../../coordinator/client/index.ts';
import { BareEnsemble, type BareServer, memberLine } from './bare-ensemble.ts';
import { until } from './ensemble.ts';

const PYTHON = '/usr/bin/python3';
const SUPER = 'DigestAuthenticationProvider.superDigest=super:xQJmxLMiHGwaqBvst5y6rkB6HQs=';

/** Whether kazoo is there; kazoo.test.ts says what to do where it must be. */
function hasKazoo(): boolean {
  try {
    execFileSync(PYTHON, ['-c', 'import kazoo'], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}

let ensemble: BareEnsemble | undefined;

afterEach(async () => {
  await ensemble?.close();
  ensemble = undefined;
});

const at = ({ ports }: BareServer) => `127.0.0.1:${ports.client}`;

/** Runs a script; `onLine` hears its lines. Resolves with the parts that it did. */
async function script(name: string, args: string[], onLine = (_: string) => {}): Promise<string[]> {
  const path = fileURLToPath(new URL(`./kazoo/${name}`, import.meta.url));
  const child = spawn(PYTHON, ['-B', path, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  let errors = '';
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    onLine(line);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number];
  expect(`${errors}exit ${code}`).toBe('exit 0');
  return (JSON.parse(lines.at(-1) ?? '{}') as { done: string[] }).done;
}

describe.skipIf(!hasKazoo())('kazoo', () => {
  test('lets a server join and leave', async () => {
    const all = await BareEnsemble.create({
      size: 4,
      members: (server, each) => each.filter((one) => one.sid < 4 || one === server),
      lines: () => ['reconfigEnabled=true', SUPER],
    });
    ensemble = all;
    for (const server of all.servers) all.start(server);
    await all.ready();
    const joiner = all.servers[3] as BareServer;
    const args = [all.servers.slice(0, 3).map(at).join(','), `${memberLine(joiner)};${at(joiner)}`];
    expect(await script('members.py', args)).toEqual(['refusals', 'join', 'leave']);
  }, 60_000);

  test('reads from a server without a quorum, and writes when there is one again', async () => {
    const all = await BareEnsemble.serving({
      size: 3,
      lines: () => ['readonlymode.enabled=true'],
    });
    ensemble = all;
    const [s1, s2, s3] = all.servers as [BareServer, BareServer, BareServer];
    const client = new CoordinatorClient({ servers: at(s1), sessionTimeoutMs: 10_000 });
    await client.create('/a', Buffer.from('old'));
    await client.close();
    await Promise.all([s2, s3].map((server) => all.kill(server)));
    const isro = () => all.word(s1, 'isro').catch(() => '');
    await until('it serves reads', isro, (word) => word === 'ro');
    const done = await script('read_only.py', [[s1, s2, s3].map(at).join(',')], (line) => {
      if (!line.includes('reading')) return;
      for (const server of [s2, s3]) all.start(server);
    });
    expect(done).toEqual(['reads', 'writes_again']);
    expect(await isro()).toBe('rw');
  }, 120_000);
});
