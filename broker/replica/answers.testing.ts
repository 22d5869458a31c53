// What the front of a broker does with the requests of its peers, for replicas that stand without one.
// Answers are encoded as on the wire, so that replicas hear from each other nothing that could not be sent.
import type { ApiName, RequestBody } from '../../wire/kafka/apis.ts';
import { ERROR_CODES } from '../../wire/kafka/error-codes.ts';
import { encodeResponse } from '../../wire/kafka/protocol.ts';
import type { MetadataImage } from '../contract.ts';
import type { LocalReplicas } from './local-replicas.ts';

/** A request of another broker, decoded. */
export interface PeerRequest {
  readonly api: ApiName;
  readonly version: number;
  readonly body: unknown;
}

/** The answer as a frame; throws for what no broker asks another. `image` is what this one sees. */
export async function answerPeer(
  replicas: LocalReplicas,
  image: MetadataImage,
  { api, version, body }: PeerRequest,
): Promise<Buffer> {
  if (api === 'Fetch') return answerFetch(replicas, image, version, body as RequestBody<'Fetch'>);
  if (api !== 'ListOffsets') throw new Error(`no broker asks another for ${api}`);
  const { replicaId, topics } = body as RequestBody<'ListOffsets'>;
  const [topic] = topics as [(typeof topics)[number]];
  const [asked] = topic.partitions as [(typeof topic.partitions)[number]];
  const { partitionIndex, currentLeaderEpoch, timestamp } = asked;
  const of = { topic: topic.name, partition: partitionIndex };
  const ask = { ...of, currentLeaderEpoch, timestamp };
  const { error, ...found } = await replicas.offsetAt(ask, replicaId);
  const errorCode = ERROR_CODES[error ?? 'NONE'];
  const partitions = [{ partitionIndex, errorCode, ...found }];
  return encodeResponse('ListOffsets', version, 1, {
    topics: [{ name: topic.name, partitions }],
  });
}

async function answerFetch(
  replicas: LocalReplicas,
  image: MetadataImage,
  version: number,
  body: RequestBody<'Fetch'>,
): Promise<Buffer> {
  const names = new Map([...image.topics.values()].map(({ id, name }) => [id, name]));
  const asks = body.topics.flatMap(({ topicId, partitions }) => {
    const topic = names.get(topicId.replaceAll('-', '')) ?? '?';
    return partitions.map((each) => ({
      ...each,
      topic,
      topicId,
      offset: each.fetchOffset,
      maxBytes: each.partitionMaxBytes,
    }));
  });
  const { maxBytes, minBytes, maxWaitMs, replicaState } = body;
  const { replicaId = -1, replicaEpoch = -1 } = replicaState ?? {};
  const options = { maxBytes, minBytes, maxWaitMs, replicaId, replicaEpoch };
  const fetched = await replicas.fetch(asks, options);
  const responses = fetched.map((each, i) => ({
    topicId: asks[i]?.topicId ?? '',
    partitions: [
      {
        partitionIndex: each.partition,
        errorCode: ERROR_CODES[each.error ?? 'NONE'],
        highWatermark: each.highWatermark,
        logStartOffset: each.logStartOffset,
        divergingEpoch: each.diverging ?? null,
        records: Buffer.concat(each.records),
      },
    ],
  }));
  return encodeResponse('Fetch', version, 1, { responses });
}
