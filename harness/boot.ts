// Boots a system on a cluster: bundle, create, start, and wait until every node answers its protocol.
// `chaos run` and `chaos up` share it.
import { randomBytes } from 'node:crypto';
import type { RunConfig } from '../history/run-record.ts';
import type { Mutant } from '../mutants/mutant.ts';
import { bundlePrograms } from './bundle.ts';
import { type Halt, monotonicNs } from './clock.ts';
import type { Cluster, ClusterDriver } from './cluster.ts';
import type { System } from './system.ts';

const READY_MS_MAX = 60_000;
const READY_POLL_MS = 100;

export interface BootOptions {
  config: RunConfig;
  system: System;
  driver: ClusterDriver;
  mutant?: Mutant;
  runDir: string;
  /** Start of the run on the monotonic clock, ns. */
  baseNs: bigint;
  /** Ends the boot early; what stands by then is handed to `onCluster` all the same. */
  halt: Halt;
  log(line: string): void;
  /** Called once with the cluster as soon as there is one, whose closing is then the caller's. */
  onCluster(cluster: Cluster): void;
  onExit(node: string, how: string): void;
}

/** Boots until ready. Throws when it cannot; returns early when the halt is reached. */
export async function boot(options: BootOptions): Promise<void> {
  const { config, system, driver, halt, baseNs } = options;
  const bundles = await bundlePrograms(system.programs, options.mutant);
  if (halt.reached) return;
  const cluster = await driver.create({
    runId: `${Date.now().toString(36)}-${randomBytes(3).toString('hex')}`,
    specs: system.specs(config, bundles),
    runDir: options.runDir,
    launchArgs: (node, incarnation) => system.launchArgs(node, incarnation, baseNs),
    log: (line) => options.log(line),
  });
  options.onCluster(cluster);
  let exited: string | undefined;
  cluster.onUnexpectedExit((node, how) => {
    exited ??= `${node} ended by itself (${how}); see ${cluster.nodeDir(node)}`;
    options.onExit(node, how);
  });
  if (halt.reached) return;
  await Promise.all(cluster.nodes.map((node) => cluster.start(node)));
  const deadline = monotonicNs() + BigInt(READY_MS_MAX) * 1_000_000n;
  while (!halt.reached) {
    const why = await system.notReady(cluster);
    if (why === undefined) return;
    if (exited !== undefined) throw new Error(`the cluster did not come up: ${exited}`);
    if (monotonicNs() > deadline) {
      throw new Error(`the cluster did not come up within ${READY_MS_MAX} ms: ${why}`);
    }
    await halt.sleep(READY_POLL_MS);
  }
}
