// What a server does at each bound that clients can reach: it refuses, makes wait or lets go, says so
// in its log, and goes on serving the others.
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { BoundedLog } from '../../wire/server-log.ts';
import { Op } from '../protocol/codes.ts';
import type { Codec } from '../protocol/jute.ts';
import { PathWatchRequest, SetDataRequest } from '../protocol/records.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { type LoneConfig, LoneServer } from './lone-server.testing.ts';
import { RawClient } from './raw-client.testing.ts';

type Request = [number, number, Codec<never>?, unknown?];

const open: { servers: LoneServer[]; clients: RawClient[] } = { servers: [], clients: [] };
afterEach(async () => {
  for (const each of open.clients.splice(0)) each.socket.destroy();
  for (const each of open.servers.splice(0)) await each.front.close();
});

async function serve(config: LoneConfig = {}): Promise<LoneServer> {
  const server = await new LoneServer(config).start();
  open.servers.push(server);
  return server;
}

function client(server: LoneServer): RawClient {
  const made = new RawClient(server.port);
  open.clients.push(made);
  return made;
}

const set = (xid: number, data: string): Request => [
  xid,
  Op.setData,
  SetDataRequest as Codec<never>,
  { path: '/', data: Buffer.from(data), version: -1 },
];
const read = (xid: number): Request => [
  xid,
  Op.getData,
  PathWatchRequest as Codec<never>,
  { path: '/', watch: false },
];

describe('the number of connections', () => {
  it('of one address is bounded; one that ends makes room', async () => {
    const server = await serve({ limits: { connectionsPerAddressMax: 2 } });
    const first = await client(server).open();
    await client(server).open();
    const third = client(server);
    await third.hangup();
    expect(server.log.at(-1)).toMatch(
      /refused: too many connections from .*127.0.0.1: 2 are open, maxClientCnxns is 2/,
    );
    const elsewhere = connect({ port: server.port, host: '127.0.0.1', localAddress: '127.0.0.9' });
    await new Promise((resolve) => elsewhere.write('ruok', resolve));
    const answer = await new Promise<Buffer>((resolve) => elsewhere.once('data', resolve));
    expect(answer.toString()).toBe('imok');
    elsewhere.destroy();
    first.socket.destroy();
    // Counted out when the server sees the end, which the client cannot observe but by trying.
    for (let tries = 0; tries < 1000; tries++) {
      const next = client(server);
      next.hello();
      const welcomed = await next.welcome().then(
        () => true,
        () => false,
      );
      if (welcomed) return;
    }
    throw new Error('expected room for another connection after one had ended');
  });

  it('in all is bounded', async () => {
    const server = await serve({ limits: { connectionsMax: 1 } });
    await client(server).open();
    await client(server).hangup();
    expect(server.log.at(-1)).toContain('1 are open, maxCnxns is 1');
    expect(server.front.facts()).toMatchObject({ connectionCount: 1, refused: 1 });
  });
});

describe('requests under way', () => {
  it('in all are bounded: beyond, a connection may have one', async () => {
    const server = await serve({ limits: { outstandingMax: 10 } });
    const greedy = await client(server).open();
    const modest = await client(server).open();
    server.hold();
    greedy.send(...Array.from({ length: 50 }, (_, i) => set(i + 1, 'x')));
    while (server.held.length < 10) await new Promise(setImmediate);
    modest.send(set(1, 'y'), set(2, 'y'));
    while (server.held.length < 11) await new Promise(setImmediate);
    expect(server.front.facts().outstanding).toBe(11);
    server.release();
    expect((await greedy.replies(50)).map(({ xid }) => xid).at(-1)).toBe(50);
    expect((await modest.replies(2)).map(({ xid }) => xid)).toEqual([1, 2]);
    expect(server.front.facts().outstanding).toBe(0);
  });
});

describe('a client that does not read', () => {
  it('is let go when it takes nothing for long, and others are served meanwhile', async () => {
    const limits = { connectionOutputBytesMax: 1_000_000, totalOutputBytesMax: 2_000_000 };
    const server = await serve({ limits, tickTimeMs: 20 });
    const writer = await client(server).open();
    writer.send(set(1, 'x'.repeat(1_000_000)));
    await writer.reply();
    const slow = await Promise.all(Array.from({ length: 5 }, () => client(server).open()));
    for (const each of slow) {
      each.socket.pause();
      each.send(...Array.from({ length: 50 }, (_, i) => read(i + 1)));
    }
    let xid = 1;
    while (server.front.facts().closed < slow.length) {
      writer.send(read(++xid));
      expect((await writer.reply()).xid).toBe(xid);
      // One reply may be on its way to each when the bound is reached.
      expect(server.front.facts().unsentBytes).toBeLessThan(10_000_000);
    }
    expect(server.log.filter((line) => line.includes('too slow a reader'))).toHaveLength(5);
    expect(server.front.facts().unsentBytes).toBe(0);
  });
});

describe('a stranger', () => {
  it('that never asks for a session is let go', async () => {
    const server = await serve({ tickTimeMs: 10 });
    const silent = client(server);
    const half = client(server);
    half.socket.write(Buffer.from([0, 0, 0, 45, 0]));
    await Promise.all([silent.hangup(), half.hangup()]);
    expect(server.log.filter((line) => line.includes('no session within the time'))).toHaveLength(
      2,
    );
  });

  it('whose frame is too large is let go before it has sent it', async () => {
    const server = await serve({ limits: { frameBytesMax: 2000 } });
    const large = await client(server).open();
    large.socket.write(Buffer.from([0, 0, 0x07, 0xd1]));
    await large.hangup();
    expect(server.log.at(-1)).toContain('expected a frame of 0 to 2000 bytes, got 2001');
  });
});

describe('the log of what clients cause', () => {
  it('is bounded by the second, and what is left out is counted', () => {
    const lines: string[] = [];
    let now = 0;
    const log = new BoundedLog(
      (line) => lines.push(line),
      () => now,
    );
    for (let i = 0; i < 80; i++) log.line(`line ${i}`);
    now = 1000;
    log.line('next');
    expect(lines).toHaveLength(52);
    expect(lines.slice(-2)).toEqual(['30 more lines like the last were left out', 'next']);
  });

  it('has defaults of ZooKeeper', () => {
    expect(DEFAULT_LIMITS).toMatchObject({ connectionsPerAddressMax: 60, outstandingMax: 1000 });
  });
});
