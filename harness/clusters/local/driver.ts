// The local driver: clusters of child processes on loopback, wherever Node runs. Used where no Docker
// daemon answers, and wherever a run must start at once.
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Cluster, ClusterDriver, ClusterOptions } from '../../cluster.ts';
import { bundleProgram, pinnedNode } from '../bundle.ts';
import { layOut, nodeDirectory, refuseBadSpecs } from '../node-files.ts';
import { LOCAL_SUPPORTS, LocalCluster } from './cluster.ts';
import { takePorts } from './ports.ts';
import { killLeftovers } from './process-list.ts';

const NODE_MAJOR = 24;

async function createCluster(options: ClusterOptions): Promise<Cluster> {
  refuseBadSpecs(options);
  const runDir = resolve(options.runDir);
  const agent = await bundleProgram(fileURLToPath(new URL('../../agent/main.ts', import.meta.url)));
  const ports = await takePorts(options.specs, options.log);
  const token = randomBytes(16).toString('hex');
  const cluster = new LocalCluster({ ...options, runDir }, { ports, token, agent });
  try {
    await Promise.all(
      options.specs.map((spec) =>
        layOut(runDir, spec, nodeDirectory(runDir, spec.name), (port) =>
          cluster.address(spec.name, port),
        ),
      ),
    );
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

/** Clusters of child processes on loopback. */
export const localDriver: ClusterDriver = {
  kind: 'local',
  description: 'child processes on loopback, cut by an agent inside each',
  supports: LOCAL_SUPPORTS,
  async available() {
    const own = Number(process.versions.node.split('.')[0]);
    if (pinnedNode() !== undefined || own === NODE_MAJOR) return { ok: true };
    return {
      ok: false,
      reason: `nodes need Node ${NODE_MAJOR}, and neither the pinned one nor this one (${process.version}) is`,
      remedy: '`npm ci` without --omit=optional, or run with Node 24',
    };
  },
  create: createCluster,
  clean: (storeDir) => killLeftovers(resolve(storeDir)),
};
