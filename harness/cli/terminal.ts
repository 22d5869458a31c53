// Where the command's words go. With --json everything for people goes to stderr, and stdout carries
// one object on one line at the end.
import type { LiveStream } from '../../reports/live.ts';

export interface Terminal {
  stdout: LiveStream;
  stderr: LiveStream;
  /** Aborted by the first Ctrl-C or SIGTERM. */
  signal: AbortSignal;
  /** Folder of the store. */
  storeDir: string;
}

const WIDTH_DEFAULT = 100;
const WIDTH_MAX = 120;

/** Speaks to people or to machines, never to both on one stream. */
export class Output {
  readonly json: boolean;
  readonly people: LiveStream;
  readonly #terminal: Terminal;

  constructor(terminal: Terminal, json: boolean) {
    this.json = json;
    this.#terminal = terminal;
    this.people = json ? terminal.stderr : terminal.stdout;
  }

  /** A line for people. */
  line(text = ''): void {
    this.people.write(`${text}\n`);
  }

  /** What went wrong, for people. */
  problem(text: string): void {
    this.#terminal.stderr.write(`chaos: ${text}\n`);
  }

  /** The one object for machines; only with --json. */
  object(value: unknown): void {
    if (this.json) this.#terminal.stdout.write(`${JSON.stringify(value)}\n`);
  }

  get style(): { color: boolean; width: number } {
    const plain = (process.env.NO_COLOR ?? '') !== '';
    const width = Math.min(this.people.columns ?? WIDTH_DEFAULT, WIDTH_MAX);
    return { color: this.people.isTTY === true && !plain, width };
  }
}

/** Lines up rows of cells in columns. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
