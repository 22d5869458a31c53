// The parts of a socket that are neither reading nor writing: its addresses and states, its idle timeout,
// and whether it keeps its process from ending.
import { Duplex, type DuplexOptions } from 'node:stream';
import { nodeError } from '../errors.ts';
import type { Scheduled } from '../host.ts';
import type { Endpoint } from '../tcp.ts';
import type { NetContext } from './context.ts';

/** Keys of what only the simulator's own classes use: programs put names of their own on sockets. */
export const CONTEXT = Symbol('context');
export const ENDPOINT = Symbol('endpoint');
export const ACTIVE = Symbol('active');
export const HOLD = Symbol('hold');
export const RELEASE = Symbol('release');
export const LABEL = Symbol('label');

export class SocketState extends Duplex {
  connecting = false;
  timeout: number | undefined;
  readonly [CONTEXT]: NetContext;
  [ENDPOINT]: Endpoint | undefined;
  #refed = true;
  #release: (() => void) | undefined;
  #idle: Scheduled | undefined;
  #lastActiveNs = 0;

  constructor(context: NetContext, options: DuplexOptions) {
    super(options);
    this[CONTEXT] = context;
  }

  setTimeout(ms: number, listener?: () => void): this {
    if (!(typeof ms === 'number' && ms >= 0)) {
      throw nodeError(
        'ERR_OUT_OF_RANGE',
        `The value of "msecs" is out of range: ${ms}`,
        RangeError,
      );
    }
    this.timeout = ms;
    this.#idle?.cancel();
    this.#idle = undefined;
    if (ms === 0) {
      if (listener !== undefined) this.off('timeout', listener);
      return this;
    }
    if (listener !== undefined) this.once('timeout', listener);
    this[ACTIVE]();
    return this;
  }

  /** Something happened: the idle timeout starts anew. */
  [ACTIVE](): void {
    this.#lastActiveNs = this[CONTEXT].nowNs();
    const ms = this.timeout ?? 0;
    if (ms > 0 && this.#idle === undefined && !this.destroyed) this.#watchIdle(ms * 1e6);
  }

  #watchIdle(delayNs: number): void {
    const look = () => {
      this.#idle = undefined;
      const ns = (this.timeout ?? 0) * 1e6;
      if (ns === 0 || this.destroyed) return;
      const left = this.#lastActiveNs + ns - this[CONTEXT].nowNs();
      if (left > 0) this.#watchIdle(left);
      else this.emit('timeout');
    };
    this.#idle = this[CONTEXT].scheduleUnref(delayNs, look, 'net.timeout');
  }

  ref(): this {
    this.#refed = true;
    if (this.connecting || this[ENDPOINT] !== undefined) this[HOLD]();
    return this;
  }

  unref(): this {
    this.#refed = false;
    this.#release?.();
    this.#release = undefined;
    return this;
  }

  /** Keeps the process from ending by itself, unless unref'd. */
  [HOLD](): void {
    if (this.#refed && this.#release === undefined) this.#release = this[CONTEXT].hold();
  }

  address(): object {
    const endpoint = this[ENDPOINT];
    if (endpoint === undefined) return {};
    return { address: endpoint.localAddress, family: 'IPv4', port: endpoint.localPort };
  }

  get #peer(): Endpoint | undefined {
    return this.connecting ? undefined : this[ENDPOINT];
  }

  get localAddress(): string | undefined {
    return this[ENDPOINT]?.localAddress;
  }

  get localPort(): number | undefined {
    return this[ENDPOINT]?.localPort;
  }

  get localFamily(): string | undefined {
    return this[ENDPOINT] === undefined ? undefined : 'IPv4';
  }

  get remoteAddress(): string | undefined {
    return this.#peer?.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.#peer?.remotePort;
  }

  get remoteFamily(): string | undefined {
    return this.#peer === undefined ? undefined : 'IPv4';
  }

  get bufferSize(): number {
    return this.writableLength;
  }

  get pending(): boolean {
    return this[ENDPOINT] === undefined || this.connecting;
  }

  get readyState(): string {
    if (this.connecting) return 'opening';
    if (this.readable && this.writable) return 'open';
    if (this.readable) return 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }

  /** The connection's name in the trace. */
  [LABEL](): string {
    const endpoint = this[ENDPOINT];
    if (endpoint === undefined) return '-';
    return `${endpoint.localPort}>${endpoint.remoteAddress}:${endpoint.remotePort}`;
  }

  /** The socket is closed: nothing waits for it any more. */
  [RELEASE](): void {
    this.#idle?.cancel();
    this.#release?.();
    this.#release = undefined;
  }
}
