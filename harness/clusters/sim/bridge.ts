// What passes between the world outside of a simulation and the harness that runs inside it, as a
// process among the others.
import type { RunConfig } from '../../../history/run-record.ts';
import type { Timing } from '../../interpreter.ts';
import type { SimCluster } from './cluster.ts';

/** Name of the global under which the simulated harness finds its bridge. */
export const BRIDGE = Symbol.for('chaos.simulated-run');

export interface Bridge {
  config: RunConfig;
  timing: Timing;
  cluster: Pick<
    SimCluster,
    'nodes' | 'address' | 'inject' | 'supports' | 'start' | 'unexpectedExits'
  >;
  /** Takes lines of the history as they are recorded. */
  append(text: string): void;
  /** A failure of the run itself. */
  error(line: string): void;
  /** The run is over. */
  done(): void;
}
