// Where fuzzing a broker begins: one well-formed frame of every API in every version, batches of every kind,
// and bytes that broke or might break a broker. Whatever brings one down is added here.
import { API_NAMES, APIS, type ApiName, type RequestInput } from '../../wire/kafka/apis.ts';
import { encodeRequest } from '../../wire/kafka/protocol.ts';
import { ATTRIBUTE, FIELD, sealBatch, writeI64 } from '../../wire/kafka/record-batch.ts';
import { buildBatch } from '../../wire/kafka/records.ts';
import { type ClientApi, REQUESTS } from '../../wire/kafka/sample-requests.ts';
import type { Random } from './random.ts';

/** The topic that takes what the storm produces; nobody else writes to it. */
export const FUZZED_TOPIC = 'fuzzed';
export const FUZZED_PARTITIONS = 3;
/** A broker that no ensemble under test has. */
export const STRANGE_BROKER = 77;
/** The last request of a connection: its answer says that everything before was dealt with. */
export const LAST_CORRELATION_ID = 0x7a7a7a7a;

const value = (text: string) => ({ timestampMs: 1_700_000_000_000, value: Buffer.from(text) });
const PLAIN = buildBatch([value('one'), value('two')]);

/** Batches as producers send them, and two that no leader may take. */
export const BATCHES: readonly Buffer[] = [
  PLAIN,
  buildBatch([{ ...value('v'), key: Buffer.from('k'), headers: [{ key: 'h', value: null }] }]),
  buildBatch([value('zipped'), value('zipped')], { compression: 'gzip' }),
  buildBatch([value('zstd')], { compression: 'zstd' }),
  buildBatch([value('once')], { producerId: 9_000_001, producerEpoch: 0, baseSequence: 0 }),
  buildBatch([value('tx')], { producerId: 5, producerEpoch: 0, baseSequence: 0, isControl: true }),
  buildBatch([value('tx')], { isTransactional: true }),
  Buffer.concat([PLAIN, PLAIN]),
];

function produceOf(
  records: Buffer | null,
  acks = -1,
  partition = 0,
  transactionalId: string | null = null,
): RequestInput<'Produce'> {
  const partitionData = [{ index: partition, records }];
  const topicData = [{ name: FUZZED_TOPIC, partitionData }];
  return { transactionalId, acks, timeoutMs: 1_500, topicData };
}

const partition = {
  partition: 0,
  currentLeaderEpoch: -1,
  fetchOffset: 0,
  lastFetchedEpoch: -1,
  partitionMaxBytes: 65_537,
};

/** Requests that reach further than the samples do, for they name what is there. */
const ALIVE: { readonly [N in ClientApi]?: readonly RequestInput<N>[] } = {
  Produce: [
    ...BATCHES.map((batch, at) => produceOf(batch, [-1, 1, 0][at % 3], at % FUZZED_PARTITIONS)),
    produceOf(null),
    produceOf(PLAIN, 2),
    produceOf(PLAIN, -1, 0, 'some transaction'),
    {
      ...produceOf(PLAIN),
      topicData: [...produceOf(PLAIN).topicData, ...produceOf(PLAIN).topicData],
    },
  ],
  Fetch: [
    {
      maxWaitMs: 20,
      minBytes: 1,
      topics: [{ topic: FUZZED_TOPIC, partitions: [partition, partition] }],
    },
    { replicaId: STRANGE_BROKER, maxWaitMs: 5, minBytes: 0, topics: [] },
  ],
  ListOffsets: [
    {
      replicaId: -1,
      topics: [{ name: FUZZED_TOPIC, partitions: [{ partitionIndex: 0, timestamp: 5 }] }],
    },
  ],
  Metadata: [{ topics: [{ name: FUZZED_TOPIC }, { name: 'never-made' }] }, { topics: [] }],
  OffsetCommit: [
    {
      groupId: 'fuzzers',
      topics: [
        {
          name: FUZZED_TOPIC,
          partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }],
        },
      ],
    },
  ],
  JoinGroup: [
    {
      groupId: 'fuzzers',
      sessionTimeoutMs: 6_001,
      rebalanceTimeoutMs: 50,
      memberId: '',
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.from('m') }],
    },
  ],
  OffsetForLeaderEpoch: [
    {
      replicaId: -1,
      topics: [{ topic: FUZZED_TOPIC, partitions: [{ partition: 0, leaderEpoch: 0 }] }],
    },
  ],
  // A name that is none, so that little damage makes a topic.
  CreateTopics: [
    { topics: [{ name: 'fuzz/ed', numPartitions: 2, replicationFactor: 1 }], timeoutMs: 10 },
  ],
  DescribeConfigs: [
    { resources: [{ resourceType: 4, resourceName: '1', configurationKeys: null }] },
    { resources: [{ resourceType: 2, resourceName: FUZZED_TOPIC, configurationKeys: null }] },
  ],
};

/** What only brokers may ask, and what none of ours does. */
const BETWEEN_BROKERS: { readonly [N in ApiName]?: RequestInput<N> } = {
  ControlledShutdown: { brokerId: STRANGE_BROKER, brokerEpoch: 9 },
};

function framesOf<N extends ApiName>(api: N, bodies: readonly RequestInput<N>[]): Buffer[] {
  const { min, max } = APIS[api].versions;
  const frames: Buffer[] = [];
  for (let version = min; version <= max; version++) {
    for (const body of bodies) {
      const header = { version, correlationId: frames.length + 1, clientId: 'fuzz' };
      frames.push(encodeRequest(api, header, body));
    }
  }
  return frames;
}

