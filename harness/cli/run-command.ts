// `chaos run`: resolves, runs, reports, and says in its exit code how it ended.
import { join } from 'node:path';
import type { RunResults } from '../../history/run-record.ts';
import { EXIT } from '../../history/verdict.ts';
import { verdictName } from '../../reports/figures.ts';
import { LiveView } from '../../reports/live.ts';
import { errorLine } from '../clock.ts';
import { ClusterUnavailable } from '../clusters/index.ts';
import {
  describeConfig,
  doubts,
  type ResolvedRun,
  type RunRequest,
  resolveRun,
} from '../config.ts';
import { BadArguments } from '../names.ts';
import type { Registry } from '../registry-types.ts';
import { type EndedRun, type RunOptions, type RunProgress, runToEnd } from '../run.ts';
import { FILES } from '../store.ts';
import { SystemUnavailable } from '../system.ts';
import { Output, type Terminal } from './terminal.ts';

/** What `--json` prints. */
export interface RunJson {
  verdict: RunResults['outcome'];
  exit: number;
  /** The run's folder; null when there is none. */
  run: string | null;
  seed: number | null;
  ops: RunResults['ops'];
  verdicts: Record<string, RunResults['outcome']>;
  faults: RunResults['faults'];
  recoveryMs: RunResults['recoveryMs'];
}

/** The object of a judged run. */
export function runJson({ dir, run }: EndedRun): RunJson {
  const { results, info } = run;
  return {
    verdict: results.outcome,
    exit: results.exit,
    run: dir,
    seed: info.config.seed,
    ops: results.ops,
    verdicts: Object.fromEntries(results.verdicts.map((v) => [verdictName(v), v.outcome])),
    faults: results.faults,
    recoveryMs: results.recoveryMs,
  };
}

/** The object of a run that never came to be. */
export function noRunJson(exit: number, seed: number | undefined): RunJson {
  return {
    verdict: 'unknown',
    exit,
    run: null,
    seed: seed ?? null,
    ops: { ok: 0, fail: 0, info: 0 },
    verdicts: {},
    faults: { injected: 0, verified: 0 },
    recoveryMs: { p50: null, max: null, each: [] },
  };
}

/** Runs it and returns the exit code. Throws BadArguments before anything starts. */
export async function runCommand(
  request: RunRequest,
  json: boolean,
  terminal: Terminal,
  registry: Registry,
  timing?: RunOptions['timing'],
): Promise<number> {
  const output = new Output(terminal, json);
  let seed = request.seed;
  try {
    const resolved = await resolveRun(request, registry, (line) => output.line(line));
    seed = resolved.config.seed;
    for (const line of describeConfig(resolved.config)) output.line(line);
    for (const doubt of doubts(resolved.config, resolved.nemesis)) {
      output.line(`note      ${doubt}`);
    }
    output.line();
    const ended = await runLive(resolved, terminal, output, registry, timing);
    showEnd(ended, output, registry);
    output.object(runJson(ended));
    return ended.run.results.exit;
  } catch (error) {
    if (error instanceof BadArguments) throw error;
    const absent = error instanceof ClusterUnavailable || error instanceof SystemUnavailable;
    output.problem(absent ? error.message : explain(error));
    output.object(noRunJson(EXIT.infrastructure, seed));
    return EXIT.infrastructure;
  }
}

function explain(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : errorLine(error);
}

/** Runs it with a live view; whatever happens, it ends in a run. */
export async function runLive(
  resolved: ResolvedRun,
  terminal: Terminal,
  output: Output,
  registry: Registry,
  timing: RunOptions['timing'],
): Promise<EndedRun> {
  const view = new LiveView(terminal.stderr);
  const options: RunOptions = {
    registry,
    storeDir: terminal.storeDir,
    signal: terminal.signal,
    log: (line) => view.log(line),
    onProgress: progressTo(view, resolved, terminal.stderr.isTTY === true),
  };
  if (timing !== undefined) options.timing = timing;
  const interrupted = () => view.log('interrupted: healing, cleaning up and reporting …');
  terminal.signal.addEventListener('abort', interrupted, { once: true });
  try {
    return await runToEnd(resolved, options);
  } finally {
    terminal.signal.removeEventListener('abort', interrupted);
    view.stop();
    output.line();
  }
}

/** Shows progress: the rate of operations since the last time, and on a terminal a bar for the faults. */
function progressTo(
  view: LiveView,
  resolved: ResolvedRun,
  bar: boolean,
): (progress: RunProgress) => void {
  const { config } = resolved;
  let phase = '';
  let phaseSince = 0;
  let last = { done: 0, atMs: 0, perSecond: 0 };
  return (progress) => {
    const { ops, elapsedMs } = progress;
    const done = ops.ok + ops.fail + ops.info;
    if (elapsedMs - last.atMs >= 500) {
      const perSecond = ((done - last.done) / (elapsedMs - last.atMs)) * 1000;
      last = { done, atMs: elapsedMs, perSecond };
    }
    if (progress.phase !== phase) {
      phase = progress.phase;
      phaseSince = elapsedMs;
    }
    view.update({
      system: config.system,
      nemesis: config.nemesis,
      cluster: config.cluster,
      phase,
      elapsedMs: bar && phase === 'faults' ? elapsedMs - phaseSince : elapsedMs,
      totalMs: bar && phase === 'faults' ? config.timeLimitMs : 0,
      ops: { ...ops },
      opsPerSecond: last.perSecond,
      ...(progress.faults.length > 0 ? { fault: progress.faults.join('; ') } : {}),
      ...(progress.leader === undefined ? {} : { leader: progress.leader }),
    });
  };
}

/** Prints how it ended; the last line is the command that reproduces it. */
export function showEnd(ended: EndedRun, output: Output, registry: Registry): void {
  for (const error of ended.errors) output.problem(error);
  output.line(`report: ${join(ended.dir, FILES.report)}`);
  output.line(registry.renderSummary(ended.run, output.style));
}
