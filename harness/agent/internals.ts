// The parts of Node's own net module that the agent takes hold of, typed as far as it uses them.
// They are not documented; the conformance tests notice when a Node release changes them.
import { type ListenOptions, Server, Socket } from 'node:net';

/** Completes a write or a shutdown of a stream. */
export type Done = (error?: Error | null) => void;

/** A connect under way, as libuv's binding knows it. */
export interface ConnectRequest {
  oncomplete(
    status: number,
    handle: TcpHandle,
    request: ConnectRequest,
    readable: boolean,
    writable: boolean,
  ): void;
}

/** A libuv TCP handle, as JavaScript sees it. */
export interface TcpHandle {
  reading: boolean;
  readStart(): number;
  readStop(): number;
  bind(address: string, port: number): number;
  connect(request: ConnectRequest, address: string, port: number): number;
  getsockname(out: { port?: number }): number;
  getpeername(out: { port?: number }): number;
  close(done?: () => void): void;
  reset(done?: () => void): number;
  unref(): void;
  onconnection?: (this: TcpHandle, error: number, client: TcpHandle | undefined) => void;
}

/** A socket with its insides. */
export interface InnerSocket extends Socket {
  _handle: TcpHandle | null;
  connecting: boolean;
  _writeGeneric(vector: boolean, data: unknown, encoding: BufferEncoding, done: Done): void;
  _getpeername(): { address?: string; family?: string; port?: number };
}

/** A server with its insides. */
export interface InnerServer extends Server {
  _handle: TcpHandle | null;
  _listen2(...args: unknown[]): void;
}

/** What `net._normalizeArgs` makes of the arguments of connect or listen. */
export type NormalizedArgs = [
  options: ListenOptions & { host?: string; port?: number | string; path?: string },
  callback: unknown,
];

export const socketPrototype = Socket.prototype as unknown as Omit<InnerSocket, 'connect'> & {
  connect(...args: unknown[]): InnerSocket;
};
export const serverPrototype = Server.prototype as unknown as Omit<InnerServer, 'listen'> & {
  listen(...args: unknown[]): InnerServer;
};

const NEEDED = ['connect', '_writeGeneric', '_final', '_getpeername'] as const;

/** Throws if this Node lacks something that the agent takes hold of. */
export function assertInternals(): void {
  const missing = NEEDED.filter((name) => typeof socketPrototype[name] !== 'function');
  if (missing.length > 0 || typeof serverPrototype._listen2 !== 'function') {
    throw new Error(
      `expected Node 24's net internals, this is ${process.version} without ` +
        `${missing.join(', ') || '_listen2'}; run nodes with the pinned Node`,
    );
  }
}
