// Fetch: records for consumers and followers. There are no incremental sessions: every answer says session 0,
// so that clients ask for everything each time, as Kafka's do where a broker has no room for sessions (KIP-227).
import { NO_UUID } from '../../../wire/kafka/types.ts';
import {
  type FetchAsk,
  type Fetched,
  type Metadata,
  partitionKey,
  type Replicas,
} from '../../contract.ts';
import { codeOf, type Handling } from '../handling.ts';
import type { TopicIds } from '../topic-ids.ts';

export interface FetchParts {
  readonly metadata: Metadata;
  readonly replicas: Replicas;
  readonly topicIds: TopicIds;
  /** `fetch.max.bytes`: most bytes of one answer. */
  readonly answerBytesMax: number;
}

/** Longest that a fetch may wait, ms. */
const WAIT_MS_MAX = 60_000;
/** First version with topic ids. */
const BY_ID = 13;

function refused(of: { topic: string; partition: number }, error: Fetched['error']): Fetched {
  return { ...of, error, highWatermark: -1, logStartOffset: -1, records: [] };
}

export function fetchHandling(parts: FetchParts): Handling<'Fetch'> {
  const { metadata, replicas, topicIds, answerBytesMax } = parts;
  return {
    versions: { min: 4, max: 17 },
    handle: async (body, { version, internal, room }) => {
      const replicaId = body.replicaState?.replicaId ?? body.replicaId;
      const refuse = (errorCode: number) => ({ errorCode, sessionId: 0, responses: [] });
      if (replicaId >= 0 && !internal) return refuse(codeOf('CLUSTER_AUTHORIZATION_FAILED'));
      if (body.sessionId !== 0) return refuse(codeOf('FETCH_SESSION_ID_NOT_FOUND'));
      const places: { at: number; known: Fetched | undefined }[][] = [];
      const asks: FetchAsk[] = [];
      const asked = new Set<string>();
      let waits = true;
      for (const { topic: name, topicId, partitions } of body.topics) {
        const topic = version >= BY_ID ? topicIds.nameOf(topicId) : name;
        const info = topic === undefined ? undefined : metadata.image.topics.get(topic);
        places.push(
          partitions.map((partition) => {
            const of = { topic: topic ?? '', partition: partition.partition };
            if (info === undefined || info.partitions[of.partition] === undefined) {
              waits = false;
              const byId = version >= BY_ID && topic === undefined;
              const error = byId ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_TOPIC_OR_PARTITION';
              return { at: -1, known: refused(of, error) };
            }
            // Each look at what is held goes through all of it.
            if (asked.has(partitionKey(of))) {
              waits = false;
              return { at: -1, known: refused(of, 'INVALID_REQUEST') };
            }
            asked.add(partitionKey(of));
            const { currentLeaderEpoch, lastFetchedEpoch, fetchOffset, partitionMaxBytes } =
              partition;
            const maxBytes = Math.max(0, Math.min(partitionMaxBytes, answerBytesMax));
            asks.push({
              ...of,
              offset: fetchOffset,
              maxBytes,
              currentLeaderEpoch,
              lastFetchedEpoch,
            });
            return { at: asks.length - 1, known: undefined };
          }),
        );
      }
      const fetched =
        asks.length === 0
          ? []
          : await replicas.fetch(asks, {
              replicaId: Math.max(-1, replicaId),
              replicaEpoch: body.replicaState?.replicaEpoch ?? -1,
              maxBytes: Math.max(0, Math.min(body.maxBytes, answerBytesMax)),
              minBytes: Math.max(0, Math.min(body.minBytes, answerBytesMax)),
              // An error is told at once.
              maxWaitMs: waits ? Math.max(0, Math.min(body.maxWaitMs, WAIT_MS_MAX)) : 0,
              room,
            });
      const committed = body.isolationLevel === 1;
      return {
        errorCode: 0,
        sessionId: 0,
        responses: body.topics.map(({ topic, topicId = NO_UUID }, index) => ({
          topic,
          topicId,
          partitions: (places[index] ?? []).map(({ at, known }) =>
            answer(known ?? (fetched[at] as Fetched), committed),
          ),
        })),
      };
    },
  };
}

function answer(fetched: Fetched, committed: boolean) {
  const { error, highWatermark, logStartOffset, records, diverging } = fetched;
  const [only] = records;
  return {
    partitionIndex: fetched.partition,
    errorCode: codeOf(error),
    highWatermark,
    // Without transactions everything below the high watermark is stable.
    lastStableOffset: highWatermark,
    logStartOffset,
    ...(diverging === undefined ? {} : { divergingEpoch: diverging }),
    abortedTransactions: committed ? [] : null,
    records: records.length === 1 && only !== undefined ? only : Buffer.concat(records),
  };
}
