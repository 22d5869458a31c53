// node-zookeeper-client, the client that programs for Node have used for years, against our ensemble: an old
// one that speaks only what ZooKeeper 3.4 knew, and stumbles over anything else.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ErrorCode, Op } from '../../coordinator/protocol/codes.ts';
import { Ensemble, PATIENT, until } from './ensemble.ts';
import { closeNodeClients, NodeClient, type NodeOptions, zookeeper } from './node-client.ts';

const { ACL, CreateMode, Id, Permission } = zookeeper;
const bytes = (text: string) => Buffer.from(text);

let ensemble: Ensemble;

beforeAll(async () => {
  ensemble = await Ensemble.serving({ size: 3, systemOptions: { ...PATIENT } });
});
afterEach(async () => {
  closeNodeClients();
  await ensemble.startAll();
});
afterAll(() => ensemble?.close());

/** A client that is connected to one of the nodes; default any of all. */
async function connected(options: NodeOptions = {}, nodes = ensemble.nodes): Promise<NodeClient> {
  const client = new NodeClient(ensemble.connectString(nodes), options);
  await client.tells('connected');
  return client;
}

function nodeOf(client: NodeClient): string {
  const at = (node: string) => ensemble.cluster.address(node, 'client').port === client.port;
  return ensemble.nodes.find(at) ?? 'no node';
}

