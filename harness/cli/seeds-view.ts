// Many seeds as one watches them: on a terminal a table that is redrawn in place, a line a worker and the
// totals; elsewhere a plain line now and then.
import { RedrawnWindow, type WindowLine } from '../../reports/window.ts';
import type { RunningSeed } from '../swarm/pool.ts';
import type { SwarmTable } from '../swarm/table.ts';
import type { Output, Terminal } from './terminal.ts';

/** Between two plain lines. */
const LINE_EVERY_MS = 5_000;
/** How often the seconds of the workers are counted on. */
const REDRAW_EVERY_MS = 500;

export class SeedsView {
  readonly #output: Output;
  readonly #window: RedrawnWindow;
  readonly #table: SwarmTable;
  readonly #total: number;
  readonly #startedMs = performance.now();
  #running: readonly (RunningSeed | undefined)[] = [];
  #shownMs = performance.now();
  readonly #ticker: NodeJS.Timeout | undefined;

  constructor(terminal: Terminal, output: Output, table: SwarmTable, total: number) {
    this.#output = output;
    this.#table = table;
    this.#total = total;
    this.#window = new RedrawnWindow(terminal.stderr);
    if (this.#window.interactive) {
      this.#ticker = setInterval(() => this.#draw(), REDRAW_EVERY_MS);
      this.#ticker.unref();
    }
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedMs;
  }

  /** Shows what the workers do now. */
  running(running: readonly (RunningSeed | undefined)[]): void {
    this.#running = running;
    this.#draw();
  }

  /** A result is in the table. */
  progress(): void {
    this.#draw();
    if (this.#window.interactive || performance.now() - this.#shownMs < LINE_EVERY_MS) return;
    this.#shownMs = performance.now();
    this.#output.line(totals(this.#table, this.#total, this.elapsedMs).join('; '));
  }

  /** A line that stays. */
  line(text: string): void {
    this.#window.aside(() => this.#output.line(text));
  }

  stop(): void {
    clearInterval(this.#ticker);
    this.#window.stop();
  }

  #draw(): void {
    this.#window.show(() =>
      windowLines(this.#running, this.#table, this.#total, this.elapsedMs, performance.now()),
    );
  }
}

/** The totals in the order in which they are told. */
export function totals(table: SwarmTable, total: number, elapsedMs: number): string[] {
  return [
    table.outcomes(total),
    table.speed(elapsedMs),
    `syncs ${table.syncModes()}`,
    `faults ${table.faultKinds()}`,
  ];
}

/** The table's lines; `nowMs` and the starts by one clock. */
export function windowLines(
  running: readonly (RunningSeed | undefined)[],
  table: SwarmTable,
  total: number,
  elapsedMs: number,
  nowMs: number,
): WindowLine[] {
  const workers = running.map(
    (each, i): WindowLine => [`worker ${i + 1}`, workerText(each, nowMs)],
  );
  return [
    ...workers,
    ['seeds', table.outcomes(total)],
    ['time', `${table.speed(elapsedMs)}, ${(elapsedMs / 1000).toFixed(0)} s so far`],
    ['syncs', table.syncModes()],
    ['faults', table.faultKinds()],
  ];
}

function workerText(running: RunningSeed | undefined, nowMs: number): string {
  if (running === undefined) return 'done';
  const { config, startedMs, again } = running;
  const seconds = ((nowMs - startedMs) / 1000).toFixed(1);
  return (
    `seed ${String(config.seed).padEnd(8)} ${config.workload.padEnd(10)} ` +
    `${config.nodes.length} nodes ${seconds.padStart(6)} s${again ? '  again, to compare' : ''}`
  );
}
