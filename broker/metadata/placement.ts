// Which brokers get the replicas of a topic's partitions: from a random broker with a random shift, so that
// no broker has two copies of one partition, and leaders and copies spread evenly.

export interface Placement {
  /** Ids, ascending. */
  readonly brokers: readonly number[];
  /** How many partitions to place. */
  readonly partitions: number;
  /** At most as many as there are brokers. */
  readonly replicationFactor: number;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** For partitions that are added: how many there are, and the first broker of the first of them. */
  readonly after?: { readonly partitions: number; readonly firstBroker: number };
}

/**
 * The replicas of each partition, the preferred leader first. Partition p begins at broker `start + p`; its
 * other copies follow at a distance of `shift`, which grows with every round over all brokers, so that the
 * followers of one leader are not always the same. Source: Kafka's AdminUtils, rack-unaware.
 */
export function placeReplicas(wanted: Placement): number[][] {
  const { brokers, partitions, replicationFactor, random, after } = wanted;
  const count = brokers.length;
  if (replicationFactor < 1 || replicationFactor > count) {
    throw new RangeError(`expected 1 to ${count} replicas, got ${replicationFactor}`);
  }
  const drawn = Math.floor(random() * count);
  // Partitions that are added go on where the first ones would have, so that leaders stay even.
  const known = after === undefined ? -1 : brokers.findIndex((id) => id >= after.firstBroker);
  const start = known >= 0 ? known : drawn;
  const shift = Math.floor(random() * count);
  const offset = after?.partitions ?? 0;
  return Array.from({ length: partitions }, (_, index) => {
    const partition = offset + index;
    const first = (partition + start) % count;
    const distance = shift + Math.floor(partition / count);
    const replicas = [first];
    for (let copy = 0; copy < replicationFactor - 1; copy++) {
      replicas.push((first + 1 + ((distance + copy) % (count - 1))) % count);
    }
    return replicas.map((at) => brokers[at] as number);
  });
}
