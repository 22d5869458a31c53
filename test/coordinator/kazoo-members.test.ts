// kazoo as the administrator of an ensemble, as the client of a server without a quorum, and over TLS:
// what a stranger's client makes of reconfig, of read-only mode and of certificates.
import { afterEach, describe, expect, test } from 'vitest';
import { CoordinatorClient } from '../../coordinator/client/index.ts';
import { BareEnsemble, type BareServer, memberLine } from './bare-ensemble.ts';
import { Authority } from './certificates.ts';
import { until } from './ensemble.ts';
import { endStarted, kazoo, missingKazoo, parts } from './started.ts';

const SUPER = 'DigestAuthenticationProvider.superDigest=super:xQJmxLMiHGwaqBvst5y6rkB6HQs=';

let ensemble: BareEnsemble | undefined;

afterEach(async () => {
  endStarted();
  await ensemble?.close();
  ensemble = undefined;
});

const at = ({ ports }: BareServer) => `127.0.0.1:${ports.client}`;

describe.skipIf(missingKazoo() !== undefined)('kazoo', () => {
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
    expect(await parts(kazoo('members.py', args))).toEqual(['refusals', 'join', 'leave']);
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
    const reader = kazoo('read_only.py', [[s1, s2, s3].map(at).join(',')]);
    expect(await reader.line(0)).toContain('reading');
    for (const server of [s2, s3]) all.start(server);
    expect(await parts(reader)).toEqual(['reads', 'writes_again']);
    expect(await isro()).toBe('rw');
  }, 120_000);

  test('does over TLS all that it does without', async () => {
    const authority = new Authority();
    try {
      const lines = ({ ports, sid }: BareServer) => [
        'heartbeatTimeout=5000',
        `secureClientPort=${ports.secure}`,
        `ssl.keyStore.location=${authority.issue(`server-${sid}`)}`,
        `ssl.trustStore.location=${authority.certificate}`,
      ];
      const all = await BareEnsemble.serving({ size: 3, lines });
      ensemble = all;
      const secure = (server: BareServer) => `127.0.0.1:${server.ports.secure}`;
      const hosts = all.servers.map(secure).join(',');
      const own = authority.issue('client');
      const env = { KAZOO_AUTHORITY: authority.certificate, KAZOO_OWN: own };
      expect(await parts(kazoo('operations.py', [hosts], { env }))).toHaveLength(13);
      expect(await parts(kazoo('watches.py', [hosts], { env }))).toHaveLength(6);
      const started = kazoo('reconnect.py', [hosts], { env });
      const { port } = JSON.parse(await started.line(0)) as { port: number };
      await all.kill(all.servers.find(({ ports }) => ports.secure === port) as BareServer);
      started.say('killed');
      expect(await parts(started)).toEqual(['survive']);
    } finally {
      authority.remove();
    }
  });
});
