// Puts Link under every connection with a peer node or a client, by patching net's Socket and Server.
// Names and ports of the cluster become loopback ports here.
import net from 'node:net';
import { constants } from 'node:os';
import { CLIENTS } from '../../history/fault.ts';
import type { AddressBook } from './config.ts';
import type { Cuts } from './cuts.ts';
import {
  assertInternals,
  type Done,
  type InnerServer,
  type InnerSocket,
  type NormalizedArgs,
  serverPrototype,
  socketPrototype,
  type TcpHandle,
} from './internals.ts';
import { Link } from './link.ts';

const LOOPBACK = '127.0.0.1';
const ALL_PORTS_TAKEN = -constants.errno.EADDRINUSE;

const normalizeArgs = (net as unknown as { _normalizeArgs(args: unknown[]): unknown[] })
  ._normalizeArgs;

/** Hands out this node's local ports in turn; a peer knows by them who is calling. */
class SourcePorts {
  readonly #first: number;
  readonly #size: number;
  readonly #used = new Set<number>();
  #next: number;

  constructor([first, last]: [number, number], incarnation: number) {
    this.#first = first;
    this.#size = last - first + 1;
    // The ports that the incarnation before used last may still be closing.
    this.#next = (incarnation * 61) % this.#size;
  }

  /** Binds a handle to the next free port: 0, or libuv's error when all are taken. */
  bind(handle: TcpHandle): number {
    for (let attempt = 0; attempt < this.#size; attempt++) {
      const port = this.#first + this.#next;
      this.#next = (this.#next + 1) % this.#size;
      if (this.#used.has(port)) continue;
      const bound: { port?: number } = {};
      // A taken port is only reported by the question after the bind.
      if (handle.bind(LOOPBACK, port) !== 0 || handle.getsockname(bound) !== 0) continue;
      if (bound.port !== port) continue;
      this.#used.add(port);
      return 0;
    }
    return ALL_PORTS_TAKEN;
  }

  release(handle: TcpHandle): void {
    const bound: { port?: number } = {};
    if (handle.getsockname(bound) === 0 && bound.port !== undefined) this.#used.delete(bound.port);
  }
}

interface LinkOfSocket {
  link: Link;
  /** The port at the peer as this node called it; undefined for accepted connections. */
  calledPort: number | undefined;
}

/** The patched net. */
export class Sockets {
  readonly #book: AddressBook;
  readonly #cuts: Cuts;
  readonly #sourcePorts: SourcePorts;
  readonly #links = new WeakMap<TcpHandle, LinkOfSocket>();
  readonly #listening = new WeakMap<InnerServer, { address: string; port: number }>();

  constructor(book: AddressBook, cuts: Cuts, incarnation: number) {
    assertInternals();
    this.#book = book;
    this.#cuts = cuts;
    this.#sourcePorts = new SourcePorts(book.sourcePorts, incarnation);
  }

  /** Patches net for the whole process. */
  install(): void {
    this.#patchConnect();
    this.#patchStreams();
    this.#patchListen();
  }

  #linkOf(socket: InnerSocket): LinkOfSocket | undefined {
    return socket._handle === null ? undefined : this.#links.get(socket._handle);
  }

