// What the local driver tells the agent in a node's process, and the address book both read it as.
// Node names and ports of the cluster are mapped onto loopback by this table alone.
import { isBackstage } from './backstage.ts';

/** One node of the cluster as every agent knows it. */
export interface AgentPeer {
  /** Where it appears to be: what name lookups give. Never bound, never on the wire. */
  address: string;
  /** Its ports as its peers call them, and where on 127.0.0.1 they really are. */
  ports: Record<string, number>;
  /** First and last of the local ports its outgoing connections use: they say who is calling. */
  sourcePorts: [number, number];
}

/** What the driver passes in the environment as CHAOS_AGENT. */
export interface AgentConfig {
  node: string;
  incarnation: number;
  nodes: Record<string, AgentPeer>;
  control: { port: number; token: string };
}

/** Where a connection is meant to go. */
export type Destination =
  /** A port of a node of the cluster. */
  | { to: 'node'; node: string; port: number }
  /** A node of the cluster, at a port where nobody can listen. */
  | { to: 'closed'; node: string }
  /** This machine, outside the cluster: left alone. */
  | { to: 'loopback' }
  /** Some other machine: swallowed. */
  | { to: 'outside' }
  /** A name: the patched lookup decides. */
  | { to: 'name' };

/** What means this machine when connecting; the last two are what listeners call `anywhere`. */
const LOOPBACK_NAMES: ReadonlySet<string> = new Set(['localhost', '::1', '0.0.0.0', '::']);

/** The cluster's names, addresses and ports. */
export class AddressBook {
  readonly self: string;
  readonly #nodes: ReadonlyMap<string, AgentPeer>;
  readonly #byAddress = new Map<string, string>();

  constructor(config: AgentConfig) {
    this.self = config.node;
    this.#nodes = new Map(Object.entries(config.nodes));
    for (const [node, peer] of this.#nodes) this.#byAddress.set(peer.address, node);
  }

  /** The apparent address of a node, or undefined for a name that is none. */
  addressOf(name: string): string | undefined {
    return this.#nodes.get(name.toLowerCase().replace(/\.$/, ''))?.address;
  }

  /** Where a port of a node really listens, or undefined if it has no such port. */
  mappedPort(node: string, port: number): number | undefined {
    return this.#nodes.get(node)?.ports[String(port)];
  }

  /** The local ports this node's connections use. */
  get sourcePorts(): [number, number] {
    return (this.#nodes.get(this.self) as AgentPeer).sourcePorts;
  }

  /** Whose connections come from this local port; undefined when no node's, but a client's perhaps. */
  nodeOfSource(port: number): string | undefined {
    for (const [node, { sourcePorts }] of this.#nodes) {
      if (port >= sourcePorts[0] && port <= sourcePorts[1]) return node;
    }
    return undefined;
  }

  /** Tells where a connect to `host` and `port` is meant to go. */
  destination(host: string, port: number): Destination {
    const name = host.toLowerCase().replace(/\.$/, '');
    if (isBackstage(name)) return { to: 'loopback' };
    const loopback = LOOPBACK_NAMES.has(name) || /^(::ffff:)?127\./.test(name);
    let node = this.#nodes.has(name) ? name : this.#byAddress.get(name);
    if (node === undefined && loopback && this.mappedPort(this.self, port) !== undefined) {
      node = this.self;
    }
    if (node !== undefined) {
      const known = this.mappedPort(node, port) !== undefined;
      return known ? { to: 'node', node, port } : { to: 'closed', node };
    }
    if (loopback) return { to: 'loopback' };
    return /^[\d.]+$/.test(name) || name.includes(':') ? { to: 'outside' } : { to: 'name' };
  }
}
