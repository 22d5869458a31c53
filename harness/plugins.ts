// The systems, workloads and nemeses there are. Apart from the registry, because these also run inside the
// simulator, where nothing that touches the world may be imported.

import { groupCoordination } from '../checkers/replication/group-coordination.ts';
import { producers } from '../checkers/replication/producers.ts';
import type { Nemesis, Workload } from '../history/plugin.ts';
import type { Checker } from '../history/run-record.ts';
import { amn } from '../nemesis/amn.ts';
import { cutClients } from '../nemesis/cut-clients.ts';
import { isolateController } from '../nemesis/isolate-controller.ts';
import { killAll } from '../nemesis/kill-all.ts';
import { killIsolatedLeader } from '../nemesis/kill-isolated-leader.ts';
import { killLeader } from '../nemesis/kill-leader.ts';
import { killRandom } from '../nemesis/kill-random.ts';
import { none } from '../nemesis/none.ts';
import { partitionBrokersFromCoordinator } from '../nemesis/partition-brokers-from-coordinator.ts';
import { partitionHalves } from '../nemesis/partition-halves.ts';
import { partitionLeader } from '../nemesis/partition-leader.ts';
import { partitionOne } from '../nemesis/partition-one.ts';
import { partitionRing } from '../nemesis/partition-ring.ts';
import { pauseLeader } from '../nemesis/pause-leader.ts';
import { straggler } from '../nemesis/straggler.ts';
import { swarm } from '../nemesis/swarm.ts';
import { bank } from '../workloads/bank.ts';
import { connectBroker } from '../workloads/broker-client.ts';
import { config } from '../workloads/config.ts';
import { election } from '../workloads/election.ts';
import { ephemeral } from '../workloads/ephemeral.ts';
import { groupWorkload } from '../workloads/group.ts';
import { idempotentWorkload } from '../workloads/idempotent.ts';
import { lock } from '../workloads/lock.ts';
import { logWorkload } from '../workloads/log.ts';
import { naming } from '../workloads/naming.ts';
import { register } from '../workloads/register.ts';
import { sequence } from '../workloads/sequence.ts';
import { serviceDiscovery } from '../workloads/service-discovery.ts';
import { watch } from '../workloads/watch.ts';
import type { System } from './system.ts';
import { broker } from './systems/broker.ts';
import { coordinator } from './systems/coordinator.ts';
import { stack } from './systems/stack.ts';
import { zookeeper } from './systems/zookeeper.ts';

/** A workload that gives brokers occasion to show what this checker judges by their logs. */
function alsoJudgedBy(workload: Workload, checker: Checker): Workload {
  return { ...workload, checkers: [...workload.checkers, checker] };
}

export const systems: readonly System[] = [stack, coordinator, broker, zookeeper];

export const workloads: readonly Workload[] = [
  register,
  ephemeral,
  bank,
  sequence,
  lock,
  election,
  watch,
  config,
  naming,
  serviceDiscovery,
  logWorkload(connectBroker),
  alsoJudgedBy(groupWorkload(connectBroker), groupCoordination),
  alsoJudgedBy(idempotentWorkload(connectBroker), producers),
];

export const nemeses: readonly Nemesis[] = [
  none,
  partitionLeader,
  partitionHalves,
  partitionOne,
  partitionRing,
  killLeader,
  killRandom,
  killAll,
  killIsolatedLeader,
  straggler,
  pauseLeader,
  isolateController,
  cutClients,
  partitionBrokersFromCoordinator,
  amn,
  swarm,
];
