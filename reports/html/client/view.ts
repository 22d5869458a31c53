/// <reference lib="dom" />
// What the reader looks at: the span of time shown by all panels, and what is picked out of it. One
// object, so that zooming in one panel zooms all, and the URL's fragment tells where one was.

/** What is picked: an operation by row, a fault by id, an anomaly by index. */
export interface Picked {
  row?: number;
  fault?: number;
  anomaly?: number;
}

const SPAN_NS_MIN = 1_000;

export class View {
  /** The whole run, ns. */
  readonly end: number;
  from = 0;
  until: number;
  picked: Picked = {};
  /** Rows that stay bright while an anomaly is shown; undefined = all. */
  highlight: ReadonlySet<number> | undefined;
  readonly hiddenOutcomes = new Set<number>();
  readonly #changed: () => void;

  constructor(end: number, changed: () => void) {
    this.end = end;
    this.until = end;
    this.#changed = changed;
  }

  get isWhole(): boolean {
    return this.from <= 0 && this.until >= this.end;
  }

  /** Shows a span, kept inside the run and not below a microsecond. */
  show(from: number, until: number): void {
    const span = Math.min(this.end, Math.max(SPAN_NS_MIN, until - from));
    const start = Math.min(Math.max(0, (from + until - span) / 2), this.end - span);
    this.from = start;
    this.until = start + span;
    this.#changed();
  }

  /** Zooms by a factor (below 1: closer) and keeps `at` where it is. */
  zoom(factor: number, at = (this.from + this.until) / 2): void {
    const span = this.until - this.from;
    const next = Math.min(this.end, Math.max(SPAN_NS_MIN, span * factor));
    const from = Math.min(Math.max(0, at - ((at - this.from) / span) * next), this.end - next);
    this.from = from;
    this.until = from + next;
    this.#changed();
  }

  /** Moves by a share of what is shown. */
  move(share: number): void {
    const by = (this.until - this.from) * share;
    const from = Math.min(Math.max(0, this.from + by), this.end - (this.until - this.from));
    this.until += from - this.from;
    this.from = from;
    this.#changed();
  }

  /** Shows all, picks nothing. */
  reset(): void {
    this.picked = {};
    this.highlight = undefined;
    this.show(0, this.end);
  }

  changed(): void {
    this.#changed();
  }

  /** The view as a URL fragment, without `#`. Times in seconds. */
  fragment(idOfRow: (row: number) => number): string {
    const parts: string[] = [];
    const seconds = (ns: number): string => String(Number((ns / 1e9).toFixed(9)));
    if (!this.isWhole) parts.push(`t=${seconds(this.from)}-${seconds(this.until)}`);
    if (this.picked.row !== undefined) parts.push(`op=${idOfRow(this.picked.row)}`);
    if (this.picked.anomaly !== undefined) parts.push(`anomaly=${this.picked.anomaly}`);
    if (this.picked.fault !== undefined) parts.push(`fault=${this.picked.fault}`);
    return parts.join('&');
  }
}

/** Reads a fragment: the span in ns and the ids named. Anything else in it is ignored. */
export function readFragment(fragment: string): {
  span?: [number, number];
  op?: number;
  anomaly?: number;
  fault?: number;
} {
  const fields = new URLSearchParams(fragment.replace(/^#/, ''));
  const integer = (name: string): number | undefined => {
    const text = fields.get(name);
    return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  };
  const read: ReturnType<typeof readFragment> = {};
  const span = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(fields.get('t') ?? '');
  if (span !== null && Number(span[1]) < Number(span[2])) {
    read.span = [Number(span[1]) * 1e9, Number(span[2]) * 1e9];
  }
  for (const name of ['op', 'anomaly', 'fault'] as const) {
    const value = integer(name);
    if (value !== undefined) read[name] = value;
  }
  return read;
}
