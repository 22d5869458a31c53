// A gate: runs a profile's matrix round after round until its budget is spent and adds up what it came
// to. One red run makes it red, and nothing that went well makes up for it.
import type { GateAbsence, GateEntry, GateRecord } from '../../history/gate-record.ts';
import { EXIT, worstExit } from '../../history/verdict.ts';
import type { Mutant } from '../../mutants/mutant.ts';
import { bundlePrograms } from '../bundle.ts';
import { errorLine } from '../clock.ts';
import { formatDuration } from '../config.ts';
import { BadArguments } from '../names.ts';
import type { Registry } from '../registry-types.ts';
import { type RunOptions, versions } from '../run.ts';
import type { Artefacts } from './artefacts.ts';
import { Budget } from './budget.ts';
import type { Cell } from './cells.ts';
import type { GateProfile } from './load.ts';
import type { Shard } from './order.ts';
import { type Entry, roundOf, type Slice, slicesOf } from './plan.ts';
import { Runs, STOPPED } from './runs.ts';

export interface GateOptions {
  profile: GateProfile;
  /** Everything is drawn from it. */
  seed: number;
  budgetMs: number;
  shard?: Shard;
  mutant?: Mutant;
  jobs: number;
  /** Rounds of the matrix at most, however much of the budget is left; absent: as many as fit. */
  rounds?: number;
  /** Pass over clusters and systems that are not here, instead of calling that an error. */
  skipUnavailable: boolean;
  /** Begin nothing more after the first anomaly. */
  failFast: boolean;
  artefacts: Artefacts;
  registry: Registry;
  signal: AbortSignal;
  /** Told of every entry that ended. */
  onEnd(entry: GateEntry): void;
  log(line: string): void;
  timing?: RunOptions['timing'];
  /** The simulated runs' worker; another one in tests. */
  worker?: string;
}

/** Rounds of the matrix at most; a budget of a day has fewer. */
const ROUNDS_MAX = 100_000;

/** The exit code of a gate: the worst of all that happened wins; a gate that ran nothing proves nothing. */
export function gateExit(
  entries: readonly Pick<GateEntry, 'exit'>[],
  absent: readonly GateAbsence[],
  errors: readonly string[],
): number {
  const codes = entries.map(({ exit }) => exit);
  if (errors.length > 0 || absent.some(({ skipped }) => !skipped)) codes.push(EXIT.infrastructure);
  return codes.length === 0 ? EXIT.unknown : worstExit(codes);
}

/** The command that repeats a gate. */
function repetition({ profile, seed, budgetMs, rounds, shard, mutant }: GateOptions): string {
  const options = [`--profile ${profile.name}`, `--budget ${formatDuration(budgetMs)}`];
  if (rounds !== undefined) options.push(`--rounds ${rounds}`);
  if (shard !== undefined) options.push(`--shard ${shard.index}/${shard.count}`);
  if (mutant !== undefined) options.push(`--mutant ${mutant.id}`);
  return `npx chaos gate ${options.join(' ')} --seed ${seed}`;
}

class Gate {
  readonly #options: GateOptions;
  readonly #budget: Budget;
  readonly #runs: Runs;
  readonly #entries: GateEntry[] = [];
  readonly #absent: GateAbsence[] = [];
  readonly #errors: string[] = [];
  /** Ends the gate before its budget, for whatever reason. */
  readonly #stop = new AbortController();

