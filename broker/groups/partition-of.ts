// Which partition of __consumer_offsets keeps a group, and so which broker coordinates it. Clients may work it
// out themselves, therefore the hash is Java's, as in Kafka.

/** Java's String.hashCode: a signed 32-bit sum over UTF-16 units. */
export function javaHashCode(text: string): number {
  let hash = 0;
  for (let at = 0; at < text.length; at++) hash = (Math.imul(31, hash) + text.charCodeAt(at)) | 0;
  return hash;
}

/** The partition of the offsets topic that keeps the group (Kafka: Utils.abs, where -2^31 becomes 0). */
export function partitionOfGroup(group: string, partitions: number): number {
  const hash = javaHashCode(group);
  return (hash === -(2 ** 31) ? 0 : Math.abs(hash)) % partitions;
}
