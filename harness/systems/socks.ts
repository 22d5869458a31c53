// A SOCKS5 server that opens connections for a program which is not Node's. What the agent does to the
// connections of this process, names, cuts and all, thereby happens to that program's.
import { connect, createServer, type Server, type Socket } from 'node:net';

const VERSION = 5;
const NO_AUTHENTICATION = 0;
const CONNECT = 1;
const ADDRESS_IPV4 = 1;
const ADDRESS_NAME = 3;
const REPLY = { done: 0, refused: 5, unsupported: 7 } as const;
/** A greeting and a request, with a name of 255 bytes, are never longer. */
const TALK_BYTES_MAX = 1_024;

/** Where a request wants to go. */
export interface SocksTarget {
  host: string;
  port: number;
}

/** The target of a request and its length; undefined while bytes are missing, or why it cannot be. */
export function parseRequest(
  bytes: Buffer,
): { target: SocksTarget; length: number } | { refused: number } | undefined {
  const [version, command, , kind, first] = bytes;
  if (kind === undefined || first === undefined) return undefined;
  if (version !== VERSION || command !== CONNECT) return { refused: REPLY.unsupported };
  if (kind !== ADDRESS_IPV4 && kind !== ADDRESS_NAME) return { refused: REPLY.unsupported };
  const start = kind === ADDRESS_IPV4 ? 4 : 5;
  const end = start + (kind === ADDRESS_IPV4 ? 4 : first);
  if (bytes.length < end + 2) return undefined;
  const address = bytes.subarray(start, end);
  const host = kind === ADDRESS_IPV4 ? address.join('.') : address.toString('latin1');
  return { target: { host, port: bytes.readUInt16BE(end) }, length: end + 2 };
}

const replyTo = (code: number): Buffer => Buffer.from([VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0]);

/** Carries bytes both ways. An end is passed on as an end, a break as a break. */
export function splice(a: Socket, b: Socket): void {
  const pass = (from: Socket, to: Socket): void => {
    from.pipe(to);
    from.on('error', () => to.resetAndDestroy());
    from.on('close', (broken) => (broken ? to.resetAndDestroy() : to.destroySoon()));
  };
  pass(a, b);
  pass(b, a);
}

/** Serves one caller; `locate` says where a target really is. */
function serve(caller: Socket, locate: (target: SocksTarget) => SocksTarget): void {
  let bytes = Buffer.alloc(0);
  let greeted = false;
  const hangUp = (): void => void caller.destroy();
  caller.on('error', hangUp);
  const receive = (chunk: Buffer): void => {
    bytes = Buffer.concat([bytes, chunk]);
    if (bytes.length > TALK_BYTES_MAX) {
      hangUp();
      return;
    }
    if (!greeted) {
      const length = 2 + (bytes[1] ?? TALK_BYTES_MAX);
      if (bytes.length < length) return;
      bytes = bytes.subarray(length);
      greeted = true;
      caller.write(Buffer.from([VERSION, NO_AUTHENTICATION]));
    }
    const request = parseRequest(bytes);
    if (request === undefined) return;
    caller.off('data', receive);
    caller.pause();
    if ('refused' in request) caller.end(replyTo(request.refused));
    else open(caller, locate(request.target), bytes.subarray(request.length));
  };
  caller.on('data', receive);
}

/**
 * The caller is answered once the far program has taken the connection, so that it learns of a refusal
 * as such; under a cut it waits as for any connect.
 */
function open(caller: Socket, { host, port }: SocksTarget, early: Buffer): void {
  const far = connect({ host, port, allowHalfOpen: true, noDelay: true });
  const refuse = (): void => void caller.end(replyTo(REPLY.refused));
  const giveUp = (): void => void far.destroy();
  far.on('error', giveUp);
  far.once('close', refuse);
  caller.once('close', giveUp);
  far.once('readable', () => {
    if (far.read(TAKEN.length) === null) return;
    far.off('error', giveUp);
    far.off('close', refuse);
    caller.off('close', giveUp);
    caller.write(replyTo(REPLY.done));
    if (early.length > 0) far.write(early);
    splice(caller, far);
  });
}

/** What a door says first when the program behind it has taken the connection. */
const TAKEN = Buffer.from([1]);

/**
 * Lets connections in to a program that listens at `host` and `port`, not yet listening itself. Callers
 * through SOCKS are told when the program takes them; others must live with a door that opens always.
 */
export function door(host: string, port: number, callers: 'socks' | 'any'): Server {
  return createServer({ allowHalfOpen: true, noDelay: true }, (caller) => {
    const inner = connect({ host, port, allowHalfOpen: true, noDelay: true });
    if (callers === 'socks') inner.once('connect', () => void caller.write(TAKEN));
    splice(caller, inner);
  });
}

/** A SOCKS5 server, not yet listening, for connects without authentication. */
export function socksServer(locate: (target: SocksTarget) => SocksTarget): Server {
  return createServer({ allowHalfOpen: true, noDelay: true }, (caller) => serve(caller, locate));
}
