// A listening socket as Node's own `net.Server`: binds a port of its machine and turns the connections
// that the simulated TCP has established into sockets.
import { EventEmitter } from 'node:events';
import { isIP } from 'node:net';
import { nodeError, notFound, refused, systemError } from '../errors.ts';
import { Listener } from '../listener.ts';
import type { Endpoint } from '../tcp.ts';
import { type Callback, checkedPort, listenArguments } from './arguments.ts';
import type { NetContext } from './context.ts';
import type { SimulatedSocket, SimulatedSocketOptions } from './socket.ts';

const LOOKUP_NS = 50_000;

export interface SimulatedServerOptions {
  allowHalfOpen?: boolean;
  pauseOnConnect?: boolean;
  highWaterMark?: number;
}

type MakeSocket = (options: SimulatedSocketOptions) => SimulatedSocket;

export class SimulatedServer extends EventEmitter {
  maxConnections: number | undefined;
  allowHalfOpen: boolean;
  pauseOnConnect: boolean;
  readonly #context: NetContext;
  readonly #makeSocket: MakeSocket;
  readonly #highWaterMark: number | undefined;
  #listener: Listener | undefined;
  #binding = false;
  #connections = 0;
  #refed = true;
  #release: (() => void) | undefined;

  constructor(
    context: NetContext,
    makeSocket: MakeSocket,
    options: SimulatedServerOptions | Callback = {},
    onConnection?: Callback,
  ) {
    super();
    this.#context = context;
    this.#makeSocket = makeSocket;
    const given = typeof options === 'function' ? {} : options;
    const handler = typeof options === 'function' ? options : onConnection;
    if (handler !== undefined) this.on('connection', handler);
    this.allowHalfOpen = given.allowHalfOpen ?? false;
    this.pauseOnConnect = given.pauseOnConnect ?? false;
    this.#highWaterMark = given.highWaterMark;
  }

  get listening(): boolean {
    return this.#listener !== undefined;
  }

  get connections(): number {
    return this.#connections;
  }

  listen(...args: unknown[]): this {
    const [options, callback] = listenArguments(args);
    if (this.#listener !== undefined || this.#binding) {
      throw nodeError(
        'ERR_SERVER_ALREADY_LISTEN',
        'Listen method has been called more than once without closing.',
      );
    }
    if (callback !== undefined) this.once('listening', callback);
    if (typeof options.path === 'string') {
      throw refused(`local (unix) sockets ('${options.path}')`, 'listen on a TCP port');
    }
    const port = checkedPort(options.port ?? 0);
    const { signal } = options as { signal?: AbortSignal };
    signal?.addEventListener('abort', () => this.close(), { once: true });
    if (typeof options.host !== 'string' || options.host === '') {
      this.#bind('0.0.0.0', port);
      return this;
    }
    this.#binding = true;
    const { host } = options;
    const delayNs = isIP(host) === 0 ? LOOKUP_NS : 0;
    this.#context.schedule(delayNs, () => this.#bindHost(host, port), 'net.lookup');
    return this;
  }

  #bindHost(host: string, port: number): void {
    if (!this.#binding) return;
    this.#binding = false;
    const address = isIP(host) === 0 ? this.#context.machine.network.resolve(host) : host;
    if (address === undefined) this.emit('error', notFound(host));
    else this.#bind(address, port);
  }

  #bind(address: string, wanted: number): void {
    const { machine, owner } = this.#context;
    this.#context.syscall('net.listen', `${address}:${wanted}`);
    const own = ['0.0.0.0', '::', '::1', machine.address];
    const port = wanted === 0 ? machine.freePort() : wanted;
    const listener = new Listener(machine, owner, address, port, (endpoint) => {
      this.#onConnection(endpoint);
    });
    if (!own.includes(address) && !address.startsWith('127.')) {
      this.#bindFailed(systemError('EADDRNOTAVAIL', 'listen', address, wanted));
    } else if (!machine.addListener(listener)) {
      this.#bindFailed(systemError('EADDRINUSE', 'listen', address, wanted));
    } else {
      this.#listener = listener;
      this.#hold();
      process.nextTick(() => {
        if (this.#listener === listener) this.emit('listening');
      });
    }
  }

  #bindFailed(error: Error): void {
    process.nextTick(() => this.emit('error', error));
  }

  #onConnection(endpoint: Endpoint): void {
    if (this.maxConnections !== undefined && this.#connections >= this.maxConnections) {
      const { localAddress, localPort, remoteAddress, remotePort } = endpoint;
      endpoint.close();
      const family = { localFamily: 'IPv4', remoteFamily: 'IPv4' };
      this.emit('drop', { localAddress, localPort, remoteAddress, remotePort, ...family });
      return;
    }
    const { allowHalfOpen, pauseOnConnect: pauseOnCreate } = this;
    const options: SimulatedSocketOptions = { endpoint, allowHalfOpen, pauseOnCreate };
    if (this.#highWaterMark !== undefined) options.highWaterMark = this.#highWaterMark;
    const socket = this.#makeSocket(options);
    this.#connections++;
    socket.server = this;
    socket.onClosed = () => {
      this.#connections--;
      this.#closeIfDrained();
    };
    const from = `${endpoint.remoteAddress}:${endpoint.remotePort}`;
    this.#context.note('net.accept', `${endpoint.localPort}<${from}`);
    this.emit('connection', socket);
  }

  close(callback?: (error?: Error) => void): this {
    if (callback !== undefined) {
      if (this.#listener === undefined && !this.#binding) {
        const error = nodeError('ERR_SERVER_NOT_RUNNING', 'Server is not running.');
        this.once('close', () => callback(error));
      } else {
        this.once('close', () => callback());
      }
    }
    const listener = this.#listener;
    this.#binding = false;
    if (listener !== undefined && this.#context.alive) {
      this.#context.syscall('net.close', `${listener.address}:${listener.port}`);
      listener.machine.removeListener(listener);
      this.#listener = undefined;
    }
    this.#closeIfDrained();
    return this;
  }

  #closeIfDrained(): void {
    if (this.#listener !== undefined || this.#connections > 0) return;
    this.#release?.();
    this.#release = undefined;
    process.nextTick(() => this.emit('close'));
  }

  address(): { address: string; family: string; port: number } | null {
    const listener = this.#listener;
    if (listener === undefined) return null;
    const family = listener.address.includes(':') ? 'IPv6' : 'IPv4';
    return { address: listener.address, family, port: listener.port };
  }

  getConnections(callback: (error: Error | null, count: number) => void): this {
    process.nextTick(callback, null, this.#connections);
    return this;
  }

  ref(): this {
    this.#refed = true;
    if (this.#listener !== undefined) this.#hold();
    return this;
  }

  unref(): this {
    this.#refed = false;
    this.#release?.();
    this.#release = undefined;
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#listener === undefined) return;
    await new Promise<void>((resolve) => {
      this.close(() => resolve());
    });
  }

  #hold(): void {
    if (this.#refed && this.#release === undefined) this.#release = this.#context.hold();
  }
}
