// A port that a process listens on: answers handshakes, also while its process is paused, and hands the
// process the connections that stand.
import type { FailingOwner } from './kernel.ts';
import type { Machine } from './machine.ts';
import { Endpoint } from './tcp.ts';

/** Connections that a listener keeps waiting for its process; more are not answered. */
const BACKLOG_MAX = 511;

/** A port that a process listens on. */
export class Listener {
  readonly machine: Machine;
  readonly owner: FailingOwner;
  readonly address: string;
  readonly port: number;
  readonly #accept: (endpoint: Endpoint) => void;
  readonly #answered = new WeakMap<Endpoint, Endpoint>();
  #pending = 0;

  constructor(
    machine: Machine,
    owner: FailingOwner,
    address: string,
    port: number,
    accept: (endpoint: Endpoint) => void,
  ) {
    this.machine = machine;
    this.owner = owner;
    this.address = address;
    this.port = port;
    this.#accept = accept;
  }

  /** A SYN arrives: the end that answers it, the same for every repetition; or no answer. */
  answer(asking: Endpoint, machine: Machine): Endpoint | undefined {
    const known = this.#answered.get(asking);
    if (known !== undefined) return known;
    if (this.#pending >= BACKLOG_MAX) return undefined;
    const local: [string, number] = [asking.remoteAddress, asking.remotePort];
    const remote: [string, number] = [asking.localAddress, asking.localPort];
    const endpoint = new Endpoint(machine, this.owner, local, remote);
    endpoint.accept(asking);
    this.#answered.set(asking, endpoint);
    this.#pending++;
    endpoint.opened = () => this.#deliver(endpoint);
    return endpoint;
  }

  #deliver(endpoint: Endpoint): void {
    const { kernel } = this.machine.network;
    const fn = () => {
      this.#pending--;
      if (endpoint.gone && endpoint.readState() === undefined) return;
      if (this.machine.listener(this.address, this.port) !== this) return endpoint.reset();
      this.#accept(endpoint);
    };
    if (this.owner.paused) kernel.schedule(0, fn, this.owner, 'tcp.accept');
    else kernel.enter(this.owner, fn);
  }
}
