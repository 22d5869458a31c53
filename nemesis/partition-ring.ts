// Majorities ring: every server sees a majority, but no two see the same one. Whoever believes that
// a majority of its own makes it leader will be one of several.
import { type Link, linksBetween } from '../history/fault.ts';
import type { Nemesis } from '../history/plugin.ts';
import { rounds } from './rhythm.ts';

/** Links to cut: servers further apart on the ring than a majority reaches. */
export function ringCuts(ring: readonly string[]): Link[] {
  const size = ring.length;
  // Three servers that see two each cannot all differ over two-way links: cutting one pair is nearest.
  if (size === 3) return linksBetween([ring[0]!], [ring[1]!]);
  const reach = Math.ceil(Math.floor(size / 2) / 2);
  const links: Link[] = [];
  for (const [i, a] of ring.entries()) {
    for (const [j, b] of ring.entries()) {
      const distance = Math.min((i - j + size) % size, (j - i + size) % size);
      if (distance > reach) links.push({ from: a, to: b });
    }
  }
  return links;
}

export const partitionRing: Nemesis = {
  name: 'partition-ring',
  description: 'every server sees a majority, no two see the same one',
  needs: ['cut'],
  nodesMin: 3,
  plan: (context) =>
    rounds(context, () => {
      return { kind: 'cut', links: ringCuts(context.random.shuffle(context.nodes)) };
    }),
};
