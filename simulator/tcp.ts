// TCP as far as a program can tell: ordered bytes with windows, half-close, reset, the handshake and
// its patience. It belongs to the machine, not the process: it goes on while a process is paused.

import { ByteQueue } from './byte-queue.ts';
import { Flow, type Segment, type SocketErrorCode } from './flow.ts';
import type { Scheduled } from './host.ts';
import type { FailingOwner, Kernel } from './kernel.ts';
import type { Machine } from './machine.ts';
import type { Network } from './network.ts';

const SECOND = 1e9;
/** Linux's tcp_syn_retries of 6: waits of 1, 2, 4 … 64 s, 127 s in all. */
const SYN_TRIES_MAX = 7;
/** How long ARP looks for an address that no machine has. */
const NO_ROUTE_NS = 3 * SECOND;
/** The longest segment, as with segmentation offload. */
const SEGMENT_BYTES_MAX = 65_536;

/** What a connection tells its socket, always as an event of the process that owns it. */
export interface EndpointEvents {
  connected(): void;
  connectFailed(code: SocketErrorCode): void;
  /** There are bytes, an end or an error to read; `read` says which. */
  readable(): void;
  /** A write that had to wait may go on. */
  writable(): void;
}

/** One end of a connection. */
export class Endpoint {
  readonly machine: Machine;
  /** The process that holds the socket; undefined once it closed it or died. */
  owner: FailingOwner | undefined;
  peer: Endpoint | undefined;
  events: EndpointEvents | undefined;
  localAddress: string;
  localPort: number;
  remoteAddress: string;
  remotePort: number;
  /** Unusable: reset, given up, or lost with the machine's power. */
  gone = false;
  #flow: Flow | undefined;
  #connecting: Scheduled | undefined;
  #established = false;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #sentBytes = 0;
  #ackedBytes = 0;
  #blocked = false;
  #finWanted = false;
  #finSent = false;
  readonly #received = new ByteQueue();
  #consumedBytes = 0;
  #reportedBytes = 0;
  #finReceived = false;
  #error: SocketErrorCode | undefined;

  constructor(
    machine: Machine,
    owner: FailingOwner,
    local: [string, number],
    remote: [string, number],
  ) {
    this.machine = machine;
    this.owner = owner;
    [this.localAddress, this.localPort] = local;
    [this.remoteAddress, this.remotePort] = remote;
    machine.endpoints.add(this);
  }

