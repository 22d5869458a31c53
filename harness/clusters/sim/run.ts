// One simulated run from configuration to record: builds the simulation, lets the harness inside it run
// its phases in virtual time, and collects what it and the servers wrote.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunConfig } from '../../../history/run-record.ts';
import type { Mutant } from '../../../mutants/mutant.ts';
import { simulate, type TraceOptions, type TraceSummary } from '../../../simulator/index.ts';
import type { Timing } from '../../interpreter.ts';
import { FILES } from '../../store.ts';
import type { System } from '../../system.ts';
import { BRIDGE, type Bridge } from './bridge.ts';
import { HARNESS, NODE_DIR, SimCluster } from './cluster.ts';
import { harnessProgram, systemPrograms } from './programs.ts';

/** Virtual time after which a run that does not end is given up. */
const LIMIT_MS = 30 * 60_000;
/** Frames of an error's stack: refused operations are errors too, and most of their cost is the stack. */
const STACK_FRAMES = 4;

export interface SimulatedRun {
  /** Failures of the run itself. */
  errors: string[];
  trace: TraceSummary;
  /** Lines of the trace that were asked for. */
  lines: { recorded: string[]; last: string[] };
  /** SHA-256 of the code of each of the system's programs and of the `harness`. */
  programs: Record<string, string>;
  virtualMs: number;
}

export interface SimulatedRunOptions {
  signal?: AbortSignal;
  trace?: TraceOptions;
  /** As ProcessOptions has it: for a process that runs this one run, not for one of many seeds. */
  ownCode?: boolean;
}

/** What is run: a configuration with what it names. */
export interface SimulatedParts {
  config: RunConfig;
  system: System;
  mutant?: Mutant | undefined;
}

/** Runs it and writes history and nodes' files into `dir`, as any other cluster does. */
export async function simulateRun(
  { config, system, mutant }: SimulatedParts,
  timing: Timing,
  dir: string,
  options: SimulatedRunOptions = {},
): Promise<SimulatedRun> {
  const { signal, trace, ownCode = false } = options;
  const [programs, harness] = await Promise.all([
    systemPrograms(system.programs, mutant),
    harnessProgram(),
  ]);
  const sim = simulate({
    seed: config.seed,
    network: config.clusterOptions ?? {},
    ...(trace === undefined ? {} : { trace }),
  });
  const errors: string[] = [];
  let history = '';
  let over = false;
  const named = Object.fromEntries([...programs.keys()].map((name) => [name, name]));
  const cluster = new SimCluster(sim, {
    specs: system.specs(config, named),
    programs,
    ownCode,
    launchArgs: (node, incarnation) => system.launchArgs(node, incarnation, 0n),
  });
  const bridge: Bridge = {
    config,
    timing,
    cluster,
    append(text) {
      history += text;
    },
    error: (line) => errors.push(line),
    done() {
      over = true;
    },
  };
  const globals = { [BRIDGE]: bridge };
  const driver = sim.add(HARNESS, { program: harness, globals, ownCode });
  sim.start(HARNESS);
  const { stackTraceLimit } = Error;
  // For the whole run and always the same, since what a server prints of an error is traced.
  Error.stackTraceLimit = STACK_FRAMES;
  try {
    const ended = () => over || !driver.running || signal?.aborted === true;
    await sim.runUntil(ended, { limitMs: LIMIT_MS });
  } catch (error) {
    errors.push((error as Error).message);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  if (!over && signal?.aborted !== true) {
    const end = driver.exits.at(-1);
    errors.push(`the simulated harness ended early: ${String(end?.error ?? end?.signal)}`);
  }
  writeFileSync(join(dir, FILES.history), history);
  for (const node of cluster.nodes) {
    const nodeDir = join(dir, 'nodes', node);
    mkdirSync(nodeDir, { recursive: true });
    const events = sim.disk(node).contentOf(`${NODE_DIR}/events.jsonl`);
    if (events !== null) writeFileSync(join(nodeDir, 'events.jsonl'), events);
    writeFileSync(join(nodeDir, 'log'), `${sim.process(node).output().join('\n')}\n`);
  }
  return {
    errors,
    trace: sim.summary(),
    lines: { recorded: [...sim.trace.recorded()], last: [...sim.trace.last()] },
    programs: Object.fromEntries(
      [...programs, ['harness', harness] as const].map(([name, { hash }]) => [name, hash]),
    ),
    virtualMs: sim.nowMs,
  };
}
