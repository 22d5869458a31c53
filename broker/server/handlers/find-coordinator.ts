// FindCoordinator: which broker keeps a group. The offsets topic is made when the first group is looked for.

import type { ErrorName } from '../../../wire/kafka/error-codes.ts';
import { type Metadata, OFFSETS_TOPIC } from '../../contract.ts';
import type { GroupCoordinator } from '../../groups/coordinator.ts';
import { codeOf, type Handling, told } from '../handling.ts';
import type { AutoTopics } from '../settings.ts';

export interface FindParts {
  readonly metadata: Metadata;
  readonly groups: GroupCoordinator;
  readonly autoTopics: AutoTopics;
  readonly log: (line: string) => void;
}

const GROUP = 0;
const TRANSACTION = 1;

interface Found {
  readonly error: ErrorName | undefined;
  readonly message: string | null;
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

function none(error: ErrorName, message: string): Found {
  return { error, message, nodeId: -1, host: '', port: -1 };
}

export function findCoordinatorHandling(parts: FindParts): Handling<'FindCoordinator'> {
  const { metadata, groups, autoTopics, log } = parts;

  function find(key: string, keyType: number, listener: string): Found {
    if (keyType === TRANSACTION) {
      const message = 'transactions are not offered by this broker';
      return none('TRANSACTIONAL_ID_AUTHORIZATION_FAILED', message);
    }
    if (keyType !== GROUP)
      return none('INVALID_REQUEST', `expected a key type of 0 or 1, got ${keyType}`);
    if (key === '') return none('INVALID_GROUP_ID', 'expected a group id, got none');
    const { image } = metadata;
    const of = groups.partitionOf(key);
    if (of === undefined) {
      autoTopics.ensure(OFFSETS_TOPIC).catch((error: Error) => {
        log(`${OFFSETS_TOPIC} cannot be made: ${error.message}`);
      });
      return none('COORDINATOR_NOT_AVAILABLE', `${OFFSETS_TOPIC} is being made`);
    }
    const { state } = image.topics.get(of.topic)?.partitions[of.partition] ?? {};
    const broker = state === undefined ? undefined : image.brokers.get(state.leader);
    const endpoint = broker?.endpoints[listener];
    if (broker === undefined || endpoint === undefined)
      return none('COORDINATOR_NOT_AVAILABLE', `${of.topic}-${of.partition} has no leader now`);
    return { error: undefined, message: null, nodeId: broker.id, ...endpoint };
  }

  return {
    versions: { min: 0, max: 5 },
    handle: ({ key, keyType, coordinatorKeys }, { version, listener }) => {
      if (version >= 4) {
        return {
          coordinators: coordinatorKeys.map((each) => {
            const { error, message, ...where } = find(each, keyType, listener);
            return { key: each, ...where, errorCode: codeOf(error), errorMessage: told(message) };
          }),
        };
      }
      const { error, message, ...where } = find(key, keyType, listener);
      return { ...where, errorCode: codeOf(error), errorMessage: told(message) };
    },
  };
}