/** Frames of every API that there are samples of, each in every version of the codec. */
export const REQUEST_FRAMES: readonly (readonly Buffer[])[] = API_NAMES.flatMap((api) => {
  const between = BETWEEN_BROKERS[api];
  if (between !== undefined) return [framesOf(api, [between] as RequestInput<typeof api>[])];
  if (!(api in REQUESTS)) return [];
  const name = api as ClientApi;
  const sample = REQUESTS[name];
  const alive = (ALIVE[name] ?? []) as RequestInput<typeof name>[];
  // Topics of the sample would be made in the versions that cannot only be tried.
  const bodies = name === 'CreateTopics' ? alive : [sample, ...alive];
  return [framesOf(name, bodies as RequestInput<typeof name>[])];
});

/** A well-formed request that is answered after everything before it. */
export const LAST = encodeRequest(
  'ApiVersions',
  { version: 0, correlationId: LAST_CORRELATION_ID, clientId: 'fuzz' },
  {},
);

/** A Produce request of one batch, in the version that most clients send. */
export function produceFrame(batch: Buffer): Buffer {
  const header = { version: 9, correlationId: 4, clientId: 'fuzz' };
  return encodeRequest('Produce', header, produceOf(batch));
}

const EDGES = [0, 1, -1, -2, 7, 0x7f, 0xff, 0x7fff, 2 ** 31 - 1, -(2 ** 31)];
const ODD_BITS = [ATTRIBUTE.appendTime, ATTRIBUTE.transactional, ATTRIBUTE.control, 0x40, 0x4000];

/** A Produce request whose batch lies in one or two fields, most often under a right checksum. */
export function oddBatch(random: Random): Buffer {
  const batch = Buffer.from(random.pick(BATCHES));
  for (let times = 1 + random.below(2); times > 0; times--) alter(random, batch);
  if (random.chance(80)) sealBatch(batch);
  const body = produceOf(batch, random.pick([-1, 1, 0]), random.below(FUZZED_PARTITIONS));
  const { min, max } = APIS.Produce.versions;
  const version = Math.max(3, min) + random.below(max - Math.max(3, min) + 1);
  return encodeRequest('Produce', { version, correlationId: 3, clientId: 'fuzz' }, body);
}

function alter(random: Random, batch: Buffer): void {
  const edge = random.pick(EDGES);
  switch (random.below(9)) {
    case 0:
      batch.writeInt16BE(
        random.below(8) | (random.chance(30) ? random.pick(ODD_BITS) : 0),
        FIELD.attributes,
      );
      break;
    case 1:
      batch.writeInt32BE(edge, random.pick([FIELD.lastOffsetDelta, FIELD.recordCount]));
      break;
    case 2:
      batch.writeInt32BE(edge, FIELD.baseSequence);
      break;
    case 3:
      batch.writeInt16BE(edge & 0x7fff, FIELD.producerEpoch);
      break;
    case 4:
      writeI64(batch, FIELD.producerId, random.pick([edge, 2 ** 52, 9_000_002]));
      break;
    case 5:
      random.bytes(8).copy(batch, random.pick([FIELD.baseTimestamp, FIELD.maxTimestamp]));
      break;
    case 6:
      batch.writeInt8(random.pick([0, 1, 3, -1]), FIELD.magic);
      break;
    case 7:
      batch.writeInt32BE(edge, FIELD.length);
      break;
    default: {
      // The records' varints: a length or a delta that goes on and on.
      const at = FIELD.recordCount + 4 + random.below(Math.max(1, batch.length - 66));
      batch.fill(0xff, at, Math.min(batch.length, at + 1 + random.below(10)));
    }
  }
}

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

/** Well-formed as frames, and impossible inside. */
export const MALFORMED: readonly Buffer[] = [
  hex('00000000'),
  hex('00000001 00'),
  hex('00000002 0003'),
  // Metadata with 2^31 − 1 topics, and with −2.
  hex('0000000e 0003 0001 00000001 0000 7fffffff'),
  hex('0000000e 0003 0001 00000001 0000 fffffffe'),
  // Compact arrays and tags whose varints never end, or say 2^32 − 1.
  hex('00000010 0003 0009 00000001 0000 00 ffffffff0f'),
  hex('00000012 0003 0009 00000001 0000 00 ffffffffffffff'),
  hex('0000000f 0012 0003 00000001 0000 ffffffff0f'),
  // A client id of −2 bytes, and of more than there are.
  hex('0000000a 0012 0000 00000001 fffe'),
  hex('0000000a 0012 0000 00000001 7fff'),
  // An unknown key, one below zero, and a version below zero.
  hex('0000000a 03e7 0000 00000001 0000'),
  hex('0000000a ffff 0000 00000001 0000'),
  hex('0000000a 0003 ffff 00000001 0000'),
  // ApiVersions in a version of the future, which is owed an answer.
  hex('0000000a 0012 7fff 00000001 0000'),
  // SaslHandshake, AddPartitionsToTxn and EndTxn, which are not offered.
  hex('0000000a 0011 0001 00000001 0000'),
  hex('0000000a 0018 0000 00000001 0000'),
  hex('0000000a 001a 0000 00000001 0000'),
];

/** First bytes of a connection that no client of Kafka sends. */
export const STRANGERS: readonly Buffer[] = [
  Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
  Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'),
  Buffer.from('ruok'),
  hex('16030100c8010000c40303'),
  hex('ffffffff'),
  hex('80000000'),
  hex('7fffffff 00'),
  // A length just above socket.request.max.bytes.
  hex('06400001 0003'),
];

/** Certainly the end of a connection. */
export const END = hex('ffffffff');
