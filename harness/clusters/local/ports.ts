// Finds loopback ports for a cluster of processes, away from the ephemeral ports, so that nobody gets
// one by chance while its node is down. A slot of ports is owned by whoever listens on its first.
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import type { NodeSpec } from '../../cluster.ts';
import { PROBE_PORT } from '../probe.ts';

const SLOT_PORTS = 1_500;
const RANGE: [number, number] = [8_000, 32_000];
const SOURCE_PORTS_MIN = 32;

/** Ports of one node, all on 127.0.0.1. */
export interface NodePorts {
  /** Where each port of the node really is. */
  mapped: Map<number, number>;
  /** First and last local port of its outgoing connections. */
  sourcePorts: [number, number];
}

/** The ports of a cluster, held as long as `lock` listens. */
export interface PortPlan {
  lock: Server;
  lockPort: number;
  nodes: Map<string, NodePorts>;
}

function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => resolve(server));
  });
}

async function isFree(port: number): Promise<boolean> {
  const server = await listen(port);
  if (server === undefined) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}

/** The ports to choose from: beside the range the kernel gives to clients. */
function usableRange(): { first: number; last: number; overlaps: boolean } {
  let low = 49_152;
  let high = 65_535;
  try {
    const text = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
    const [lowText, highText] = text.trim().split(/\s+/);
    low = Number(lowText);
    high = Number(highText);
  } catch {
    // Not Linux: the others use IANA's range.
  }
  const [first, last] = RANGE;
  if (low > last) return { first, last, overlaps: false };
  if (low - first >= SLOT_PORTS) return { first, last: low - 1, overlaps: false };
  if (65_535 - high >= SLOT_PORTS) return { first: high + 1, last: 65_535, overlaps: false };
  return { first, last, overlaps: true };
}

/** Takes a free slot of ports and shares it out. Throws when all slots are taken. */
export async function takePorts(
  specs: readonly NodeSpec[],
  log: (line: string) => void,
): Promise<PortPlan> {
  const { first, last, overlaps } = usableRange();
  if (overlaps) {
    log('the ephemeral ports fill the whole range here: a client may be mistaken for a node');
  }
  const slots = Math.floor((last - first + 1) / SLOT_PORTS);
  const offset = Math.floor(Math.random() * slots);
  for (let i = 0; i < slots; i++) {
    const lockPort = first + ((offset + i) % slots) * SLOT_PORTS;
    const lock = await listen(lockPort);
    if (lock === undefined) continue;
    const nodes = await shareOut(specs, lockPort);
    if (nodes !== undefined) return { lock, lockPort, nodes };
    lock.close();
  }
  throw new Error(
    `all ${slots} slots of ports from ${first} to ${last} are taken; end other clusters first`,
  );
}

/** Gives every node its ports from a slot, or undefined if too many of them are in use. */
async function shareOut(
  specs: readonly NodeSpec[],
  lockPort: number,
): Promise<Map<string, NodePorts> | undefined> {
  const end = lockPort + SLOT_PORTS;
  let next = lockPort + 1;
  const shared = new Map<string, NodePorts>();
  for (const spec of specs) {
    const mapped = new Map<number, number>();
    for (const port of [...Object.values(spec.ports), PROBE_PORT]) {
      while (next < end && !(await isFree(next))) next++;
      mapped.set(port, next++);
    }
    shared.set(spec.name, { mapped, sourcePorts: [0, 0] });
  }
  const each = Math.floor((end - next) / specs.length);
  if (each < SOURCE_PORTS_MIN) return undefined;
  for (const ports of shared.values()) {
    ports.sourcePorts = [next, next + each - 1];
    next += each;
  }
  return shared;
}
