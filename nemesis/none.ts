// No faults. The control: what goes wrong here is not the nemesis' doing.
import type { Nemesis } from '../history/plugin.ts';

export const none: Nemesis = {
  name: 'none',
  description: 'injects nothing',
  needs: [],
  nodesMin: 1,
  *plan() {},
};
