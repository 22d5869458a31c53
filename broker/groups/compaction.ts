// Keeps a partition of __consumer_offsets from growing without end: when its log says much more than is in force,
// what is in force is said again at its end, and the log begins there. It is done while groups are loaded, when
// nobody else writes, so that nothing old can come behind something new.
import type { Group } from './group.ts';
import { encodeOffsetsRecord, type OffsetsRecord, type StoredGroup } from './offsets-records.ts';

/** So many times what is in force may be in the log. */
const TIMES_MAX = 4;
/** Far below the smallest `max.message.bytes` that anybody sets. */
const BATCH_BYTES_MAX = 64 * 1024;

/** How many records the log may have before it is compacted, where so many are in force. */
export function recordsAllowed(inForce: number, recordsKept: number): number {
  return Math.max(recordsKept, TIMES_MAX * inForce);
}

/** One record for each group that is stored and for each offset that is committed. */
export function recordsInForce(
  groups: Iterable<Group>,
  stored: ReadonlyMap<string, StoredGroup>,
): OffsetsRecord[] {
  const records: OffsetsRecord[] = [];
  for (const { id: group, offsets } of groups) {
    const value = stored.get(group);
    if (value !== undefined) records.push({ kind: 'group', group, value });
    for (const [topic, partitions] of offsets) {
      for (const [partition, committed] of partitions)
        records.push({ kind: 'offset', group, topic, partition, value: committed });
    }
  }
  return records;
}

/** The records in order, as many at a time as a batch should have; a large one comes alone. */
export function* inBatches(records: readonly OffsetsRecord[]): IterableIterator<OffsetsRecord[]> {
  let batch: OffsetsRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    const { key, value } = encodeOffsetsRecord(record);
    const size = key.length + (value?.length ?? 0);
    if (batch.length > 0 && bytes + size > BATCH_BYTES_MAX) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(record);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}
