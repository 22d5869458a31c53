// A socket as Node's own: a real Duplex stream whose other end is the simulated TCP. Order of events,
// errors and half-closing follow lib/net.js of Node 24.
import { isIP } from 'node:net';
import { Duplex, type DuplexOptions } from 'node:stream';
import { crc32 } from 'node:zlib';
import { nodeError, notFound, refused, systemError } from '../errors.ts';
import type { SocketErrorCode } from '../flow.ts';
import type { RandomStream } from '../host.ts';
import { Endpoint } from '../tcp.ts';
import { checkedPort, connectArguments } from './arguments.ts';
import type { NetContext } from './context.ts';
import { ACTIVE, CONTEXT, ENDPOINT, HOLD, LABEL, RELEASE, SocketState } from './socket-state.ts';

/** What libuv asks the kernel for at a time. */
const READ_BYTES_MAX = 65_536;
/** How long a read may wait for more bytes to come, and a cut-off rest for its turn. */
const WAIT_NS_MAX = 200_000;
const LOOKUP_NS = 50_000;

type WriteDone = (error?: Error | null) => void;
type Lookup = (
  name: string,
  options: object,
  done: (error: Error | null, address: string | { address: string }[], family: number) => void,
) => void;

export interface SimulatedSocketOptions extends DuplexOptions {
  /** Internal: the end of a connection that a server accepted. */
  endpoint?: Endpoint;
  pauseOnCreate?: boolean;
  fd?: number;
  onread?: object;
}

export class SimulatedSocket extends SocketState {
  server: unknown = null;
  bytesRead = 0;
  autoSelectFamilyAttemptedAddresses: string[] | undefined;
  /** Called by the server that accepted the socket when it is closed. */
  onClosed: (() => void) | undefined;
  readonly #random: RandomStream;
  #host: string | undefined;
  #reading = false;
  #readScheduled = false;
  #waitingWrite: WriteDone | undefined;
  #bytesWritten = 0;
  #resetOnDestroy = false;

  constructor(context: NetContext, options: SimulatedSocketOptions = {}) {
    const { endpoint, pauseOnCreate, fd, onread, ...duplex } = options;
    const allowHalfOpen = duplex.allowHalfOpen === true;
    super(context, {
      ...duplex,
      allowHalfOpen,
      emitClose: false,
      autoDestroy: true,
      decodeStrings: false,
    });
    this.#random = context.random('net');
    if (fd !== undefined) throw refused('net.Socket on a file descriptor');
    if (onread !== undefined) throw refused("net.Socket's onread", "use the 'data' event");
    this.on('end', () => {
      if (!this.allowHalfOpen) this.write = this.#writeAfterEnd as typeof this.write;
    });
    if (endpoint !== undefined) {
      this.#attach(endpoint);
      if (pauseOnCreate === true) this.pause();
      else this.read(0);
    }
  }

  /** The `connect` of a fresh socket in all its forms. */
  connect(...args: unknown[]): this {
    const [options, listener] = connectArguments(args);
    if (typeof options.path === 'string') {
      throw refused(`local (unix) sockets ('${options.path}')`, 'use a TCP port');
    }
    if (this.destroyed) {
      (this as unknown as { _undestroy(): void })._undestroy();
      this[ENDPOINT] = undefined;
      this.#reading = false;
    }
    if (options.port === undefined) {
      throw nodeError(
        'ERR_MISSING_ARGS',
        'The "options" or "port" or "path" argument must be specified',
        TypeError,
      );
    }
    const port = checkedPort(options.port);
    if (listener !== undefined) this.once('connect', listener);
    this.connecting = true;
    this[ACTIVE]();
    this[HOLD]();
    this.#lookup(options, port);
    return this;
  }