  #patchConnect(): void {
    const sockets = this;
    const original = socketPrototype.connect;
    socketPrototype.connect = function connect(this: InnerSocket, ...args: unknown[]) {
      const normalized = (Array.isArray(args[0]) ? args[0] : normalizeArgs(args)) as NormalizedArgs;
      return sockets.#connect(this, original, normalized);
    };
  }

  #connect(
    socket: InnerSocket,
    original: (...args: unknown[]) => InnerSocket,
    args: NormalizedArgs,
  ): InnerSocket {
    const options = args[0];
    const port = Number(options.port);
    if (options.path !== undefined || options.port === undefined)
      return original.call(socket, args);
    const destination = this.#book.destination(options.host ?? 'localhost', port);
    if (destination.to === 'loopback' || destination.to === 'name') {
      return original.call(socket, args);
    }
    const mapped =
      destination.to === 'node' ? this.#book.mappedPort(destination.node, port) : undefined;
    args[0] = { ...options, host: LOOPBACK, port: mapped ?? port };
    for (const name of ['localAddress', 'localPort', 'lookup', 'family'] as const) {
      delete (args[0] as Record<string, unknown>)[name];
    }
    original.call(socket, args);
    const handle = socket._handle;
    if (handle === null) return socket;
    if (destination.to === 'outside') {
      // As behind a firewall that drops: no answer ever comes.
      handle.connect = () => 0;
    } else if (destination.to === 'closed') {
      handle.connect = () => {
        const error = new Error(`connect ECONNREFUSED ${destination.node}:${port}`);
        const details = {
          code: 'ECONNREFUSED',
          syscall: 'connect',
          address: destination.node,
          port,
        };
        process.nextTick(() => socket.destroy(Object.assign(error, details)));
        return 0;
      };
    } else {
      const release = (): void => this.#sourcePorts.release(handle);
      const link = new Link(this.#cuts, destination.node, handle, false, release);
      link.deferConnect((bound) => this.#sourcePorts.bind(bound));
      this.#links.set(handle, { link, calledPort: port });
    }
    return socket;
  }

  #patchStreams(): void {
    const sockets = this;
    const write = socketPrototype._writeGeneric;
    socketPrototype._writeGeneric = function writeGeneric(vector, data, encoding, done) {
      const found = this.connecting ? undefined : sockets.#linkOf(this);
      if (found === undefined) write.call(this, vector, data, encoding, done);
      else found.link.write(this, write, vector, data, encoding, done);
    };
    const finish = socketPrototype._final as (this: InnerSocket, done: Done) => void;
    socketPrototype._final = function final(this: InnerSocket, done: Done) {
      const found = this.connecting ? undefined : sockets.#linkOf(this);
      if (found === undefined) finish.call(this, done);
      else found.link.finish(this, finish, done);
    };
    const peerName = socketPrototype._getpeername;
    socketPrototype._getpeername = function getPeerName(this: InnerSocket) {
      const name = peerName.call(this);
      const found = sockets.#linkOf(this);
      if (found === undefined || name.address === undefined) return name;
      const address = sockets.#book.addressOf(found.link.peer) ?? name.address;
      return { ...name, address, port: found.calledPort ?? name.port };
    };
  }

  #patchListen(): void {
    const sockets = this;
    const listen = serverPrototype.listen;
    serverPrototype.listen = function patched(this: InnerServer, ...args: unknown[]) {
      return listen.apply(this, sockets.#mapListen(this, args));
    };
    const setUp = serverPrototype._listen2;
    serverPrototype._listen2 = function patched(this: InnerServer, ...args: unknown[]) {
      setUp.apply(this, args);
      if (this._handle !== null) sockets.#watchAccepts(this, this._handle);
    };
    const address = serverPrototype.address;
    serverPrototype.address = function patched(this: InnerServer) {
      const real = address.call(this);
      const mapped = sockets.#listening.get(this);
      return mapped === undefined || real === null ? real : { ...mapped, family: 'IPv4' };
    };
  }

  /** Replaces a port of this node by the loopback port it is mapped to. */
  #mapListen(server: InnerServer, args: unknown[]): unknown[] {
    const options = (normalizeArgs([...args]) as NormalizedArgs)[0];
    const { port, host } = options;
    if (options.path !== undefined || port === undefined || port === null) return args;
    const mapped = this.#book.mappedPort(this.#book.self, Number(port));
    if (mapped === undefined) return args;
    this.#listening.set(server, { address: host ?? '0.0.0.0', port: Number(port) });
    const [first, ...rest] = args;
    if (typeof first === 'object' && first !== null) {
      return [{ ...first, port: mapped, host: LOOPBACK }, ...rest];
    }
    return [mapped, LOOPBACK, ...(typeof rest[0] === 'string' ? rest.slice(1) : rest)];
  }

  #watchAccepts(server: InnerServer, listener: TcpHandle): void {
    const announce = listener.onconnection;
    if (announce === undefined) return;
    listener.onconnection = (error, client) => {
      const peer: { port?: number } = {};
      if (error !== 0 || client === undefined || typeof client.getpeername !== 'function') {
        announce.call(listener, error, client);
        return;
      }
      if (client.getpeername(peer) !== 0) {
        // It is gone already, and nobody can say whether a cut should have hidden that.
        client.close();
        return;
      }
      const node = this.#book.nodeOfSource(peer.port ?? 0);
      // What calls a port that is no port of the cluster is a part of this node, as a program behind it.
      if (node === undefined && !this.#listening.has(server)) {
        announce.call(listener, error, client);
        return;
      }
      const link = new Link(this.#cuts, node ?? CLIENTS, client, true, () => {});
      this.#links.set(client, { link, calledPort: undefined });
      link.accept(
        () => announce.call(listener, error, client),
        () => server._handle === listener,
      );
    };
  }
}
