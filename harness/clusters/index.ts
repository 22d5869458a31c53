// The clusters that exist, and which one a run gets. Docker where it works, processes elsewhere, and
// never a silent change of what was asked for.
import type { ClusterDriver } from '../cluster.ts';
import { dockerDriver } from './docker/driver.ts';
import { localDriver } from './local/driver.ts';
import { simDriver } from './sim/driver.ts';

/** Kinds of cluster that a user can ask for. */
export type ClusterChoice = 'docker' | 'local' | 'sim';

export const clusterDrivers: readonly ClusterDriver[] = [dockerDriver, localDriver, simDriver];

/** The cluster that was asked for cannot be had here; exit 255 with the remedy. */
export class ClusterUnavailable extends Error {
  readonly reason: string;
  readonly remedy: string;

  constructor(kind: string, reason: string, remedy: string) {
    super(`cluster '${kind}' is not available: ${reason}; ${remedy}`);
    this.name = 'ClusterUnavailable';
    this.reason = reason;
    this.remedy = remedy;
  }
}

/**
 * The driver for a run: the explicit one, else docker where it works, else local with a line that
 * says why. Throws ClusterUnavailable when the one asked for, or the last resort, does not work.
 */
export async function chooseCluster(
  explicit?: ClusterChoice,
): Promise<{ driver: ClusterDriver; line?: string }> {
  if (explicit !== undefined) {
    const driver = clusterDrivers.find(({ kind }) => kind === explicit);
    if (driver === undefined) {
      const known = clusterDrivers.map(({ kind }) => kind).join(', ');
      throw new Error(`unknown cluster '${String(explicit)}'; known: ${known}`);
    }
    const found = await driver.available();
    if (!found.ok) throw new ClusterUnavailable(explicit, found.reason, found.remedy);
    return { driver };
  }
  const docker = await dockerDriver.available();
  if (docker.ok) return { driver: dockerDriver };
  const local = await localDriver.available();
  if (!local.ok) throw new ClusterUnavailable('local', local.reason, local.remedy);
  const line = `using local processes: ${docker.reason}; for containers: ${docker.remedy}`;
  return { driver: localDriver, line };
}
