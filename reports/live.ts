// Progress while a run goes on: on a terminal a small window at the bottom that is redrawn in place,
// elsewhere one line per phase. It writes to a stream it is given and never to stdout, which is for results.
import type { Writable } from 'node:stream';

/** What the window shows. Times in milliseconds. */
export interface LiveState {
  system: string;
  nemesis: string;
  cluster: string;
  phase: string;
  elapsedMs: number;
  /** How long the phase that is measured lasts; 0 = not known. */
  totalMs: number;
  ops: { ok: number; fail: number; info: number };
  opsPerSecond: number;
  /** Description of the fault in place. */
  fault?: string;
  leader?: string;
}

/** A stream that may be a terminal, as `process.stderr` is. */
export type LiveStream = Writable & { isTTY?: boolean; columns?: number };

export interface LiveOptions {
  /** Redraw in place; default: the stream is a terminal and `CI` is not set. */
  interactive?: boolean;
  /** Default: interactive and `NO_COLOR` is not set. */
  color?: boolean;
}

const REDRAW_MS_MIN = 100;
const BAR_COLUMNS = 24;
const COLUMNS_DEFAULT = 80;

/** The live window. Call `stop` before anything else is written to the stream. */
export class LiveView {
  readonly #stream: LiveStream;
  readonly #interactive: boolean;
  readonly #color: boolean;
  #state: LiveState | undefined;
  #phase = '';
  #linesDrawn = 0;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(stream: LiveStream, options: LiveOptions = {}) {
    const { CI, NO_COLOR } = process.env;
    const set = (value: string | undefined): boolean => value !== undefined && value !== '';
    this.#stream = stream;
    this.#interactive = options.interactive ?? (stream.isTTY === true && !set(CI));
    this.#color = options.color ?? (this.#interactive && !set(NO_COLOR));
  }

  /** Shows a new state, at once or within 100 ms; without a terminal only a change of phase. */
  update(state: LiveState): void {
    if (this.#stopped) return;
    this.#state = state;
    if (!this.#interactive) {
      if (state.phase !== this.#phase) this.#stream.write(`${phaseLine(state)}\n`);
      this.#phase = state.phase;
      return;
    }
    const waitMs = this.#drawnAt + REDRAW_MS_MIN - performance.now();
    if (waitMs <= 0) this.#draw();
    else if (this.#timer === undefined) {
      this.#timer = setTimeout(() => this.#draw(), waitMs);
      this.#timer.unref();
    }
  }

  /** Writes a line that stays, above the window. */
  log(line: string): void {
    if (this.#stopped || !this.#interactive) {
      this.#stream.write(`${line}\n`);
      return;
    }
    const above = `${this.#erasure()}${line}\n`;
    this.#linesDrawn = 0;
    this.#stream.write(above + (this.#state === undefined ? '' : this.#window(this.#state)));
  }

  /** Removes the window; later updates are ignored, later lines still written. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const erasure = this.#erasure();
    this.#linesDrawn = 0;
    if (erasure !== '') this.#stream.write(erasure);
  }

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#stopped || this.#state === undefined) return;
    this.#drawnAt = performance.now();
    this.#stream.write(this.#erasure() + this.#window(this.#state));
  }

  #erasure(): string {
    return this.#linesDrawn === 0 ? '' : `\x1b[${this.#linesDrawn}A\x1b[0J`;
  }

  #window(state: LiveState): string {
    // One column stays free: a terminal that wraps the last column would break the count of lines.
    const columns = Math.max(20, (this.#stream.columns ?? COLUMNS_DEFAULT) - 1);
    const lines = windowLines(state).map(([label, text]) => {
      const fitted = text.slice(0, columns - 10);
      return this.#color
        ? `\x1b[2m${label.padEnd(9)}\x1b[0m ${fitted}`
        : `${label.padEnd(9)} ${fitted}`;
    });
    this.#linesDrawn = lines.length;
    return `${lines.join('\n')}\n`;
  }
}

function windowLines(state: LiveState): [label: string, text: string][] {
  const { ok, fail, info } = state.ops;
  const share = state.totalMs > 0 ? Math.min(1, state.elapsedMs / state.totalMs) : 0;
  const filled = Math.round(share * BAR_COLUMNS);
  const bar = '█'.repeat(filled) + '░'.repeat(BAR_COLUMNS - filled);
  const clock =
    state.totalMs > 0
      ? `${bar} ${seconds(state.elapsedMs)} of ${seconds(state.totalMs)}`
      : seconds(state.elapsedMs);
  return [
    ['run', `${state.system} under ${state.nemesis} on ${state.cluster}`],
    ['phase', `${state.phase}  ${clock}`],
    ['ops', `${Math.round(state.opsPerSecond)}/s  ok ${ok}  fail ${fail}  info ${info}`],
    ['fault', state.fault ?? 'none'],
    ['leader', state.leader ?? 'none'],
  ];
}

function phaseLine(state: LiveState): string {
  const { ok, fail, info } = state.ops;
  const run = `${state.system} under ${state.nemesis} on ${state.cluster}`;
  return `${seconds(state.elapsedMs)} ${state.phase}: ${run}; ops ok ${ok} fail ${fail} info ${info}`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
