// One run from boot to report. Whatever happens on the way, the cluster is healed and gone at the end
// and the run's folder holds what there is, judged.
import { mkdirSync, readFileSync } from 'node:fs';
import { arch, platform, release } from 'node:os';
import { join } from 'node:path';
import type { FinishedRun, RunInfo } from '../history/run-record.ts';
import { EXIT, worstExit } from '../history/verdict.ts';
import { boot } from './boot.ts';
import { errorLine, Halt, RunClock } from './clock.ts';
import type { Cluster } from './cluster.ts';
import { simulateRun } from './clusters/sim/run.ts';
import { type ResolvedRun, reproduction } from './config.ts';
import { Interpreter, type InterpreterOptions, TIMING } from './interpreter.ts';
import { type Circumstances, judge, latencyPercentiles } from './judge.ts';
import { fileSink, Recorder } from './recorder.ts';
import { benchesOf, type Registry } from './registry-types.ts';
import {
  createRun,
  FILES,
  loadRecord,
  type StoredRun,
  writeJson,
  writeNodeEvents,
  writeWhole,
} from './store.ts';

/** Where a run is, for a live view. */
export interface RunProgress {
  phase: string;
  elapsedMs: number;
  ops: Readonly<{ ok: number; fail: number; info: number }>;
  faults: string[];
  leader?: string;
}

export interface RunOptions {
  registry: Registry;
  storeDir: string;
  /** Aborted: the run is healed, cleaned up and reported. */
  signal: AbortSignal;
  log(line: string): void;
  onProgress?(progress: RunProgress): void;
  /** Lengths of the phases, where they are not the usual ones. */
  timing?: Partial<InterpreterOptions['timing']>;
}

/** A run that has ended, in whatever way. */
export interface EndedRun {
  dir: string;
  run: FinishedRun;
  /** Failures of the harness or infrastructure, in prose. */
  errors: string[];
}

const PROGRESS_MS = 200;

/** Versions that a run is recorded with. */
export function versions(): RunInfo['versions'] {
  const manifest = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  ) as { version: string };
  return {
    chaos: manifest.version,
    node: process.versions.node,
    platform: `${platform()} ${arch()} ${release()}`,
  };
}

/** Runs it. Never rejects for what the cluster or the system does; the errors are in the result. */
export async function runToEnd(resolved: ResolvedRun, options: RunOptions): Promise<EndedRun> {
  const { config } = resolved;
  const startedAt = new Date();
  const dir = createRun(options.storeDir, config.name, startedAt, config.seed);
  const info: RunInfo = {
    config,
    startedAt: startedAt.toISOString(),
    versions: versions(),
    reproduce: reproduction(config),
  };
  writeJson(join(dir, FILES.info), info);
  const errors =
    resolved.driver.kind === 'sim'
      ? await simulated(resolved, options, dir, info)
      : await new LiveRun(resolved, options, dir).perform();
  info.ended = options.signal.aborted ? 'interrupted' : errors.length > 0 ? 'error' : 'complete';
  return finish(dir, info, errors, options.registry);
}

/** Lets the simulator do the whole run; notes in `info` what a replay is compared with. */
async function simulated(
  resolved: ResolvedRun,
  options: RunOptions,
  dir: string,
  info: RunInfo,
): Promise<string[]> {
  const { signal, timing, log } = options;
  const { timeLimitMs: faultsMs, recoveryMsMax } = resolved.config;
  const phases = { ...TIMING, faultsMs, recoveryMsMax, ...timing };
  const startedMs = performance.now();
  const run = await simulateRun(resolved, phases, dir, { signal, ownCode: true });
  const tookMs = performance.now() - startedMs;
  const { trace, virtualMs, programs } = run;
  info.simulation = { trace: trace.hash, events: trace.events, virtualMs, programs };
  log(
    `simulated ${(virtualMs / 1000).toFixed(1)} s in ${(tookMs / 1000).toFixed(1)} s, ` +
      `${trace.events} events, trace ${trace.hash.slice(0, 16)}`,
  );
  return run.errors;
}

/** The part of a run during which a cluster exists. */
class LiveRun {
  readonly #resolved: ResolvedRun;
  readonly #options: RunOptions;
  readonly #dir: string;
  readonly #clock = new RunClock();
  readonly #recorder: Recorder;
  readonly #errors: string[] = [];
  readonly #halt = new Halt();
  #cluster: Cluster | undefined;
  #interpreter: Interpreter | undefined;
  #closing = false;

  constructor(resolved: ResolvedRun, options: RunOptions, dir: string) {
    this.#resolved = resolved;
    this.#options = options;
    this.#dir = dir;
    this.#recorder = new Recorder(this.#clock, fileSink(join(dir, FILES.history)));
  }

