// A tiny server for the conformance tests: it keeps numbered streams with its peers and tells on its
// client port exactly what it saw of them. What a cut hides or loses shows here and nowhere else.

import { lookup, Resolver, resolve4 } from 'node:dns/promises';
import { appendFileSync, readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { type Message, onMessages, reply } from '../../harness/clusters/lines.ts';

export const CLIENT_PORT = 7000;
export const PEER_PORT = 2888;
/** Every frame has this size and begins with its number; no window is a multiple of it. */
export const FRAME_BYTES = 1000;

/** What a node saw of one stream. */
export interface StreamReport {
  /** `connect`, `accept`, `end`, `error CODE`, `close`, in order. */
  events: string[];
  received: number;
  /** The first frame that was not the expected one, if any. */
  broken: string | null;
  /** Frames whose write completed. */
  written: number;
  remoteAddress: string | null;
}

interface Stream extends StreamReport {
  socket: Socket;
  sent: number;
  rest: Buffer;
}

const [name = '', directory = '', incarnation = ''] = process.argv.slice(2);
const streams = new Map<string, Stream>();

/** A listener on both families sees IPv4 peers in IPv6 clothes. */
function plainAddress(socket: Socket): string | null {
  return socket.remoteAddress?.replace(/^::ffff:/, '') ?? null;
}

function take(stream: Stream, bytes: Buffer): void {
  let rest = Buffer.concat([stream.rest, bytes]);
  while (rest.length >= FRAME_BYTES) {
    const number = rest.readUInt32BE(0);
    if (number !== stream.received) stream.broken ??= `got ${number}, not ${stream.received}`;
    stream.received++;
    rest = rest.subarray(FRAME_BYTES);
  }
  stream.rest = rest;
}

function keep(key: string, socket: Socket, first: string[]): Stream {
  const stream: Stream = {
    socket,
    events: first,
    received: 0,
    broken: null,
    written: 0,
    remoteAddress: null,
    sent: 0,
    rest: Buffer.alloc(0),
  };
  streams.set(key, stream);
  socket.on('error', (e: NodeJS.ErrnoException) => stream.events.push(`error ${e.code}`));
  socket.on('end', () => stream.events.push('end'));
  socket.on('close', () => stream.events.push('close'));
  return stream;
}

function streamOf(key: unknown): Stream {
  const stream = streams.get(String(key));
  if (stream === undefined) throw new Error(`${name} has no stream '${String(key)}'`);
  return stream;
}

function open(key: string, to: string): void {
  const socket = connect({ host: to, port: PEER_PORT });
  const stream = keep(key, socket, []);
  socket.on('connect', () => {
    stream.events.push('connect');
    stream.remoteAddress = plainAddress(socket);
  });
  socket.on('data', (bytes) => take(stream, bytes as Buffer));
  socket.write(`${key}\n`);
}

function send(stream: Stream, frames: number): void {
  for (let i = 0; i < frames; i++) {
    const frame = Buffer.alloc(FRAME_BYTES, stream.sent & 0xff);
    frame.writeUInt32BE(stream.sent++, 0);
    stream.socket.write(frame, (error) => {
      if (error == null) stream.written++;
    });
  }
}

async function tryOut(attempt: () => Promise<unknown>): Promise<string> {
  try {
    return JSON.stringify(await attempt());
  } catch (error) {
    return `failed ${(error as NodeJS.ErrnoException).code}`;
  }
}

function tryConnect(host: string, port: number, timeoutMs: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const finish = (how: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(how);
    };
    const timer = setTimeout(() => finish('timeout'), timeoutMs);
    socket.on('connect', () => finish('connected'));
    socket.on('error', (error: NodeJS.ErrnoException) => finish(String(error.code)));
  });
}

async function answer(question: Message): Promise<Message> {
  const { ask, key, to, host } = question;
  switch (ask) {
    case 'who':
      return { name, incarnation: Number(incarnation), pid: process.pid };
    case 'boots':
      return { boots: readFileSync(join(directory, 'boots'), 'utf8').trim().split('\n') };
    case 'open':
      open(String(key), String(to));
      return {};
    case 'send':
      send(streamOf(key), Number(question.frames));
      return {};
    case 'end':
      streamOf(key).socket.end();
      return {};
    case 'destroy':
      streamOf(key).socket.destroy();
      return {};
    case 'report': {
      const stream = streams.get(String(key));
      if (stream === undefined) return { report: null };
      const { events, received, broken, written, remoteAddress } = stream;
      return { report: { events, received, broken, written, remoteAddress } };
    }
    case 'lookup':
      return { found: await tryOut(() => lookup(String(host))) };
    case 'resolve':
      return { found: await tryOut(() => resolve4(String(host))) };
    case 'resolve-by': {
      const resolver = new Resolver({ timeout: 300, tries: 1 });
      resolver.setServers([String(question.server)]);
      return { found: await tryOut(() => resolver.resolve4(String(host))) };
    }
    case 'connect': {
      const { port, timeoutMs } = question;
      return { how: await tryConnect(String(host), Number(port), Number(timeoutMs)) };
    }
    case 'exit':
      setImmediate(() => process.exit(7));
      return {};
    default:
      throw new Error(`unknown question '${String(ask)}'`);
  }
}

appendFileSync(join(directory, 'boots'), `${incarnation}\n`);
console.log(`${name} starts, incarnation ${incarnation}`);
process.on('SIGTERM', () => process.exit(0));

createServer((socket) => {
  let header = '';
  let stream: Stream | undefined;
  socket.on('error', () => {});
  socket.on('data', (bytes: Buffer) => {
    if (stream !== undefined) {
      take(stream, bytes);
      return;
    }
    header += bytes.toString('latin1');
    const end = header.indexOf('\n');
    if (end < 0) return;
    stream = keep(header.slice(0, end), socket, ['accept']);
    stream.remoteAddress = plainAddress(socket);
    take(stream, Buffer.from(header.slice(end + 1), 'latin1'));
  });
}).listen(PEER_PORT);

createServer((socket) => {
  socket.on('error', () => socket.destroy());
  onMessages(socket, (question) => void reply(socket, question, answer));
}).listen(CLIENT_PORT);
