// Cuts all brokers off from all coordinators, while brokers still reach one another and clients reach all. They
// may serve on with the leaders they have, but nobody may become leader of anything.
import { linksBetween } from '../history/fault.ts';
import type { Nemesis } from '../history/plugin.ts';
import { rounds } from './rhythm.ts';

export const partitionBrokersFromCoordinator: Nemesis = {
  name: 'partition-brokers-from-coordinator',
  description: 'cuts every broker off from every coordinator',
  needs: ['cut'],
  systems: ['stack'],
  nodesMin: 1,
  plan: (context) =>
    rounds(context, function* () {
      const seen = yield { kind: 'observe' };
      const { broker = [], coordinator = [] } = seen.kind === 'observed' ? seen.view.roles : {};
      return { kind: 'cut', links: linksBetween(broker, coordinator) };
    }),
};
