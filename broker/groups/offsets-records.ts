// The records of __consumer_offsets in Kafka's own layout: a key that says what it is about, a value that is
// the newest word on it, and a null value that takes it back. So Kafka's tools can read our offsets topic.
import { ByteReader, ByteWriter } from '../../wire/bytes.ts';
import { struct } from '../../wire/kafka/struct.ts';
import {
  array,
  bytes,
  type Codec,
  int32,
  int64,
  nullable,
  string,
} from '../../wire/kafka/types.ts';
import { KafkaWireError } from '../../wire/kafka/wire-error.ts';

/** Versions as written; of older ones those are read that differ in nothing needed here. */
const OFFSET_KEY_VERSION = 1;
const OFFSET_VALUE_VERSION = 3;
const GROUP_KEY_VERSION = 2;
const GROUP_VALUE_VERSION = 3;

const PLAIN = { flexible: false } as const;

const offsetKey = struct({ group: string, topic: string, partition: int32 }).codec({
  version: OFFSET_KEY_VERSION,
  ...PLAIN,
});
const offsetValue = struct({
  offset: int64,
  leaderEpoch: int32,
  metadata: string,
  commitTimestampMs: int64,
}).codec({ version: OFFSET_VALUE_VERSION, ...PLAIN });
const groupKey = struct({ group: string }).codec({ version: GROUP_KEY_VERSION, ...PLAIN });
const groupValue = struct({
  protocolType: string,
  generation: int32,
  protocol: nullable(string),
  leader: nullable(string),
  currentStateTimestampMs: int64,
  members: array(
    struct({
      memberId: string,
      groupInstanceId: nullable(string),
      clientId: string,
      clientHost: string,
      rebalanceTimeoutMs: int32,
      sessionTimeoutMs: int32,
      subscription: bytes,
      assignment: bytes,
    }),
  ),
}).codec({ version: GROUP_VALUE_VERSION, ...PLAIN });

/** What a group has committed for one partition. */
export type CommittedOffset = ReturnType<typeof offsetValue.read>;
/** A group as stored: `protocol` is null while the members have no assignment yet. */
export type StoredGroup = ReturnType<typeof groupValue.read>;

/** One record of the topic; `value` null takes back what was said before. */
export type OffsetsRecord =
  | {
      readonly kind: 'offset';
      readonly group: string;
      readonly topic: string;
      readonly partition: number;
      readonly value: CommittedOffset | null;
    }
  | { readonly kind: 'group'; readonly group: string; readonly value: StoredGroup | null };

function encode<T>(version: number, codec: Codec<unknown, T>, value: T): Buffer {
  const writer = new ByteWriter().i16(version);
  codec.write(writer, value);
  return writer.toBuffer();
}

/** A value, or null for what is taken back. */
function taken<T>(version: number, codec: Codec<unknown, T>, value: T | null): Buffer | null {
  return value === null ? null : encode(version, codec, value);
}

/** Encodes a record's key and value. Throws KafkaWireError on a value out of range. */
export function encodeOffsetsRecord(record: OffsetsRecord): { key: Buffer; value: Buffer | null } {
  if (record.kind === 'offset') {
    const { group, topic, partition } = record;
    const key = encode(OFFSET_KEY_VERSION, offsetKey, { group, topic, partition });
    return { key, value: taken(OFFSET_VALUE_VERSION, offsetValue, record.value) };
  }
  const key = encode(GROUP_KEY_VERSION, groupKey, { group: record.group });
  return { key, value: taken(GROUP_VALUE_VERSION, groupValue, record.value) };
}

function versionOf(reader: ByteReader, what: string, newest: number): void {
  const version = reader.i16();
  if (version === newest) return;
  throw new KafkaWireError(`expected ${what} of version ${newest}, got version ${version}`);
}

/**
 * Decodes a record; undefined for keys of later kinds, which are to be skipped. Throws KafkaWireError on
 * bytes that none of our brokers wrote.
 */
export function decodeOffsetsRecord(key: Buffer, value: Buffer | null): OffsetsRecord | undefined {
  const reader = new ByteReader(key);
  const kind = reader.i16();
  if (kind === 0 || kind === OFFSET_KEY_VERSION) {
    const about = offsetKey.read(reader);
    if (value === null) return { kind: 'offset', ...about, value };
    const body = new ByteReader(value);
    versionOf(body, 'a committed offset', OFFSET_VALUE_VERSION);
    return { kind: 'offset', ...about, value: offsetValue.read(body) };
  }
  if (kind !== GROUP_KEY_VERSION) return undefined;
  const { group } = groupKey.read(reader);
  if (value === null) return { kind: 'group', group, value };
  const body = new ByteReader(value);
  versionOf(body, 'a group', GROUP_VALUE_VERSION);
  return { kind: 'group', group, value: groupValue.read(body) };
}
