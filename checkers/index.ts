// The checkers that judge a run of the coordinator or of the broker, in the order their verdicts are shown. Naming them
// here in one list keeps the set of guarantees visible at a glance.
import type { Checker } from '../history/run-record.ts';
import { electionChecker } from './election.ts';
import { latency } from './latency.ts';
import { liveness } from './liveness.ts';
import { logChecker } from './log.ts';
import { noRollback } from './no-rollback.ts';
import { quorumService } from './quorum-service.ts';
import { replication } from './replication/index.ts';
import { partitionStates } from './replication/states.ts';
import { sessionOrder } from './session-order.ts';
import { sessions } from './sessions.ts';
import { stateDigestChecker } from './state-digest.ts';
import { stats } from './stats.ts';
import { synchronisation } from './synchronisation.ts';

export const coordinatorCheckers: readonly Checker[] = [
  noRollback,
  sessionOrder,
  sessions,
  electionChecker,
  logChecker,
  synchronisation,
  stateDigestChecker,
  quorumService,
  liveness,
  stats,
  latency,
];

/** Those that need no word of the servers' own: for a coordinator that is seen from outside only. */
export const outsideCheckers: readonly Checker[] = [
  noRollback,
  sessionOrder,
  liveness,
  stats,
  latency,
];

/** The checkers that judge a run of the broker, besides those of its workload. */
export const brokerCheckers: readonly Checker[] = [
  replication,
  partitionStates,
  liveness,
  stats,
  latency,
];
