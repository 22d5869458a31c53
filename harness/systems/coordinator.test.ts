// The coordinator's deployment as text, and the harness' eyes on it against a socket that answers mntr
// in all the ways a server, or the proxy before a dead one, does.
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { RunConfig } from '../../history/run-record.ts';
import type { Cluster } from '../cluster.ts';
import { coordinator } from './coordinator.ts';
import { fourLetterWord, leaderOf } from './coordinator-view.ts';

const config: RunConfig = {
  name: 'x',
  system: 'coordinator',
  workload: 'register',
  nemesis: 'none',
  cluster: 'local',
  nodes: ['n1', 'n2', 'n3'],
  timeLimitMs: 1,
  ratePerSecond: 0,
  concurrency: 1,
  seed: 1,
  systemOptions: coordinator.defaultOptions,
  workloadOptions: {},
  recoveryMsMax: 1,
  eventLevel: 'all',
};

const servers: Server[] = [];
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** Ports that answer as told: text, `silent`, or `proxy` (accepts and closes). */
async function clusterOf(answers: Record<string, string>): Promise<Cluster> {
  const ports = new Map<string, number>();
  for (const [node, answer] of Object.entries(answers)) {
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      if (answer === 'proxy') socket.destroy();
      else socket.once('data', () => (answer === 'silent' ? undefined : socket.end(answer)));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ports.set(node, (server.address() as { port: number }).port);
  }
  const nodes = Object.keys(answers);
  const address = (node: string) => ({ host: '127.0.0.1', port: ports.get(node) ?? 0 });
  // Only these two are looked at; the rest of a cluster has no part in observing.
  return { nodes, address } as Partial<Cluster> as Cluster;
}

const mntr = (state: string, epoch: number) =>
  `zk_version\t1\nzk_server_state\t${state}\nzk_epoch\t${epoch}\n`;

const nowhere = () => ({ host: '127.0.0.1', port: 1 });

describe('deployment', () => {
  it('writes a zoo.cfg with every server and the options', () => {
    const [spec] = coordinator.specs(config, { coordinator: '/bundle.mjs' });
    expect(spec?.files('/data/n1', nowhere)['zoo.cfg']?.split('\n')).toEqual([
      'maxClientCnxns=0',
      '4lw.commands.whitelist=*',
      'tickTime=250',
      'initLimit=20',
      'syncLimit=6',
      'snapCount=10000',
      'dataDir=/data/n1/data',
      'clientPort=2181',
      'server.1=n1:2888:3888',
      'server.2=n2:2888:3888',
      'server.3=n3:2888:3888',
      '',
    ]);
  });

  it('passes every node its id, its event log and its incarnation', () => {
    const second = coordinator.specs(config, { coordinator: '/bundle.mjs' })[1];
    expect(second?.args('/d').join(' ')).toBe(
      '--config /d/zoo.cfg --myid 2 --events /d/events.jsonl --event-level all',
    );
    expect(coordinator.launchArgs('n2', 3, 12345678901234567890n).join(' ')).toBe(
      '--incarnation 3 --event-base 12345678901234567890 --node n2',
    );
    expect(second?.published).toEqual(['client']);
  });
});

describe('observation', () => {
  it('finds the leader; of two it believes the one of the higher epoch', async () => {
    const cluster = await clusterOf({
      n1: mntr('leader', 3),
      n2: mntr('leader', 4),
      n3: mntr('follower', 4),
    });
    expect((await coordinator.observe(cluster)).roles).toEqual({ leader: ['n2'] });
    expect(await coordinator.notReady(cluster)).toBe('leaders: n1 n2');
    expect(leaderOf([])).toBeUndefined();
  });

  it('is ready when all answer and one leads', async () => {
    const ready = await clusterOf({ n1: mntr('follower', 1), n2: mntr('leader', 1) });
    expect(await coordinator.notReady(ready)).toBeUndefined();
    const headless = await clusterOf({ n1: mntr('follower', 1), n2: mntr('follower', 1) });
    expect(await coordinator.notReady(headless)).toBe('leaders: none');
  });

  it('a silent server and a proxy before a dead one are not ready and lead nothing', async () => {
    const cluster = await clusterOf({
      n1: 'silent',
      n2: 'proxy',
      n3: 'This ZooKeeper instance is not currently serving requests\n',
    });
    expect((await coordinator.observe(cluster)).roles).toEqual({ leader: [] });
    const why = await coordinator.notReady(cluster);
    expect(why).toMatch(/n1: no answer to mntr within 300 ms; n2: .*; n3: not serving/);
  });

  it('gives the whole answer to a word', async () => {
    const cluster = await clusterOf({ n1: 'imok' });
    expect(await fourLetterWord(cluster.address('n1', 'client'), 'ruok')).toBe('imok');
  });
});
