// The shape of chaos.config.ts: the gate's matrix as data. It is typed so that an editor completes it,
// and imports nothing, so that reading a configuration costs nothing.

/** A length of time: `90s`, `20m`. */
export type Duration = `${number}${'ms' | 's' | 'm' | 'h'}`;

/** One name, or several that are crossed with everything else in the row. */
export type OneOrMore<T> = T | readonly T[];

export type ClusterKind = 'docker' | 'local' | 'sim';

/** Runs as `chaos run` does them: every combination of what is named, as far as it can be run. */
export interface RunRow {
  /** `chaos list systems`. */
  system: OneOrMore<string>;
  /** `chaos list workloads`, several at once as `register+log`; default: the system's usual one. */
  workload?: OneOrMore<string>;
  /** `chaos list nemeses`. */
  nemesis: OneOrMore<string>;
  cluster: OneOrMore<ClusterKind>;
  /** Servers, 1 to 9; default 3. */
  nodes?: OneOrMore<number>;
  /** Length of the fault phase; default 10s. */
  timeLimit?: Duration;
  /** Operations a second over all clients, 0 = closed loop; default 200. */
  rate?: number;
  /** Clients; default 10. */
  concurrency?: number;
  /** Runs of each combination in every round of the matrix; default 1. */
  seeds?: number;
}

/** Simulated runs of which everything is drawn from the seed, as `chaos run --cluster sim --seeds`. */
export interface SwarmRow {
  /** The system: `chaos list systems`. */
  swarm: string;
  /** Fixed instead of drawn. */
  workload?: string;
  /** Fixed instead of drawn. */
  nodes?: number;
  /** Seeds in every round of the matrix; default 10. */
  seeds?: number;
}

export type Row = RunRow | SwarmRow;

export interface Profile {
  /** Wall time that runs may take; `--budget` overrides it. */
  budget: Duration;
  /**
   * Run round after round, each with new seeds, until the budget is spent. The order of rows does not
   * matter: whatever the budget cuts off, what was run is a fair sample.
   */
  matrix: readonly Row[];
}

export interface GateConfig {
  /** By name, as `--profile` takes it. */
  profiles: Readonly<Record<string, Profile>>;
}

/** Gives the configuration back; its type is what an editor completes. */
export function defineConfig(config: GateConfig): GateConfig {
  return config;
}
