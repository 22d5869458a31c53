// What the members of a consumer group tell each other through JoinGroup and SyncGroup: subscriptions and
// assignments. To a broker they are opaque bytes; clients and workloads read and write them here.
import { ByteReader, ByteWriter } from '../bytes.ts';
import { type StructIn, type StructOut, since, struct } from './struct.ts';
import { array, bytes, type Codec, int32, nullable, string, type Type } from './types.ts';
import { rethrowWithin } from './wire-error.ts';

/** Highest version that is written and read as itself; higher ones are read as this one. */
export const CONSUMER_PROTOCOL_VERSION_MAX = 3;

const topicPartitions = array(struct({ topic: string, partitions: array(int32) }));

const subscriptionFields = {
  topics: array(string),
  userData: nullable(bytes),
  ownedPartitions: since(1, topicPartitions, []),
  generationId: since(2, int32, -1),
  rackId: since(3, nullable(string), null),
} as const;

const assignmentFields = {
  assignedPartitions: topicPartitions,
  userData: nullable(bytes),
} as const;

/** What a member wants to read, and from version 1 on (KIP-429) what it held so far. */
export type Subscription = StructOut<typeof subscriptionFields>;
/** What a member is given to read. */
export type Assignment = StructOut<typeof assignmentFields>;

const subscriptions = codecsOf(struct(subscriptionFields));
const assignments = codecsOf(struct(assignmentFields));

/** Encodes a subscription for JoinGroup. Throws KafkaWireError on a wrong value. */
export function encodeSubscription(
  version: number,
  subscription: StructIn<typeof subscriptionFields>,
): Buffer {
  return encode(subscriptions, version, subscription, 'subscription');
}

/** Decodes a subscription from JoinGroup. Throws KafkaWireError on malformed bytes. */
export function decodeSubscription(data: Buffer): Subscription {
  return decode(subscriptions, data, 'subscription');
}

/** Encodes an assignment for SyncGroup. Throws KafkaWireError on a wrong value. */
export function encodeAssignment(
  version: number,
  assignment: StructIn<typeof assignmentFields>,
): Buffer {
  return encode(assignments, version, assignment, 'assignment');
}

/** Decodes an assignment from SyncGroup; no bytes at all assign nothing. */
export function decodeAssignment(data: Buffer): Assignment {
  if (data.length === 0) return { assignedPartitions: [], userData: null };
  return decode(assignments, data, 'assignment');
}

function codecsOf<Out, In>(type: Type<Out, In>): readonly Codec<Out, In>[] {
  return Array.from({ length: CONSUMER_PROTOCOL_VERSION_MAX + 1 }, (_, version) =>
    type.codec({ version, flexible: false }),
  );
}

function encode<In>(
  codecs: readonly Codec<unknown, In>[],
  version: number,
  value: In,
  what: string,
): Buffer {
  const codec = codecs[version];
  if (codec === undefined)
    throw new RangeError(
      `expected a version from 0 to ${CONSUMER_PROTOCOL_VERSION_MAX}, got ${version}`,
    );
  const writer = new ByteWriter().i16(version);
  try {
    codec.write(writer, value);
  } catch (error) {
    rethrowWithin(error, what);
  }
  return writer.toBuffer();
}

/** Later versions may only append, so what a known one does not read is left alone. */
function decode<Out>(codecs: readonly Codec<Out, never>[], data: Buffer, what: string): Out {
  const reader = new ByteReader(data);
  try {
    const version = Math.min(reader.i16(), CONSUMER_PROTOCOL_VERSION_MAX);
    return (codecs[Math.max(0, version)] as Codec<Out, never>).read(reader);
  } catch (error) {
    rethrowWithin(error, what);
  }
}
