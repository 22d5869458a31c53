// The docker driver: says whether containers can be broken here, builds clusters of them, and clears
// away what a killed harness left. The cluster it builds is in cluster.ts.
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Cluster, ClusterDriver, ClusterOptions } from '../../cluster.ts';
import { bundleProgram, keepFile } from '../bundle.ts';
import { layOut, refuseBadSpecs } from '../node-files.ts';
import { DOCKER_SUPPORTS, DockerCluster, removeRun } from './cluster.ts';
import { type Daemon, type Obstacle, reachDaemon, unlessGone } from './daemon.ts';
import { bootHolder, readOnly } from './holder-container.ts';
import { ensureImage, NODE_IN_IMAGE } from './image.ts';
import { isOrphan, LABEL_FILTER, nameOf, runLabels } from './labels.ts';
import { createNetwork } from './network.ts';
import { DIRECTORY_IN_CONTAINER } from './server-container.ts';

/** Without it a node would ask the daemon's resolver, and that one the world. */
const RESOLVER = '# Nodes know the names in /etc/hosts and no others.\nnameserver 127.0.0.1\n';

interface Ready {
  ok: true;
  daemon: Daemon;
  image: string;
  holderProgram: string;
}

const bundleHolder = (): Promise<string> =>
  bundleProgram(fileURLToPath(new URL('./holder.ts', import.meta.url)));

let readiness: Promise<Ready | Obstacle> | undefined;

/** Whether all that a cluster needs is there; a yes is remembered, a no is looked at again. */
async function makeReady(): Promise<Ready | Obstacle> {
  readiness ??= lookAround();
  const found = await readiness;
  if (!found.ok) readiness = undefined;
  return found;
}

async function lookAround(): Promise<Ready | Obstacle> {
  const daemon = await reachDaemon();
  if (!daemon.ok) return daemon;
  try {
    const [image, holderProgram] = await Promise.all([ensureImage(daemon), bundleHolder()]);
    if (!image.ok) return image;
    const ready: Ready = { ok: true, daemon, image: image.tag, holderProgram };
    const complaint = await tryRules(ready);
    if (complaint === undefined) return ready;
    return {
      ok: false,
      reason: `nft rules do not work in a container here: ${complaint}`,
      remedy: 'use a kernel with nf_tables (`sudo modprobe nf_tables`), or use --cluster local',
    };
  } catch (error) {
    return {
      ok: false,
      reason: `the Docker daemon refused a container: ${(error as Error).message}`,
      remedy: 'see `docker info` and the daemon log, or use --cluster local',
    };
  }
}

/** Loads the standing rules in a container without a network; what it complains of, if anything. */
async function tryRules(ready: Ready): Promise<string | undefined> {
  const { docker } = ready.daemon;
  const runId = `try-${randomBytes(4).toString('hex')}`;
  const container = await docker.createContainer({
    name: nameOf(runId),
    Image: ready.image,
    User: '0:0',
    Cmd: [NODE_IN_IMAGE, '/holder.mjs'],
    Env: [`CHAOS_HOLDER=${JSON.stringify({ subnet: '10.64.0.0/24', token: '', tryOnly: true })}`],
    Labels: runLabels(runId),
    HostConfig: {
      ...ready.daemon.hostConfig,
      CapDrop: ['ALL'],
      CapAdd: ['NET_ADMIN'],
      SecurityOpt: ['no-new-privileges', 'label=disable'],
      NetworkMode: 'none',
      Mounts: [readOnly(ready.holderProgram, '/holder.mjs')],
    },
  });
  try {
    await container.start();
    const { StatusCode } = (await container.wait()) as { StatusCode: number };
    if (StatusCode === 0) return undefined;
    const log = await container.logs({ stdout: true, stderr: true, tail: 5 });
    return log
      .toString('latin1')
      .replaceAll(/[^\x20-\x7e]/g, ' ')
      .trim();
  } finally {
    await unlessGone(container.remove({ force: true }));
  }
}

async function createCluster(options: ClusterOptions): Promise<Cluster> {
  refuseBadSpecs(options);
  const ready = await makeReady();
  if (!ready.ok) throw new Error(`${ready.reason}; ${ready.remedy}`);
  const { daemon, image, holderProgram } = ready;
  const runDir = resolve(options.runDir);
  const labels = runLabels(options.runId);
  const networkName = nameOf(options.runId);
  try {
    const [network, resolver] = await Promise.all([
      createNetwork(daemon.docker, networkName, labels),
      keepFile('resolv', '.conf', RESOLVER),
    ]);
    const hosts = options.specs.map((spec, i) => `${spec.name}:${network.address(i)}`);
    const token = randomBytes(16).toString('hex');
    const booted = await Promise.allSettled(
      options.specs.map((spec, i) =>
        bootHolder(daemon, {
          name: nameOf(options.runId, spec.name, 'holder'),
          labels,
          image,
          program: holderProgram,
          networkId: network.id,
          networkName,
          subnet: network.subnet,
          address: network.address(i),
          spec,
          hosts,
          token,
        }),
      ),
    );
    const failed = booted.find((result) => result.status === 'rejected');
    if (failed !== undefined) {
      for (const result of booted) if (result.status === 'fulfilled') result.value.close();
      throw failed.reason;
    }
    const holders = new Map(
      options.specs.map((spec, i) => {
        const result = booted[i];
        if (result?.status !== 'fulfilled') throw new Error(`${spec.name} has no holder`);
        return [spec.name, result.value] as const;
      }),
    );
    const parts = { daemon, image, labels, network, holders, resolver };
    const cluster = new DockerCluster({ ...options, runDir }, parts);
    await Promise.all(
      options.specs.map((spec) =>
        layOut(runDir, spec, DIRECTORY_IN_CONTAINER, (port) => cluster.address(spec.name, port)),
      ),
    );
    return cluster;
  } catch (error) {
    await removeRun(daemon, options.runId);
    throw error;
  }
}

async function cleanUp(): Promise<string[]> {
  const daemon = await reachDaemon();
  if (!daemon.ok) return [];
  const { docker } = daemon;
  const filters = { label: LABEL_FILTER };
  const all = await docker.listContainers({ all: true, filters });
  const containers = all.filter(({ Labels }) => isOrphan(Labels));
  const nets = await docker.listNetworks({ filters });
  const networks = nets.filter(({ Labels }) => isOrphan(Labels));
  const labels = [...containers, ...networks].map(({ Labels }) => Labels?.['chaos.run']);
  const runs = new Set(labels.filter((run) => run !== undefined));
  await Promise.all([...runs].map((run) => removeRun(daemon, run)));
  const lines = containers.map(({ Id, Names }) => {
    return `removed container ${(Names[0] ?? Id).replace(/^\//, '')}`;
  });
  return [...lines, ...networks.map(({ Name }) => `removed network ${Name}`)].sort();
}

/** Clusters of containers, one network namespace a node. */
export const dockerDriver: ClusterDriver = {
  kind: 'docker',
  description: 'containers on a bridge network of their own, cut by nftables',
  supports: DOCKER_SUPPORTS,
  async available() {
    const found = await makeReady();
    return found.ok ? { ok: true } : found;
  },
  create: createCluster,
  clean: () => cleanUp(),
};
