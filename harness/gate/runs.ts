// Runs entries of a gate: on real clusters one after the other, tried again where only the infrastructure
// failed; simulated ones on worker processes. What shows too little to be judged is run with another seed.
import type { GateEntry } from '../../history/gate-record.ts';
import type { RunConfig } from '../../history/run-record.ts';
import { worstExit } from '../../history/verdict.ts';
import { errorLine } from '../clock.ts';
import { ClusterUnavailable } from '../clusters/index.ts';
import { type RunRequest, reproduction, resolveRun, swarmResolved } from '../config.ts';
import { BadArguments, lookUp } from '../names.ts';
import type { Registry } from '../registry-types.ts';
import { type RunOptions, runToEnd } from '../run.ts';
import { drawSwarm, SWARM_SYSTEMS } from '../swarm/draw.ts';
import { type PoolResult, runPool } from '../swarm/pool.ts';
import { SystemUnavailable } from '../system.ts';
import type { Artefacts } from './artefacts.ts';
import type { Budget } from './budget.ts';
import {
  type Attempt,
  EXIT_OF,
  failedAttempt,
  liveAttempt,
  simulatedAttempt,
  thinDraw,
  thinRun,
} from './ending.ts';
import { type Entry, redrawn } from './plan.ts';

export interface RunsOptions {
  registry: Registry;
  budget: Budget;
  artefacts: Artefacts;
  jobs: number;
  mutant?: string;
  /** The user's interruption. */
  interrupt: AbortSignal;
  /** Ends the gate: what runs is healed and ended, nothing more is begun. */
  stop: AbortController;
  /** Told of every entry that ended. */
  onEnd(entry: GateEntry): void;
  /** Lengths of the phases on real clusters, where they are not the usual ones. */
  timing?: RunOptions['timing'];
  /** The workers' entry point; another one in tests. */
  worker?: string;
}

/** Why an entry was not run that the end of the gate cut off. */
export const STOPPED = 'the gate was ended before it';
/** Further attempts where the infrastructure failed, or a run showed too little. */
const RETRIES = 2;
/** A run that takes this much longer than its fault phase is ended, ms. */
const HANGS_MS = 300_000;

/** The command that runs an entry again. */
export function reproduce(entry: Entry, config: RunConfig): string {
  const { swarm, workload, nodes, system } = entry.cell;
  if (!swarm) return reproduction(config);
  const options: [string, string | number | undefined][] = [
    ['system', system],
    ['workload', workload],
    ['nodes', nodes],
    ['mutant', config.mutant],
  ];
  const given = options.filter(([, value]) => value !== undefined);
  const flags = given.map(([name, value]) => ` --${name} ${value}`).join('');
  return `npx chaos run --cluster sim --seeds ${entry.seed}${flags}`;
}

/** An entry of the record. */
function ended(
  entry: Entry,
  config: RunConfig | undefined,
  attempt: Attempt,
  wallMs: number,
): GateEntry {
  const { cell, seed } = entry;
  const { ending, exit, findings, errors } = attempt;
  return {
    cell: cell.id,
    system: cell.system,
    workload: config?.workload ?? cell.workload ?? 'drawn',
    nemesis: cell.nemesis,
    cluster: cell.cluster,
    seed,
    ending,
    exit,
    wallMs: Math.round(wallMs),
    findings,
    errors,
    retried: [],
    redrawn: [],
    reproduce: config === undefined ? '' : reproduce(entry, config),
    runs: [],
  };
}

/** An attempt at a simulated entry. */
interface Try {
  entry: Entry;
  config: RunConfig;
  retried: readonly string[];
  redrawn: readonly string[];
  /** The attempt before it: what the entry came to, should there be no room for this one. */
  before?: { tried: Try; outcome: PoolResult };
}

export class Runs {
  readonly #options: RunsOptions;

  constructor(options: RunsOptions) {
    this.#options = options;
  }

