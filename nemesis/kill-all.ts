// Kills every server at once and starts them all again on what their disks hold.
// Nothing that was acknowledged may be gone.
import type { Nemesis } from '../history/plugin.ts';
import { rounds } from './rhythm.ts';

export const killAll: Nemesis = {
  name: 'kill-all',
  description: 'kills all servers at once and starts them again',
  needs: ['kill'],
  nodesMin: 1,
  plan: (context) =>
    rounds(context, () => {
      return { kind: 'kill', nodes: [...context.nodes] };
    }),
};
