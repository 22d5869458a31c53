// How the coordinator is built, deployed and looked at. Its configuration is a zoo.cfg with ZooKeeper's
// own names, and the harness asks it what any administrator would: mntr, by four-letter word.
import type { RunConfig } from '../../history/run-record.ts';
import type { NodeSpec } from '../cluster.ts';
import type { System } from '../system.ts';
import { coordinatorView, NEEDED, PORTS, serverId, zooCfg } from './coordinator-view.ts';

const SOURCE = 'coordinator/server/main.ts';

function spec(config: RunConfig, node: string, program: string): NodeSpec {
  return {
    name: node,
    program,
    args: (dir) => [
      ...['--config', `${dir}/zoo.cfg`],
      ...['--myid', String(serverId(config, node))],
      ...['--events', `${dir}/events.jsonl`],
      ...['--event-level', config.eventLevel],
    ],
    files: (dir) => ({ 'zoo.cfg': zooCfg(config, dir) }),
    ports: { ...PORTS },
    published: ['client'],
  };
}

/** Settings of coordinators under test: short, so that a run sees them at work. */
export const COORDINATOR_OPTIONS = {
  tickTime: 250,
  initLimit: 20,
  syncLimit: 6,
  snapCount: 10_000,
  ...NEEDED,
};

/** What the servers of this project are told at each start. */
export const launchArgs: System['launchArgs'] = (node, incarnation, baseNs) => [
  ...['--incarnation', String(incarnation)],
  ...['--event-base', String(baseNs)],
  ...['--node', node],
];

export const coordinator: System = {
  name: 'coordinator',
  description: 'the coordination service of this project, ZooKeeper on the wire',
  programs: { coordinator: SOURCE },
  clientPort: 'client',
  defaultWorkload: 'register',
  defaultOptions: { ...COORDINATOR_OPTIONS },
  specs: (config, { coordinator: program = '' }) =>
    config.nodes.map((node) => spec(config, node, program)),
  launchArgs,
  ...coordinatorView,
};
