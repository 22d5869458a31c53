// An ensemble that changes while it serves, on real processes: observers, servers that join and leave
// through the log, deaths in the middle of it, and a restart of everybody from disk.
import { afterEach, expect, test } from 'vitest';
import { CoordinatorClient } from '../../coordinator/client/index.ts';
import { BareEnsemble, type BareServer, memberLine } from './bare-ensemble.ts';
import { until } from './ensemble.ts';

const FOUNDERS = 3;
const PASSWORD = 'super:admin';

let ensemble: BareEnsemble | undefined;
const clients: CoordinatorClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.abandon();
  await ensemble?.close();
  ensemble = undefined;
});

/** The founders know each other; of the others each adds itself. */
function knownTo(server: BareServer, all: readonly BareServer[]): BareServer[] {
  return all.filter((each) => each.sid <= FOUNDERS || each === server);
}

function clientOf(...servers: BareServer[]): CoordinatorClient {
  const hosts = servers.map(({ ports }) => `127.0.0.1:${ports.client}`).join(',');
  const client = new CoordinatorClient({ servers: hosts, sessionTimeoutMs: 20_000 });
  clients.push(client);
  return client;
}

async function administrator(...servers: BareServer[]): Promise<CoordinatorClient> {
  const client = clientOf(...servers);
  await client.connect();
  await client.addAuth('digest', PASSWORD);
  return client;
}

/** What all of these say of the ensemble, once they agree. */
async function agreed(servers: readonly BareServer[]): Promise<string> {
  const look = () =>
    Promise.all(
      servers.map(async (server) => {
        const conf = await (ensemble as BareEnsemble).word(server, 'conf').catch(() => 'silent');
        return conf.slice(conf.indexOf('membership:'));
      }),
    );
  const [seen] = await until(
    'all agree',
    look,
    (all) => new Set(all).size === 1 && all[0] !== 'silent',
  );
  return seen as string;
}

const sids = (membership: string) =>
  [...membership.matchAll(/server\.(\d+)=/g)].map(([, n]) => Number(n));

test('servers join and leave while clients write; all of it survives deaths and a restart', async () => {
  const superDigest = 'DigestAuthenticationProvider.superDigest=super:xQJmxLMiHGwaqBvst5y6rkB6HQs=';
  const lines = () => ['reconfigEnabled=true', superDigest];
  const all = await BareEnsemble.create({ size: 5, members: knownTo, lines });
  ensemble = all;
  const [s1, s2, s3, s4, s5] = all.servers as [
    BareServer,
    BareServer,
    BareServer,
    BareServer,
    BareServer,
  ];
  for (const server of [s1, s2, s3]) all.start(server);
  await all.ready([s1, s2, s3]);
  const writer = clientOf(s1, s2, s3);
  await writer.create('/count', Buffer.from('0'));
  const admin = await administrator(s2, s3);
  const watched = new Promise<void>((resolve) => {
    writer.getData('/zookeeper/config', () => resolve()).catch(() => undefined);
  });

  for (const server of [s4, s5]) {
    all.start(server);
    await all.ready([s1, s2, s3, server]);
    const joining = [`${memberLine(server)};127.0.0.1:${server.ports.client}`];
    const { data, zxid } = await admin.reconfig({ joining });
    expect(String(data)).toContain(`version=${zxid.toString(16)}`);
    await writer.setData('/count', Buffer.from(`joined ${server.sid}`));
  }
  await watched;
  expect(sids(await agreed([s1, s2, s3, s4, s5]))).toEqual([1, 2, 3, 4, 5]);
  await expect(admin.reconfig({ leaving: [1] }, 7)).rejects.toThrow(/BadVersion/);

  // Two of the first three die at once: only with the new ones is there still a quorum.
  await Promise.all([all.kill(s1), all.kill(s2)]);
  await all.ready([s3, s4, s5]);
  const later = await administrator(s3, s4, s5);
  await later.setData('/count', Buffer.from('without 1 and 2'));
  await later.reconfig({ leaving: [1] });
  expect(sids(await agreed([s3, s4, s5]))).toEqual([2, 3, 4, 5]);

  // Server 2 comes back to an ensemble it does not know, and a death strikes in the middle of a change.
  all.start(s2);
  await all.ready([s2, s3, s4, s5]);
  const struck = await all.leader();
  const outcome = later.reconfig({ leaving: [2] }).then(
    () => 'done',
    () => 'unknown',
  );
  await all.kill(struck);
  const rest = [s2, s3, s4, s5].filter((server) => server !== struck);
  await all.ready(rest);
  const known = await outcome;
  all.start(struck);
  await all.ready([s2, s3, s4, s5]);
  const members = sids(await agreed([s2, s3, s4, s5]));
  if (known === 'done') expect(members).toEqual([3, 4, 5]);
  else
    expect([
      [3, 4, 5],
      [2, 3, 4, 5],
    ]).toContainEqual(members);

  // Everybody at once, whatever their files say; server 1, long out, follows without a vote.
  await Promise.all([s2, s3, s4, s5].map((server) => all.kill(server)));
  for (const server of all.servers) all.start(server);
  await all.ready();
  expect(sids(await agreed([s2, s3, s4, s5]))).toEqual(members);
  const reader = clientOf(s1);
  await reader.sync('/count');
  expect(String((await reader.getData('/count')).data)).toBe('without 1 and 2');
  expect((await all.leader()).sid).not.toBe(1);
}, 120_000);

test('observers take reads and writes, and are no part of any quorum', async () => {
  const role = ({ sid }: BareServer) => (sid > FOUNDERS ? 'observer' : 'participant');
  const all = await BareEnsemble.serving({ size: 5, role });
  ensemble = all;
  const [s1, s2, s3, s4, s5] = all.servers as [
    BareServer,
    BareServer,
    BareServer,
    BareServer,
    BareServer,
  ];
  expect(await Promise.all([s4, s5].map((server) => all.state(server)))).toEqual([
    'observer',
    'observer',
  ]);
  const through = clientOf(s4);
  await through.create('/a', Buffer.from('by an observer'));
  const other = clientOf(s5);
  await other.sync('/a');
  expect(String((await other.getData('/a')).data)).toBe('by an observer');
  const figures = await all.figures(await all.leader());
  expect([figures.get('quorum_size'), figures.get('synced_observers')]).toEqual(['3', '2']);
  expect(await all.word(s4, 'srvr')).toContain('Mode: observer');

  // Without observers all goes on; with observers and one voter nothing does.
  await Promise.all([s4, s5].map((server) => all.kill(server)));
  await all.kill(await all.leader());
  const voters: BareServer[] = [];
  const alive = async (server: BareServer) =>
    (await all.word(server, 'ruok').catch(() => '')) === 'imok';
  for (const server of [s1, s2, s3]) if (await alive(server)) voters.push(server);
  await all.ready(voters);
  const writer = clientOf(...voters);
  await writer.setData('/a', Buffer.from('by two'));
  for (const server of [s4, s5]) all.start(server);
  await all.ready([...voters, s4, s5]);
  await all.kill(voters[0] as BareServer);
  const rest = [voters[1] as BareServer, s4, s5];
  const states = () => Promise.all(rest.map((server) => all.state(server)));
  const isIdle = (seen: string[]) => seen.every((state) => state === 'not serving');
  await until('nobody serves', states, isIdle);
  all.start(voters[0] as BareServer);
  await all.ready([...voters, s4, s5]);
  const reader = clientOf(s5);
  await reader.sync('/a');
  expect(String((await reader.getData('/a')).data)).toBe('by two');
}, 120_000);
