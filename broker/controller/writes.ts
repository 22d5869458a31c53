// How a controller stores what it decided: many states in one multi, each by compare-and-set. A state that
// somebody changed meanwhile is left out and decided anew; the others do not wait for it.
import { CoordinatorError, type MultiOp, OPEN_ACL, Op } from '../../coordinator/client/index.ts';
import type { TopicPartition } from '../contract.ts';
import { partitionPath, statePath } from '../metadata/paths.ts';
import { replaceState, topicStands } from '../metadata/states.ts';
import type { StoredStates } from '../metadata/stored-states.ts';
import { type StateToStore, writeState } from '../metadata/znodes.ts';
import { ConflictError, fenced, type Tenure } from './tenure.ts';

/** A state to be stored. */
export interface StateChange {
  readonly of: TopicPartition;
  readonly state: StateToStore;
  /** Of the state that it replaces; undefined: there is none. */
  readonly version: number | undefined;
  readonly unclean?: true;
}

/** States in one multi: far below the largest frame, and short for those who wait behind it. */
export const STATES_MAX = 50;

/**
 * Stores the changes, and says how many were left out because of somebody else's.
 * @throws DeposedError, or CoordinatorError when nobody knows what was stored.
 */
export async function storeStates(
  tenure: Tenure,
  changes: readonly StateChange[],
  stored: StoredStates,
): Promise<{ conflicts: number }> {
  let conflicts = 0;
  for (let from = 0; from < changes.length; from += STATES_MAX) {
    let left = changes.slice(from, from + STATES_MAX);
    // Each refusal takes at least one out.
    while (left.length > 0) {
      const others = await storeBatch(tenure, left, stored);
      conflicts += left.length - others.length;
      if (others.length === left.length) break;
      left = others;
    }
  }
  return { conflicts };
}

/** What is left to be tried: all of it when it was stored, otherwise all but what was in the way. */
async function storeBatch(
  tenure: Tenure,
  changes: readonly StateChange[],
  stored: StoredStates,
): Promise<StateChange[]> {
  const topics = [...new Set(changes.map(({ state }) => state.topicId))];
  const ops: MultiOp[] = topics.map(topicStands);
  const concerned: ((change: StateChange) => boolean)[] = topics.map(
    (id) => (change) => change.state.topicId === id,
  );
  for (const change of changes) {
    for (const op of operationsOf(change)) {
      ops.push(op);
      concerned.push((each) => each === change);
    }
  }
  try {
    await fenced(tenure, ops);
  } catch (error) {
    if (error instanceof ConflictError) {
      const inTheWay = concerned[error.at];
      return changes.filter((each) => inTheWay?.(each) !== true);
    }
    if (error instanceof CoordinatorError) {
      for (const each of changes) stored.unknown(each.of, versioned(each), 'controller', each);
    }
    throw error;
  }
  for (const each of changes) stored.told(each.of, versioned(each), 'controller', each);
  stored.flush();
  return [...changes];
}

const versioned = ({ state, version }: StateChange) => ({
  ...state,
  version: version === undefined ? 0 : version + 1,
});

function operationsOf({ of, state, version }: StateChange): MultiOp[] {
  if (version !== undefined) return [replaceState(of, state, version)];
  const { topic, partition } = of;
  const made = (path: string, data: Buffer | null): MultiOp => {
    return { type: Op.create, path, data, acl: OPEN_ACL, flags: 0 };
  };
  return [
    made(partitionPath(topic, partition), null),
    made(statePath(topic, partition), writeState(state)),
  ];
}
