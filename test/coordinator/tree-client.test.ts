// The client of the workloads on the tree against a server behind two doors, one of which falls silent: what it
// says of the server that it speaks to is the ground of every checker.
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { LoneServer } from '../../coordinator/server/lone-server.testing.ts';
import { TreeClient } from '../../workloads/tree-client.ts';

const open: { client?: TreeClient; server?: LoneServer; doors: Server[] } = { doors: [] };
const sockets = new Set<Socket>();

afterEach(async () => {
  await open.client?.close();
  for (const socket of sockets) socket.destroy();
  for (const door of open.doors.splice(0)) door.close();
  await open.server?.front.close();
});

/** A way to the server that can be told to swallow every answer. */
async function door(port: number) {
  const way = { port: 0, connections: 0, silent: false };
  const listener = createServer((socket) => {
    way.connections++;
    const server = connect(port, '127.0.0.1');
    for (const each of [socket, server]) {
      sockets.add(each);
      each.on('error', () => undefined);
      each.on('close', () => void (each === socket ? server : socket).destroy());
    }
    socket.on('data', (bytes) => void server.write(bytes));
    server.on('data', (bytes) => void (way.silent || socket.write(bytes)));
  });
  open.doors.push(listener);
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  way.port = (listener.address() as { port: number }).port;
  return way;
}

it('goes on at another server though the one before says nothing any more', async () => {
  const server = (open.server = await new LoneServer().start(0));
  const ways = { a: await door(server.port), b: await door(server.port) };
  const client = (open.client = new TreeClient({
    nodes: ['a', 'b'],
    home: 0,
    address: (node) => ({ host: '127.0.0.1', port: ways[node as 'a' | 'b'].port }),
    sessionTimeoutMs: 20_000,
    opTimeoutMs: 1_000,
    keep: false,
  }));
  const opened = await client.invoke({ kind: 'op', f: 'open' });
  expect(opened).toMatchObject({ type: 'ok', node: 'a', connection: 1 });
  ways.a.silent = true;
  const moved = await client.invoke({ kind: 'op', f: 'reattach', value: { node: 'b' } });
  expect(moved).toMatchObject({ type: 'ok', node: 'b', connection: 2 });
  expect(ways).toMatchObject({ a: { connections: 1 }, b: { connections: 1 } });
  const looked = await client.invoke({ kind: 'op', f: 'children', key: '/' });
  expect(looked).toMatchObject({ type: 'ok', node: 'b', connection: 2 });
});