  #request({ cell, seed }: Entry): RunRequest {
    const { system, workload, nemesis, cluster, nodes = 3 } = cell;
    const { timeLimitMs, ratePerSecond, concurrency } = cell;
    const { mutant } = this.#options;
    const load = { timeLimitMs, ratePerSecond, concurrency, seed };
    const request: RunRequest = { system, nemesis, cluster, nodes, ...load };
    if (workload !== undefined) request.workload = workload;
    if (mutant !== undefined) request.mutant = mutant;
    return request;
  }

  /** Runs an entry on a real cluster. An anomaly ends it, whatever another attempt might come to. */
  async live(first: Entry): Promise<void> {
    const { artefacts, budget, onEnd } = this.#options;
    const { signal } = this.#options.stop;
    const startedMs = performance.now();
    const retried: string[] = [];
    const redraws: string[] = [];
    const runs: string[] = [];
    let entry = first;
    for (let tried = 1; ; tried++) {
      const attemptMs = performance.now();
      const { attempt, config, dir } = await this.#attempt(entry);
      // A boot that fails at once says nothing of how long a run takes.
      if (attempt.ending !== 'infrastructure') {
        budget.costs.note(entry, performance.now() - attemptMs);
      }
      const room = !signal.aborted && budget.hasFor(budget.costs.of(entry));
      const another = tried <= RETRIES && room;
      const thin = another ? thinRun(entry.seed, attempt) : undefined;
      if (dir !== undefined) {
        const { ending } = attempt;
        const tells = ending !== 'valid' && ending !== 'interrupted' && thin === undefined;
        const kept = tells ? artefacts.keep(dir) : artefacts.remove(dir);
        if (kept !== undefined) runs.push(kept);
      }
      if (thin !== undefined) {
        redraws.push(thin);
        entry = redrawn(entry);
      } else if (another && attempt.again) retried.push(attempt.errors.join('; '));
      else {
        const wallMs = performance.now() - startedMs;
        budget.ran(entry);
        onEnd({ ...ended(entry, config, attempt, wallMs), retried, redrawn: redraws, runs });
        return;
      }
    }
  }

  async #attempt(entry: Entry): Promise<{ attempt: Attempt; config?: RunConfig; dir?: string }> {
    const { registry, artefacts, stop, timing } = this.#options;
    const { signal } = stop;
    const hangs = new AbortController();
    const limitMs = entry.cell.timeLimitMs + HANGS_MS;
    const timer = setTimeout(() => hangs.abort(), limitMs);
    let config: RunConfig | undefined;
    try {
      const resolved = await resolveRun(this.#request(entry), registry, () => {});
      config = resolved.config;
      const run = await runToEnd(resolved, {
        registry,
        storeDir: artefacts.runsDir,
        signal: AbortSignal.any([signal, hangs.signal]),
        log: () => {},
        ...(timing === undefined ? {} : { timing }),
      });
      const attempt = liveAttempt(run);
      if (attempt.ending !== 'interrupted' || signal.aborted) {
        return { attempt, config, dir: run.dir };
      }
      const slow = failedAttempt(`it did not end within ${limitMs / 1_000} s and was ended`, true);
      return { attempt: { ...slow, findings: attempt.findings }, config, dir: run.dir };
    } catch (error) {
      const absent =
        error instanceof ClusterUnavailable ||
        error instanceof SystemUnavailable ||
        error instanceof BadArguments;
      const attempt = failedAttempt(errorLine(error), !absent);
      return config === undefined ? { attempt } : { attempt, config };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Runs simulated entries side by side; those that the budget has no room for are not begun. */
  async simulated(entries: readonly Entry[]): Promise<void> {
    const { artefacts, budget, interrupt } = this.#options;
    const failed: { outcome: PoolResult; record: GateEntry }[] = [];
    const settle = (tried: Try, outcome: PoolResult) => {
      const record = this.#ended(tried, outcome);
      if (record.ending !== 'valid') failed.push({ outcome, record });
    };
    let tries: Try[] = [];
    for (const entry of entries) {
      tries.push({ entry, config: await this.#config(entry), retried: [], redrawn: [] });
    }
    for (let pass = 0; tries.length > 0; pass++) {
      const next: Promise<Try>[] = [];
      const left = await this.#pool(tries, (tried, outcome) => {
        const another = pass < RETRIES ? this.#again(tried, outcome) : undefined;
        if (another === undefined) settle(tried, outcome);
        else next.push(another);
      });
      for (const { entry, redrawn, before } of left) {
        const thin = redrawn.at(-1);
        if (before === undefined) budget.leaveOut(entry, STOPPED);
        // Neither the budget nor an interruption makes a lost run unseen.
        else if (before.outcome.kind === 'lost') settle(before.tried, before.outcome);
        // A draw that proves nothing is no run, and there is no time for another.
        else budget.leaveOut(entry, `${thin}; there was no room for another draw`);
      }
      tries = await Promise.all(next);
    }
    for (const { outcome, record } of failed) {
      if (interrupt.aborted) break;
      if (artefacts.empty || budget.hasFor(record.wallMs)) await this.#keep(outcome, record);
    }
  }

  /** Another attempt, where it may end otherwise: for a worker that was lost, or a draw that showed too little. */
  #again(tried: Try, outcome: PoolResult): Promise<Try> | undefined {
    const before = { tried, outcome };
    if (outcome.kind === 'lost') {
      const retried = [...tried.retried, `its worker process: ${outcome.why}`];
      return Promise.resolve({ ...tried, retried, before });
    }
    const thin = thinDraw(outcome);
    return thin === undefined ? undefined : this.#drawAgain(tried, thin, before);
  }

  async #drawAgain(tried: Try, why: string, before: Required<Try>['before']): Promise<Try> {
    const entry = redrawn(tried.entry);
    const config = await this.#config(entry);
    return { ...tried, entry, config, redrawn: [...tried.redrawn, why], before };
  }

  async #config(entry: Entry): Promise<RunConfig> {
    const { cell, seed } = entry;
    const { registry, mutant } = this.#options;
    if (!cell.swarm) return (await resolveRun(this.#request(entry), registry, () => {})).config;
    const { workload, nodes } = cell;
    const system = lookUp('system of the swarm', cell.system, SWARM_SYSTEMS, (name) => name);
    return drawSwarm(seed, {
      system,
      ...(workload === undefined ? {} : { workload }),
      ...(nodes === undefined ? {} : { nodes }),
      ...(mutant === undefined ? {} : { mutant }),
    });
  }

  /** Runs on workers what may begin; gives the attempts that came to nothing, save the first ones without room. */
  async #pool(
    tries: readonly Try[],
    onResult: (tried: Try, outcome: PoolResult) => void,
  ): Promise<Set<Try>> {
    const { budget, jobs, stop, worker } = this.#options;
    const tryOf = new Map<RunConfig, Try>();
    const left = new Set(tries);
    function* beginning() {
      for (const tried of tries) {
        const { entry, config, before } = tried;
        const room = before === undefined ? budget.begins(entry) : hasRoom(entry);
        if (room) {
          tryOf.set(config, tried);
          yield config;
        } else if (before === undefined) left.delete(tried);
      }
    }
    const hasRoom = (entry: Entry) => budget.hasFor(budget.costs.of(entry));
    if (stop.signal.aborted) return left;
    await runPool(beginning(), {
      jobs: Math.min(jobs, tries.length),
      signal: stop.signal,
      ...(worker === undefined ? {} : { entry: worker }),
      onResult(outcome) {
        const tried = tryOf.get(outcome.config);
        if (tried === undefined) throw new Error('the pool gave a configuration not asked for');
        left.delete(tried);
        if (outcome.kind === 'done') budget.costs.note(tried.entry, outcome.result.wallMs);
        onResult(tried, outcome);
        // Results of different code cannot be put together.
        if (outcome.kind === 'changed') stop.abort();
      },
    });
    return left;
  }

  #ended({ entry, retried, redrawn }: Try, outcome: PoolResult): GateEntry {
    const wallMs = outcome.kind === 'done' ? outcome.result.wallMs : 0;
    const attempt = simulatedAttempt(outcome);
    const record = {
      ...ended(entry, outcome.config, attempt, wallMs),
      retried: [...retried],
      redrawn: [...redrawn],
    };
    this.#options.budget.ran(entry);
    this.#options.onEnd(record);
    return record;
  }

  /** Runs a simulated entry once more as a run of its own. A trace that is another one is an error. */
  async #keep(outcome: PoolResult, record: GateEntry): Promise<void> {
    const { registry, artefacts, interrupt: signal } = this.#options;
    if (outcome.kind !== 'done' || artefacts.full) return;
    try {
      const resolved = swarmResolved(outcome.config, registry);
      const storeDir = artefacts.runsDir;
      const { dir, run } = await runToEnd(resolved, { registry, storeDir, signal, log: () => {} });
      if (signal.aborted) {
        artefacts.remove(dir);
        return;
      }
      const kept = artefacts.keep(dir);
      if (kept !== undefined) record.runs.push(kept);
      const trace = run.info.simulation?.trace;
      if (trace === outcome.result.trace) return;
      record.errors.push(
        `the run kept has trace ${trace}, the one that failed ${outcome.result.trace}: the sources ` +
          'changed, or the simulator is not deterministic',
      );
    } catch (error) {
      record.errors.push(`its run could not be kept: ${errorLine(error)}`);
    }
    record.exit = worstExit([record.exit, EXIT_OF.infrastructure]);
  }
}
