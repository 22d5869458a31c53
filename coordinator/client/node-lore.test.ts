import { afterEach, describe, expect, it } from 'vitest';
import type { FrontConfig } from '../server/front-parts.ts';
import { digestOf } from '../server/identities.ts';
import { LoneServer } from '../server/lone-server.testing.ts';
import {
  type ClientOptions,
  CoordinatorClient,
  CreateFlag,
  ErrorCode,
  OPEN_ACL,
  Op,
  Perm,
  readChildren,
  readData,
  type WatchEvent,
} from './index.ts';

const clients: CoordinatorClient[] = [];
const servers: LoneServer[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.abandon();
  for (const server of servers.splice(0)) await server.front.close();
});

async function serve(config: Partial<FrontConfig> = {}): Promise<LoneServer> {
  const server = await new LoneServer(config).start();
  servers.push(server);
  return server;
}

function client(server: LoneServer, options: Partial<ClientOptions> = {}): CoordinatorClient {
  const made = new CoordinatorClient({ servers: [server.address], retryPauseMs: 1, ...options });
  clients.push(made);
  return made;
}

const AUTH_ONLY = [{ perms: Perm.all, scheme: 'auth', id: '' }];
const digest = (credentials: string) => digestOf(Buffer.from(credentials));
const bytes = (text: string) => Buffer.from(text);

/** Remembers events as text and lets tests wait for some number of them. */
class Ear {
  readonly heard: string[] = [];
  readonly hear = ({ type, path }: WatchEvent): void => void this.heard.push(`${type} ${path}`);
}

describe('access lists and authentication', () => {
  it('lets in who shows a password, here and after every new connection', async () => {
    const server = await serve();
    const [me, other] = [client(server), client(server)];
    await me.addAuth('digest', 'me:secret');
    await me.create('/mine', bytes('x'), { acl: AUTH_ONLY });
    const own = [{ perms: 31, scheme: 'digest', id: digest('me:secret') }];
    expect((await me.getAcl('/mine')).acl).toEqual(own);
    for (const refused of [
      other.getData('/mine'),
      other.setData('/mine', null),
      other.getChildren('/mine'),
      other.getAcl('/mine'),
      other.setAcl('/mine', OPEN_ACL),
      other.create('/mine/x', null),
      other.getAllChildrenNumber('/mine'),
    ]) {
      await expect(refused).rejects.toMatchObject({ name: 'NoAuth' });
    }
    me.drop();
    expect(me.state).toBe('idle');
    expect(String((await me.getData('/mine')).data)).toBe('x');
    expect(me.connection).toBe(2);
    const before = (await me.exists('/mine')).stat;
    const { stat } = await me.setAcl('/mine', OPEN_ACL, 0);
    expect(stat).toEqual({ ...before, aversion: 1 });
    expect((await other.getAcl('/mine')).acl).toEqual(OPEN_ACL);
    await expect(other.setAcl('/mine', OPEN_ACL, 0)).rejects.toMatchObject({ name: 'BadVersion' });
  });

  it('tells who one is, and opens everything to the administrator', async () => {
    const server = await serve({ superDigest: digest('super:secret') });
    const [me, admin] = [client(server), client(server)];
    await me.addAuth('digest', 'me:secret');
    await me.addAuth('digest', 'me:secret');
    await me.addAuth('ip', '');
    await me.create('/mine', null, { acl: AUTH_ONLY });
    expect((await me.whoAmI()).clientInfo).toEqual([
      { authScheme: 'ip', user: '127.0.0.1' },
      { authScheme: 'digest', user: 'me' },
    ]);
    await admin.addAuth('digest', 'super:wrong');
    await expect(admin.getData('/mine')).rejects.toMatchObject({ name: 'NoAuth' });
    await admin.addAuth('digest', 'super:secret');
    expect((await admin.getData('/mine')).data).toBeNull();
    const schemes = (await admin.whoAmI()).clientInfo.map((each) => each.authScheme);
    expect(schemes).toEqual(['ip', 'digest', 'digest', 'super']);
  });

  it('rejects a scheme that there is not, and goes on without it', async () => {
    const server = await serve();
    const me = client(server);
    await me.connect();
    await expect(me.addAuth('kerberos', 'x')).rejects.toMatchObject({ name: 'AuthFailed' });
    await me.exists('/');
    expect(me.connection).toBe(2);
    expect(server.events.findLast(({ ev }) => ev === 'connectionClosed')).toMatchObject({
      reason: expect.stringContaining('no authentication scheme kerberos'),
    });
    await me.close();
    await expect(me.addAuth('digest', 'a:b')).rejects.toMatchObject({ name: 'ConnectionLoss' });
  });

  it('counts for requests after it only, and is told to the leader with each', async () => {
    const server = await serve();
    const me = client(server);
    await me.connect();
    const acl = [{ perms: Perm.all, scheme: 'digest', id: digest('me:secret') }];
    await me.create('/mine', null, { acl });
    const before = me.setData('/mine', bytes('1'));
    const shown = me.addAuth('digest', 'me:secret');
    const after = me.setData('/mine', bytes('2'));
    await expect(before).rejects.toMatchObject({ name: 'NoAuth' });
    await shown;
    expect((await after).stat.version).toBe(1);
  });

  it('keeps watches from telling what may not be read', async () => {
    const server = await serve();
    const [me, other] = [client(server), client(server)];
    const ear = new Ear();
    await other.addWatch('/', 'persistentRecursive', ear.hear);
    await me.addAuth('digest', 'me:secret');
    await me.create('/hidden', null, { acl: AUTH_ONLY });
    await me.setData('/hidden', bytes('x'));
    await me.create('/shown', null);
    await other.sync('/');
    expect(ear.heard).toEqual(['created /shown']);
  });
});

