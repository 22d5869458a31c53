import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pathOf, subjectOf } from './paths.ts';
import { checkTopicName } from './topic-names.ts';
import {
  readBroker,
  readController,
  readControllerEpoch,
  readProducerIds,
  readSettings,
  readState,
  readTopic,
  writeBroker,
  writeController,
  writeControllerEpoch,
  writeProducerIds,
  writeSettings,
  writeState,
  writeTopic,
  ZnodeError,
} from './znodes.ts';

const id = fc.integer({ min: 0, max: 0x7fff_ffff });
const ids = fc.uniqueArray(id, { minLength: 1, maxLength: 5 });
const topicId = fc.stringMatching(/^[0-9a-f]{32}$/);
const zxid = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });

const state = fc
  .record({ members: ids, topicId, leaderEpoch: id, controllerEpoch: id, cut: fc.nat(), zxid })
  .map(({ members, cut, zxid: epoch, ...rest }) => {
    const isr = members.slice(0, 1 + (cut % members.length));
    const brokerEpochs = Object.fromEntries(members.map((each) => [each, epoch]));
    const leader = cut % 2 === 0 ? -1 : (isr[0] as number);
    return { ...rest, leader, isr, eligible: members.slice(isr.length), brokerEpochs };
  });

describe('what stands in znodes', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(state, (written) => {
        expect(readState(writeState(written), 7)).toEqual({ ...written, version: 7 });
      }),
    );
    fc.assert(
      fc.property(topicId, fc.array(ids, { minLength: 1 }), (topic, replicas) => {
        const node = { id: topic, replicas };
        expect(readTopic(writeTopic(node))).toEqual(node);
      }),
    );
    fc.assert(
      fc.property(id, zxid, fc.boolean(), (broker, epoch, lossy) => {
        const endpoints = {
          INTERNAL: { host: '::1', port: 9092 },
          EXTERNAL: { host: 'localhost', port: 65_535 },
        };
        const data = writeBroker({ endpoints, lossy });
        expect(readBroker(broker, data, epoch)).toEqual({ id: broker, epoch, endpoints, lossy });
      }),
    );
    const settings = { 'retention.ms': '5', 'cleanup.policy': 'delete' };
    expect(readSettings(writeSettings(settings))).toEqual(settings);
    expect(readController(writeController({ id: 3, epoch: 9 }))).toEqual({ id: 3, epoch: 9 });
    expect(readControllerEpoch(writeControllerEpoch(12))).toBe(12);
    const block = { broker: 1, start: 1000, end: 1999 };
    expect(readProducerIds(writeProducerIds(block))).toEqual(block);
  });

  it('is refused when it is anything else, never misread or fatal', () => {
    const readers = [
      (data: Buffer) => readState(data, 0),
      readTopic,
      (data: Buffer) => readBroker(1, data, 1),
      readSettings,
      readController,
      readProducerIds,
    ];
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        for (const read of readers) expect(() => read(Buffer.from(text))).toThrow(ZnodeError);
      }),
    );
    for (const read of readers) expect(() => read(Buffer.alloc(0))).toThrow(ZnodeError);
    for (const text of ['', 'x', '-1', '1.5']) {
      expect(() => readControllerEpoch(Buffer.from(text))).toThrow(ZnodeError);
    }
  });

  it('is refused when its parts contradict each other', () => {
    const good = {
      version: 1,
      topic_id: '0'.repeat(32),
      controller_epoch: 1,
      leader: 1,
      leader_epoch: 0,
      isr: [1, 2],
      elr: [],
      broker_epochs: { 1: 5, 2: 6 },
    };
    const read = (change: object) =>
      readState(Buffer.from(JSON.stringify({ ...good, ...change })), 0);
    expect(read({}).leader).toBe(1);
    expect(() => read({ leader: 3 })).toThrow('a leader of the ISR');
    expect(() => read({ isr: [] })).toThrow('a member of the ISR');
    expect(() => read({ isr: [1, 1] })).toThrow('each broker once');
    expect(() => read({ broker_epochs: { 1: 5 } })).toThrow('epoch of 2');
    expect(() => read({ version: 2 })).toThrow('expected version 1, got 2');
    expect(() => read({ leader_epoch: -1 })).toThrow('leader_epoch');
    const gap = { version: 3, topic_id: good.topic_id, partitions: { 0: [1], 2: [1] } };
    expect(() => readTopic(Buffer.from(JSON.stringify(gap)))).toThrow('partition 1');
  });
});

describe('paths', () => {
  it('speak of what they were made for', () => {
    for (const subject of [
      { kind: 'broker', id: 7 },
      { kind: 'topic', topic: 'a.b_c-D' },
      { kind: 'state', topic: 't', partition: 12 },
      { kind: 'settings', topic: 't' },
      { kind: 'deletion', topic: 't' },
      { kind: 'controller' },
    ] as const) {
      expect(subjectOf(pathOf(subject))).toEqual(subject);
    }
  });

  it('speak of nothing where nobody here writes', () => {
    for (const path of [
      '/',
      '/brokers',
      '/brokers/ids',
      '/brokers/ids/x',
      '/brokers/ids/01',
      '/brokers/ids/1/2',
      '/brokers/seqid',
      '/brokers/topics/a b',
      '/brokers/topics/t/partitions',
      '/brokers/topics/t/partitions/0',
      '/brokers/topics/t/partitions/x/state',
      '/brokers/topics/t/partitions/0/state/y',
      '/config/users/t',
    ]) {
      expect(subjectOf(path)).toBeUndefined();
    }
  });
});

describe('names of topics', () => {
  it('are those that Kafka takes', () => {
    for (const name of ['a', '...', '__consumer_offsets', 'A-b.c_9', 'x'.repeat(249)]) {
      expect(() => checkTopicName(name)).not.toThrow();
    }
    for (const name of ['', '.', '..', 'a/b', 'ä', 'a b', 'a\n', 'x'.repeat(250)]) {
      expect(() => checkTopicName(name)).toThrow();
    }
  });
});
