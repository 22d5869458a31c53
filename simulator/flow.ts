// One direction of a TCP connection: segments on their way, in order, over a link that may be cut or lead
// to a machine without power. What cannot travel waits, as if it were sent again and again.
import type { Scheduled } from './host.ts';
import { type Link, type Network, retransmissionNs } from './network.ts';

const SECOND = 1e9;
/** Linux's tcp_retries2 of 15: how long unacknowledged data is sent again, about 924.6 s. */
const GIVE_UP_NS = 924.6 * SECOND;

export type SocketErrorCode =
  | 'ECONNREFUSED'
  | 'ECONNRESET'
  | 'EPIPE'
  | 'ETIMEDOUT'
  | 'EHOSTUNREACH';

/** The end that sends on a flow. */
export interface Sender {
  /** The end that receives. */
  readonly peer:
    | { receive(kind: Segment['kind'], bytes: Buffer | undefined, count: number): void }
    | undefined;
  fail(error: SocketErrorCode): void;
}

/** What travels in order on a connection. */
export type Segment = {
  kind: 'open' | 'data' | 'fin' | 'ack';
  bytes: Buffer | undefined;
  /** Of an `ack`: all bytes that the other end has consumed. */
  count: number;
  sentNs: number;
  readyNs: number;
};

/** One direction of a connection: segments on their way, in order. */
export class Flow {
  readonly #network: Network;
  readonly #sender: Sender;
  readonly #link: Link;
  #queue: Segment[] = [];
  #lastNs = 0;
  #stalled = false;
  #giveUp: Scheduled | undefined;
  #abandoned = false;
  readonly #pumped = (): void => this.#pump();

  constructor(network: Network, sender: Sender, link: Link) {
    this.#network = network;
    this.#sender = sender;
    this.#link = link;
  }

  send(kind: Segment['kind'], bytes?: Buffer, count = 0): void {
    const { kernel } = this.#network;
    const now = kernel.nowNs;
    const segment = { kind, bytes, count, sentNs: now, readyNs: now };
    this.#queue.push(segment);
    if (this.#stalled) return;
    if (this.#link.cut) {
      this.#stall(this.#link.stalled);
      return;
    }
    this.#travel(segment);
  }

  /** Forgets what was not delivered; `keepSent` leaves what is on the wire already. */
  abandon(keepSent: boolean): void {
    if (!keepSent || this.#stalled) this.#queue = [];
    this.#abandoned = true;
    this.#giveUp?.cancel();
    this.#link.stalled.delete(this);
    this.#link.to.stalled.delete(this);
  }

  /** When nothing sent after now can arrive earlier, ns from now. */
  get orderedDelayNs(): number {
    const now = this.#network.kernel.nowNs;
    return Math.max(this.#network.latencyNs(this.#link), this.#lastNs - now);
  }

  /** The cut has healed or the machine is back: sends again when TCP's timer would. */
  resume(): void {
    const head = this.#queue[0];
    if (head === undefined) {
      this.#stalled = false;
      return;
    }
    const { kernel } = this.#network;
    const wait = retransmissionNs(head.sentNs, kernel.nowNs) - kernel.nowNs;
    kernel.schedule(wait, () => this.#retransmit(), undefined, 'tcp.retransmit');
  }

  #retransmit(): void {
    if (this.#abandoned || !this.#stalled) return;
    if (this.#link.cut) {
      this.#link.stalled.add(this);
      return;
    }
    this.#stalled = false;
    this.#giveUp?.cancel();
    this.#lastNs = 0;
    for (const segment of this.#queue) this.#travel(segment);
  }

  #travel(segment: Segment): void {
    const { kernel } = this.#network;
    const now = kernel.nowNs;
    segment.readyNs = Math.max(now + this.#network.latencyNs(this.#link), this.#lastNs);
    this.#lastNs = segment.readyNs;
    kernel.schedule(segment.readyNs - now, this.#pumped, undefined, 'tcp.segment');
  }

  #pump(): void {
    const { kernel } = this.#network;
    while (!this.#stalled) {
      const head = this.#queue[0];
      if (head === undefined || head.readyNs > kernel.nowNs) return;
      if (this.#link.cut) {
        this.#stall(this.#link.stalled);
        return;
      }
      if (!this.#link.to.up) {
        this.#stall(this.#link.to.stalled);
        return;
      }
      this.#queue.shift();
      this.#sender.peer?.receive(head.kind, head.bytes, head.count);
    }
  }

  #stall(where: Set<Flow>): void {
    if (this.#abandoned) {
      this.#queue = [];
      return;
    }
    this.#stalled = true;
    where.add(this);
    const { kernel } = this.#network;
    this.#giveUp?.cancel();
    this.#giveUp = kernel.schedule(
      GIVE_UP_NS,
      () => {
        if (this.#stalled) this.#sender.fail('ETIMEDOUT');
      },
      undefined,
      'tcp.give-up',
    );
  }
}