  /** Boots, runs, closes. Returns the infrastructure's failures. */
  async perform(): Promise<string[]> {
    const { signal } = this.#options;
    const interrupt = () => this.#halt.reach();
    if (signal.aborted) interrupt();
    signal.addEventListener('abort', interrupt, { once: true });
    const ticker = setInterval(() => this.#report(), PROGRESS_MS);
    await this.#attempt(() => this.#bootAndInterpret());
    this.#closing = true;
    await this.#attempt(async () => this.#cluster?.close());
    clearInterval(ticker);
    signal.removeEventListener('abort', interrupt);
    await this.#attempt(async () => this.#recorder.close());
    return this.#errors;
  }

  async #attempt(part: () => Promise<void>): Promise<void> {
    try {
      await part();
    } catch (error) {
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : undefined;
      this.#errors.push(
        cause === undefined ? errorLine(error) : `${errorLine(error)}: ${errorLine(cause)}`,
      );
    }
  }

  async #bootAndInterpret(): Promise<void> {
    const { config, system, workload, nemesis, driver, mutant } = this.#resolved;
    const { log, signal, timing } = this.#options;
    this.#recorder.record({ process: 'harness', type: 'info', f: 'phase', value: 'boot' });
    this.#report();
    await boot({
      config,
      system,
      driver,
      ...(mutant === undefined ? {} : { mutant }),
      runDir: this.#dir,
      baseNs: this.#clock.baseNs,
      halt: this.#halt,
      log,
      onCluster: (cluster) => {
        this.#cluster = cluster;
      },
      onExit: (node, how) => this.#nodeExited(node, how),
    });
    const cluster = this.#cluster;
    if (cluster === undefined || this.#halt.reached) return;
    this.#interpreter = new Interpreter({
      workload,
      nemesis,
      context: {
        nodes: config.nodes,
        address: (node) => cluster.address(node, system.clientPort),
        concurrency: config.concurrency,
        ratePerSecond: config.ratePerSecond,
        seed: config.seed,
        options: config.workloadOptions,
      },
      cluster,
      nemesisOptions: config.nemesisOptions ?? {},
      observe: () => system.observe(cluster),
      recorder: this.#recorder,
      clock: this.#clock,
      timing: {
        ...TIMING,
        faultsMs: config.timeLimitMs,
        recoveryMsMax: config.recoveryMsMax,
        ...timing,
      },
      signal,
      onPhase: () => this.#report(),
    });
    await this.#interpreter.run();
  }

  /** A server that ends by itself is a finding, but no checker's: the run cannot be valid. */
  #nodeExited(node: string, how: string): void {
    if (this.#closing) return;
    const line = `${node} ended by itself: ${how}`;
    this.#recorder.record({ process: 'harness', type: 'info', f: 'node-exit', node, error: how });
    this.#options.log(line);
    this.#errors.push(`${line}; its log is in ${join(this.#dir, 'nodes', node)}`);
  }

  #report(): void {
    const interpreter = this.#interpreter;
    const progress: RunProgress = {
      phase: interpreter?.phase ?? 'boot',
      elapsedMs: this.#clock.now() / 1e6,
      ops: this.#recorder.counts,
      faults: interpreter?.faults ?? [],
    };
    if (interpreter?.leader !== undefined) progress.leader = interpreter.leader;
    this.#options.onProgress?.(progress);
  }
}

/** Reads back what was recorded, judges it and writes every result. */
async function finish(
  dir: string,
  info: RunInfo,
  errors: readonly string[],
  registry: Registry,
): Promise<EndedRun> {
  mkdirSync(join(dir, 'nodes'), { recursive: true });
  // Judged from the files, so that `chaos check` later sees exactly the same.
  const record = loadRecord(dir, info);
  writeNodeEvents(dir, record);
  const interrupted = info.ended === 'interrupted';
  return writeResults(dir, { info, record }, { errors, interrupted }, registry);
}

/** Judges a stored run again and rewrites what follows from it. */
export function rejudge(stored: StoredRun, registry: Registry): Promise<EndedRun> {
  const { dir, info, record } = stored;
  const errors = info.error === undefined ? [] : info.error.split('\n');
  // The verdict of a run that was interrupted is a verdict; the interruption is history.
  return writeResults(dir, { info, record }, { errors, interrupted: false }, registry);
}

/** Judges a record and writes results, report and run.json. */
async function writeResults(
  dir: string,
  judged: Pick<FinishedRun, 'info' | 'record'>,
  circumstances: Circumstances,
  registry: Registry,
): Promise<EndedRun> {
  const { info, record } = judged;
  const { results, runErrors, checkerErrors } = await judge(
    record,
    benchesOf(registry, record),
    circumstances,
  );
  const errors = [...runErrors, ...checkerErrors];
  if (runErrors.length > 0) {
    info.error = runErrors.join('\n');
    if (info.ended === 'complete') info.ended = 'error';
  }
  info.finishedAt ??= new Date().toISOString();
  const run: FinishedRun = { info, record, results };
  writeWhole(join(dir, FILES.latency), latencyPercentiles(record.ops));
  writeJson(join(dir, FILES.info), info);
  try {
    writeWhole(join(dir, FILES.report), registry.renderHtml(run));
  } catch (error) {
    // The verdict must not be lost with its picture.
    errors.push(`the report could not be written: ${errorLine(error)}`);
    results.exit = worstExit([results.exit, EXIT.infrastructure]);
  }
  writeJson(join(dir, FILES.results), results);
  return { dir, run, errors };
}
