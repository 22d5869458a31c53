// What clients may ask of a server before it makes them wait or lets them go, and the counts these
// bounds are held against. Every queue that a client can fill has its bound here.

/** Bounds on clients. What happens at each: coordinator/README.md, "Limits". */
export interface ClientLimits {
  /** Largest frame taken (jute.maxbuffer). */
  frameBytesMax: number;
  /** Connections one address may have (maxClientCnxns); 0: any number. */
  connectionsPerAddressMax: number;
  /** Connections in all (maxCnxns); 0: any number. */
  connectionsMax: number;
  /** Requests under way in all before busy connections are left unread (globalOutstandingLimit). */
  outstandingMax: number;
  /** Requests one connection may have under way before it is left unread. */
  connectionOutstandingMax: number;
  /** Output that may wait for one client before its requests are left unread. */
  connectionOutputBytesMax: number;
  /** Output that may wait in all before only those that take theirs are answered. */
  totalOutputBytesMax: number;
}

/** ZooKeeper's where it has them. */
export const DEFAULT_LIMITS: Omit<ClientLimits, 'frameBytesMax'> = {
  connectionsPerAddressMax: 60,
  connectionsMax: 0,
  outstandingMax: 1000,
  connectionOutstandingMax: 1000,
  connectionOutputBytesMax: 1024 * 1024,
  totalOutputBytesMax: 64 * 1024 * 1024,
};

/** Output that waits and cannot be held back (watch events) ends the connection at this multiple. */
export const OUTPUT_EXCESS = 16;

/** Open connections, in all and by address. */
export class ConnectionCount {
  readonly #byAddress = new Map<string, number>();
  #total = 0;

  /** Counts one in; a text says which bound refuses it, and then it is not counted. */
  enter(address: string, limits: ClientLimits): string | undefined {
    const { connectionsPerAddressMax, connectionsMax } = limits;
    const here = this.#byAddress.get(address) ?? 0;
    if (connectionsMax > 0 && this.#total >= connectionsMax) {
      return `too many connections: ${this.#total} are open, maxCnxns is ${connectionsMax}`;
    }
    if (connectionsPerAddressMax > 0 && here >= connectionsPerAddressMax) {
      return (
        `too many connections from ${address}: ${here} are open, maxClientCnxns is ` +
        `${connectionsPerAddressMax}`
      );
    }
    this.#byAddress.set(address, here + 1);
    this.#total++;
    return undefined;
  }

  leave(address: string): void {
    const here = this.#byAddress.get(address) ?? 0;
    if (here > 1) this.#byAddress.set(address, here - 1);
    else this.#byAddress.delete(address);
    this.#total--;
  }
}
