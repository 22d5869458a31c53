// The folder that a gate leaves behind: the folders of runs that did not end valid, and the reports.
// A CI system uploads it whole, so what tells nobody anything is removed.
import { appendFileSync, existsSync, lstatSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import type { GateRecord } from '../../history/gate-record.ts';
import { renderGateJunit } from '../../reports/gate-junit.ts';
import { renderGateSummary } from '../../reports/gate-summary.ts';
import { makeWithParents } from '../../wire/durable-files.ts';
import { BadArguments } from '../names.ts';
import { writeWhole } from '../store.ts';

export const GATE_FILES = {
  junit: 'junit.xml',
  summary: 'summary.md',
  record: 'gate.json',
  runs: 'runs',
} as const;

/** Folders kept; of more failing runs than these nobody reads the reports. */
const KEPT_MAX = 20;

export class Artefacts {
  readonly dir: string;
  readonly #keptMax: number;
  #kept = 0;

  /** Throws BadArguments when another gate's results lie there: they would be taken for this one's. */
  constructor(dir: string, keptMax = KEPT_MAX) {
    if (existsSync(join(dir, GATE_FILES.record))) {
      throw new BadArguments(
        `${dir} holds the results of another gate; remove it, or give another --out`,
      );
    }
    this.dir = dir;
    this.#keptMax = keptMax;
    try {
      makeWithParents(this.runsDir);
    } catch (error) {
      const got = (error as Error).message;
      throw new BadArguments(
        `expected --out to be a folder, or a place where this user may make one, got ${dir}: ${got}`,
      );
    }
  }

  /** Where runs are made, as a store. */
  get runsDir(): string {
    return join(this.dir, GATE_FILES.runs);
  }

  get full(): boolean {
    return this.#kept >= this.#keptMax;
  }

  get empty(): boolean {
    return this.#kept === 0;
  }

  /** Keeps a run's folder if there is still room: its path from the gate's folder, or undefined. */
  keep(run: string): string | undefined {
    if (this.full) {
      this.remove(run);
      return undefined;
    }
    this.#kept += 1;
    return relative(this.dir, run).split(sep).join('/');
  }

  remove(run: string): undefined {
    rmSync(run, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    const shelf = dirname(run);
    if (existsSync(shelf) && readdirSync(shelf).length === 0) rmdirSync(shelf);
  }

  /**
   * Writes the reports, also to the page of a CI system that names a file for it in
   * GITHUB_STEP_SUMMARY.
   */
  write(record: GateRecord, ciSummary = process.env.GITHUB_STEP_SUMMARY): void {
    const latest = join(this.runsDir, 'latest');
    // It may point to a run that was removed, over which an upload would stumble.
    if (lstatSync(latest, { throwIfNoEntry: false }) !== undefined) rmSync(latest);
    if (this.empty) rmSync(this.runsDir, { recursive: true, force: true });
    const summary = renderGateSummary(record);
    writeWhole(join(this.dir, GATE_FILES.junit), renderGateJunit(record));
    writeWhole(join(this.dir, GATE_FILES.summary), summary);
    writeWhole(join(this.dir, GATE_FILES.record), `${JSON.stringify(record, null, 2)}\n`);
    if (ciSummary !== undefined && ciSummary !== '') appendFileSync(ciSummary, summary);
  }
}
