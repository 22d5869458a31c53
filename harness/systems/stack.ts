// Both systems of this project at once, as they are used: coordinators, and brokers that rest on them. Either
// is loaded and may be broken, and each is judged by itself.
import type { RunConfig, RunPart } from '../../history/run-record.ts';
import type { Nodes, System } from '../system.ts';
import { broker } from './broker.ts';
import {
  BROKER_OPTIONS,
  brokerRoles,
  brokerSpecs,
  brokersNotReady,
  brokersNotWhole,
} from './broker-nodes.ts';
import { coordinator, launchArgs } from './coordinator.ts';
import { coordinatorView } from './coordinator-view.ts';

const COORDINATORS = 'c';
const BROKERS = 'b';

/** The part of the run's configuration that is about the system of this name. */
function partOf({ parts = [] }: RunConfig, system: string): RunPart {
  const part = parts.find((each) => each.system === system);
  if (part === undefined) throw new Error(`the run's configuration has no part ${system}`);
  return part;
}

function nodesOf(cluster: Nodes, prefix: string): Nodes {
  return {
    nodes: cluster.nodes.filter((node) => node.startsWith(prefix)),
    address: (node, port) => cluster.address(node, port),
  };
}

export const stack: System = {
  name: 'stack',
  description: 'the coordinator and the broker of this project together, both under load',
  programs: { ...coordinator.programs, ...broker.programs },
  clientPort: 'client',
  defaultWorkload: 'register+log',
  defaultOptions: {},
  services: [
    {
      system: coordinator,
      nodePrefix: COORDINATORS,
      options: coordinator.defaultOptions,
    },
    { system: broker, nodePrefix: BROKERS, options: BROKER_OPTIONS },
  ],
  specs(config, bundles) {
    const below = partOf(config, coordinator.name);
    const { nodes, systemOptions: settings } = partOf(config, broker.name);
    const brokers = { nodes, settings, coordinators: below.nodes, eventLevel: config.eventLevel };
    const { parts: _, ...whole } = config;
    return [
      ...coordinator.specs({ ...whole, ...below }, bundles),
      ...brokerSpecs(brokers, bundles.broker ?? ''),
    ];
  },
  launchArgs,
  async observe(cluster) {
    const [coordinators, brokers] = [nodesOf(cluster, COORDINATORS), nodesOf(cluster, BROKERS)];
    const [below, above] = await Promise.all([
      coordinatorView.observe(coordinators),
      brokerRoles(brokers),
    ]);
    const { leader = [] } = below.roles;
    return {
      nodes: [...cluster.nodes],
      roles: {
        leader: [...leader, ...above.partitionLeader],
        'coordinator-leader': leader,
        'partition-leader': above.partitionLeader,
        'in-sync-follower': above.inSyncFollower,
        controller: above.controller,
        coordinator: [...coordinators.nodes],
        broker: [...brokers.nodes],
      },
    };
  },
  async notReady(cluster) {
    return (
      (await coordinatorView.notReady(nodesOf(cluster, COORDINATORS))) ??
      (await brokersNotReady(nodesOf(cluster, BROKERS)))
    );
  },
  notWhole: (cluster) => brokersNotWhole(nodesOf(cluster, BROKERS)),
};
