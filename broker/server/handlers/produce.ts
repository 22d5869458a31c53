// Produce: batches of records for partitions that this broker leads. The log looks at each batch, once; a
// transactional producer is refused here by name, so that it fails at once and does not retry.

import type { ErrorName } from '../../../wire/kafka/error-codes.ts';
import {
  type Metadata,
  OFFSETS_TOPIC,
  type Produced,
  partitionKey,
  type Replicas,
} from '../../contract.ts';
import { repeated } from '../bounded-work.ts';
import { CloseConnection, codeOf, type Handling, told } from '../handling.ts';

export interface ProduceParts {
  readonly metadata: Metadata;
  readonly replicas: Replicas;
}

type Batch = { topic: string; partition: number; records: Buffer };

function refused(error: ErrorName, message: string): Produced {
  return { error, message, baseOffset: -1, logStartOffset: -1 };
}

/** Why nothing is to be appended to a partition; undefined: what the log takes is. */
function refusal(parts: ProduceParts, topic: string, partition: number): Produced | undefined {
  const info = parts.metadata.image.topics.get(topic);
  if (info === undefined || info.deleting || info.partitions[partition] === undefined) {
    const what = partitionKey({ topic, partition });
    return refused('UNKNOWN_TOPIC_OR_PARTITION', `there is no partition ${what}`);
  }
  if (topic === OFFSETS_TOPIC) {
    return refused(
      'INVALID_TOPIC_EXCEPTION',
      `${topic} is written by the group coordinators alone`,
    );
  }
  return undefined;
}

function acksOf(acks: number): -1 | 0 | 1 | undefined {
  return acks === -1 || acks === 0 || acks === 1 ? acks : undefined;
}

export function produceHandling(parts: ProduceParts): Handling<'Produce'> {
  return {
    // Records of formats 0 and 1, which is all that versions before 3 carry, are refused batch by batch. Those
    // versions are offered all the same: librdkafka packs nothing for a broker without them (KAFKA-18659).
    versions: { min: 0, max: 11 },
    handle: async ({ transactionalId, acks, timeoutMs, topicData }) => {
      const known = acksOf(acks);
      const outcomes = new Map<string, Produced>();
      const batches: Batch[] = [];
      const twice = repeated(
        topicData.flatMap(({ name: topic, partitionData }) =>
          partitionData.map(({ index: partition }) => partitionKey({ topic, partition })),
        ),
      );
      const order: (readonly [string, readonly number[]])[] = [];
      for (const { name: topic, partitionData } of topicData) {
        order.push([topic, partitionData.map(({ index }) => index)]);
        for (const { index: partition, records } of partitionData) {
          const key = partitionKey({ topic, partition });
          let problem: Produced | undefined;
          if (transactionalId !== null) {
            const message = 'transactions are not offered by this broker';
            problem = refused('TRANSACTIONAL_ID_AUTHORIZATION_FAILED', message);
          } else if (known === undefined) {
            problem = refused('INVALID_REQUIRED_ACKS', `expected acks of -1, 0 or 1, got ${acks}`);
          } else if (twice.has(key)) {
            // Not even one of them: an answer for the partition would be taken for both.
            problem = refused('INVALID_REQUEST', `expected ${key} once in a request`);
          } else problem = refusal(parts, topic, partition);
          if (problem !== undefined) outcomes.set(key, problem);
          else batches.push({ topic, partition, records: records ?? Buffer.alloc(0) });
        }
      }
      if (batches.length > 0 && known !== undefined) {
        const options = { acks: known, timeoutMs: Math.max(0, timeoutMs) };
        const produced = await parts.replicas.produce(batches, options);
        batches.forEach((batch, at) => {
          const outcome = produced[at] ?? refused('UNKNOWN_SERVER_ERROR', 'no outcome');
          outcomes.set(partitionKey(batch), outcome);
        });
      }
      if (acks === 0) return silent(outcomes);
      return {
        responses: order.map(([name, partitions]) => ({
          name,
          partitionResponses: partitions.map((index) => {
            const key = partitionKey({ topic: name, partition: index });
            const { error, baseOffset, logStartOffset, message } = outcomes.get(key) as Produced;
            const errorMessage = told(message ?? null);
            return { index, errorCode: codeOf(error), baseOffset, logStartOffset, errorMessage };
          }),
        })),
      };
    },
  };
}

/** Who wants no answer learns of an error by the end of its connection, and asks for metadata anew. */
function silent(outcomes: ReadonlyMap<string, Produced>): undefined {
  for (const [key, { error, message }] of outcomes) {
    if (error !== undefined && error !== 'NONE')
      throw new CloseConnection(`acks=0 for ${key} failed: ${error} ${message ?? ''}`);
  }
  return undefined;
}
