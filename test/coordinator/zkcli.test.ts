// ZooKeeper's own shell against our ensemble: every command of it, what it prints, the errors included, is
// what it prints of ZooKeeper 3.8's servers.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BareEnsemble, type BareServer, memberLine } from './bare-ensemble.ts';
import { until } from './ensemble.ts';
import { endStarted } from './started.ts';
import { missingZkCli, ZkCli } from './zkcli.ts';

const SUPER = 'DigestAuthenticationProvider.superDigest=super:xQJmxLMiHGwaqBvst5y6rkB6HQs=';
const FOUNDERS = 3;
const missing = missingZkCli();
const inCi = process.env.CI !== undefined && process.env.CI !== '';

if (missing !== undefined) {
  test.skipIf(!inCi)(`zkCli.sh is available (${missing})`, () => {
    expect(missing).toBeUndefined();
  });
}

describe.skipIf(missing !== undefined)('zkCli.sh', () => {
  let ensemble: BareEnsemble;
  let founders: BareServer[];
  let cli: ZkCli;

  beforeAll(async () => {
    ensemble = await BareEnsemble.create({
      size: FOUNDERS + 1,
      members: (server, all) => all.filter((one) => one.sid <= FOUNDERS || one === server),
      // Whoever is dead is missed at once; a busy machine is not to look like it.
      lines: () => [
        SUPER,
        'reconfigEnabled=true',
        'extendedTypesEnabled=true',
        'heartbeatTimeout=5000',
      ],
    });
    founders = ensemble.servers.slice(0, FOUNDERS);
    for (const server of founders) ensemble.start(server);
    await ensemble.ready(founders);
    cli = new ZkCli(founders.map(({ ports }) => `127.0.0.1:${ports.client}`).join(','));
    expect(await cli.noticesFrom(0, 1)).toEqual(['SyncConnected None null']);
  });
  afterAll(async () => {
    endStarted();
    await ensemble?.close();
  });

  /** Runs commands and expects of each the lines that it prints. */
  async function all(...expected: [command: string, ...lines: (string | RegExp)[]][]) {
    for (const [command, ...lines] of expected) {
      const wanted = lines.map((line) =>
        typeof line === 'string' ? line : expect.stringMatching(line),
      );
      expect([command, ...(await cli.run(command))]).toEqual([command, ...wanted]);
    }
  }

  /** A Stat as it is printed, as figures by name. */
  async function stat(command: string): Promise<Record<string, string>> {
    const lines = await cli.run(command);
    const rows = lines.map((line) => line.split(' = ')).filter(([, value]) => value !== undefined);
    return Object.fromEntries(rows);
  }

  /** The members of a list as it is printed. */
  async function list(command: string): Promise<string[]> {
    const [line = ''] = await cli.run(command);
    return line
      .replace(/^\[|\]$/g, '')
      .split(', ')
      .sort();
  }

  test('creates every kind of node, lists and counts them', async () => {
    await all(
      ['ls /', '[zookeeper]'],
      ['create /a x', 'Created /a'],
      ['create /a x', 'Node already exists: /a'],
      ['create /a/p/q x', 'Node does not exist: /a/p/q'],
      ['create -s /a/s- 1', 'Created /a/s-0000000000'],
      ['create -s /a/s- 2', 'Created /a/s-0000000001'],
      ['create -e /e eph', 'Created /e'],
      ['create /e/child x', 'Ephemerals cannot have children: /e/child'],
      ['create -s -e /es- z', 'Created /es-0000000002'],
      ['create -c /cont', 'Created /cont'],
      ['create -t 60000 /ttl tt', 'Created /ttl'],
      ['create -s -t 60000 /ttls- tt', 'Created /ttls-0000000005'],
      ['get /ttl', 'tt'],
      ['ls /a', '[s-0000000000, s-0000000001]'],
      ['ls /nope', 'Node does not exist: /nope'],
      ['getAllChildrenNumber /a', '2'],
      ['getAllChildrenNumber /', '11'],
      ['getAllChildrenNumber /nope', 'Node does not exist: /nope'],
      ['getEphemerals /e', /^\[\/e/],
      ['getEphemerals /a', '[]'],
      // Level by level of each node's children.
      [
        'ls -R /',
        ...['/', '/a', '/cont', '/e', '/es-0000000002', '/ttl', '/ttls-0000000005', '/zookeeper'],
        ...['/a/s-0000000000', '/a/s-0000000001', '/zookeeper/config', '/zookeeper/quota'],
      ],
    );
    expect(await list('getEphemerals')).toEqual(['/e', '/es-0000000002']);
  });

  test('reads and writes data by version', async () => {
    await all(
      ['get /a', 'x'],
      ['set /a y'],
      ['set -v 7 /a z', 'version No is not valid : /a'],
      ['set -v 1 /a z'],
      ['set /nope z', 'Node does not exist: /nope'],
      ['get /nope', 'Node does not exist: /nope'],
      ['stat /nope', 'Node does not exist: /nope'],
      ['sync /a', 'Sync is OK'],
      ['get /a', 'z'],
    );
    const before = await stat('stat /a');
    expect(before).toMatchObject({ dataVersion: '2', dataLength: '1', numChildren: '2' });
    expect(Object.keys(before)).toEqual([
      ...['cZxid', 'ctime', 'mZxid', 'mtime', 'pZxid', 'cversion', 'dataVersion', 'aclVersion'],
      ...['ephemeralOwner', 'dataLength', 'numChildren'],
    ]);
    const after = await stat('set -s /a longer');
    const { cZxid, ctime, pZxid, cversion } = before;
    const same = { cZxid, ctime, pZxid, cversion, numChildren: '2' };
    expect(after).toMatchObject({ ...same, dataVersion: '3', dataLength: '6' });
    expect(Number(after.mZxid)).toBeGreaterThan(Number(before.mZxid));
    expect(await cli.run('get -s /a')).toEqual(['longer', ...(await cli.run('stat /a'))]);
    expect(Number((await stat('stat /e')).ephemeralOwner)).toBeGreaterThan(0);
  });

  test('deletes', async () => {
    await all(
      ['create /d', 'Created /d'],
      ['create /d/child', 'Created /d/child'],
      ['create /d/child/deep', 'Created /d/child/deep'],
      ['delete /d', 'Node not empty: /d'],
      ['delete -v 3 /d/child/deep', 'version No is not valid : /d/child/deep'],
      ['delete -v 0 /d/child/deep'],
      ['delete /d/child/deep', 'Node does not exist: /d/child/deep'],
      ['create /d/other', 'Created /d/other'],
      ['deleteall /d'],
      ['deleteall /d', 'Node does not exist: /d'],
      ['ls /d', 'Node does not exist: /d'],
    );
  });

  // Before a watch is removed: after that zkCli.sh sets recursive ones again as persistent ones only, and
  // does so towards ZooKeeper's own servers, too.
  test('keeps session and watches when its server is killed', async () => {
    const start = cli.notices.length;
    await all(
      ['create -e /survivor', 'Created /survivor'],
      ['create /kept', 'Created /kept'],
      ['create /kept/kid', 'Created /kept/kid'],
      ['addWatch /kept'],
      ['get -w /a', 'longer'],
    );
    const { ephemeralOwner } = await stat('stat /survivor');
    const session = new RegExp(`sid=${ephemeralOwner}\\b`);
    const words = await Promise.all(founders.map((server) => ensemble.word(server, 'cons')));
    const at = words.findIndex((connections) => session.test(connections));
    if (at < 0) throw new Error(`expected a connection of ${ephemeralOwner}: ${words}`);
    const server = founders[at] as BareServer;
    await ensemble.kill(server);
    expect(await cli.noticesFrom(start, 2)).toEqual([
      'Disconnected None null',
      'SyncConnected None null',
    ]);
    await all(['set /kept/kid again'], ['set /a again'], ['sync /survivor', 'Sync is OK']);
    expect((await stat('stat /survivor')).ephemeralOwner).toBe(ephemeralOwner);
    expect(await cli.noticesFrom(start + 2, 2)).toEqual([
      'SyncConnected NodeDataChanged /kept/kid',
      'SyncConnected NodeDataChanged /a',
    ]);
    ensemble.start(server);
    await ensemble.ready(founders);
  });

  test('prints what watches tell, each kind as it was set', async () => {
    const start = cli.notices.length;
    await all(['create /w', 'Created /w'], ['get -w /w', 'null'], ['set /w 1'], ['set /w 2']);
    await cli.run('stat -w /w');
    await all(
      ['set /w 3'],
      ['ls -w /w', '[]'],
      ['create /w/kid', 'Created /w/kid'],
      ['addWatch /w'],
      ['addWatch -m PERSISTENT /cont'],
      ['create /w/kid/deep', 'Created /w/kid/deep'],
      ['set /w/kid/deep x'],
      ['create /cont/k', 'Created /cont/k'],
      ['set /cont/k x'],
      ['delete /w/kid/deep'],
      ['removewatches /w'],
      ['removewatches /w', 'KeeperErrorCode = No such watcher for /w'],
      ['set /w unheard'],
      ['delete /cont/k'],
    );
    expect(await cli.noticesFrom(start, 9)).toEqual([
      'SyncConnected NodeDataChanged /w',
      'SyncConnected NodeDataChanged /w',
      'SyncConnected NodeChildrenChanged /w',
      'SyncConnected NodeCreated /w/kid/deep',
      'SyncConnected NodeDataChanged /w/kid/deep',
      'SyncConnected NodeChildrenChanged /cont',
      'SyncConnected NodeDeleted /w/kid/deep',
      'SyncConnected PersistentWatchRemoved /w',
      'SyncConnected NodeChildrenChanged /cont',
    ]);
  });

  test('sets and obeys access lists', async () => {
    const mine = ["'digest,'me:016djjlksVQS5RgX3M7biBGyYwY=", ': cdrwa'];
    await all(
      ['whoami', 'Auth scheme: User', 'ip: 127.0.0.1'],
      ['create /acl x', 'Created /acl'],
      ['create /acl/p x', 'Created /acl/p'],
      ['getAcl /acl', "'world,'anyone", ': cdrwa'],
      ['setAcl -v 4 /acl world:anyone:r', 'version No is not valid : /acl'],
      ['setAcl -v 0 /acl world:anyone:cdr'],
      ['getAcl /acl', "'world,'anyone", ': cdr'],
      ['setAcl /acl world:anyone:cdrwa', 'Insufficient permission : /acl'],
      ['set /acl y', 'Insufficient permission : /acl'],
      ['setAcl /acl/p auth::cdrwa', 'Acl is not valid : /acl/p'],
      ['addauth digest me:secret'],
      ['setAcl /acl/p auth::cdrwa'],
      ['getAcl /acl/p', ...mine],
      ['create /theirs x digest:other:xxx:cdrwa', 'Created /theirs'],
      ['get /theirs', 'Insufficient permission : /theirs'],
      ['getAcl /theirs', 'Insufficient permission : /theirs'],
      ['ls /theirs', 'Insufficient permission : /theirs'],
      ['create /mine x auth::cdrwa', 'Created /mine'],
      ['create /mine/child x', 'Created /mine/child'],
      ['setAcl -R /mine auth::cdrwa'],
      ['getAcl /mine/child', ...mine],
    );
    const [header, ...identities] = await cli.run('whoami');
    expect([header, ...identities.sort()]).toEqual([
      'Auth scheme: User',
      'digest: me',
      'ip: 127.0.0.1',
    ]);
    expect((await stat('getAcl -s /acl/p')).aclVersion).toBe('1');
  });

  test('counts against quotas', async () => {
    await all(
      ['create /q abc', 'Created /q'],
      ['setquota -n 3 /q'],
      ['create /q/child de', 'Created /q/child'],
    );
    expect((await cli.run('listquota /q')).slice(1)).toEqual([
      'Output quota for /q count=3,bytes=-1=;byteHardLimit=-1;countHardLimit=-1',
      'Output stat for /q count=2,bytes=5',
    ]);
    await all(['delquota /q'], ['listquota /q', /absolute path/, /quota for \/q does not exist/]);
  });

  test('changes the servers of the ensemble', async () => {
    const lines = founders.map((server) => memberLine(server));
    await all(
      ['config', ...lines, 'version=0'],
      ['reconfig -remove 3', 'Insufficient permission :'],
      ['addauth digest super:admin'],
      ['reconfig -v 77 -remove 3', 'version No is not valid :'],
      ['reconfig -add server.9=bogus', 'Arguments are not valid :'],
    );
    const joiner = ensemble.servers[FOUNDERS] as BareServer;
    ensemble.start(joiner);
    await ensemble.ready();
    const joined = `${memberLine(joiner)};127.0.0.1:${joiner.ports.client}`;
    await all(
      ['addWatch /zookeeper/config'],
      [
        `reconfig -add ${joined}`,
        ...['Committed new configuration:', ...lines, joined],
        /^version=[0-9a-f]{9}$/,
      ],
      ['config', ...lines, joined, /^version=[0-9a-f]{9}$/],
      ['config -c', /./],
      [
        'reconfig -remove 4',
        ...['Committed new configuration:', ...lines],
        /^version=[0-9a-f]{9}$/,
      ],
    );
    expect(cli.notices.at(-1)).toBe('SyncConnected NodeDataChanged /zookeeper/config');
  });

  test('its ephemeral nodes go with its session', async () => {
    const watcher = `127.0.0.1:${(founders[1] as BareServer).ports.client}`;
    await cli.run('close');
    await cli.run(`connect ${watcher}`);
    await until(
      'connected',
      () => cli.run('ls /'),
      ([line]) => line?.startsWith('[') === true,
    );
    await all(['sync /', 'Sync is OK'], ['getEphemerals', '[]']);
    await all(['stat /survivor', 'Node does not exist: /survivor']);
    expect(await cli.quit()).toBe(0);
  });
});
