// A few lines at the bottom of a terminal, redrawn in place while something goes on. All live views share
// it, so that no two of them count lines differently and leave litter on the screen.
import type { Writable } from 'node:stream';

/** A stream that may be a terminal, as `process.stderr` is. */
export type LiveStream = Writable & { isTTY?: boolean; columns?: number };

export interface LiveOptions {
  /** Redraw in place; default: the stream is a terminal and `CI` is not set. */
  interactive?: boolean;
  /** Default: interactive and `NO_COLOR` is not set. */
  color?: boolean;
}

/** A line of the window; the label is drawn dim. */
export type WindowLine = [label: string, text: string];

const REDRAW_MS_MIN = 100;
const COLUMNS_DEFAULT = 80;
const LABEL_COLUMNS = 9;

/** Lines that are replaced as a whole. Call `stop` before anything else is written to the stream. */
export class RedrawnWindow {
  readonly interactive: boolean;
  readonly #stream: LiveStream;
  readonly #color: boolean;
  #draw: (() => WindowLine[]) | undefined;
  #linesDrawn = 0;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(stream: LiveStream, options: LiveOptions = {}) {
    const { CI, NO_COLOR } = process.env;
    const set = (value: string | undefined): boolean => value !== undefined && value !== '';
    this.#stream = stream;
    this.interactive = options.interactive ?? (stream.isTTY === true && !set(CI));
    this.#color = options.color ?? (this.interactive && !set(NO_COLOR));
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Draws new lines, at once or within 100 ms; `lines` is asked when they are drawn. */
  show(lines: () => WindowLine[]): void {
    if (this.#stopped || !this.interactive) return;
    this.#draw = lines;
    const waitMs = this.#drawnAt + REDRAW_MS_MIN - performance.now();
    if (waitMs <= 0) this.#redraw();
    else if (this.#timer === undefined) {
      this.#timer = setTimeout(() => this.#redraw(), waitMs);
      this.#timer.unref();
    }
  }

  /** Writes a line that stays, above the window. */
  log(line: string): void {
    if (this.#stopped || !this.interactive) {
      this.#stream.write(`${line}\n`);
      return;
    }
    const above = `${this.#erasure()}${line}\n`;
    this.#linesDrawn = 0;
    this.#stream.write(above + (this.#draw === undefined ? '' : this.#text(this.#draw())));
  }

  /** Takes the window away while `write` writes to another stream of the same terminal. */
  aside(write: () => void): void {
    const erasure = this.#erasure();
    this.#linesDrawn = 0;
    if (erasure !== '') this.#stream.write(erasure);
    write();
    if (!this.#stopped && erasure !== '' && this.#draw !== undefined) this.#redraw();
  }

  /** Removes the window; later lines to show are ignored, later logs still written. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const erasure = this.#erasure();
    this.#linesDrawn = 0;
    if (erasure !== '') this.#stream.write(erasure);
  }

  #redraw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#stopped || this.#draw === undefined) return;
    this.#drawnAt = performance.now();
    this.#stream.write(this.#erasure() + this.#text(this.#draw()));
  }

  #erasure(): string {
    return this.#linesDrawn === 0 ? '' : `\x1b[${this.#linesDrawn}A\x1b[0J`;
  }

  #text(window: WindowLine[]): string {
    // One column stays free: a terminal that wraps the last column would break the count of lines.
    // A terminal that does not know its width says 0.
    const { columns: wide = 0 } = this.#stream;
    const columns = Math.max(20, (wide > 0 ? wide : COLUMNS_DEFAULT) - 1);
    const lines = window.map(([label, text]) => {
      const fitted = text.slice(0, columns - LABEL_COLUMNS - 1);
      const padded = label.padEnd(LABEL_COLUMNS);
      return this.#color ? `\x1b[2m${padded}\x1b[0m ${fitted}` : `${padded} ${fitted}`;
    });
    this.#linesDrawn = lines.length;
    return `${lines.join('\n')}\n`;
  }
}
