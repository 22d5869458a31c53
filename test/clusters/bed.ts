// What the conformance tests share: the cluster under test and how faults are put in and taken out of
// it. Every test heals what it broke, so that one booted cluster serves them all.
import { expect } from 'vitest';
import type { Cluster, ClusterDriver, ClusterOptions } from '../../harness/cluster.ts';
import type { StandingFault } from '../../harness/clusters/faults.ts';
import type { Fault } from '../../history/fault.ts';
import { openStream, received, send } from './bench.ts';

/** The cluster under test; set before the first test runs. */
export interface Bed {
  driver: ClusterDriver;
  runId: string;
  cluster: Cluster;
  options: ClusterOptions;
}

/** Injects a fault that must be verified. */
export async function inject(cluster: Cluster, fault: Fault): Promise<StandingFault> {
  const standing = (await cluster.inject(fault)) as StandingFault;
  expect(standing.verification).toMatchObject({ verified: true });
  return standing;
}

/** Heals a fault, which must be verified. */
export async function heal(standing: StandingFault): Promise<void> {
  expect(await standing.heal()).toMatchObject({ verified: true });
}

/** A full exchange between two nodes: by its end, what was free to travel has travelled. */
export async function exchange(cluster: Cluster, a: string, b: string, key: string): Promise<void> {
  await openStream(cluster, a, b, key);
  for (let round = 1; round <= 5; round++) {
    await send(cluster, a, key, 100);
    await received(cluster, b, key, round * 100);
    await send(cluster, b, key, 100);
    await received(cluster, a, key, round * 100);
  }
}
