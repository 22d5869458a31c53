import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { LoneServer } from '../server/lone-server.testing.ts';
import {
  type ClientOptions,
  CoordinatorClient,
  CoordinatorError,
  CreateFlag,
  OPEN_ACL,
  Op,
  parseConnectString,
} from './index.ts';
import type { WatchEvent } from './watches.ts';

const open: { clients: CoordinatorClient[]; servers: LoneServer[]; raw: Server[] } = {
  clients: [],
  servers: [],
  raw: [],
};
const sockets = new Set<Socket>();

afterEach(async () => {
  for (const client of open.clients.splice(0)) client.abandon();
  for (const server of open.servers.splice(0)) await server.front.close();
  for (const socket of sockets) socket.destroy();
  for (const server of open.raw.splice(0)) server.close();
});

async function serve(port = 0): Promise<LoneServer> {
  const server = await new LoneServer().start(port);
  open.servers.push(server);
  return server;
}

/** A server that does with its connections whatever the test wants. */
async function listen(onConnection: (socket: Socket) => void): Promise<{ port: number }> {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  open.raw.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server.address() as { port: number };
}

function client(
  servers: readonly { port: number }[],
  options: Partial<ClientOptions> = {},
): CoordinatorClient {
  const made = new CoordinatorClient({
    servers: servers.map(({ port }) => ({ host: '127.0.0.1', port })),
    retryPauseMs: 1,
    ...options,
  });
  open.clients.push(made);
  return made;
}

