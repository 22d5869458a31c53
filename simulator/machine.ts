// One machine of the simulation: its address, its ports, its connections, whether it has power. What
// a process leaves behind when it dies is the machine's to clean up, as a kernel does.
import type { Flow } from './flow.ts';
import type { FailingOwner } from './kernel.ts';
import type { Listener } from './listener.ts';
import type { Link, Network } from './network.ts';
import type { Endpoint } from './tcp.ts';

const PORT_FIRST = 32_768;
const PORT_COUNT = 28_232;

export class Machine {
  readonly network: Network;
  readonly name: string;
  readonly address: string;
  readonly links = new Map<Machine, Link>();
  readonly endpoints = new Set<Endpoint>();
  /** Flows towards this machine that wait until it has power again. */
  readonly stalled = new Set<Flow>();
  up = true;
  /** Counts the power losses: what belongs to an earlier boot is gone. */
  boot = 0;
  readonly #listeners = new Map<number, Listener[]>();
  #nextPort: number;
  #nextPid = 100;

  constructor(network: Network, name: string, address: string) {
    this.network = network;
    this.name = name;
    this.address = address;
    this.#nextPort = network.kernel.entropy.stream('network').int(PORT_COUNT);
  }

  nextPid(): number {
    return this.#nextPid++;
  }

  /** A port that no listener and no connection of this machine has. */
  freePort(): number {
    const used = new Set<number>(this.#listeners.keys());
    for (const endpoint of this.endpoints) used.add(endpoint.localPort);
    for (let tries = 0; tries < PORT_COUNT; tries++) {
      const port = PORT_FIRST + (this.#nextPort++ % PORT_COUNT);
      if (!used.has(port)) return port;
    }
    return 0;
  }

  /** Who answers on this address and port. */
  listener(address: string, port: number): Listener | undefined {
    const all = this.#listeners.get(port) ?? [];
    return all.find((l) => l.address === address) ?? all.find((l) => isAnyAddress(l.address));
  }

  /** Takes the port for the listener; false when it is taken (EADDRINUSE). */
  addListener(listener: Listener): boolean {
    const all = this.#listeners.get(listener.port) ?? [];
    const clash = all.some(
      (other) =>
        other.address === listener.address ||
        isAnyAddress(other.address) ||
        isAnyAddress(listener.address),
    );
    if (clash) return false;
    this.#listeners.set(listener.port, [...all, listener]);
    return true;
  }

  removeListener(listener: Listener): void {
    const rest = (this.#listeners.get(listener.port) ?? []).filter((other) => other !== listener);
    if (rest.length === 0) this.#listeners.delete(listener.port);
    else this.#listeners.set(listener.port, rest);
  }

  /** A process has died: its listeners and connections are closed as a kernel closes them. */
  release(owner: FailingOwner): void {
    for (const listeners of [...this.#listeners.values()]) {
      for (const listener of listeners) if (listener.owner === owner) this.removeListener(listener);
    }
    for (const endpoint of [...this.endpoints]) if (endpoint.owner === owner) endpoint.abandon();
  }

  /** The machine falls silent: nobody is told, and what it would have sent again is gone. */
  losePower(): void {
    this.up = false;
    this.boot++;
    for (const endpoint of [...this.endpoints]) endpoint.vanish();
    this.endpoints.clear();
    this.#listeners.clear();
  }

  gainPower(): void {
    this.up = true;
    const flows = [...this.stalled];
    this.stalled.clear();
    for (const flow of flows) flow.resume();
  }
}

export function isAnyAddress(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}
