// One simulated run from configuration to record: builds the simulation, lets the harness inside it run
// its phases in virtual time, and collects what it and the servers wrote.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunConfig } from '../../../history/run-record.ts';
import type { Mutant } from '../../../mutants/mutant.ts';
import {
  loadProgram,
  type Program,
  simulate,
  type TraceOptions,
  type TraceSummary,
} from '../../../simulator/index.ts';
import { patching, ROOT } from '../../bundle.ts';
import type { Timing } from '../../interpreter.ts';
import { FILES } from '../../store.ts';
import { BRIDGE, type Bridge } from './bridge.ts';
import { NODE_DIR, SimCluster } from './cluster.ts';

const SERVER = 'coordinator/server/main.ts';
const HARNESS = 'harness/clusters/sim/program.ts';
/** Virtual time after which a run that does not end is given up. */
const LIMIT_MS = 30 * 60_000;
/** Frames of an error's stack: refused operations are errors too, and most of their cost is the stack. */
const STACK_FRAMES = 4;

const programs = new Map<string, Promise<Program>>();

/** The server's program, with a mutant's patches if one is given; compiled once a process. */
function serverProgram(mutant: Mutant | undefined): Promise<Program> {
  const key = mutant?.id ?? '';
  let program = programs.get(key);
  if (program === undefined) {
    const plugins = mutant === undefined ? [] : [patching(ROOT, mutant, new Set())];
    program = loadProgram(join(ROOT, SERVER), { plugins });
    programs.set(key, program);
  }
  return program;
}

function harnessProgram(): Promise<Program> {
  let program = programs.get(HARNESS);
  if (program === undefined) programs.set(HARNESS, (program = loadProgram(join(ROOT, HARNESS))));
  return program;
}

export interface SimulatedRun {
  /** Failures of the run itself. */
  errors: string[];
  trace: TraceSummary;
  /** Lines of the trace that were asked for. */
  lines: { recorded: string[]; last: string[] };
  /** SHA-256 of the server's and the harness' code. */
  programs: { server: string; harness: string };
  virtualMs: number;
}

export interface SimulatedRunOptions {
  signal?: AbortSignal;
  trace?: TraceOptions;
  /** As ProcessOptions has it: for a process that runs this one run, not for one of many seeds. */
  ownCode?: boolean;
}

/** Runs it and writes history and nodes' files into `dir`, as any other cluster does. */
export async function simulateRun(
  config: RunConfig,
  timing: Timing,
  mutant: Mutant | undefined,
  dir: string,
  options: SimulatedRunOptions = {},
): Promise<SimulatedRun> {
  const { signal, trace, ownCode = false } = options;
  const [server, harness] = await Promise.all([serverProgram(mutant), harnessProgram()]);
  const sim = simulate({
    seed: config.seed,
    network: config.clusterOptions ?? {},
    ...(trace === undefined ? {} : { trace }),
  });
  const errors: string[] = [];
  let history = '';
  let over = false;
  const cluster = new SimCluster(sim, {
    config,
    program: server,
    ownCode,
    args: (node, incarnation) => [
      ...['--config', `${NODE_DIR}/zoo.cfg`, '--myid', `${config.nodes.indexOf(node) + 1}`],
      ...['--events', `${NODE_DIR}/events.jsonl`, '--event-level', config.eventLevel],
      ...['--incarnation', `${incarnation}`, '--event-base', '0', '--node', node],
    ],
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
  const driver = sim.add('harness', { program: harness, globals, ownCode });
  sim.start('harness');
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
  for (const node of config.nodes) {
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
    programs: { server: server.hash, harness: harness.hash },
    virtualMs: sim.nowMs,
  };
}