  constructor(options: GateOptions) {
    this.#options = options;
    const { artefacts, budgetMs, jobs, mutant, registry, timing, worker } = options;
    this.#budget = new Budget(budgetMs);
    this.#runs = new Runs({
      registry,
      budget: this.#budget,
      artefacts,
      jobs,
      interrupt: options.signal,
      stop: this.#stop,
      onEnd: (entry) => this.#ended(entry),
      ...(mutant === undefined ? {} : { mutant: mutant.id }),
      ...(timing === undefined ? {} : { timing }),
      ...(worker === undefined ? {} : { worker }),
    });
  }

  async run(): Promise<GateRecord> {
    const startedAt = new Date().toISOString();
    const { signal, artefacts } = this.#options;
    const interrupt = () => this.#stop.abort();
    if (signal.aborted) interrupt();
    signal.addEventListener('abort', interrupt, { once: true });
    try {
      await this.#rounds(await this.#here());
    } catch (error) {
      if (error instanceof BadArguments) throw error;
      // What was found until then must not be lost with it.
      this.#errors.push(error instanceof Error ? (error.stack ?? error.message) : errorLine(error));
    } finally {
      signal.removeEventListener('abort', interrupt);
    }
    const record = this.#record(startedAt);
    artefacts.write(record);
    return record;
  }

  #ended(entry: GateEntry): void {
    this.#entries.push(entry);
    this.#options.onEnd(entry);
    if (entry.ending === 'anomaly' && this.#options.failFast) this.#stop.abort();
  }

  /** The cells that can be run here; what cannot is noted once, by name. */
  async #here(): Promise<Cell[]> {
    const { profile, registry, skipUnavailable, log } = this.#options;
    const cells = await this.#planted(profile.cells);
    const absences = new Map<string, string>();
    for (const driver of registry.drivers) {
      if (!cells.some(({ cluster }) => cluster === driver.kind)) continue;
      const here = await driver.available();
      if (!here.ok) absences.set(`cluster ${driver.kind}`, `${here.reason}; ${here.remedy}`);
    }
    for (const tested of registry.systems) {
      if (!cells.some(({ system }) => system === tested.name)) continue;
      const here = tested.available?.() ?? { ok: true };
      if (!here.ok) absences.set(`system ${tested.name}`, `${here.reason}; ${here.remedy}`);
    }
    for (const [name, why] of absences) {
      this.#absent.push({ name, why, skipped: skipUnavailable });
      log(`${name} is not available: ${why}${skipUnavailable ? ' (passed over)' : ''}`);
    }
    return this.#without(cells, ({ cluster, system }) => {
      const lacking = [`cluster ${cluster}`, `system ${system}`].find((name) => absences.has(name));
      return lacking === undefined ? undefined : `${lacking} is not available here`;
    });
  }

  /** The cells whose system has the code that the bug is planted in. Throws when there are none. */
  async #planted(cells: readonly Cell[]): Promise<Cell[]> {
    const { mutant, registry, log } = this.#options;
    if (mutant === undefined) return [...cells];
    const refusals = new Map<string, string>();
    for (const { name, programs } of registry.systems) {
      if (!cells.some(({ system }) => system === name)) continue;
      try {
        await bundlePrograms(programs, mutant);
      } catch (error) {
        refusals.set(name, errorLine(error));
      }
    }
    if (cells.every(({ system }) => refusals.has(system))) {
      const why = [...refusals].map(([name, line]) => `${name}: ${line}`).join('; ');
      throw new BadArguments(`${mutant.id} can be planted in no system of the profile: ${why}`);
    }
    for (const name of refusals.keys())
      log(`${mutant.id} is not planted in ${name}, which is left out`);
    return this.#without(cells, ({ system }) =>
      refusals.has(system) ? `${mutant.id} cannot be planted in ${system}` : undefined,
    );
  }

  /** The cells that nothing speaks against; what this shard would have had of others is left out. */
  #without(cells: readonly Cell[], refusal: (cell: Cell) => string | undefined): Cell[] {
    const out = new Map(cells.map((cell) => [cell.id, refusal(cell)]));
    for (const entry of this.#round(0)) {
      const why = out.get(entry.cell.id);
      if (why !== undefined) this.#budget.leaveOut(entry, why);
    }
    return cells.filter(({ id }) => out.get(id) === undefined);
  }

  /** All shards split the same whole, whatever one of their machines lacks. */
  #round(round: number): Entry[] {
    const { profile, seed, shard } = this.#options;
    return roundOf(profile.cells, seed, round, shard);
  }

  async #rounds(cells: readonly Cell[]): Promise<void> {
    const { jobs, rounds = ROUNDS_MAX } = this.#options;
    const here = new Set(cells.map(({ id }) => id));
    for (let round = 0; round < rounds; round++) {
      const entries = this.#round(round).filter(({ cell }) => {
        return here.has(cell.id) && !this.#budget.isOut(cell.id);
      });
      if (entries.length === 0 || (round > 0 && !this.#mayBegin(entries))) return;
      for (const slice of slicesOf(entries, jobs, (entry) => this.#budget.costs.of(entry))) {
        await this.#slice(slice);
      }
    }
  }

  /** A later round of which nothing can begin is none, and nothing is missing from it. */
  #mayBegin(entries: readonly Entry[]): boolean {
    if (this.#stop.signal.aborted) return false;
    return entries.some((entry) => this.#budget.hasFor(this.#budget.costs.of(entry)));
  }

  async #slice({ simulated, entries }: Slice): Promise<void> {
    if (this.#stop.signal.aborted) {
      for (const entry of entries) this.#budget.leaveOut(entry, STOPPED);
    } else if (simulated) {
      await this.#runs.simulated(entries);
    } else {
      for (const entry of entries) {
        if (this.#budget.begins(entry)) await this.#runs.live(entry);
      }
    }
  }

  #record(startedAt: string): GateRecord {
    const { profile, seed, budgetMs, shard, mutant, signal } = this.#options;
    const interrupted = signal.aborted;
    return {
      profile: profile.name,
      seed,
      budgetMs,
      ...(shard === undefined ? {} : { shard }),
      ...(mutant === undefined ? {} : { mutant: { id: mutant.id, title: mutant.title } }),
      startedAt,
      wallMs: Math.round(this.#budget.elapsedMs),
      entries: this.#entries,
      notRun: this.#budget.notRun(),
      absent: this.#absent,
      errors: this.#errors,
      interrupted,
      exit: interrupted ? EXIT.interrupted : gateExit(this.#entries, this.#absent, this.#errors),
      reproduce: repetition(this.#options),
      versions: versions(),
    };
  }
}

/** Runs a gate and writes its reports. Throws BadArguments for what cannot be run at all. */
export async function runGate(options: GateOptions): Promise<GateRecord> {
  return await new Gate(options).run();
}
