// Addresses for programs that are not Node's. Such a program listens at its node's address backstage,
// which is a real one, while peers know the node by the address that the agent only pretends.

const FRONT = '127.77.';
const BACK = '127.78.';

/** The apparent address of a node: unique to the cluster, by the port that locks its slot of ports. */
export function frontAddress(lockPort: number, index: number): string {
  return `${FRONT}${lockPort >> 8}.${index + 1}`;
}

/** Where on this machine the program behind a node may really listen. */
export function backstage(front: string): string {
  return front.replace(FRONT, BACK);
}

/** The apparent address of the node behind which an address lies; others as they are. */
export function frontOf(address: string): string {
  return address.startsWith(BACK) ? address.replace(BACK, FRONT) : address;
}

/** Whether the agent must leave connections to this address alone. */
export function isBackstage(address: string): boolean {
  return address.startsWith(BACK);
}
