import { AssignerProtocol } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import {
  CONSUMER_PROTOCOL_VERSION_MAX,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from './consumer-protocol.ts';
import { KafkaWireError } from './wire-error.ts';

const { MemberMetadata, MemberAssignment } = AssignerProtocol;
const userData = Buffer.from('own');
const subscription = {
  topics: ['a', 'b'],
  userData,
  ownedPartitions: [{ topic: 'a', partitions: [0, 2] }],
  generationId: 7,
  rackId: 'r1',
};
const assignment = {
  assignedPartitions: [
    { topic: 'a', partitions: [0, 2] },
    { topic: 'b', partitions: [1] },
  ],
  userData,
};

describe('subscriptions and assignments', () => {
  it('are kafkajs’ own', () => {
    const topics = ['a', 'b'];
    expect(encodeSubscription(0, { topics, userData })).toEqual(
      MemberMetadata.encode({ version: 0, topics, userData }),
    );
    const given = { a: [0, 2], b: [1] };
    const theirs = MemberAssignment.encode({ version: 0, assignment: given, userData });
    expect(encodeAssignment(0, assignment)).toEqual(theirs);
    expect(decodeAssignment(theirs)).toEqual(assignment);
    const read = MemberMetadata.decode(encodeSubscription(3, subscription));
    expect(read).toEqual({ version: 3, topics, userData });
  });
  it('come back in every version, without what the version lacks', () => {
    const { topics, ownedPartitions, generationId, rackId } = subscription;
    for (let version = 0; version <= CONSUMER_PROTOCOL_VERSION_MAX; version++) {
      expect(decodeSubscription(encodeSubscription(version, subscription))).toEqual({
        topics,
        userData,
        ownedPartitions: version >= 1 ? ownedPartitions : [],
        generationId: version >= 2 ? generationId : -1,
        rackId: version >= 3 ? rackId : null,
      });
      expect(decodeAssignment(encodeAssignment(version, assignment))).toEqual(assignment);
    }
  });
  it('of later versions are read as far as they are known', () => {
    const later = Buffer.concat([encodeSubscription(3, subscription), Buffer.from('more')]);
    later.writeInt16BE(9, 0);
    expect(decodeSubscription(later)).toEqual(subscription);
  });
  it('refuse what is cut off, and no bytes assign nothing', () => {
    const whole = encodeAssignment(0, assignment);
    for (let size = 1; size < whole.length; size++)
      expect(() => decodeAssignment(whole.subarray(0, size))).toThrow(KafkaWireError);
    expect(decodeAssignment(Buffer.alloc(0))).toEqual({ assignedPartitions: [], userData: null });
    expect(() => decodeSubscription(Buffer.alloc(0))).toThrow(/^subscription: expected 2 bytes/);
  });
});
