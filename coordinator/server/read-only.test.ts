import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { ErrorCode, Op } from '../protocol/codes.ts';
import {
  CreateRequest,
  GetDataResponse,
  OPEN_ACL,
  PathWatchRequest,
  SetDataRequest,
  SyncRequest,
} from '../protocol/records.ts';
import { LoneServer } from './lone-server.testing.ts';
import { RawClient } from './raw-client.testing.ts';
import { ReadOnlySessions } from './read-only.ts';

let server: LoneServer;
const sockets: RawClient[] = [];

afterEach(async () => {
  for (const { socket } of sockets.splice(0)) socket.destroy();
  await server?.front.close();
});

function client(): RawClient {
  const raw = new RawClient(server.port);
  sockets.push(raw);
  return raw;
}

/** A server with a node `/a` that has lost its quorum, and the session that made it. */
async function partitioned(): Promise<RawClient> {
  server = await new LoneServer().start();
  const first = await client().open();
  const node = { path: '/a', data: Buffer.from('old'), acl: OPEN_ACL, flags: 0 };
  first.send([1, Op.create, CreateRequest as never, node]);
  await first.reply();
  server.front.stopServing('the quorum is gone');
  await first.hangup();
  server.front.serveReadOnly();
  return first;
}

async function readOnlyClient(request = {}): Promise<RawClient> {
  const raw = client();
  raw.hello(request, true, true);
  expect((await raw.welcome()).readOnly).toBe(true);
  return raw;
}

async function word(name: string): Promise<string> {
  const raw = new RawClient(server.port, false);
  raw.socket.write(name);
  await raw.hangup();
  return raw.text;
}

describe('a server without a quorum', () => {
  it('serves reads to those who asked for no more, and refuses what changes something', async () => {
    await partitioned();
    const plain = client();
    plain.hello({}, true, false);
    await plain.hangup();
    const old = client();
    old.hello({}, false);
    await old.hangup();

    const reader = await readOnlyClient();
    expect(reader.session).toBeLessThan(0n);
    const change = { path: '/a', data: Buffer.from('new'), version: -1 };
    reader.send(
      [1, Op.getData, PathWatchRequest as never, { path: '/a', watch: true }],
      [2, Op.setData, SetDataRequest as never, change],
      [3, Op.sync, SyncRequest as never, { path: '/a' }],
      [4, Op.getData, PathWatchRequest as never, { path: '/a', watch: false }],
      [-2, Op.ping],
    );
    const [read, write, sync, again] = (await reader.replies(5))
      .sort((a, b) => a.xid - b.xid)
      .slice(1);
    expect(String(GetDataResponse.read(read!.body).data)).toBe('old');
    expect([write?.err, sync?.err, again?.err]).toEqual([
      ErrorCode.NotReadOnly,
      ErrorCode.NotReadOnly,
      ErrorCode.Ok,
    ]);
    expect([await word('isro'), await word('srvr')]).toEqual([
      'ro',
      expect.stringContaining('Mode: read-only'),
    ]);
    expect(server.touched.length).toBeLessThan(5);
  });

  it('lets everybody go when there may be a quorum again, and knows none of its own sessions then', async () => {
    await partitioned();
    const reader = await readOnlyClient();
    server.front.stopServing('there may be a quorum again');
    await reader.hangup();
    server.front.serve();
    expect(await word('isro')).toBe('rw');
    const back = client();
    back.hello({ sessionId: reader.session, passwd: reader.password }, true, true);
    expect(await back.welcome()).toMatchObject({ timeOut: 0, sessionId: 0n, readOnly: false });
  });

  it('goes on with a session of the ensemble, and leaves its end to the ensemble', async () => {
    const { session, password } = await partitioned();
    const back = await readOnlyClient({ sessionId: session, passwd: password });
    expect(back.session).toBe(session);
    back.send([1, Op.closeSession]);
    expect((await back.reply()).err).toBe(ErrorCode.NotReadOnly);
    const wrong = client();
    wrong.hello({ sessionId: session, passwd: Buffer.alloc(16, 1) }, true, true);
    expect((await wrong.welcome()).timeOut).toBe(0);
  });

  it('closes its own sessions, and then does not know them', async () => {
    await partitioned();
    const reader = await readOnlyClient();
    const { session: sessionId, password: passwd } = reader;
    reader.socket.destroy();
    const again = await readOnlyClient({ sessionId, passwd });
    again.send([1, Op.closeSession]);
    expect((await again.reply()).err).toBe(ErrorCode.Ok);
    await again.hangup();
    const late = client();
    late.hello({ sessionId, passwd }, true, true);
    expect((await late.welcome()).timeOut).toBe(0);
  });
});

describe('ReadOnlySessions', () => {
  it('forgets who was silent for its timeout', () => {
    const sessions = new ReadOnlySessions(randomBytes);
    const one = sessions.open(1000, Buffer.from('a'), 0)?.id as number;
    const two = sessions.open(5000, Buffer.from('b'), 0)?.id as number;
    sessions.touch(one, 800);
    expect(sessions.expired(1700)).toEqual([]);
    expect(sessions.expired(1801)).toEqual([one]);
    expect([sessions.get(one), sessions.get(two)?.timeoutMs]).toEqual([undefined, 5000]);
  });
});