  get #network(): Network {
    return this.machine.network;
  }

  get #kernel(): Kernel {
    return this.machine.network.kernel;
  }

  /** Starts the handshake with whoever has the remote address. */
  connect(target: Machine | undefined): void {
    if (target === undefined) {
      this.#connecting = this.#after(NO_ROUTE_NS, () => this.#connectFailed('EHOSTUNREACH'));
      return;
    }
    this.#trySyn(target, 0);
  }

  #trySyn(target: Machine, attempt: number): void {
    if (attempt === SYN_TRIES_MAX) {
      this.#connectFailed('ETIMEDOUT');
      return;
    }
    const wait = 2 ** attempt * SECOND;
    this.#connecting = this.#after(wait, () => this.#trySyn(target, attempt + 1));
    this.#network.datagram(this.machine, target, 'tcp.syn', () => {
      const listener = target.listener(this.remoteAddress, this.remotePort);
      if (listener === undefined) {
        const refuse = () => this.#connectFailed('ECONNREFUSED');
        return this.#network.datagram(target, this.machine, 'tcp.rst', refuse);
      }
      const peer = listener.answer(this, target);
      if (peer === undefined) return;
      this.#network.datagram(target, this.machine, 'tcp.syn-ack', () => this.#synAnswered(peer));
    });
  }

  #after(delayNs: number, fn: () => void): Scheduled {
    return this.#kernel.schedule(delayNs, fn, undefined, 'tcp.timer');
  }

  #synAnswered(peer: Endpoint): void {
    if (this.#established || this.gone) return;
    this.#connecting?.cancel();
    this.peer = peer;
    this.#open();
    this.#flow?.send('open');
    this.#tell((events) => events.connected());
  }

  #connectFailed(code: SocketErrorCode): void {
    if (this.#established || this.gone) return;
    this.#end();
    this.#tell((events) => events.connectFailed(code));
  }

  #open(): void {
    if (this.peer === undefined) return;
    this.#established = true;
    this.#flow = new Flow(this.#network, this, this.#network.link(this.machine, this.peer.machine));
  }

  /** The answering end, once the handshake is through on the asking one's side. */
  accept(peer: Endpoint): void {
    this.peer = peer;
    this.#open();
  }

  /** Takes bytes, which the caller must not change any more; false: wait for `writable`. */
  write(bytes: Buffer): boolean {
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    this.#transmit();
    this.#blocked = this.#queuedBytes > this.#network.options.sendBufferBytes;
    return !this.#blocked;
  }

  /** The error that a write meets now, if any; it is told once, then it is EPIPE. */
  writeError(): SocketErrorCode | undefined {
    if (!this.gone && !this.#finWanted) return undefined;
    const error = this.#error ?? 'EPIPE';
    this.#error = undefined;
    return error;
  }

  /** No more bytes will follow: the end is sent behind all that was written. */
  shutdown(): void {
    this.#finWanted = true;
    this.#transmit();
  }

  /** The process closes the socket: as `close(2)`, a reset if there is something left unread. */
  close(): void {
    this.owner = undefined;
    this.events = undefined;
    if (this.gone) return;
    if (!this.#established) {
      this.#end();
      return;
    }
    if (this.#received.length > 0) {
      this.reset();
      return;
    }
    this.shutdown();
    if (this.#finReceived && this.#finSent) this.#leave();
  }

  /** The process died: what its kernel had not taken from it yet is lost. */
  abandon(): void {
    let spare = this.#queuedBytes - this.#network.options.sendBufferBytes;
    while (spare > 0) {
      const last = this.#queue.pop()!;
      const kept = Math.max(0, last.length - spare);
      if (kept > 0) this.#queue.push(last.subarray(0, kept));
      spare -= last.length - kept;
      this.#queuedBytes -= last.length - kept;
    }
    this.close();
  }

  /** Sends a reset, behind what is on the wire already, and forgets the connection. */
  reset(): void {
    const peer = this.peer;
    const flow = this.#flow;
    const gone = this.gone;
    this.#end();
    if (gone || peer === undefined || flow === undefined) return;
    const link = this.#network.link(this.machine, peer.machine);
    if (link.cut) return;
    const boot = peer.machine.boot;
    const arrive = () => {
      if (!link.cut && peer.machine.boot === boot) peer.#resetByPeer();
    };
    this.#kernel.schedule(flow.orderedDelayNs, arrive, undefined, 'tcp.rst');
  }

  #resetByPeer(): void {
    if (this.gone) return;
    this.fail(this.#finReceived ? 'EPIPE' : 'ECONNRESET');
  }

  /** The connection is lost with this error; what was received and not read is lost with it. */
  fail(error: SocketErrorCode): void {
    if (this.gone) return;
    this.#error = error;
    this.#end();
    this.#received.clear();
    this.#tell((events) => events.readable());
    this.#tell((events) => events.writable());
  }

  /** The machine lost its power: nobody is told. */
  vanish(): void {
    this.gone = true;
    this.owner = undefined;
    this.events = undefined;
    this.#connecting?.cancel();
    this.#flow?.abandon(true);
  }

  #end(): void {
    this.gone = true;
    this.#connecting?.cancel();
    this.#flow?.abandon(true);
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#leave();
  }

  #leave(): void {
    this.machine.endpoints.delete(this);
  }

  /** A segment arrives from the peer. */
  receive(kind: Segment['kind'], bytes: Buffer | undefined, count: number): void {
    if (this.gone || (kind === 'data' && this.owner === undefined)) {
      if (kind !== 'ack') this.#refuseStray();
      return;
    }
    if (kind === 'ack') {
      this.#ackedBytes = Math.max(this.#ackedBytes, count);
      this.#transmit();
      if (this.#blocked && this.#queuedBytes <= this.#network.options.sendBufferBytes) {
        this.#blocked = false;
        this.#tell((events) => events.writable());
      }
      return;
    }
    if (kind === 'open') {
      this.opened?.();
      return;
    }
    if (kind === 'fin') {
      this.#finReceived = true;
      if (this.owner === undefined && this.#finSent) {
        this.#leave();
        return;
      }
    } else if (bytes !== undefined) {
      this.#received.push(bytes);
    }
    this.#tell((events) => events.readable());
  }

  /** Of an answering end: the handshake is complete. */
  opened: (() => void) | undefined;

  #refuseStray(): void {
    const peer = this.peer;
    if (peer === undefined) return;
    const wasGone = this.gone;
    if (!wasGone) this.#end();
    this.#network.datagram(this.machine, peer.machine, 'tcp.rst', () => peer.#resetByPeer());
  }

  /** Bytes that wait to be read. */
  get readableBytes(): number {
    return this.#received.length;
  }

  /** Whether an end or an error waits behind the bytes. */
  get hasReadState(): boolean {
    return this.#finReceived || this.#error !== undefined;
  }

  /** What there is when no bytes are left: an error (told once), the end, or nothing yet. */
  readState(): SocketErrorCode | 'end' | undefined {
    if (this.#error !== undefined) {
      const error = this.#error === 'EPIPE' ? 'ECONNRESET' : this.#error;
      if (this.#error !== 'EPIPE') this.#error = undefined;
      return error;
    }
    return this.#finReceived ? 'end' : undefined;
  }

  /** Takes up to `size` bytes out of the receive buffer. */
  read(size: number): Buffer {
    const taken = this.#received.take(Math.min(size, this.#received.length));
    this.#consumedBytes += taken.length;
    const unreported = this.#consumedBytes - this.#reportedBytes;
    if (unreported * 4 >= this.#network.options.receiveWindowBytes && !this.gone) {
      this.#reportedBytes = this.#consumedBytes;
      this.#flow?.send('ack', undefined, this.#consumedBytes);
    }
    return taken;
  }

  #transmit(): void {
    if (!this.#established || this.gone) return;
    const window = this.#network.options.receiveWindowBytes;
    while (this.#queue.length > 0) {
      const room = Math.min(window - (this.#sentBytes - this.#ackedBytes), SEGMENT_BYTES_MAX);
      if (room <= 0) return;
      const head = this.#queue[0]!;
      const bytes = head.length <= room ? head : head.subarray(0, room);
      if (bytes === head) this.#queue.shift();
      else this.#queue[0] = head.subarray(room);
      this.#queuedBytes -= bytes.length;
      this.#sentBytes += bytes.length;
      this.#flow?.send('data', bytes);
    }
    if (this.#finWanted && !this.#finSent) {
      this.#finSent = true;
      this.#flow?.send('fin');
      if (this.owner === undefined && this.#finReceived) this.#leave();
    }
  }

  /** Tells the socket in an event of its process; later, if the process stands still. */
  #tell(what: (events: EndpointEvents) => void): void {
    const { owner } = this;
    if (owner === undefined || !owner.alive || this.events === undefined) return;
    const fn = () => {
      if (this.events !== undefined) what(this.events);
    };
    if (owner.paused || this.#kernel.current !== undefined) {
      this.#kernel.schedule(0, fn, owner, 'tcp.tell');
    } else {
      this.#kernel.enter(owner, fn);
    }
  }
}