  #lookup(options: Record<string, unknown>, port: number): void {
    const host =
      typeof options.host === 'string' && options.host !== '' ? options.host : 'localhost';
    const localPort = typeof options.localPort === 'number' ? options.localPort : undefined;
    this.#host = host;
    if (isIP(host) !== 0) {
      process.nextTick(() => {
        if (this.connecting) this.#connectTo(host, port, localPort);
      });
      return;
    }
    const found = (error: Error | null, address: string, family: number) => {
      this.emit('lookup', error, address, family, host);
      if (!this.connecting) return;
      if (error !== null) {
        process.nextTick(() => this.destroy(error));
        return;
      }
      this[ACTIVE]();
      this.#connectTo(address, port, localPort);
    };
    const custom = options.lookup as Lookup | undefined;
    if (custom !== undefined) {
      custom(host, { family: 0, hints: 0, all: false }, (error, address, family) => {
        const first = Array.isArray(address) ? (address[0]?.address ?? '') : address;
        found(error, first, family);
      });
      return;
    }
    const { network } = this[CONTEXT].machine;
    this[CONTEXT].syscall('net.lookup', host);
    this[CONTEXT].schedule(
      LOOKUP_NS,
      () => {
        const address = network.resolve(host);
        if (address === undefined) found(notFound(host), '', 4);
        else found(null, address, 4);
      },
      'net.lookup',
    );
  }

  #connectTo(address: string, port: number, localPort: number | undefined): void {
    const { machine, owner } = this[CONTEXT];
    this[CONTEXT].syscall('net.connect', `${address}:${port}`);
    const { network } = machine;
    const loops = address.startsWith('127.') || address === '::1' || address === '0.0.0.0';
    const target = loops ? machine : network.byAddress(address);
    const ownAddress = loops ? '127.0.0.1' : machine.address;
    const ownPort = localPort ?? machine.freePort();
    const remote = address === '0.0.0.0' ? '127.0.0.1' : address;
    this.autoSelectFamilyAttemptedAddresses = [`${remote}:${port}`];
    const endpoint = new Endpoint(machine, owner, [ownAddress, ownPort], [remote, port]);
    this.#attach(endpoint);
    endpoint.connect(target);
  }

  #attach(endpoint: Endpoint): void {
    this[ENDPOINT] = endpoint;
    this[HOLD]();
    endpoint.events = {
      connected: () => this.#onConnected(),
      connectFailed: (code) => this.#onConnectFailed(code),
      readable: () => this.#onReadable(),
      writable: () => this.#onWritable(),
    };
  }

  #onConnected(): void {
    if (this.destroyed) return;
    this.connecting = false;
    this[ACTIVE]();
    this[CONTEXT].note('net.connected', this[LABEL]());
    this.emit('connect');
    this.emit('ready');
    if (this.readable && !this.isPaused()) this.read(0);
  }

  #onConnectFailed(code: SocketErrorCode): void {
    const endpoint = this[ENDPOINT];
    if (this.destroyed || endpoint === undefined) return;
    this.connecting = false;
    this.destroy(systemError(code, 'connect', endpoint.remoteAddress, endpoint.remotePort));
  }

  override _read(size: number): void {
    if (this.connecting) {
      this.once('connect', () => this._read(size));
      return;
    }
    if (this[ENDPOINT] === undefined || this.#reading) return;
    this.#reading = true;
    this.#continueReading(0);
  }

  #continueReading(delayNs: number): void {
    const endpoint = this[ENDPOINT];
    if (this.#readScheduled || endpoint === undefined) return;
    if (endpoint.readableBytes === 0 && !endpoint.hasReadState) return;
    this.#readScheduled = true;
    this[CONTEXT].scheduleUnref(
      delayNs,
      () => {
        this.#readScheduled = false;
        this.#onReadable();
      },
      '',
    );
  }

  /** Every read draws whether it gets all there is, a part, or nothing until later. */
  #onReadable(): void {
    const endpoint = this[ENDPOINT];
    if (!this.#reading || this.#readScheduled || this.destroyed || endpoint === undefined) return;
    let size = Math.min(endpoint.readableBytes, READ_BYTES_MAX);
    if (size === 0) {
      this.#onReadState(endpoint);
      return;
    }
    const { rechunk } = this[CONTEXT].machine.network.options;
    const random = this.#random;
    const draw = random.float();
    if (draw < rechunk / 2) size = 1 + random.int(size);
    else if (draw < rechunk) {
      this.#continueReading(1 + random.int(WAIT_NS_MAX));
      return;
    }
    const chunk = endpoint.read(Math.min(size, endpoint.readableBytes));
    this.bytesRead += chunk.length;
    this[CONTEXT].note('net.read', `${this[LABEL]()} ${chunk.length} ${crc32(chunk)}`);
    this[ACTIVE]();
    if (!this.push(chunk)) this.#reading = false;
    else this.#continueReading(0);
  }

  #onReadState(endpoint: Endpoint): void {
    const state = endpoint.readState();
    if (state === undefined) return;
    this.#reading = false;
    this[CONTEXT].note('net.read', `${this[LABEL]()} ${state}`);
    if (state === 'end') {
      this.push(null);
      this.read(0);
    } else {
      this.destroy(systemError(state, 'read'));
    }
  }

  override _write(chunk: Buffer | string, encoding: BufferEncoding, done: WriteDone): void {
    this.#write(copied(chunk, encoding), done);
  }

  override _writev(
    chunks: { chunk: Buffer | string; encoding: BufferEncoding }[],
    done: WriteDone,
  ): void {
    const parts = chunks.map(({ chunk, encoding }) => copied(chunk, encoding));
    this.#write(parts.length === 1 ? parts[0]! : Buffer.concat(parts), done);
  }

  #write(bytes: Buffer, done: WriteDone): void {
    if (this.connecting) {
      const onClose = () => done(closedBeforeConnection());
      this.once('connect', () => {
        this.off('close', onClose);
        this.#write(bytes, done);
      });
      this.once('close', onClose);
      return;
    }
    const endpoint = this[ENDPOINT];
    if (endpoint === undefined) {
      done(nodeError('ERR_SOCKET_CLOSED', 'Socket is closed'));
      return;
    }
    this[CONTEXT].syscall('net.write', `${this[LABEL]()} ${bytes.length}`);
    const error = endpoint.writeError();
    if (error !== undefined) {
      done(systemError(error, 'write'));
      return;
    }
    this[ACTIVE]();
    this.#bytesWritten += bytes.length;
    if (bytes.length === 0 || endpoint.write(bytes)) done();
    else this.#waitingWrite = done;
  }

  #onWritable(): void {
    const done = this.#waitingWrite;
    const endpoint = this[ENDPOINT];
    if (done === undefined || endpoint === undefined) return;
    this.#waitingWrite = undefined;
    this[ACTIVE]();
    const error = endpoint.writeError();
    done(error === undefined ? null : systemError(error, 'write'));
  }

  readonly #writeAfterEnd = (
    chunk: unknown,
    encoding?: BufferEncoding | WriteDone,
    done?: WriteDone,
  ): boolean => {
    if (!this.writableEnded) {
      return Duplex.prototype.write.call(this, chunk, encoding as BufferEncoding, done);
    }
    const callback = typeof encoding === 'function' ? encoding : done;
    const error = nodeError('EPIPE', 'This socket has been ended by the other party');
    if (callback !== undefined) process.nextTick(callback, error);
    this.destroy(error);
    return false;
  };

  override _final(done: WriteDone): void {
    if (this.connecting) {
      this.once('connect', () => this._final(done));
      return;
    }
    const endpoint = this[ENDPOINT];
    if (endpoint === undefined || endpoint.gone) {
      done();
      return;
    }
    this[CONTEXT].syscall('net.shutdown', this[LABEL]());
    endpoint.shutdown();
    this[CONTEXT].schedule(0, done, 'net.shutdown');
  }

  override _destroy(error: Error | null, done: WriteDone): void {
    this.connecting = false;
    const endpoint = this[ENDPOINT];
    const failed = error !== null && error !== undefined;
    const closed = () => {
      this[RELEASE]();
      this.emit('close', failed);
    };
    if (endpoint !== undefined && this[CONTEXT].alive) {
      this[CONTEXT].syscall(this.#resetOnDestroy ? 'net.reset' : 'net.close', this[LABEL]());
      this[ENDPOINT] = undefined;
      if (this.#resetOnDestroy) endpoint.reset();
      endpoint.close();
      this[CONTEXT].schedule(0, closed, 'net.close');
      done(error);
    } else {
      done(error);
      process.nextTick(closed);
    }
    this.onClosed?.();
    this.onClosed = undefined;
  }

  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  resetAndDestroy(): this {
    if (this.connecting) {
      this.once('connect', () => this.resetAndDestroy());
      return this;
    }
    if (this[ENDPOINT] === undefined) {
      this.destroy(nodeError('ERR_SOCKET_CLOSED', 'Socket is closed'));
      return this;
    }
    this.#resetOnDestroy = true;
    return this.destroy() as this;
  }

  /** The name the program connected to, as TLS and HTTP clients read it. */
  get _host(): string | undefined {
    return this.#host;
  }

  get bytesWritten(): number {
    return this.#bytesWritten + this.writableLength;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }
}

/** The kernel copies what it is given, so the program may use its buffer again. */
function copied(chunk: Buffer | string, encoding: BufferEncoding): Buffer {
  return typeof chunk === 'string' ? Buffer.from(chunk, encoding) : Buffer.from(chunk);
}

function closedBeforeConnection(): Error {
  return nodeError(
    'ERR_SOCKET_CLOSED_BEFORE_CONNECTION',
    'Socket closed before the connection was established',
  );
}