describe('node-zookeeper-client', () => {
  test('creates nodes of every mode, and says why it does not', async () => {
    const client = await connected();
    expect(await client.call('create', '/modes', bytes('data'))).toEqual(['/modes']);
    const made: string[] = [];
    for (const [name, mode] of Object.entries(CreateMode)) {
      made.push(...(await client.call('create', `/modes/${name}-`, bytes(name), mode)));
    }
    expect(made).toEqual([
      '/modes/PERSISTENT-',
      '/modes/PERSISTENT_SEQUENTIAL-0000000001',
      '/modes/EPHEMERAL-',
      '/modes/EPHEMERAL_SEQUENTIAL-0000000003',
    ]);
    const owners: string[] = [];
    for (const path of made) {
      const [stat] = await client.call('exists', path);
      owners.push(stat?.ephemeralOwner.toString('hex') ?? 'gone');
    }
    const nobody = '0'.repeat(16);
    expect(owners).toEqual([nobody, nobody, client.session, client.session]);
    expect(await client.failure('create', '/modes')).toBe('NODE_EXISTS');
    expect(await client.failure('create', '/nothing/below')).toBe('NO_NODE');
    const child = client.failure('create', '/modes/EPHEMERAL-/child');
    expect(await child).toBe('NO_CHILDREN_FOR_EPHEMERALS');
    const [names, stat] = await client.call('getChildren', '/modes');
    expect(names.map((name) => `/modes/${name}`).sort()).toEqual(made.sort());
    expect(stat).toMatchObject({ numChildren: 4, cversion: 4, version: 0, dataLength: 4 });
    expect(await client.call('mkdirp', '/modes/a/b/c', bytes('deep'))).toEqual(['/modes/a/b/c']);

    const other = await connected();
    client.raw.close();
    const left = async () => (await other.call('getChildren', '/modes'))[0].length;
    await until('ephemeral nodes go with the session', left, (count) => count === 3);
  });

  test('reads, writes and deletes by version', async () => {
    const client = await connected();
    await client.call('create', '/data', bytes('first'));
    expect(await client.call('getData', '/data')).toMatchObject([bytes('first'), { version: 0 }]);
    expect(await client.call('setData', '/data', bytes('second'), 0)).toMatchObject([
      { version: 1, dataLength: 6 },
    ]);
    expect(await client.failure('setData', '/data', bytes('third'), 0)).toBe('BAD_VERSION');
    expect(await client.failure('setData', '/nothing', bytes('x'), -1)).toBe('NO_NODE');
    expect((await client.call('getData', '/data'))[0]).toEqual(bytes('second'));
    expect(await client.failure('remove', '/data', 0)).toBe('BAD_VERSION');
    await client.call('create', '/data/child');
    expect(await client.failure('remove', '/data', -1)).toBe('NOT_EMPTY');
    await client.call('remove', '/data/child', -1);
    await client.call('remove', '/data', 1);
    expect(await client.call('exists', '/data')).toEqual([null]);
    expect(await client.failure('getData', '/data')).toBe('NO_NODE');
  });

  test('its watches tell once, before what they tell of can be read', async () => {
    const client = await connected();
    const { notices, watch } = client;
    expect(await client.call('exists', '/watched', watch)).toEqual([null]);
    await client.call('create', '/watched', bytes('0'));
    expect(notices).toEqual(['NODE_CREATED /watched']);
    await client.call('getData', '/watched', watch);
    await client.call('getChildren', '/watched', watch);
    await client.call('setData', '/watched', bytes('1'));
    await client.call('setData', '/watched', bytes('2'));
    expect(notices.splice(0)).toEqual(['NODE_CREATED /watched', 'NODE_DATA_CHANGED /watched']);
    await client.call('create', '/watched/child');
    await client.call('remove', '/watched/child', -1);
    expect(notices.splice(0)).toEqual(['NODE_CHILDREN_CHANGED /watched']);
    await client.call('exists', '/watched', watch);
    await client.call('remove', '/watched', -1);
    await client.call('exists', '/watched');
    expect(notices.splice(0)).toEqual(['NODE_DELETED /watched']);
    await client.call('create', '/watched');
    await client.call('getData', '/watched', watch);
    await client.call('getChildren', '/watched', watch);
    await client.call('remove', '/watched', -1);
    // One notice of the end, which the client gives to both of its watches.
    expect(notices).toEqual(Array(2).fill('NODE_DELETED /watched'));
  });

  test('access lists', async () => {
    const client = await connected();
    await client.call('create', '/acl', bytes('x'));
    const everybody = { permission: Permission.ALL, id: { scheme: 'world', id: 'anyone' } };
    expect(await client.call('getACL', '/acl')).toMatchObject([[everybody], { aversion: 0 }]);
    const guarded = [new ACL(Permission.READ | Permission.ADMIN, new Id('world', 'anyone'))];
    expect(await client.call('setACL', '/acl', guarded, 0)).toMatchObject([{ aversion: 1 }]);
    expect(await client.failure('setACL', '/acl', ACL.OPEN_ACL_UNSAFE, 0)).toBe('BAD_VERSION');
    expect(await client.failure('setData', '/acl', bytes('y'))).toBe('NO_AUTH');
    expect(await client.failure('create', '/acl/child')).toBe('NO_AUTH');
    const nobody = client.failure('create', '/mine', bytes('m'), ACL.CREATOR_ALL_ACL);
    expect(await nobody).toBe('INVALID_ACL');
    client.raw.addAuthInfo('digest', bytes('u:p'));
    await client.call('create', '/mine', bytes('m'), ACL.CREATOR_ALL_ACL);
    const [[mine]] = await client.call('getACL', '/mine');
    const id = { scheme: 'digest', id: 'u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=' };
    expect(mine).toMatchObject({ permission: Permission.ALL, id });
    const stranger = await connected();
    expect(await stranger.failure('getData', '/mine')).toBe('NO_AUTH');
    stranger.raw.addAuthInfo('unheard-of', bytes('u:p'));
    await stranger.tells('connected', 'authenticationFailed', 'disconnected');
  });

  test('transactions are done as a whole or not at all', async () => {
    const client = await connected();
    await client.call('create', '/multi', bytes('0'));
    await client.call('create', '/multi/old');
    const whole = client.raw
      .transaction()
      .create('/multi/new', bytes('n'))
      .create('/multi/new/s-', CreateMode.EPHEMERAL_SEQUENTIAL as number)
      .setData('/multi', bytes('1'))
      .check('/multi', 1)
      .remove('/multi/old');
    expect(await client.commit(whole)).toMatchObject({
      error: null,
      results: [
        { type: Op.create, path: '/multi/new' },
        { type: Op.create, path: '/multi/new/s-0000000000' },
        { type: Op.setData, stat: { version: 1 } },
        { type: Op.check },
        { type: Op.delete },
      ],
    });
    const refused = client.raw
      .transaction()
      .create('/multi/never')
      .setData('/multi', bytes('2'), 99)
      .remove('/multi/new');
    expect(await client.commit(refused)).toEqual({
      error: 'BAD_VERSION',
      results: [ErrorCode.Ok, ErrorCode.BadVersion, ErrorCode.RuntimeInconsistency].map((err) => ({
        type: Op.error,
        err,
      })),
    });
    expect((await client.call('getChildren', '/multi'))[0]).toEqual(['new']);
    expect((await client.call('getData', '/multi'))[0]).toEqual(bytes('1'));
  });

  test('below a root of its own', async () => {
    const client = await connected();
    await client.call('mkdirp', '/chroot/deep');
    const below = new NodeClient(`${ensemble.connectString()}/chroot`);
    expect(await below.call('create', '/here', bytes('h'))).toEqual(['/here']);
    expect((await below.call('getChildren', '/'))[0].sort()).toEqual(['deep', 'here']);
    await below.call('getData', '/here', below.watch);
    await client.call('setData', '/chroot/here', bytes('H'));
    await until(
      'told',
      () => below.notices,
      (seen) => seen.join() === 'NODE_DATA_CHANGED /here',
    );
  });

  test('keeps session, ephemeral nodes and watches when its server is killed', async () => {
    const timeouts = { sessionTimeout: 20_000, retries: 5 };
    const client = await connected(timeouts);
    const { session, watch, notices } = client;
    await client.call('create', '/kept', bytes('0'));
    await client.call('create', '/kept/mine', CreateMode.EPHEMERAL);
    await client.call('getData', '/kept', watch);
    await client.call('getChildren', '/kept', watch);
    await client.call('exists', '/kept/new', watch);
    await client.call('getData', '/kept/mine', watch);
    const node = nodeOf(client);
    const others = ensemble.nodes.filter((each) => each !== node);
    const writer = ensemble.client(others, { sessionTimeoutMs: 20_000 });
    await writer.sync('/kept');
    await ensemble.kill(node);
    // Perhaps while the client is away, perhaps before it is back: it must hear of it either way.
    const write = () => writer.setData('/kept', bytes('1')).catch((error: Error) => error);
    await until('written', write, (outcome) => !(outcome instanceof Error));
    await client.tells('connected', 'disconnected', 'connected');
    expect(client.session).toBe(session);
    expect(nodeOf(client)).not.toBe(node);
    await writer.create('/kept/new', null);
    const all = [
      'NODE_CHILDREN_CHANGED /kept',
      'NODE_CREATED /kept/new',
      'NODE_DATA_CHANGED /kept',
    ];
    const seen = () => [...notices].sort().join();
    await until('all are told', seen, (text) => text === all.join());
    const [mine] = await client.call('exists', '/kept/mine');
    expect(mine?.ephemeralOwner.toString('hex')).toBe(session);
    await client.call('setData', '/kept/mine', bytes('still'));
    expect(notices.at(-1)).toBe('NODE_DATA_CHANGED /kept/mine');
    expect(notices).toHaveLength(4);
  });

  test('is told when its session has expired, and of one that never was', async () => {
    const [first = '', ...others] = ensemble.nodes;
    const client = await connected({ sessionTimeout: 1_000 }, [first]);
    expect(client.raw.getSessionTimeout()).toBe(1_000);
    await client.call('create', '/mortal', CreateMode.EPHEMERAL);
    const watcher = ensemble.client(others);
    await watcher.sync('/mortal');
    let gone: () => void = () => undefined;
    const deleted = new Promise<void>((resolve) => {
      gone = resolve;
    });
    expect((await watcher.exists('/mortal', () => gone())).stat).not.toBeNull();
    await ensemble.kill(first);
    await deleted;
    await ensemble.startAll();
    await client.tells('connected', 'disconnected', 'expired', 'disconnected');
    expect(await client.failure('exists', '/')).toBe('CONNECTION_LOSS');

    for (const id of ['7f00000000000001', '0000000000000001']) {
      const sessionId = Buffer.from(id, 'hex');
      const never = new NodeClient(ensemble.connectString(), { sessionId });
      await never.tells('expired', 'disconnected');
    }
    const { raw } = await connected();
    const thief = new NodeClient(ensemble.connectString(), { sessionId: raw.getSessionId() });
    await thief.tells('expired', 'disconnected');
  });

  test('loses its connection, and nothing else, when another takes its session over', async () => {
    const [first = '', second = ''] = ensemble.nodes;
    const older = await connected({ sessionTimeout: 20_000 }, [first]);
    const sessionId = older.raw.getSessionId();
    const sessionPassword = older.raw.getSessionPassword();
    const both = { sessionTimeout: 20_000, sessionId, sessionPassword };
    const newer = await connected(both, [second]);
    expect(newer.session).toBe(older.session);
    // The refusal has an error of its own, which this client does not know: it must not get it.
    expect(await older.failure('create', '/by-older')).toBe('CONNECTION_LOSS');
    await older.tells('connected', 'disconnected', 'connected');
    expect(await older.call('exists', '/by-older')).toEqual([null]);
    expect(await older.call('create', '/by-older')).toEqual(['/by-older']);
  });
});
