import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { ErrorCode, EventType, Op, Xid } from '../protocol/codes.ts';
import type { Codec } from '../protocol/jute.ts';
import {
  AuthPacket,
  CreateRequest,
  GetDataResponse,
  OPEN_ACL,
  PathWatchRequest,
  SetDataRequest,
  SetWatchesRequest,
  SyncRequest,
  WatcherEvent,
} from '../protocol/records.ts';
import { type LoneConfig, LoneServer } from './lone-server.testing.ts';
import { RawClient } from './raw-client.testing.ts';

type Request = [number, number, Codec<never>?, unknown?];

const open: { servers: LoneServer[]; clients: RawClient[] } = { servers: [], clients: [] };

afterEach(async () => {
  for (const client of open.clients.splice(0)) client.socket.destroy();
  for (const server of open.servers.splice(0)) await server.front.close();
});

async function serve(config: LoneConfig = {}): Promise<LoneServer> {
  const server = await new LoneServer(config).start();
  open.servers.push(server);
  return server;
}

function client(server: LoneServer, framed = true): RawClient {
  const made = new RawClient(server.port, framed);
  open.clients.push(made);
  return made;
}

const create = (xid: number, path: string, data = ''): Request => [
  xid,
  Op.create,
  CreateRequest as Codec<never>,
  { path, data: Buffer.from(data), acl: OPEN_ACL, flags: 0 },
];
const set = (xid: number, path: string, data: string): Request => [
  xid,
  Op.setData,
  SetDataRequest as Codec<never>,
  { path, data: Buffer.from(data), version: -1 },
];
const read = (xid: number, op: number, path: string, watch = false): Request => [
  xid,
  op,
  PathWatchRequest as Codec<never>,
  { path, watch },
];
const sync = (xid: number): Request => [xid, Op.sync, SyncRequest as Codec<never>, { path: '/' }];

async function ask(server: LoneServer, word: string): Promise<string> {
  const c = client(server, false);
  // As `echo ruok | nc -N` does: the word and the end of the stream at once.
  c.socket.end(word);
  await c.hangup();
  return c.text;
}

describe('handshake', () => {
  it('opens a session, negotiates its timeout, and echoes the readOnly byte only if it came', async () => {
    const server = await serve();
    for (const [timeOut, granted, readOnly, bytes] of [
      [10, 400, true, 37],
      [99_000, 40_000, false, 36],
      [5_000, 5_000, true, 37],
    ] as const) {
      const c = client(server);
      c.hello({ timeOut }, readOnly);
      const welcome = await c.welcome();
      expect(welcome.timeOut).toBe(granted);
      expect(welcome.bytes).toBe(bytes);
      expect(server.tree.session(Number(welcome.sessionId))?.timeoutMs).toBe(granted);
      expect(welcome.passwd).toEqual(server.tree.session(Number(welcome.sessionId))?.password);
    }
    expect(server.tree.counts().sessions).toBe(3);
  });

  it('gives a session back to who knows its password, and hangs up on its older connection', async () => {
    const server = await serve();
    const older = await client(server).open();
    const newer = client(server);
    newer.hello({ sessionId: older.session, passwd: older.password });
    expect((await newer.welcome()).sessionId).toBe(older.session);
    await older.hangup();
    newer.send(read(1, Op.exists, '/'));
    expect((await newer.reply()).err).toBe(0);
    const reasons = server.events.filter(({ ev }) => ev === 'connectionClosed');
    expect(reasons).toMatchObject([{ reason: expect.stringContaining('newer connection') }]);
  });

  it('says that a session is over for a wrong password, an unknown session, and by the leader', async () => {
    const server = await serve();
    const { session, password } = await client(server).open();
    const refused = async (sessionId: bigint, passwd: Buffer) => {
      const c = client(server);
      c.hello({ sessionId, passwd });
      expect(await c.welcome()).toMatchObject({ sessionId: 0n, timeOut: 0 });
      expect(c.password).toEqual(Buffer.alloc(16));
      await c.hangup();
    };
    await refused(session, Buffer.alloc(16, 7));
    await refused(3n, password);
    await refused(-5n, password);
    // Beyond all that was ever opened, as everybody confirms.
    await refused(1n << 60n, password);
    server.attachAnswer = 0;
    await refused(session, password);
  });

  it('hangs up on clients that have seen more, and when the leader cannot say', async () => {
    const server = await serve();
    const { session, password } = await client(server).open();
    const { lastApplied } = server.tree;
    const hungUpOn = async (lastZxidSeen: number, sessionId: bigint) => {
      const c = client(server);
      c.hello({ lastZxidSeen, sessionId, passwd: password });
      await c.hangup();
      expect(c.waiting).toBe(0);
    };
    await hungUpOn(lastApplied + 1, session);
    await hungUpOn(lastApplied + 1, 0n);
    server.hold();
    const newer = hungUpOn(0, BigInt(lastApplied + 5));
    while (server.held.length === 0) await new Promise((resolve) => setImmediate(resolve));
    server.held.length = 0;
    server.front.synced(server.lastSync, lastApplied + 5);
    await newer;
    server.release();
    server.attachAnswer = -1;
    await hungUpOn(lastApplied, session);
    const reasons = server.events.flatMap(({ reason }) => (reason === undefined ? [] : [reason]));
    expect(reasons.filter((reason) => String(reason).includes('behind'))).toHaveLength(3);
  });

  it('closes connections that ask for no session', async () => {
    const server = await serve({ tickTimeMs: 3 });
    const c = client(server);
    c.socket.write(Buffer.from([0, 0]));
    await c.hangup();
    expect(server.eventNames).toContain('connectionClosed');
  });
});

