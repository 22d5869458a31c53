// Requests whose bodies do not decode: each is answered in its place and harms nobody.
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { ErrorCode, Op } from '../protocol/codes.ts';
import { type Codec, encodeBody, int, record, text } from '../protocol/jute.ts';
import { PathWatchRequest, SyncRequest } from '../protocol/records.ts';
import { LoneServer } from './lone-server.testing.ts';
import { RawClient } from './raw-client.testing.ts';

let server: LoneServer | undefined;
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.destroy();
  await server?.front.close();
});

async function open(): Promise<{ c: RawClient; lone: LoneServer }> {
  const lone = await new LoneServer().start();
  server = lone;
  const c = await new RawClient(lone.port).open();
  clients.push(c);
  return { c, lone };
}

const PathAndNumber = record({ path: text, number: int }) as unknown as Codec<never>;
const exists = PathWatchRequest as Codec<never>;

describe('a request that does not decode', () => {
  it('is refused in its place, and its connection goes on', async () => {
    const { c, lone } = await open();
    const empty = [
      Op.exists,
      Op.getData,
      Op.getChildren,
      Op.getChildren2,
      Op.getACL,
      Op.setACL,
      Op.getAllChildrenNumber,
      Op.getEphemerals,
      Op.multiRead,
      Op.multi,
      Op.addWatch,
      Op.checkWatches,
      Op.removeWatches,
      Op.setWatches,
      Op.setWatches2,
      Op.sync,
      Op.create,
      Op.createContainer,
      Op.createTTL,
    ];
    c.send(...empty.map((op, i): [number, number] => [i + 1, op]));
    for (const [i, { xid, err }] of (await c.replies(empty.length)).entries()) {
      expect([empty[i], xid, err]).toEqual([empty[i], i + 1, ErrorCode.MarshallingError]);
    }
    for (const [op, number] of [
      [Op.addWatch, 2],
      [Op.addWatch, -1],
      [Op.checkWatches, 0],
      [Op.removeWatches, 4],
    ] as const) {
      c.send([50, op, PathAndNumber, { path: '/', number }]);
      expect((await c.reply()).err).toBe(ErrorCode.MarshallingError);
    }
    c.send([60, Op.exists, exists, { path: '/a\0b', watch: true }]);
    expect((await c.reply()).err).toBe(ErrorCode.BadArguments);
    c.send([61, Op.exists, exists, { path: '/', watch: false }]);
    expect(await c.reply()).toMatchObject({ xid: 61, err: 0 });
    expect(lone.tree.watches.size).toBe(0);
    const refused = lone.events.filter(({ ev }) => ev === 'requestRefused');
    expect(refused.length).toBeGreaterThan(15);
    expect(refused[0]).toMatchObject({
      reason: expect.stringContaining('malformed exists'),
      session: c.session.toString(16),
    });
  });

  it('is never what the leader alone may ask', async () => {
    const { c } = await open();
    c.send([1, Op.deleteContainer, SyncRequest as Codec<never>, { path: '/' }]);
    expect((await c.reply()).err).toBe(ErrorCode.Unimplemented);
    await c.hangup();
  });

  it('may be any bytes after any operation', async () => {
    const { c, lone } = await open();
    const known = Object.values(Op).filter((op) => op !== Op.closeSession && op !== Op.auth);
    const body = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
      fc.constantFrom('/', '/a', 'x').map((path) => encodeBody(text, path)),
      fc
        .tuple(fc.constantFrom('/', '/zookeeper'), fc.uint8Array({ maxLength: 30 }))
        .map(([path, rest]) => Buffer.concat([encodeBody(text, path), Buffer.from(rest)])),
    );
    const raw: Codec<Buffer> = { write: (w, v) => void w.bytes(v), read: (r) => r.bytes(0) };
    let client = c;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...known), body, async (op, bytes) => {
        client.send([7, op, raw as Codec<never>, bytes], [-2, Op.ping]);
        // Either both are answered, or the connection ends; nobody else notices.
        let xid = 0;
        while (xid !== -2 && !client.closed)
          xid = await client.reply().then(
            (r) => r.xid,
            () => 0,
          );
        if (xid !== -2) clients.push((client = await new RawClient(lone.port).open()));
      }),
      { numRuns: 300 },
    );
    const other = await new RawClient(lone.port).open();
    clients.push(other);
    other.send([1, Op.exists, exists, { path: '/', watch: false }]);
    expect(await other.reply()).toMatchObject({ xid: 1, err: 0 });
    expect(lone.tree.recomputeDigest()).toBe(lone.tree.digest());
  });
});
