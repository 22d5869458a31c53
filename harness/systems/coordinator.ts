// How the coordinator is built, deployed and looked at. Its configuration is a zoo.cfg with ZooKeeper's
// own names, and the harness asks it what any administrator would: mntr, by four-letter word.
import type { RunConfig } from '../../history/run-record.ts';
import { bundle } from '../bundle.ts';
import type { NodeSpec } from '../cluster.ts';
import type { System } from '../system.ts';
import { NEEDED, notReady, observe, PORTS, serverId, zooCfg } from './coordinator-view.ts';

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

export const coordinator: System = {
  name: 'coordinator',
  description: 'the coordination service of this project, ZooKeeper on the wire',
  source: SOURCE,
  clientPort: 'client',
  defaultOptions: {
    tickTime: 250,
    initLimit: 20,
    syncLimit: 6,
    snapCount: 10_000,
    ...NEEDED,
  },
  bundle: (mutant) =>
    bundle({ entry: SOURCE, name: 'coordinator', ...(mutant === undefined ? {} : { mutant }) }),
  specs: (config, program) => config.nodes.map((node) => spec(config, node, program)),
  launchArgs: (node, incarnation, baseNs) => [
    ...['--incarnation', String(incarnation)],
    ...['--event-base', String(baseNs)],
    ...['--node', node],
  ],
  observe,
  notReady,
};
