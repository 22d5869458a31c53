// What a nemesis file exports. Nemeses are pure: they see node names and roles and yield faults as
// data, so one file serves containers, local processes and the simulator.
import type { FaultKind } from './fault.ts';
import type { Plan } from './plan.ts';
import type { Random } from './random.ts';

/** What a nemesis is told when its plan starts. */
export interface NemesisContext {
  nodes: readonly string[];
  /** A stream of the run's seed that only the nemesis draws from. */
  random: Random;
  /** How long the fault phase lasts. The interpreter ends it then and heals what is left. */
  timeLimitMs: number;
}

/** A nemesis: a name, a sentence, what the cluster must be able to do, and its plan. */
export interface Nemesis {
  name: string;
  description: string;
  /** Kinds of fault it injects; a cluster that lacks one refuses it before boot. */
  needs: readonly FaultKind[];
  /** The least number of nodes it makes sense with. */
  nodesMin: number;
  plan(context: NemesisContext): Plan;
}
