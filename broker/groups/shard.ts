// The groups of one partition of __consumer_offsets while this broker leads it: loaded from its log, kept in
// memory, and every change appended before it counts. Nothing outlives the leadership.
//
// A partition grows by one record for each commit of a partition and two for each rebalance. When that has become
// far more than what is in force, the groups are loaded anew, and compacted as they are.
import type { ErrorName } from '../../wire/kafka/error-codes.ts';
import { batchesOf } from '../../wire/kafka/record-batch.ts';
import { buildBatch, type KafkaRecord, recordsOf } from '../../wire/kafka/records.ts';
import { OFFSETS_TOPIC, type Produced, type Replicas } from '../contract.ts';
import type { CommitAsk } from './answers.ts';
import { inBatches, recordsAllowed, recordsInForce } from './compaction.ts';
import { Group } from './group.ts';
import {
  type CommittedOffset,
  decodeOffsetsRecord,
  encodeOffsetsRecord,
  type OffsetsRecord,
  type StoredGroup,
} from './offsets-records.ts';

/** Groups of one partition; a stranger could otherwise name groups without end. */
const GROUPS_MAX = 100_000;
const LOAD_BYTES = 1024 * 1024;
const LOAD_WAIT_MS = 500;
const RETRY_MS = 50;

export interface ShardParts {
  readonly brokerId: number;
  readonly replicas: Replicas;
  readonly wallMs: () => number;
  /** How long an append waits for the other replicas, ms (offsets.commit.timeout.ms). */
  readonly storeTimeoutMs: number;
  /** Fewer records than this are never compacted. */
  readonly recordsKept?: number | undefined;
  /** Its log says so much more than is in force that it should be loaded anew. */
  readonly outgrown: () => void;
}

const RECORDS_KEPT = 100_000;

export class Shard {
  readonly partition: number;
  /** Leader epoch of the partition that it belongs to. */
  readonly epoch: number;
  readonly groups = new Map<string, Group>();
  loaded = false;
  readonly #parts: ShardParts;
  #ended = false;
  /** Records in the log, and how many of them are too many. */
  #records = 0;
  #recordsMax = Number.POSITIVE_INFINITY;

  constructor(partition: number, epoch: number, parts: ShardParts) {
    this.partition = partition;
    this.epoch = epoch;
    this.#parts = parts;
  }

  /** The leadership is over: whatever is under way must not touch its groups any more. */
  end(): void {
    this.#ended = true;
  }

