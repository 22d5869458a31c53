// What a program may rely on of `node:net`, as cases that run unchanged against Node's own sockets and
// against the simulated ones. Each case throws if it does not hold.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

type ErrnoError = NodeJS.ErrnoException & { address?: string; port?: number };

async function listening(server: Server, host = '127.0.0.1'): Promise<number> {
  server.listen(0, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A connected pair of sockets, and what ends it. */
async function pair(options: { allowHalfOpen?: boolean; pauseOnConnect?: boolean } = {}) {
  const server = net.createServer(options);
  const port = await listening(server);
  const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: options.allowHalfOpen });
  const [[peer]] = await Promise.all([once(server, 'connection'), once(client, 'connect')]);
  const end = async () => {
    client.destroy();
    (peer as Socket).destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { server, port, client, peer: peer as Socket, end };
}

function recorded(emitter: Socket | Server, names: string[], log: string[], prefix = ''): void {
  for (const name of names) {
    emitter.on(name, (argument?: unknown) => {
      const code = (argument as ErrnoError | undefined)?.code;
      const detail = code ?? (typeof argument === 'boolean' ? String(argument) : '');
      log.push(`${prefix}${name}${detail === '' ? '' : `:${detail}`}`);
    });
  }
}

async function text(socket: Socket): Promise<string> {
  let all = '';
  socket.setEncoding('utf8');
  for await (const chunk of socket) all += chunk as string;
  return all;
}

export const netCases: Record<string, () => Promise<void>> = {
  'bytes arrive in order and whole, whatever their chunks': async () => {
    const { client, peer, end } = await pair();
    const sent = Buffer.alloc(300_000);
    for (let i = 0; i < sent.length; i++) sent[i] = (i * 7 + (i >> 8)) & 255;
    for (let at = 0; at < sent.length; at += 777) client.write(sent.subarray(at, at + 777));
    client.end();
    const chunks: Buffer[] = [];
    for await (const chunk of peer) chunks.push(chunk as Buffer);
    assert.deepEqual(Buffer.concat(chunks), sent);
    assert.equal(peer.bytesRead, sent.length);
    assert.equal(client.bytesWritten, sent.length);
    await end();
  },

  'a buffer may be used again once it was written': async () => {
    const { client, peer, end } = await pair();
    const buffer = Buffer.from('first');
    client.write(buffer, () => buffer.fill('x'));
    client.end('!');
    assert.equal(await text(peer), 'first!');
    await end();
  },

  'strings are written in their encoding': async () => {
    const { client, peer, end } = await pair();
    client.cork();
    client.write('päng ');
    client.write('414243', 'hex');
    client.uncork();
    client.end();
    assert.equal(await text(peer), 'päng ABC');
    await end();
  },

  'addresses and ports are told on both sides': async () => {
    const { client, peer, port, end } = await pair();
    assert.equal(client.remotePort, port);
    assert.equal(client.remoteAddress, '127.0.0.1');
    assert.equal(client.localAddress, '127.0.0.1');
    assert.equal(peer.localPort, port);
    assert.equal(peer.remotePort, client.localPort);
    assert.equal(client.remoteFamily, 'IPv4');
    assert.deepEqual(client.address(), {
      address: '127.0.0.1',
      family: 'IPv4',
      port: client.localPort,
    });
    await end();
  },

  'states: opening, open, half closed, closed': async () => {
    const server = net.createServer({ allowHalfOpen: true });
    const port = await listening(server);
    const client = new net.Socket({ allowHalfOpen: true });
    assert.equal(client.pending, true);
    client.connect(port, '127.0.0.1');
    assert.equal(client.connecting, true);
    assert.equal(client.readyState, 'opening');
    await once(client, 'connect');
    assert.equal(client.connecting, false);
    assert.equal(client.readyState, 'open');
    client.end();
    await once(client, 'finish');
    assert.equal(client.readyState, 'readOnly');
    client.destroy();
    await once(client, 'close');
    assert.equal(client.readyState, 'closed');
    server.on('connection', () => assert.fail('no second connection'));
    await new Promise((resolve) => {
      server.close(resolve);
      server.getConnections(() => {});
      // The accepted socket is half open: nobody else ends it.
      server.unref();
      setImmediate(resolve);
    });
  },

  'events of a normal end, in order': async () => {
    const { client, peer, server } = await pair();
    const log: string[] = [];
    recorded(client, ['end', 'finish', 'close', 'error'], log, 'client ');
    peer.on('data', (data: Buffer) => log.push(`peer data ${data.toString()}`));
    recorded(peer, ['end', 'finish', 'close', 'error'], log, 'peer ');
    recorded(server, ['close'], log, 'server ');
    server.close();
    client.resume();
    client.end('!');
    await Promise.all([server, client, peer].map((emitter) => once(emitter, 'close')));
    const peerLog = log.filter((line) => line.startsWith('peer'));
    assert.deepEqual(peerLog, ['peer data !', 'peer end', 'peer finish', 'peer close:false']);
    const clientLog = log.filter((line) => line.startsWith('client'));
    assert.deepEqual(clientLog, ['client finish', 'client end', 'client close:false']);
  },

  'half-open: the other side may still write after an end': async () => {
    const { client, peer, end } = await pair({ allowHalfOpen: true });
    client.end('question');
    assert.equal(await text(peer), 'question');
    assert.equal(peer.writable, true);
    peer.write('ans');
    await sleep(5);
    peer.end('wer');
    assert.equal(await text(client), 'answer');
    await end();
  },

  'without half-open an end is answered by an end': async () => {
    const { client, peer, end } = await pair();
    client.resume();
    client.end();
    peer.resume();
    await Promise.all([once(client, 'close'), once(peer, 'close')]);
    assert.equal(peer.writableEnded, true);
    await end();
  },

  'a reset is ECONNRESET at the reader': async () => {
    const { client, peer, end } = await pair();
    const log: string[] = [];
    recorded(client, ['end', 'error', 'close'], log);
    client.resume();
    peer.resetAndDestroy();
    await new Promise((resolve) => client.once('close', resolve));
    assert.deepEqual(log, ['error:ECONNRESET', 'close:true']);
    await end();
  },

  'destroying a socket with unread bytes resets the connection': async () => {
    const { client, peer, end } = await pair({ pauseOnConnect: true });
    const log: string[] = [];
    recorded(client, ['end', 'error', 'close'], log);
    client.resume();
    client.write(Buffer.alloc(40_000));
    await sleep(20);
    peer.destroy();
    await new Promise((resolve) => client.once('close', resolve));
    assert.deepEqual(log, ['error:ECONNRESET', 'close:true']);
    await end();
  },

  'destroying a socket whose bytes were read is an end': async () => {
    const { client, peer, end } = await pair();
    const log: string[] = [];
    recorded(client, ['end', 'error', 'close'], log);
    client.resume();
    client.write('x');
    await once(peer, 'data');
    peer.destroy();
    await once(client, 'close');
    assert.deepEqual(log, ['end', 'close:false']);
    await end();
  },

  'writing to a peer that has gone ends in EPIPE or ECONNRESET': async () => {
    const { client, peer, end } = await pair({ allowHalfOpen: true });
    client.resume();
    peer.resume();
    peer.destroy();
    await once(client, 'end');
    const failed = new Promise<ErrnoError>((resolve) => client.once('error', resolve));
    const again = setInterval(() => client.write('more'), 5);
    const error = await failed;
    clearInterval(again);
    assert.ok(['EPIPE', 'ECONNRESET'].includes(error.code ?? ''), String(error.code));
    await end();
  },

  'writing after one side ended, not half-open, is refused': async () => {
    const { client, peer, end } = await pair();
    client.resume();
    peer.end();
    await once(client, 'end');
    const error = await new Promise<ErrnoError>((resolve) => {
      client.once('error', resolve);
      client.write('late');
    });
    assert.ok(['EPIPE', 'ERR_STREAM_WRITE_AFTER_END'].includes(error.code ?? ''));
    await end();
  },

  'nobody listens: ECONNREFUSED with address and port': async () => {
    const server = net.createServer();
    const port = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    const client = net.connect(port, '127.0.0.1');
    const log: string[] = [];
    recorded(client, ['connect', 'error', 'close'], log);
    const error = await new Promise<ErrnoError>((resolve) => client.once('error', resolve));
    assert.equal(error.code, 'ECONNREFUSED');
    assert.equal(error.syscall, 'connect');
    assert.equal(error.errno, -111);
    assert.equal(error.port, port);
    assert.equal(error.message, `connect ECONNREFUSED 127.0.0.1:${port}`);
    await once(client, 'close');
    assert.deepEqual(log, ['error:ECONNREFUSED', 'close:true']);
  },

  'a taken port: EADDRINUSE, and free again after close': async () => {
    const first = net.createServer();
    const port = await listening(first);
    const second = net.createServer();
    second.listen(port, '127.0.0.1');
    const [error] = (await once(second, 'error')) as [ErrnoError];
    assert.equal(error.code, 'EADDRINUSE');
    assert.equal(error.message, `listen EADDRINUSE: address already in use 127.0.0.1:${port}`);
    assert.equal(second.address(), null);
    await new Promise((resolve) => first.close(resolve));
    second.listen(port, '127.0.0.1');
    await once(second, 'listening');
    assert.equal((second.address() as AddressInfo).port, port);
    await new Promise((resolve) => second.close(resolve));
  },

  'an unknown name: ENOTFOUND': async () => {
    const client = net.connect(1, 'no-such-host.invalid');
    const error = await new Promise<ErrnoError>((resolve) => client.once('error', resolve));
    assert.ok(['ENOTFOUND', 'EAI_AGAIN'].includes(error.code ?? ''), String(error.code));
    assert.equal(error.syscall, 'getaddrinfo');
  },

  'back-pressure: a writer stalls until its reader reads': async () => {
    const { client, peer, end } = await pair({ pauseOnConnect: true });
    const chunk = Buffer.alloc(65_536, 1);
    const total = 30 * 1024 * 1024;
    let written = 0;
    while (written < total && client.write(chunk)) written += chunk.length;
    written += chunk.length;
    assert.ok(client.writableNeedDrain);
    let drained = false;
    client.once('drain', () => {
      drained = true;
    });
    // Far more than any kernel buffers: the rest waits in the program.
    while (written < total) {
      client.write(chunk);
      written += chunk.length;
    }
    await sleep(30);
    assert.equal(drained, false);
    assert.ok(client.writableLength > 0);
    let read = 0;
    peer.on('data', (data: Buffer) => {
      read += data.length;
    });
    peer.resume();
    client.end();
    await once(peer, 'end');
    assert.equal(read, written);
    await end();
  },

  'an end waits for the bytes before it': async () => {
    const { client, peer, end } = await pair();
    const sent = Buffer.alloc(1_000_000, 7);
    let finished = false;
    client.end(sent, () => {
      finished = true;
    });
    let read = 0;
    for await (const chunk of peer) read += (chunk as Buffer).length;
    assert.equal(read, sent.length);
    assert.ok(finished);
    await end();
  },

  'what is written before the connection stands is sent': async () => {
    const server = net.createServer();
    const port = await listening(server);
    const client = net.connect(port, '127.0.0.1');
    client.write('early ');
    client.end('bird');
    const [peer] = (await once(server, 'connection')) as [Socket];
    assert.equal(await text(peer), 'early bird');
    await new Promise((resolve) => server.close(resolve));
  },

  'a socket destroyed while it connects closes without connecting': async () => {
    const server = net.createServer((socket) => socket.on('error', () => {}));
    const port = await listening(server);
    const client = net.connect(port, '127.0.0.1');
    const log: string[] = [];
    recorded(client, ['connect', 'error', 'close'], log);
    let written: ErrnoError | null | undefined;
    client.write('never', (error) => {
      written = error as ErrnoError;
    });
    client.destroy();
    await once(client, 'close');
    await sleep(5);
    assert.deepEqual(log, ['close:false']);
    assert.ok(written instanceof Error);
    server.close();
  },

  'an idle socket tells its timeout and stays open': async () => {
    const { client, peer, end } = await pair();
    client.setTimeout(30);
    assert.equal(client.timeout, 30);
    await once(client, 'timeout');
    assert.equal(client.destroyed, false);
    client.setTimeout(0);
    client.write('still here');
    const [data] = (await once(peer, 'data')) as [Buffer];
    assert.ok('still here'.startsWith(data.toString()));
    await end();
  },

  'a server closes when its last connection has': async () => {
    const { server, client, peer } = await pair();
    const log: string[] = [];
    server.close(() => log.push('closed'));
    assert.equal(server.listening, false);
    await sleep(10);
    assert.deepEqual(log, []);
    peer.resume();
    client.resume();
    client.end();
    await once(server, 'close');
    assert.deepEqual(log, ['closed']);
    const again = await new Promise<ErrnoError>((resolve) => {
      server.close((error) => resolve(error as ErrnoError));
    });
    assert.equal(again.code, 'ERR_SERVER_NOT_RUNNING');
  },

  'too many connections are dropped': async () => {
    const server = net.createServer();
    server.maxConnections = 1;
    const port = await listening(server);
    const first = net.connect(port, '127.0.0.1');
    await once(server, 'connection');
    const second = net.connect(port, '127.0.0.1');
    second.on('error', () => {});
    second.resume();
    await Promise.all([once(server, 'drop'), once(second, 'close')]);
    first.destroy();
    await new Promise((resolve) => server.close(resolve));
  },

  'a bad port and a second listen are errors at once': async () => {
    assert.throws(() => net.connect(70_000), { code: 'ERR_SOCKET_BAD_PORT' });
    const server = net.createServer();
    await listening(server);
    assert.throws(() => server.listen(0), { code: 'ERR_SERVER_ALREADY_LISTEN' });
    await new Promise((resolve) => server.close(resolve));
  },

  'a pipeline through sockets echoes everything': async () => {
    const server = net.createServer((socket) => {
      pipeline(socket, socket).catch(() => socket.destroy());
    });
    const port = await listening(server);
    const client = net.connect(port, 'localhost');
    await once(client, 'connect');
    client.end('x'.repeat(200_000));
    assert.equal((await text(client)).length, 200_000);
    await new Promise((resolve) => server.close(resolve));
  },

  'isIP and its like': async () => {
    assert.deepEqual(
      ['10.0.0.1', '::1', 'name', ''].map((name) => net.isIP(name)),
      [4, 6, 0, 0],
    );
    assert.equal(net.isIPv4('1.2.3.4'), true);
    assert.equal(net.isIPv6('1.2.3.4'), false);
  },
};
