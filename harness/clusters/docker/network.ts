// Makes the bridge network of a run in a subnet that nothing on this machine uses. Docker only knows
// its own networks, so the host's interfaces are looked at too.
import { networkInterfaces } from 'node:os';
import type Docker from 'dockerode';
import { statusOf } from './daemon.ts';

/** A run's network: nodes get the addresses from `.11` on. */
export interface RunNetwork {
  id: string;
  /** `10.x.y.0/24`. */
  subnet: string;
  /** Address of the node at this position, from 0. */
  address(index: number): string;
}

const ATTEMPTS_MAX = 20;
/** Nodes start here, so that the gateway and whatever a daemon reserves stay below. */
const FIRST_HOST = 11;

function hostPrefixes(): Set<string> {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return new Set(addresses.map((a) => a.address.split('.').slice(0, 3).join('.')));
}

/** Creates the network. Throws after 20 subnets that were all taken. */
export async function createNetwork(
  docker: Docker,
  name: string,
  labels: Record<string, string>,
): Promise<RunNetwork> {
  const taken = hostPrefixes();
  let refusal = '';
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    // Not the run's seed: two runs of one seed at once must not fight for one subnet.
    const second = 64 + Math.floor(Math.random() * 128);
    const prefix = `10.${second}.${Math.floor(Math.random() * 256)}`;
    if (taken.has(prefix)) continue;
    const subnet = `${prefix}.0/24`;
    try {
      const network = await docker.createNetwork({
        Name: name,
        Driver: 'bridge',
        CheckDuplicate: true,
        EnableIPv6: false,
        IPAM: { Driver: 'default', Config: [{ Subnet: subnet, Gateway: `${prefix}.1` }] },
        Labels: labels,
      });
      return { id: network.id, subnet, address: (index) => `${prefix}.${FIRST_HOST + index}` };
    } catch (error) {
      refusal = (error as Error).message;
      const overlap = /overlap|conflict|already in use/i.test(refusal);
      if (!overlap || statusOf(error) === 409) throw error;
    }
  }
  throw new Error(`no free subnet after ${ATTEMPTS_MAX} attempts; the daemon says: ${refusal}`);
}
