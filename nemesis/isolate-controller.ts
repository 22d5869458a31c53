// Cuts the controller off from every other server, the coordinators included, again and again. Its session
// ends, another becomes the controller, and what the old one still orders must count for nothing.
import { linksBetween } from '../history/fault.ts';
import type { Nemesis } from '../history/plugin.ts';
import { findRole, rounds } from './rhythm.ts';

export const isolateController: Nemesis = {
  name: 'isolate-controller',
  description: 'isolates the brokers’ controller from all other servers',
  needs: ['cut'],
  systems: ['stack'],
  nodesMin: 3,
  plan: (context) =>
    rounds(context, function* () {
      const controller = yield* findRole('controller', 0);
      if (controller === undefined) return undefined;
      const others = context.nodes.filter((node) => node !== controller);
      return { kind: 'cut', links: linksBetween([controller], others) };
    }),
};
