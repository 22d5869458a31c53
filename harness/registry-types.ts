// The shape of the registry: everything that can be plugged into a run. The real one is registry.ts;
// tests of the harness make one of their own.

import { latency } from '../checkers/latency.ts';
import { partRecord } from '../history/parts.ts';
import type { Nemesis, Workload } from '../history/plugin.ts';
import type { Checker, FinishedRun, RunRecord } from '../history/run-record.ts';
import type { Mutant } from '../mutants/mutant.ts';
import type { ClusterDriver } from './cluster.ts';
import type { System } from './system.ts';

export interface Registry {
  systems: readonly System[];
  workloads: readonly Workload[];
  nemeses: readonly Nemesis[];
  mutants: readonly Mutant[];
  drivers: readonly ClusterDriver[];
  /** Checkers of a system's own guarantees, by the system's name; a workload adds its own. */
  systemCheckers: Readonly<Record<string, readonly Checker[]>>;
  /**
   * The driver of that kind, or the best one here, with a line that says why it is not the first
   * choice. Throws ClusterUnavailable when the one asked for does not work.
   */
  chooseCluster(kind?: ClusterDriver['kind']): Promise<{ driver: ClusterDriver; line?: string }>;
  /** The run's report as one self-contained page. */
  renderHtml(run: FinishedRun): string;
  /** The run's summary for a terminal; its last line is the command that reproduces the run. */
  renderSummary(run: FinishedRun, options: { color: boolean; width: number }): string;
}

/** Checkers with what they judge: a run, or a part of it by its name. */
export interface Bench {
  part?: string;
  record: RunRecord;
  checkers: readonly Checker[];
}

/** Who judges a run: of a run of several services each is judged by itself, and the whole is timed. */
export function benchesOf(registry: Registry, record: RunRecord): Bench[] {
  const { system, workload, parts } = record.config;
  if (parts === undefined) return [{ record, checkers: checkersOf(registry, system, workload) }];
  const benches = parts.map((part, number): Bench => {
    const checkers = checkersOf(registry, part.system, part.workload);
    const own = checkers.filter((checker) => checker !== latency);
    return { part: part.system, record: partRecord(record, parts, number), checkers: own };
  });
  return [...benches, { record, checkers: [latency] }];
}

/** Every checker that judges runs of this workload on this system, each once. */
export function checkersOf(registry: Registry, system: string, workload: string): Checker[] {
  const own = registry.workloads.find((entry) => entry.name === workload)?.checkers ?? [];
  const usual = [...own, ...(registry.systemCheckers[system] ?? [])];
  const tested = registry.systems.find((entry) => entry.name === system);
  const all = usual.flatMap((checker) => {
    const judge = tested?.checkerFor === undefined ? checker : tested.checkerFor(checker);
    return judge === undefined ? [] : [judge];
  });
  return [...new Map(all.map((checker) => [checker.name, checker])).values()];
}
