// The broker as a system by itself. Its coordinators are nodes of their own, c1 and so on, beside the run's
// nodes, so that whatever befalls a broker's node leaves the coordination service alone.
import type { RunConfig } from '../../history/run-record.ts';
import type { NodeSpec } from '../cluster.ts';
import type { Nodes, System } from '../system.ts';
import {
  BROKER_OPTIONS,
  BROKER_SOURCE,
  brokerRoles,
  brokerSpecs,
  brokersNotReady,
  brokersNotWhole,
} from './broker-nodes.ts';
import { COORDINATOR_OPTIONS, coordinator, launchArgs } from './coordinator.ts';

/** An option of the deployment that is the harness' own and no broker's setting. */
const COORDINATORS = 'coordinators';
const COORDINATORS_MAX = 5;

/** Names of the coordinators' nodes. Throws on an option out of range. */
function coordinatorsOf({ systemOptions }: RunConfig): string[] {
  const count = systemOptions[COORDINATORS] ?? 1;
  if (
    typeof count !== 'number' ||
    !Number.isInteger(count) ||
    count < 1 ||
    count > COORDINATORS_MAX
  )
    throw new Error(`expected ${COORDINATORS} to be 1 to ${COORDINATORS_MAX}, got ${count}`);
  return Array.from({ length: count }, (_, i) => `c${i + 1}`);
}

/** Coordinators whose log of events nobody judges. */
function coordinatorSpecs(config: RunConfig, program: string): NodeSpec[] {
  const beside: RunConfig = {
    ...config,
    nodes: coordinatorsOf(config),
    systemOptions: { ...COORDINATOR_OPTIONS },
    eventLevel: 'state',
  };
  return coordinator.specs(beside, { coordinator: program });
}

/** The nodes that are no coordinators. */
function brokersOf(cluster: Nodes): Nodes {
  return {
    nodes: cluster.nodes.filter((node) => !node.startsWith('c')),
    address: (node, port) => cluster.address(node, port),
  };
}

export const broker: System = {
  name: 'broker',
  description:
    'the message broker of this project, Kafka on the wire, beside coordinators of its own',
  programs: { broker: BROKER_SOURCE, ...coordinator.programs },
  clientPort: 'client',
  defaultWorkload: 'log',
  defaultOptions: { [COORDINATORS]: 1, ...BROKER_OPTIONS },
  specs(config, { broker: program = '', coordinator: beside = '' }) {
    const { [COORDINATORS]: _, ...settings } = config.systemOptions;
    const coordinators = coordinatorsOf(config);
    const { nodes, eventLevel } = config;
    return [
      ...coordinatorSpecs(config, beside),
      ...brokerSpecs({ nodes, coordinators, settings, eventLevel }, program),
    ];
  },
  launchArgs,
  async observe(cluster) {
    const brokers = brokersOf(cluster);
    const { partitionLeader, inSyncFollower, controller } = await brokerRoles(brokers);
    return {
      nodes: [...brokers.nodes],
      roles: { leader: partitionLeader, 'in-sync-follower': inSyncFollower, controller },
    };
  },
  notReady: (cluster) => brokersNotReady(brokersOf(cluster)),
  notWhole: (cluster) => brokersNotWhole(brokersOf(cluster)),
};