describe('requests', () => {
  it('answers in order: reads wait for writes before them, pings for nothing', async () => {
    const server = await serve();
    const c = await client(server).open();
    server.hold();
    const malformed: Request = [4, Op.getData];
    c.send(create(1, '/a', 'x'), read(2, Op.getData, '/a'), set(3, '/a', 'y'), malformed);
    c.send(read(5, Op.getData, '/a'), [-2, Op.ping]);
    expect(await c.reply()).toMatchObject({ xid: Xid.ping, err: 0 });
    expect(server.held).toHaveLength(2);
    server.release();
    const replies = await c.replies(5);
    expect(replies.map(({ xid, err }) => [xid, err])).toEqual([
      [1, 0],
      [2, 0],
      [3, 0],
      [4, ErrorCode.MarshallingError],
      [5, 0],
    ]);
    const data = [replies[1]!, replies[4]!].map(({ body }) => GetDataResponse.read(body).data);
    expect(data.map(String)).toEqual(['x', 'y']);
    expect(replies[3]!.body.remaining).toBe(0);
  });

  it('serves nothing past a sync before it is confirmed and applied', async () => {
    const server = await serve();
    const c = await client(server).open();
    const other = await client(server).open();
    server.hold();
    c.send(sync(1), read(2, Op.exists, '/'), set(3, '/', 'z'));
    other.send([1, Op.closeSession]);
    while (server.held.length < 2) await new Promise((resolve) => setImmediate(resolve));
    // The sync, and the close; the write behind the sync is not yet the leader's business.
    expect(server.held).toHaveLength(2);
    const [, close] = server.held.splice(0);
    const zxid = server.tree.lastApplied + 1;
    server.front.synced(server.lastSync, zxid);
    c.send([-2, Op.ping]);
    expect((await c.reply()).xid).toBe(Xid.ping);
    expect(c.waiting).toBe(0);
    close!();
    const [synced, exists] = await c.replies(2);
    expect(synced).toMatchObject({ xid: 1, zxid, err: 0 });
    expect(exists).toMatchObject({ xid: 2, zxid });
    server.release();
    expect(await c.reply()).toMatchObject({ xid: 3, zxid: zxid + 1, err: 0 });
  });

  it('keeps order and never lets zxids fall, whatever the pipeline and the commits', async () => {
    const server = await serve({ limits: { connectionOutstandingMax: 5 } });
    const kind = fc.constantFrom('set', 'get', 'sync', 'bad', 'missing');
    await fc.assert(
      fc.asyncProperty(
        fc.array(kind, { minLength: 1, maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 10 }),
        async (kinds, releases) => {
          const c = await client(server).open();
          server.hold();
          const requests = kinds.map((each, i): Request => {
            const xid = i + 1;
            if (each === 'set') return set(xid, '/', `${xid}`);
            if (each === 'get') return read(xid, Op.getData, '/');
            if (each === 'sync') return sync(xid);
            return each === 'bad' ? [xid, Op.getChildren] : set(xid, '/missing', '');
          });
          c.send(...requests);
          const all = c.replies(kinds.length);
          let done = false;
          const finished = all.then(() => (done = true));
          for (let i = 0; !done; i++) {
            server.release(releases[i % releases.length]);
            await new Promise((resolve) => setImmediate(resolve));
          }
          await finished;
          const replies = await all;
          server.release();
          expect(replies.map(({ xid }) => xid)).toEqual(kinds.map((_, i) => i + 1));
          let seen = 0;
          let last: string | undefined;
          for (const [i, { zxid, err, body }] of replies.entries()) {
            expect(zxid).toBeGreaterThanOrEqual(seen);
            seen = zxid;
            if (kinds[i] === 'set') last = `${i + 1}`;
            if (kinds[i] === 'missing') expect(err).toBe(ErrorCode.NoNode);
            if (kinds[i] === 'get' && last !== undefined) {
              expect(String(GetDataResponse.read(body).data)).toBe(last);
            }
          }
          c.socket.destroy();
        },
      ),
      { numRuns: 40 },
    );
  });

  it('leaves a socket unread while too much is outstanding, and loses nothing by it', async () => {
    const server = await serve({ limits: { connectionOutstandingMax: 3 } });
    const c = await client(server).open();
    server.hold();
    c.send(...Array.from({ length: 50 }, (_, i) => set(i + 1, '/', `${i}`)));
    let most = 0;
    const all = c.replies(50);
    let done = false;
    const finished = all.then(() => (done = true));
    while (!done) {
      most = Math.max(most, server.held.length);
      server.release(1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await finished;
    expect((await all).map(({ xid }) => xid)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
    expect(most).toBe(3);
  });

  it('holds back large replies for a client that does not read', async () => {
    const server = await serve();
    const c = await client(server).open();
    const large = 'x'.repeat(1_000_000);
    c.send(set(1, '/', large));
    await c.reply();
    c.socket.pause();
    const count = 60;
    c.send(...Array.from({ length: count }, (_, i) => read(i + 2, Op.getData, '/')));
    const other = await client(server).open();
    other.send(read(1, Op.exists, '/'));
    await other.reply();
    // Far fewer were answered than asked: the rest waits as requests, not as a hundred megabytes.
    const sent = Number(/^Sent: (\d+)$/m.exec(await ask(server, 'srvr'))?.[1]);
    expect(sent).toBeGreaterThan(1);
    expect(sent).toBeLessThan(count - 10);
    c.socket.resume();
    const replies = await c.replies(count);
    expect(replies.map(({ xid }) => xid)).toEqual(Array.from({ length: count }, (_, i) => i + 2));
    expect(replies.every(({ body }) => body.remaining > 1_000_000)).toBe(true);
  });

  it('touches the session with every request and accepts digest authentication only', async () => {
    const server = await serve();
    const c = await client(server).open();
    const auth = (scheme: string): Request => [
      Xid.auth,
      Op.auth,
      AuthPacket as Codec<never>,
      { type: 0, scheme, auth: Buffer.from('me:secret') },
    ];
    c.send(auth('digest'), [-2, Op.ping]);
    expect((await c.replies(2)).map(({ xid, err }) => [xid, err])).toEqual([
      [Xid.auth, 0],
      [Xid.ping, 0],
    ]);
    expect(server.touched).toEqual([Number(c.session), Number(c.session)]);
    c.send(auth('kerberos'));
    expect(await c.reply()).toMatchObject({ err: ErrorCode.AuthFailed });
    await c.hangup();
  });

  it('answers an operation it does not know, then hangs up', async () => {
    const server = await serve();
    const c = await client(server).open();
    c.send(set(1, '/', 'x'), [2, 999], set(3, '/', 'y'));
    expect((await c.replies(2)).map(({ xid, err }) => [xid, err])).toEqual([
      [1, 0],
      [2, ErrorCode.Unimplemented],
    ]);
    await c.hangup();
    expect(c.waiting).toBe(0);
    expect(server.events.findLast(({ ev }) => ev === 'connectionClosed')).toMatchObject({
      reason: 'opcode 999 is no operation this server offers',
    });
  });

  it('hangs up on what it cannot decode', async () => {
    const server = await serve();
    for (const send of [
      (c: RawClient) => c.socket.write(Buffer.from([0x7f, 0, 0, 0])),
      (c: RawClient) => c.socket.write(Buffer.from([0, 0, 0, 2, 1, 1])),
    ]) {
      const c = await client(server).open();
      send(c);
      await c.hangup();
      expect(server.events.findLast(({ ev }) => ev === 'connectionClosed')).toMatchObject({
        reason: expect.stringContaining('malformed'),
        session: c.session.toString(16),
      });
    }
    const stranger = client(server);
    stranger.socket.write('GET / HTTP/1.1\r\n\r\n');
    await stranger.hangup();
  });
});

describe('watches', () => {
  it('tells of a change before any reply that shows it, and once', async () => {
    const server = await serve();
    const c = await client(server).open();
    c.send(read(1, Op.exists, '/w', true), create(2, '/w', 'a'), set(3, '/w', 'b'));
    const [exists, created, createReply, setReply] = await c.replies(4);
    expect(exists).toMatchObject({ xid: 1, err: ErrorCode.NoNode });
    expect(created).toMatchObject({ xid: Xid.notification, zxid: -1 });
    expect(WatcherEvent.read(created!.body)).toEqual({
      type: EventType.created,
      state: 3,
      path: '/w',
    });
    expect([createReply!.xid, setReply!.xid]).toEqual([2, 3]);
    c.send(read(4, Op.getChildren2, '/', true), create(5, '/v'));
    const [, children] = await c.replies(3);
    expect(WatcherEvent.read(children!.body)).toMatchObject({
      type: EventType.childrenChanged,
      path: '/',
    });
    expect(server.eventNames.filter((ev) => ev.startsWith('watch'))).toEqual([
      'watchSet',
      'watchFired',
      'watchSet',
      'watchFired',
    ]);
    c.socket.destroy();
    while (server.tree.watches.size > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  it('arms watches again after a reconnect and tells what was missed', async () => {
    const server = await serve();
    const c = await client(server).open();
    c.send(create(1, '/a'), create(2, '/b'));
    const [, { zxid: relativeZxid }] = (await c.replies(2)) as [unknown, { zxid: number }];
    c.send(set(3, '/a', 'changed'));
    await c.reply();
    const body = { relativeZxid, dataWatches: ['/a', '/b'], existWatches: [], childWatches: [] };
    c.send([Xid.setWatches, Op.setWatches, SetWatchesRequest as Codec<never>, body]);
    const [missed, done] = await c.replies(2);
    expect(WatcherEvent.read(missed!.body)).toMatchObject({
      type: EventType.dataChanged,
      path: '/a',
    });
    expect(done).toMatchObject({ xid: Xid.setWatches, err: 0 });
    expect(server.tree.watches.size).toBe(1);
  });
});

describe('endings', () => {
  it('answers closeSession, then hangs up; hangs up on expired sessions at once', async () => {
    const server = await serve();
    const c = await client(server).open();
    c.send(set(1, '/', 'x'), [2, Op.closeSession], set(3, '/', 'y'));
    expect((await c.replies(2)).map(({ xid, err }) => [xid, err])).toEqual([
      [1, 0],
      [2, 0],
    ]);
    await c.hangup();
    expect(c.waiting).toBe(0);
    const expired = await client(server).open();
    server.expire(Number(expired.session));
    await expired.hangup();
    expect(server.tree.counts().sessions).toBe(0);
  });

  it('hangs up on everybody when it stops serving, and on newcomers until it serves again', async () => {
    const server = await serve();
    const c = await client(server).open();
    server.hold();
    c.send(set(1, '/', 'x'));
    const early = client(server);
    while (server.held.length === 0) await new Promise((resolve) => setImmediate(resolve));
    server.front.stopServing('the leader is lost');
    await c.hangup();
    early.hello();
    await early.hangup();
    // The dropped request's outcome comes late and finds nobody waiting.
    server.release();
    server.front.serve();
    await client(server).open();
    expect(server.events.filter(({ ev }) => ev === 'connectionClosed')).toMatchObject([
      { reason: 'the leader is lost' },
      { reason: 'this server is not serving' },
    ]);
  });

  it('puts its events on the descriptor before a client hears what they tell', async () => {
    const server = await serve();
    await client(server).open();
    const names = server.events.map(({ ev }) => ev);
    expect(names.indexOf('flush')).toBeGreaterThanOrEqual(0);
    expect(names.lastIndexOf('flush')).toBeGreaterThan(names.indexOf('sessionAttached'));
  });
});

describe('four-letter words', () => {
  it('answers as ZooKeeper 3.8 does', async () => {
    const server = await serve();
    const c = await client(server).open();
    expect(await ask(server, 'ruok')).toBe('imok');
    const patient = client(server, false);
    patient.socket.write('ru');
    patient.socket.write('ok\n');
    await patient.hangup();
    expect(patient.text).toBe('imok');
    const srvr = await ask(server, 'srvr');
    expect(srvr).toMatch(/^Zookeeper version: 3\.8\.0/);
    expect(srvr).toMatch(
      /\nConnections: 1\n(.*\n)*Zxid: 0x100000001\nMode: leader\nNode count: \d/,
    );
    expect(await ask(server, 'stat')).toMatch(/Clients:\n \/127\.0\.0\.1:\d+\[1\]\(queued=0,/);
    const mntr = await ask(server, 'mntr');
    expect(mntr).toMatch(/^zk_version\t/);
    expect(mntr).toContain('\nzk_server_state\tleader\n');
    expect(mntr).toContain('\nzk_epoch\t1\n');
    expect(c.closed).toBe(false);
  });

  it('says so while it is not serving', async () => {
    const server = await serve();
    server.front.stopServing('looking');
    expect(await ask(server, 'ruok')).toBe('imok');
    for (const word of ['srvr', 'stat', 'mntr']) {
      expect(await ask(server, word)).toBe(
        'This ZooKeeper instance is not currently serving requests\n',
      );
    }
  });
});
