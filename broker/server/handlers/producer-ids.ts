// InitProducerId: ids for idempotent producers, taken from the cluster in blocks so that most producers cost no
// write. A transactional id is refused by name.
import type { Metadata } from '../../contract.ts';
import { codeOf, type Handling, refusalOf } from '../handling.ts';

/** Ids taken at once, as in Kafka. */
const BLOCK = 1000;

export function initProducerIdHandling(metadata: Metadata): Handling<'InitProducerId'> {
  let next = 0;
  let end = 0;
  let refill: Promise<void> | undefined;

  async function take(): Promise<number> {
    // A block may be empty again by the time that one who waited for it gets to run.
    while (next >= end) {
      refill ??= metadata.producerIds(BLOCK).then((first) => {
        next = first;
        end = first + BLOCK;
      });
      const waited = refill;
      try {
        await waited;
      } finally {
        if (refill === waited) refill = undefined;
      }
    }
    return next++;
  }

  const refuse = (errorCode: number) => ({
    throttleTimeMs: 0,
    errorCode,
    producerId: -1,
    producerEpoch: -1,
  });

  return {
    versions: { min: 0, max: 5 },
    handle: async ({ transactionalId }) => {
      if (transactionalId !== null) return refuse(codeOf('TRANSACTIONAL_ID_AUTHORIZATION_FAILED'));
      try {
        // A producer that is not transactional gets a new id even if it tells an old one.
        return { throttleTimeMs: 0, errorCode: 0, producerId: await take(), producerEpoch: 0 };
      } catch (error) {
        const { error: name } = refusalOf(error);
        // Clients take this one for a reason to ask again; a timeout of the request for a failure.
        return refuse(codeOf(name === 'REQUEST_TIMED_OUT' ? 'COORDINATOR_NOT_AVAILABLE' : name));
      }
    },
  };
}
