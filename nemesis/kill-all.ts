// Kills every server at once and starts them all again on what their disks hold.
// Nothing that was acknowledged may be gone.
import type { Nemesis } from '../history/plugin.ts';
import { rounds } from './rhythm.ts';

/** While all are dead nobody takes over: what there is to see comes after the heal. */
const HOLD_PART_MIN = 0.25;

export const killAll: Nemesis = {
  name: 'kill-all',
  description: 'kills all servers at once and starts them again',
  needs: ['kill'],
  nodesMin: 1,
  plan: (context) =>
    rounds(
      context,
      () => {
        return { kind: 'kill', nodes: [...context.nodes] };
      },
      HOLD_PART_MIN,
    ),
};