describe('small questions', () => {
  it('counts nodes and lists ephemerals of the session', async () => {
    const server = await serve();
    const [me, other] = [client(server), client(server)];
    await me.create('/a', null);
    for (const path of ['/a/b', '/a/b/c', '/ab']) await me.create(path, null);
    for (const path of ['/a/e', '/e']) {
      await me.create(path, null, { flags: CreateFlag.ephemeral });
    }
    expect((await me.getAllChildrenNumber('/a')).totalNumber).toBe(3);
    expect((await me.getAllChildrenNumber('/ab')).totalNumber).toBe(0);
    expect((await me.getAllChildrenNumber('/')).totalNumber).toBe(server.tree.counts().nodes - 1);
    await expect(me.getAllChildrenNumber('/no')).rejects.toMatchObject({ name: 'NoNode' });
    expect((await me.getEphemerals()).ephemerals).toEqual(['/a/e', '/e']);
    expect((await me.getEphemerals('')).ephemerals).toEqual(['/a/e', '/e']);
    expect((await me.getEphemerals('/a')).ephemerals).toEqual(['/a/e']);
    expect((await other.getEphemerals()).ephemerals).toEqual([]);
  });

  it('reads many nodes of one state, each by its own outcome', async () => {
    const server = await serve();
    const me = client(server);
    await me.create('/a', bytes('x'));
    await me.create('/a/b', null, { acl: [{ perms: 0, scheme: 'ip', id: '9.9.9.9' }] });
    const reads = [readData('/a'), readChildren('/a'), readData('/no'), readData('/a/b')];
    const { results } = await me.multiRead(reads);
    expect(results).toMatchObject([
      { type: Op.getData, data: bytes('x'), stat: { numChildren: 1 } },
      { type: Op.getChildren, children: ['b'] },
      { type: Op.error, err: ErrorCode.NoNode },
      { type: Op.error, err: ErrorCode.NoAuth },
    ]);
    expect((await me.multiRead([])).results).toEqual([]);
  });

  it('creates containers and nodes with a time to live', async () => {
    const server = await serve();
    const me = client(server);
    const { stat } = await me.createContainer('/c', null);
    expect(stat.ephemeralOwner).toBe(0n);
    const made = await me.createTtl('/t', bytes('x'), 5000);
    expect(made).toMatchObject({ path: '/t', stat: { ephemeralOwner: 0n, dataLength: 1 } });
    await expect(me.createTtl('/u', null, 2 ** 40)).rejects.toMatchObject({ name: 'BadArguments' });
  });
});

