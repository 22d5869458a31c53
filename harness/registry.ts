// The one file that names every plug-in. What is not named here does not exist for `chaos`.
import { coordinatorCheckers } from '../checkers/index.ts';
import { mutants } from '../mutants/index.ts';
import { killAll } from '../nemesis/kill-all.ts';
import { killLeader } from '../nemesis/kill-leader.ts';
import { killRandom } from '../nemesis/kill-random.ts';
import { none } from '../nemesis/none.ts';
import { partitionHalves } from '../nemesis/partition-halves.ts';
import { partitionLeader } from '../nemesis/partition-leader.ts';
import { partitionOne } from '../nemesis/partition-one.ts';
import { partitionRing } from '../nemesis/partition-ring.ts';
import { pauseLeader } from '../nemesis/pause-leader.ts';
import { renderHtml } from '../reports/html/render.ts';
import { renderSummary } from '../reports/terminal.ts';
import { register } from '../workloads/register.ts';
import { chooseCluster, clusterDrivers } from './clusters/index.ts';
import type { Registry } from './registry-types.ts';
import { coordinator } from './systems/coordinator.ts';

export const registry: Registry = {
  systems: [coordinator],
  workloads: [register],
  nemeses: [
    none,
    partitionLeader,
    partitionHalves,
    partitionOne,
    partitionRing,
    killLeader,
    killRandom,
    killAll,
    pauseLeader,
  ],
  mutants,
  drivers: clusterDrivers,
  systemCheckers: { coordinator: coordinatorCheckers },
  chooseCluster,
  renderHtml,
  renderSummary,
};
