// ZooKeeper as the harness sees it: its deployment as text, what it says of itself, and which checkers
// judge it.
import { describe, expect, it } from 'vitest';
import { coordinatorCheckers } from '../../checkers/index.ts';
import type { RunConfig } from '../../history/run-record.ts';
import { bundlePrograms } from '../bundle.ts';
import { registry } from '../registry.ts';
import { checkersOf } from '../registry-types.ts';
import { parseSrvr, zookeeper } from './zookeeper.ts';

const config = {
  cluster: 'local',
  nodes: ['n1', 'n2'],
  systemOptions: zookeeper.defaultOptions,
} as Partial<RunConfig> as RunConfig;

const nowhere = () => ({ host: '127.0.0.1', port: 1 });

describe('deployment', () => {
  const [, second] = zookeeper.specs(config, { 'zookeeper-node': '/program.mjs' });

  it('writes a zoo.cfg with ZooKeeper’s names, and its id beside', () => {
    const files = second?.files('/d', nowhere) ?? {};
    expect(files['data/myid']).toBe('2\n');
    const lines = files['zoo.cfg']?.split('\n') ?? [];
    for (const line of [
      'tickTime=250',
      'fastleader.maxNotificationInterval=1000',
      'dataDir=/d/data',
      'clientPortAddress=n2',
      'server.1=n1:2888:3888',
      'server.2=n2:2888:3888',
    ]) {
      expect(lines).toContain(line);
    }
  });

  it('starts Java behind the program that is its network', () => {
    const line = second?.args('/d').join(' ');
    expect(line).toMatch(/--node n2 .*--staged --nodes n1,n2 --client 2181 --peers 2888,3888 -- /);
    expect(line).toMatch(/QuorumPeerMain \/d\/zoo\.cfg$/);
  });

  it('has no source to plant a bug in', async () => {
    const planted = bundlePrograms(zookeeper.programs, registry.mutants[0]);
    await expect(planted).rejects.toThrow(/has no effect; plant it in another system/);
  });
});

describe('observation', () => {
  const srvr = (mode: string, zxid: string) =>
    `Zookeeper version: 3.8.0\nConnections: 1\nZxid: ${zxid}\nMode: ${mode}\nNode count: 5\n`;

  it('reads mode and epoch from srvr', () => {
    expect(parseSrvr(srvr('leader', '0x3000001c7'))).toEqual({ state: 'leader', epoch: 3 });
    expect(parseSrvr(srvr('follower', '0xffffffff00000000'))).toEqual({
      state: 'follower',
      epoch: 0xffffffff,
    });
    expect(parseSrvr(srvr('standalone', '0x1'))).toMatchObject({ state: 'leader' });
    expect(parseSrvr('This ZooKeeper instance is not currently serving requests\n')).toEqual({
      state: 'not serving',
      epoch: 0,
    });
  });
});

describe('judgement', () => {
  const names = (system: string, workload: string) =>
    checkersOf(registry, system, workload).map(({ name }) => name);

  const coordination = registry.workloads
    .filter(({ systems }) => systems.includes('coordinator'))
    .map(({ name }) => name);

  it('carries every workload that our own coordinator carries', () => {
    const carried = registry.workloads.filter(({ systems }) => systems.includes('zookeeper'));
    expect(carried.map(({ name }) => name)).toEqual(coordination);
    expect(coordination).toContain('bank');
  });

  it('asks neither for linearizable reads nor for logs that ZooKeeper does not write', () => {
    expect(names('zookeeper', 'register')).toContain('ordered-registers');
    expect(names('zookeeper', 'ephemeral')).toContain('sessions-seen');
    expect(names('zookeeper', 'lock')).toEqual(expect.arrayContaining(['exclusion', 'tree']));
    for (const workload of coordination) {
      for (const absent of ['linearizable', 'sessions', 'election', 'log', 'state-digest']) {
        expect(names('zookeeper', workload)).not.toContain(absent);
      }
    }
  });

  it('leaves our own coordinator to all checkers', () => {
    const all = names('coordinator', 'register');
    expect(all).toContain('linearizable');
    for (const { name } of coordinatorCheckers) expect(all).toContain(name);
  });
});