describe('watches that last', () => {
  it('tell each time, of one path or of all below', async () => {
    const server = await serve();
    const [me, writer] = [client(server), client(server)];
    const [flat, deep, once] = [new Ear(), new Ear(), new Ear()];
    await writer.create('/a', null);
    await me.addWatch('/a', 'persistent', flat.hear);
    await me.addWatch('/a', 'persistentRecursive', deep.hear);
    await me.getData('/a', once.hear);
    await writer.setData('/a', bytes('1'));
    await writer.create('/a/b', null);
    await writer.setData('/a/b', bytes('2'));
    await writer.setData('/a', bytes('3'));
    await writer.delete('/a/b');
    await me.sync('/');
    expect(once.heard).toEqual(['dataChanged /a']);
    expect(flat.heard).toEqual([
      'dataChanged /a',
      'childrenChanged /a',
      'dataChanged /a',
      'childrenChanged /a',
    ]);
    expect(deep.heard).toEqual([
      'dataChanged /a',
      'created /a/b',
      'dataChanged /a/b',
      'dataChanged /a',
      'deleted /a/b',
    ]);
    const kinds = server.events.filter(({ ev }) => ev === 'watchSet').map(({ kind }) => kind);
    expect(kinds).toEqual(['persistent', 'persistentRecursive', 'data']);
  });

  it('are set again on a new connection, with those that tell once', async () => {
    const server = await serve();
    const [me, writer] = [client(server), client(server)];
    const [lasting, once] = [new Ear(), new Ear()];
    await writer.create('/a', null);
    await me.addWatch('/a', 'persistentRecursive', lasting.hear);
    await me.getChildren('/a', once.hear);
    const session = me.sessionId;
    me.drop();
    await writer.create('/a/missed', null);
    await me.connect();
    await writer.create('/a/told', null);
    await me.sync('/');
    // The write may have come before the connection was lost on the server's side, or after.
    expect(lasting.heard.filter((each) => !each.includes('missed'))).toEqual(['created /a/told']);
    expect(once.heard).toEqual(['childrenChanged /a']);
    expect([me.sessionId, me.connection]).toEqual([session, 2]);
  });

  it('are checked and taken back by their kind', async () => {
    const server = await serve();
    const [me, other] = [client(server), client(server)];
    const ear = new Ear();
    const watched = async (path: string, by = me) =>
      Promise.all(
        (['data', 'children', 'any'] as const).map(async (type) => {
          return (await by.hasWatches(path, type)).watched;
        }),
      );
    await me.getData('/', ear.hear);
    await me.addWatch('/zookeeper', 'persistentRecursive', ear.hear);
    expect(await watched('/')).toEqual([true, false, true]);
    expect(await watched('/zookeeper/quota/x')).toEqual([true, true, true]);
    expect(await watched('/', other)).toEqual([false, false, false]);
    await expect(me.removeWatches('/', 'children')).rejects.toMatchObject({ name: 'NoWatcher' });
    await expect(other.removeWatches('/')).rejects.toMatchObject({ name: 'NoWatcher' });
    await me.removeWatches('/', 'data');
    await me.removeWatches('/zookeeper');
    expect(await watched('/zookeeper/quota/x')).toEqual([false, false, false]);
    expect(server.tree.watches.size).toBe(0);
    me.drop();
    await me.setData('/', bytes('x'));
    expect(ear.heard).toEqual([]);
    expect(server.tree.watches.size).toBe(0);
  });
});