  get #about(): { topic: string; partition: number } {
    return { topic: OFFSETS_TOPIC, partition: this.partition };
  }

  /** The group of this id, made if there is none; undefined: there are too many. */
  group(id: string): Group | undefined {
    const known = this.groups.get(id);
    if (known !== undefined) return known;
    if (this.groups.size >= GROUPS_MAX) return undefined;
    const group = new Group(id);
    this.groups.set(id, group);
    return group;
  }

  /**
   * Reads the log to its end, waiting until all of it is committed: what an earlier leader acknowledged
   * may lie above the high watermark that this one knows. False: the leadership ended meanwhile.
   */
  async load(): Promise<boolean> {
    const { replicas, brokerId } = this.#parts;
    const stored = new Map<string, StoredGroup>();
    const at = (timestamp: number) =>
      replicas.offsetAt({ ...this.#about, timestamp, currentLeaderEpoch: this.epoch }, brokerId);
    let end = -1;
    let next = -1;
    while (!this.#ended) {
      if (end < 0) {
        const [start, stop] = [await at(-2), await at(-1)];
        if (start.error === undefined && stop.error === undefined) {
          next = start.offset;
          end = stop.offset;
        } else await pause(RETRY_MS);
        continue;
      }
      if (next >= end) break;
      const [fetched] = await replicas.fetch(
        [
          {
            ...this.#about,
            offset: next,
            maxBytes: LOAD_BYTES,
            currentLeaderEpoch: this.epoch,
            lastFetchedEpoch: -1,
          },
        ],
        {
          replicaId: -1,
          replicaEpoch: -1,
          maxBytes: LOAD_BYTES,
          minBytes: 1,
          maxWaitMs: LOAD_WAIT_MS,
        },
      );
      const from = next;
      if (fetched !== undefined && fetched.error === undefined)
        next = this.#take(fetched.records, next, stored);
      if (next === from && fetched?.error !== undefined) await pause(RETRY_MS);
    }
    if (!this.#ended) await this.#compact(stored);
    if (this.#ended) return false;
    this.loaded = true;
    return true;
  }

  /** Says again what is in force and lets go of the rest, where that is much; if it cannot, all stays. */
  async #compact(stored: ReadonlyMap<string, StoredGroup>): Promise<void> {
    const { recordsKept = RECORDS_KEPT, replicas } = this.#parts;
    const inForce = recordsInForce(this.groups.values(), stored);
    const allowed = recordsAllowed(inForce.length, recordsKept);
    let begin: number | undefined;
    let failed = false;
    if (this.#records > allowed) {
      for (const batch of inBatches(inForce)) {
        const { error, position } = await this.#append(batch);
        failed = error !== undefined || this.#ended;
        if (failed) break;
        begin ??= position;
      }
      if (!failed && begin !== undefined) {
        await replicas.deleteBefore(this.#about, begin);
        this.#records = inForce.length;
      }
    }
    // After one that failed, or found little to let go, the next is not tried at once.
    this.#recordsMax = Math.max(allowed, this.#records + recordsKept);
  }

  #take(batches: readonly Buffer[], from: number, stored: Map<string, StoredGroup>): number {
    let next = from;
    for (const { header, bytes } of batches.flatMap((each) => [...batchesOf(each)])) {
      if (!header.isControl)
        for (const record of recordsOf(bytes))
          if (record.offset >= from) this.#replay(record, stored);
      next = Math.max(next, header.lastOffset + 1);
    }
    return next;
  }

  #replay({ key, value }: KafkaRecord, stored: Map<string, StoredGroup>): void {
    this.#records++;
    const record = key === null ? undefined : decodeOffsetsRecord(key, value);
    if (record === undefined) return;
    let group = this.groups.get(record.group);
    if (group === undefined) {
      group = new Group(record.group);
      this.groups.set(record.group, group);
    }
    if (record.kind === 'group') {
      group.restore(record.value);
      if (record.value === null) stored.delete(record.group);
      else stored.set(record.group, record.value);
    } else keep(group, record.topic, record.partition, record.value);
  }

  /** Stores what a group is, replicated. Resolves with the error to answer; undefined: it is stored. */
  async store(
    group: Group,
    assignments: ReadonlyMap<string, Buffer> | undefined,
  ): Promise<ErrorName | undefined> {
    const value = group.stored(assignments, this.#parts.wallMs());
    const { error } = await this.#append([{ kind: 'group', group: group.id, value }]);
    return error;
  }

  /**
   * Stores offsets, replicated, and lets them be fetched from then on. The caller has checked who commits:
   * the append comes in the same turn, so that the log never has a commit after its generation's end.
   */
  async commit(group: Group, { offsets }: CommitAsk): Promise<ErrorName | undefined> {
    const commitTimestampMs = this.#parts.wallMs();
    const records = offsets.map(({ topic, partition, offset, leaderEpoch, metadata }) => ({
      kind: 'offset' as const,
      group: group.id,
      topic,
      partition,
      value: { offset, leaderEpoch, metadata, commitTimestampMs },
    }));
    const { error, position } = await this.#append(records);
    if (error !== undefined) return error;
    // Acknowledgements may come out of order; what counts is the order of the log.
    for (const { topic, partition, value } of records) {
      const key = `${group.id}\0${topic}\0${partition}`;
      if ((this.#positions.get(key) ?? -1) > position) continue;
      this.#positions.set(key, position);
      keep(group, topic, partition, value);
    }
    return undefined;
  }

  /** Offset in the log of the commit that is kept, by group, topic and partition. */
  readonly #positions = new Map<string, number>();

  /** Takes back what all groups committed for a topic that is no more. */
  async forgetTopic(topic: string): Promise<void> {
    const records: OffsetsRecord[] = [];
    for (const group of this.groups.values()) {
      for (const partition of group.offsets.get(topic)?.keys() ?? [])
        records.push({ kind: 'offset', group: group.id, topic, partition, value: null });
      group.offsets.delete(topic);
    }
    // If it cannot be stored, the next leader has the old offsets until they are committed anew.
    if (records.length > 0) await this.#append(records);
  }

  async #append(
    entries: readonly OffsetsRecord[],
  ): Promise<{ error: ErrorName | undefined; position: number }> {
    if (this.#ended) return { error: 'NOT_COORDINATOR', position: -1 };
    const { replicas, wallMs, storeTimeoutMs } = this.#parts;
    const timestampMs = wallMs();
    const batch = buildBatch(entries.map((e) => ({ timestampMs, ...encodeOffsetsRecord(e) })));
    const [produced] = await replicas.produce([{ ...this.#about, records: batch }], {
      acks: -1,
      timeoutMs: storeTimeoutMs,
    });
    if (this.#ended) return { error: 'NOT_COORDINATOR', position: -1 };
    this.#records += entries.length;
    if (this.loaded && this.#records > this.#recordsMax) this.#parts.outgrown();
    return { error: toAnswer(produced), position: produced?.baseOffset ?? -1 };
  }
}

/** What those who asked a coordinator are told of a failed append, as in Kafka. */
function toAnswer(produced: Produced | undefined): ErrorName | undefined {
  if (produced === undefined) return 'UNKNOWN_SERVER_ERROR';
  switch (produced.error) {
    case undefined:
    case 'NONE':
      return undefined;
    case 'UNKNOWN_TOPIC_OR_PARTITION':
    case 'NOT_ENOUGH_REPLICAS':
    case 'NOT_ENOUGH_REPLICAS_AFTER_APPEND':
    case 'REQUEST_TIMED_OUT':
      return 'COORDINATOR_NOT_AVAILABLE';
    case 'NOT_LEADER_OR_FOLLOWER':
    case 'FENCED_LEADER_EPOCH':
    case 'KAFKA_STORAGE_ERROR':
      return 'NOT_COORDINATOR';
    case 'MESSAGE_TOO_LARGE':
    case 'RECORD_LIST_TOO_LARGE':
      return 'INVALID_COMMIT_OFFSET_SIZE';
    default:
      return 'UNKNOWN_SERVER_ERROR';
  }
}

function keep(group: Group, topic: string, partition: number, value: CommittedOffset | null): void {
  let partitions = group.offsets.get(topic);
  if (partitions === undefined) {
    partitions = new Map();
    group.offsets.set(topic, partitions);
  }
  if (value === null) partitions.delete(partition);
  else partitions.set(partition, value);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
