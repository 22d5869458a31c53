// The machines of a simulation and the links between them: latency, cuts, delays, loss. A cut link
// loses nothing for good: what TCP would send again waits and goes on after the heal.

import type { Flow } from './flow.ts';
import type { RandomStream } from './host.ts';
import type { Kernel } from './kernel.ts';
import { Machine } from './machine.ts';

/** How one direction between two machines behaves. */
export interface LinkOptions {
  /** Latency of a packet, uniform between the two, in ms. */
  latencyMinMs?: number;
  latencyMaxMs?: number;
  /** Added to every packet, in ms: the delay fault. */
  delayMs?: number;
  /** Chance that a packet is lost, 0 to below 1; TCP sends it again, so loss is seen as delay. */
  loss?: number;
}

export interface NetworkOptions extends LinkOptions {
  /** Chance that a read ends at a random byte or waits for more; default 0.2. */
  rechunk?: number;
  /** Bytes a receiver holds unread before the sender stalls; default 64 KiB. */
  receiveWindowBytes?: number;
  /** Bytes a sender's kernel takes before a write has to wait; default 64 KiB. */
  sendBufferBytes?: number;
}

const MS = 1e6;
/** First wait before a lost segment is sent again, as in Linux; it doubles up to the greatest. */
const RETRANSMIT_NS = 200 * MS;
const RETRANSMIT_NS_MAX = 120_000 * MS;
/** No segment is lost more often than this: an end of the wait is part of the model. */
const LOSSES_MAX = 5;
const LOOPBACK_NS = { min: 10_000, max: 40_000 };

/** One direction between two machines. */
export class Link {
  readonly from: Machine;
  readonly to: Machine;
  cut = false;
  latencyMinNs: number;
  latencyMaxNs: number;
  delayNs = 0;
  loss = 0;
  /** Flows that wait for the heal. */
  readonly stalled = new Set<Flow>();

  constructor(from: Machine, to: Machine, options: LinkOptions) {
    this.from = from;
    this.to = to;
    this.latencyMinNs = (options.latencyMinMs ?? 0.1) * MS;
    this.latencyMaxNs = (options.latencyMaxMs ?? 0.5) * MS;
    if (from === to) {
      this.latencyMinNs = LOOPBACK_NS.min;
      this.latencyMaxNs = LOOPBACK_NS.max;
    }
  }

  set(options: LinkOptions): void {
    const { latencyMinMs, latencyMaxMs, delayMs, loss } = options;
    if (loss !== undefined && !(loss >= 0 && loss < 1)) {
      throw new RangeError(`expected a loss from 0 to below 1, got ${loss}: to lose all, cut`);
    }
    if (latencyMinMs !== undefined) this.latencyMinNs = latencyMinMs * MS;
    if (latencyMaxMs !== undefined) this.latencyMaxNs = latencyMaxMs * MS;
    if (delayMs !== undefined) this.delayNs = delayMs * MS;
    if (loss !== undefined) this.loss = loss;
  }
}

/** When a segment first sent at `sentNs` is sent again next, at or after `nowNs`. */
export function retransmissionNs(sentNs: number, nowNs: number): number {
  let at = sentNs;
  let wait = RETRANSMIT_NS;
  while (at < nowNs) {
    at += wait;
    wait = Math.min(wait * 2, RETRANSMIT_NS_MAX);
  }
  return at;
}

export class Network {
  readonly kernel: Kernel;
  readonly options: Required<NetworkOptions>;
  readonly #random: RandomStream;
  readonly #machines = new Map<string, Machine>();
  readonly #addresses = new Map<string, Machine>();

  constructor(kernel: Kernel, options: NetworkOptions = {}) {
    this.kernel = kernel;
    this.#random = kernel.entropy.stream('network');
    this.options = {
      latencyMinMs: options.latencyMinMs ?? 0.1,
      latencyMaxMs: options.latencyMaxMs ?? 0.5,
      delayMs: options.delayMs ?? 0,
      loss: options.loss ?? 0,
      rechunk: options.rechunk ?? 0.2,
      receiveWindowBytes: options.receiveWindowBytes ?? 65_536,
      sendBufferBytes: options.sendBufferBytes ?? 65_536,
    };
  }

