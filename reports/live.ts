// Progress while a run goes on: on a terminal a small window at the bottom that is redrawn in place,
// elsewhere one line per phase. It writes to a stream it is given and never to stdout, which is for results.
import { type LiveOptions, type LiveStream, RedrawnWindow } from './window.ts';

export type { LiveOptions, LiveStream } from './window.ts';

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

const BAR_COLUMNS = 24;

/** The live window. Call `stop` before anything else is written to the stream. */
export class LiveView {
  readonly #stream: LiveStream;
  readonly #window: RedrawnWindow;
  #phase = '';

  constructor(stream: LiveStream, options: LiveOptions = {}) {
    this.#stream = stream;
    this.#window = new RedrawnWindow(stream, options);
  }

  /** Shows a new state, at once or within 100 ms; without a terminal only a change of phase. */
  update(state: LiveState): void {
    if (this.#window.stopped) return;
    if (this.#window.interactive) {
      this.#window.show(() => windowLines(state));
      return;
    }
    if (state.phase !== this.#phase) this.#stream.write(`${phaseLine(state)}\n`);
    this.#phase = state.phase;
  }

  /** Writes a line that stays, above the window. */
  log(line: string): void {
    this.#window.log(line);
  }

  /** Removes the window; later updates are ignored, later lines still written. */
  stop(): void {
    this.#window.stop();
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