async function failure(promise: Promise<unknown>): Promise<CoordinatorError> {
  const error = await promise.then(
    (value) => new Error(`expected a failure, got ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(CoordinatorError);
  return error as CoordinatorError;
}

const bytes = (text: string) => Buffer.from(text);

describe('operations', () => {
  it('does everything the protocol offers and shows zxids and Stats', async () => {
    const server = await serve();
    const c = client([server]);
    const { path, zxid } = await c.create('/a', bytes('one'));
    expect([path, zxid]).toEqual(['/a', server.tree.lastApplied]);
    const sequential = await c.create2('/a/n-', null, { flags: CreateFlag.ephemeralSequential });
    expect(sequential.path).toBe('/a/n-0000000000');
    expect(sequential.stat.ephemeralOwner).toBe(c.sessionId);
    const set = await c.setData('/a', bytes('two'), 0);
    expect(set.stat).toMatchObject({ version: 1, mzxid: set.zxid });
    const got = await c.getData('/a');
    expect(String(got.data)).toBe('two');
    expect(got.stat.mzxid).toBe(set.zxid);
    expect((await c.getChildren('/a')).children).toEqual(['n-0000000000']);
    expect((await c.getChildren2('/a')).stat.numChildren).toBe(1);
    expect((await c.exists('/b')).stat).toBeNull();
    expect((await c.exists('/a')).stat?.czxid).toBe(zxid);
    expect((await c.sync('/a')).zxid).toBe(server.tree.lastApplied);
    const deleted = await c.delete(sequential.path);
    expect(deleted.zxid).toBe(c.lastZxidSeen);
    await c.close();
    expect(c.state).toBe('closed');
    expect(server.tree.counts().sessions).toBe(0);
    expect(await failure(c.getData('/a'))).toMatchObject({ name: 'ConnectionLoss', sent: false });
  });

  it('rejects with the error the server gave and its zxid', async () => {
    const server = await serve();
    const c = client([server]);
    await c.create('/a', null);
    const refused = await failure(c.setData('/a', null, 5));
    expect(refused).toMatchObject({ name: 'BadVersion', code: -103, sent: true });
    expect(refused.zxid).toBe(server.tree.lastApplied);
    expect((await failure(c.getData('/missing'))).name).toBe('NoNode');
    expect((await failure(c.create('/a', null))).name).toBe('NodeExists');
  });

  it('does all of a multi or nothing', async () => {
    const c = client([await serve()]);
    const { results } = await c.multi([
      { type: Op.create, path: '/m', data: bytes('1'), acl: OPEN_ACL, flags: 0 },
      { type: Op.setData, path: '/m', data: bytes('2'), version: 0 },
    ]);
    expect(results.map(({ type }) => type)).toEqual([Op.create, Op.setData]);
    const refused = await failure(
      c.multi([
        { type: Op.setData, path: '/m', data: bytes('3'), version: -1 },
        { type: Op.check, path: '/m', version: 9 },
      ]),
    );
    expect(refused.name).toBe('BadVersion');
    expect(refused.results).toMatchObject([{ err: 0 }, { err: -103 }]);
    expect(String((await c.getData('/m')).data)).toBe('2');
  });

  it('keeps many requests outstanding and matches their replies', async () => {
    const server = await serve();
    const c = client([server]);
    await c.create('/p', null);
    server.hold();
    const writes = Array.from({ length: 100 }, (_, i) => c.setData('/p', bytes(`${i}`)));
    const last = c.getData('/p');
    while (server.held.length < 100) await new Promise((resolve) => setImmediate(resolve));
    server.release();
    const stats = await Promise.all(writes);
    expect(stats.map(({ stat }) => stat.version)).toEqual(stats.map((_, i) => i + 1));
    expect(String((await last).data)).toBe('99');
  });
});

describe('watches', () => {
  it('calls back once, after the reply before it and before the reply after it', async () => {
    const c = client([await serve()]);
    await c.create('/w', bytes('0'));
    const order: string[] = [];
    const watch = (event: WatchEvent) => order.push(`${event.type} ${event.path}`);
    const seen = [
      c.getData('/w', watch).then(() => order.push('read')),
      c.setData('/w', bytes('1')).then(() => order.push('set')),
      c.setData('/w', bytes('2')).then(() => order.push('set')),
    ];
    await Promise.all(seen);
    expect(order).toEqual(['read', 'dataChanged /w', 'set', 'set']);
  });

  it('arms them again at the next connection and hears what it missed', async () => {
    const server = await serve();
    const [c, other] = [client([server]), client([server])];
    const events: WatchEvent[] = [];
    await c.create('/kept', null);
    await c.create('/missed', null);
    const told = new Promise<void>((resolve) => {
      const watch = (event: WatchEvent) => {
        events.push(event);
        if (events.length === 3) resolve();
      };
      void c.getData('/kept', watch);
      void c.getData('/missed', watch);
      void c.exists('/born', watch);
    });
    await c.sync('/');
    const { connection } = c;
    server.front.stopServing('a test');
    server.front.serve();
    await other.setData('/missed', bytes('x'));
    await c.connect();
    expect(c.connection).toBe(connection + 1);
    await other.setData('/kept', bytes('x'));
    await other.create('/born', null);
    await told;
    expect(events).toEqual([
      { type: 'dataChanged', path: '/missed' },
      { type: 'dataChanged', path: '/kept' },
      { type: 'created', path: '/born' },
    ]);
  });
});

describe('sessions', () => {
  it('goes on at another server when one is gone, and never at one that is behind', async () => {
    const server = await serve();
    const behind = await serve();
    let refusals = 0;
    const dead = await listen((socket) => {
      refusals++;
      socket.destroy();
    });
    const c = client([dead, server, behind]);
    await c.create('/a', null);
    const { sessionId, connection } = c;
    expect(refusals).toBe(1);
    server.front.stopServing('a test');
    const pending = c.getData('/a');
    const again = c.exists('/a');
    server.front.serve();
    const results = await Promise.allSettled([pending, again]);
    expect(c.sessionId).toBe(sessionId);
    await c.connect();
    expect(c.connection).toBeGreaterThan(connection);
    expect(c.server?.port).toBe(server.port);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ sent: true });
    }
    expect(behind.eventNames).toContain('connectionClosed');
  });

  it('is told that it expired, and is of no more use', async () => {
    const server = await serve();
    const states: string[] = [];
    const c = client([server], { onState: (state) => states.push(state) });
    await c.connect();
    server.expire(Number(c.sessionId));
    const error = await failure(
      (async () => {
        while (c.state !== 'expired') await c.exists('/').catch(() => undefined);
        await c.exists('/');
      })(),
    );
    expect(error).toMatchObject({ name: 'SessionExpired', sent: false });
    expect(states.at(-1)).toBe('expired');
  });

  it('keeps its session alive by pings and gives a silent server up', async () => {
    const server = await serve();
    const c = client([server], { sessionTimeoutMs: 400 });
    await c.connect();
    while (server.touched.length < 3) await new Promise((resolve) => setTimeout(resolve, 5));
    const silent = await listen((socket) => {
      // Answers the handshake and nothing after it.
      socket.once('data', () => {
        const answer = Buffer.alloc(4 + 37);
        answer.writeInt32BE(37, 0);
        answer.writeInt32BE(60, 8);
        answer.writeBigInt64BE(5n, 12);
        answer.writeInt32BE(16, 20);
        socket.write(answer);
      });
    });
    const lonely = client([silent], { oneAttempt: true });
    const error = await failure(lonely.getData('/'));
    expect(error).toMatchObject({ name: 'ConnectionLoss', sent: true });
    expect(error.message).toContain('said nothing');
  });

  it('takes replies out of order for what they are: a broken server', async () => {
    const broken = await listen((socket) => {
      socket.once('data', () => {
        const answer = Buffer.alloc(4 + 37 + 20);
        answer.writeInt32BE(37, 0);
        answer.writeInt32BE(10_000, 8);
        answer.writeBigInt64BE(5n, 12);
        answer.writeInt32BE(16, 20);
        answer.writeInt32BE(16, 41);
        answer.writeInt32BE(77, 45);
        socket.write(answer);
      });
    });
    const c = client([broken], { oneAttempt: true });
    expect((await failure(c.sync('/'))).message).toContain('got 77');
  });
});

describe('one attempt', () => {
  it('says that nothing was sent when no server took the connection', async () => {
    const { port } = await listen((socket) => socket.destroy());
    const c = client([{ port }], { oneAttempt: true });
    const errors = await Promise.all([failure(c.setData('/a', null)), failure(c.getData('/a'))]);
    for (const error of errors) {
      expect(error).toMatchObject({ name: 'ConnectionRefused', sent: false, zxid: undefined });
    }
    expect(c.state).toBe('idle');
  });

  it('does not know what became of a request when the connection goes, and tries nothing', async () => {
    const server = await serve();
    const c = client([server], { oneAttempt: true });
    await c.connect();
    server.hold();
    const writing = failure(c.setData('/', bytes('x')));
    while (server.held.length === 0) await new Promise((resolve) => setImmediate(resolve));
    server.front.stopServing('a test');
    expect(await writing).toMatchObject({ name: 'ConnectionLoss', sent: true });
    server.release();
    server.front.serve();
    expect([c.state, c.connection]).toEqual(['idle', 1]);
    expect(String((await c.getData('/')).data)).toBe('x');
    expect(c.connection).toBe(2);
  });

  it('gives up after its time, and still matches the reply that comes late', async () => {
    const server = await serve();
    const c = client([server], { oneAttempt: true, operationTimeoutMs: 300 });
    await c.connect();
    server.hold();
    expect(await failure(c.setData('/', bytes('late')))).toMatchObject({
      name: 'OperationTimeout',
      sent: true,
    });
    const next = c.getData('/');
    server.release();
    expect(String((await next).data)).toBe('late');
    const nobody = await listen(() => undefined);
    const waiting = client([nobody], { oneAttempt: true, operationTimeoutMs: 40 });
    expect(await failure(waiting.setData('/', null))).toMatchObject({
      name: 'OperationTimeout',
      sent: false,
    });
  });
});

describe('connect strings', () => {
  it('reads them and says what is wrong with others', () => {
    expect(parseConnectString('a:1,[::1]:2, c')).toEqual([
      { host: 'a', port: 1 },
      { host: '::1', port: 2 },
      { host: 'c', port: 2181 },
    ]);
    for (const bad of ['', 'a:0', 'a:70000', 'a:b', 'a:1,']) {
      expect(() => parseConnectString(bad)).toThrow(/expected servers as host:port/);
    }
  });
});
