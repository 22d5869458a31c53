// The SOCKS server over real sockets: it carries bytes and ends both ways, passes a refusal on as one,
// answers nobody before the far program has taken the connection, and hangs up on nonsense.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { door, parseRequest, socksServer } from './socks.ts';

const GREETING = Buffer.from([5, 2, 0, 2]);
const request = (port: number): Buffer =>
  Buffer.from([5, 1, 0, 1, 127, 0, 0, 9, port >> 8, port & 255]);

const servers: Server[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

async function listening(server: Server): Promise<number> {
  server.on('connection', (socket: Socket) => void sockets.push(socket));
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as { port: number }).port;
}

/** A caller of a SOCKS server whose every target lies at `port`. */
async function caller(port: number): Promise<Socket> {
  const socks = await listening(socksServer(() => ({ host: '127.0.0.1', port })));
  const socket = connect({ port: socks, allowHalfOpen: true });
  sockets.push(socket);
  return socket;
}

/** The next `count` bytes. */
async function bytes(socket: Socket, count: number): Promise<Buffer> {
  while (socket.readableLength < count) {
    // Listening for what is there already would be answered at once, for ever.
    const before = socket.readableLength;
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (socket.readableLength > before) resolve();
        else setImmediate(look);
      };
      socket.read(0);
      look();
    });
  }
  return socket.read(count) as Buffer;
}

describe('a request', () => {
  it('is read whole, by address or by name', () => {
    expect(parseRequest(request(2888))).toEqual({
      target: { host: '127.0.0.9', port: 2888 },
      length: 10,
    });
    const named = Buffer.concat([
      Buffer.from([5, 1, 0, 3, 2]),
      Buffer.from('n2'),
      Buffer.from([0, 80, 7]),
    ]);
    expect(parseRequest(named)).toEqual({ target: { host: 'n2', port: 80 }, length: 9 });
    for (let cut = 0; cut < 10; cut++) {
      expect(parseRequest(request(80).subarray(0, cut))).toBeUndefined();
    }
  });

  it('for anything but a connect by IPv4 or name is refused', () => {
    expect(parseRequest(Buffer.from([5, 2, 0, 1, 1]))).toEqual({ refused: 7 });
    expect(parseRequest(Buffer.from([5, 1, 0, 4, 1]))).toEqual({ refused: 7 });
    expect(parseRequest(Buffer.from([4, 1, 0, 1, 1]))).toEqual({ refused: 7 });
  });
});

describe('a connection', () => {
  it('carries bytes, and the end of each direction by itself', async () => {
    const program = createServer({ allowHalfOpen: true }, (socket) => {
      socket.once('end', () => socket.end('bye'));
      socket.on('data', (data) => socket.write(data));
    });
    const behind = await listening(program);
    const front = await listening(door('127.0.0.1', behind, 'socks'));
    const socket = await caller(front);
    socket.write(Buffer.concat([GREETING, request(80), Buffer.from('early ')]));
    expect(await bytes(socket, 2)).toEqual(Buffer.from([5, 0]));
    expect((await bytes(socket, 10))[1]).toBe(0);
    socket.end('late');
    expect((await bytes(socket, 13)).toString()).toBe('early latebye');
  });

  it('to a door behind which nobody listens is refused, not opened and broken', async () => {
    const gone = createServer();
    const port = await listening(gone);
    await new Promise((resolve) => gone.close(resolve));
    const socket = await caller(await listening(door('127.0.0.1', port, 'socks')));
    socket.write(Buffer.concat([GREETING, request(80)]));
    expect((await bytes(socket, 12))[3]).toBe(5);
  });

  it('is not answered while the far end takes none, as behind a cut', async () => {
    const mute = await listening(createServer());
    const socket = await caller(mute);
    socket.write(GREETING);
    await bytes(socket, 2);
    const far = once(servers[0] as Server, 'connection');
    socket.write(request(80));
    const [silent] = (await far) as [Socket];
    expect(socket.read()).toBeNull();
    silent.write(Buffer.from([1]));
    expect((await bytes(socket, 10))[1]).toBe(0);
  });

  it('that talks on and on without a request is ended', async () => {
    const socket = await caller(1);
    socket.write(Buffer.concat([Buffer.from([5, 200]), Buffer.alloc(1_100)]));
    // A reset is as good an end as any.
    socket.on('error', () => undefined);
    socket.end();
    socket.resume();
    await new Promise<void>((resolve) => socket.once('close', () => resolve()));
    expect(socket.bytesRead).toBe(0);
  });
});
