// ControlledShutdown: a broker that is about to stop asks the controller to give its leaderships to others. The
// controller is asked as an object, for it may be this broker or not.

import type { TopicPartition } from '../../contract.ts';
import { codeOf, type Handling, refusalOf } from '../handling.ts';

/** What the controller does for a broker that wants to stop. */
export interface ShutdownDoor {
  /**
   * Moves the leaderships of the broker that has this registration epoch (−1: not told) to others. Resolves with
   * the partitions that it still leads. Rejects with MetadataError, NOT_CONTROLLER if that is another broker.
   */
  controlledShutdown(brokerId: number, brokerEpoch: number): Promise<readonly TopicPartition[]>;
}

export function controlledShutdownHandling(door: ShutdownDoor): Handling<'ControlledShutdown'> {
  return {
    versions: { min: 0, max: 3 },
    internalOnly: true,
    handle: async ({ brokerId, brokerEpoch }) => {
      try {
        const remaining = await door.controlledShutdown(brokerId, brokerEpoch);
        const remainingPartitions = remaining.map(({ topic, partition }) => ({
          topicName: topic,
          partitionIndex: partition,
        }));
        return { errorCode: 0, remainingPartitions };
      } catch (error) {
        return { errorCode: codeOf(refusalOf(error).error), remainingPartitions: [] };
      }
    },
  };
}
