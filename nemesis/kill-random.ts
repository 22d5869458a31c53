// Kills a random minority of the servers with SIGKILL and starts them again.
// The rest must go on serving.
import type { Nemesis } from '../history/plugin.ts';
import { rounds } from './rhythm.ts';

export const killRandom: Nemesis = {
  name: 'kill-random',
  description: 'kills a random minority of the servers and starts them again',
  needs: ['kill'],
  nodesMin: 1,
  plan: (context) =>
    rounds(context, () => {
      const { random, nodes } = context;
      const count = random.int(1, Math.max(1, Math.floor((nodes.length - 1) / 2)));
      return { kind: 'kill', nodes: random.shuffle(nodes).slice(0, count) };
    }),
};