  /** All machines, in the order of their making. */
  get machines(): Machine[] {
    return [...this.#machines.values()];
  }

  addMachine(name: string): Machine {
    if (this.#machines.has(name)) throw new Error(`expected a new host name, got '${name}' again`);
    const number = this.#machines.size + 1;
    const address = `10.0.${number >> 8}.${number & 255}`;
    const machine = new Machine(this, name, address);
    this.#machines.set(name, machine);
    this.#addresses.set(address, machine);
    return machine;
  }

  machine(name: string): Machine {
    const machine = this.#machines.get(name);
    if (machine !== undefined) return machine;
    throw new Error(`unknown host '${name}': known are ${[...this.#machines.keys()].join(', ')}`);
  }

  find(name: string): Machine | undefined {
    return this.#machines.get(name);
  }

  byAddress(address: string): Machine | undefined {
    return this.#addresses.get(address);
  }

  /** The address that `name` stands for on any machine, or undefined (ENOTFOUND). */
  resolve(name: string): string | undefined {
    if (name === 'localhost') return '127.0.0.1';
    return this.#machines.get(name)?.address;
  }

  link(from: Machine, to: Machine): Link {
    let link = from.links.get(to);
    if (link === undefined) {
      link = new Link(from, to, this.options);
      link.set({ delayMs: this.options.delayMs, loss: this.options.loss });
      from.links.set(to, link);
    }
    return link;
  }

  /** From now on no packet goes from one to the other; the other way is not touched. */
  cut(from: string, to: string): void {
    this.link(this.machine(from), this.machine(to)).cut = true;
    this.kernel.note('cut', `${from}>${to}`);
  }

  /** Ends a cut. What was sent meanwhile goes on when TCP would have sent it again. */
  heal(from: string, to: string): void {
    const link = this.link(this.machine(from), this.machine(to));
    link.cut = false;
    this.kernel.note('heal', `${from}>${to}`);
    const flows = [...link.stalled];
    link.stalled.clear();
    for (const flow of flows) flow.resume();
  }

  /** Changes latency, delay or loss of one direction. */
  shape(from: string, to: string, options: LinkOptions): void {
    this.link(this.machine(from), this.machine(to)).set(options);
    this.kernel.note('shape', `${from}>${to} ${JSON.stringify(options)}`);
  }

  /** How long the packet sent now on this link takes, ns. */
  latencyNs(link: Link): number {
    const random = this.#random;
    const span = link.latencyMaxNs - link.latencyMinNs;
    let latency = link.latencyMinNs + random.float() * span + link.delayNs;
    if (link.loss > 0) {
      // The next segments tell of the first loss within a round trip; then it takes TCP's timer.
      let wait = 2 * latency;
      for (let i = 0; i < LOSSES_MAX && random.float() < link.loss; i++) {
        latency += wait;
        wait = RETRANSMIT_NS * 2 ** i;
      }
    }
    return Math.round(latency);
  }

  /** A packet that nobody sends again: it is lost under a cut, by chance, or on a dead machine. */
  datagram(from: Machine, to: Machine, kind: string, arrive: () => void): void {
    const link = this.link(from, to);
    if (link.cut || !from.up) return;
    const random = this.#random;
    if (link.loss > 0 && random.float() < link.loss) return;
    const span = link.latencyMaxNs - link.latencyMinNs;
    const latency = link.latencyMinNs + random.float() * span + link.delayNs;
    const boot = to.boot;
    this.kernel.schedule(
      latency,
      () => {
        if (!link.cut && to.up && to.boot === boot) arrive();
      },
      undefined,
      kind,
    );
  }
}
