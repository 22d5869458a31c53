/// <reference lib="dom" />
// The run inside the page: unpacked from base64 and gzip into typed columns, plus the orders in which
// the panels walk through them. Rows are operations in order of invocation.
import { decodeTable, type Table } from '../columns.ts';
import { OUTCOMES, type PageMeta } from '../page-data.ts';
import { BrokerData } from './broker-data.ts';

export type OutcomeName = (typeof OUTCOMES)[number];

/** Operations of one process, in order. */
export interface ProcessLane {
  process: number;
  rows: number[];
}

export class RunData {
  readonly meta: PageMeta;
  readonly table: Table<PageMeta>;
  readonly count: number;
  /** ns since run start. */
  readonly invoke: Float64Array;
  readonly due: Float64Array;
  /** NaN for an operation that never returned. */
  readonly end: Float64Array;
  /** Index into OUTCOMES. */
  readonly type: Uint8Array;
  readonly node: Float64Array;
  /** Response time in ms; NaN for an operation that never returned. */
  readonly latencyMs: Float64Array;
  /** Rows by `due`, and their due times. */
  readonly byDue: Uint32Array;
  readonly dueSorted: Float64Array;
  readonly lanes: ProcessLane[];
  readonly laneOfRow: Uint32Array;
  /** Absent of a run without brokers. */
  readonly broker: BrokerData | undefined;

  constructor(table: Table<PageMeta>) {
    this.table = table;
    this.meta = table.meta;
    const column = (name: string): Float64Array => {
      const values = table.numbers[name];
      if (values === undefined) throw new Error(`the page's data lack the column ${name}`);
      return values;
    };
    this.invoke = column('invoke');
    this.node = column('node');
    this.count = this.invoke.length;
    const wait = column('wait');
    const took = column('took');
    this.due = this.invoke.map((time, row) => time - (wait[row]! || 0));
    this.end = this.invoke.map((time, row) => time + took[row]!);
    this.latencyMs = this.end.map((time, row) => (time - this.due[row]!) / 1e6);
    this.type = Uint8Array.from(column('type'));
    this.byDue = Uint32Array.from(this.due.keys()).sort((a, b) => this.due[a]! - this.due[b]!);
    this.dueSorted = Float64Array.from(this.byDue, (row) => this.due[row]!);
    const lanes = new Map<number, ProcessLane>();
    for (const [row, process] of column('process').entries()) {
      const lane = lanes.get(process);
      if (lane === undefined) lanes.set(process, { process, rows: [row] });
      else lane.rows.push(row);
    }
    this.lanes = [...lanes.values()].sort((a, b) => a.process - b.process);
    const { broker } = table.meta;
    this.broker = broker && new BrokerData(broker, table);
    this.laneOfRow = new Uint32Array(this.count);
    for (const [i, lane] of this.lanes.entries()) {
      for (const row of lane.rows) this.laneOfRow[row] = i;
    }
  }

  outcome(row: number): OutcomeName {
    return OUTCOMES[this.type[row]!]!;
  }

  /** A number of a column, undefined where absent. */
  number(name: string, row: number): number | undefined {
    const value = this.table.numbers[name]?.[row];
    return value === undefined || Number.isNaN(value) ? undefined : value;
  }

  /** A text that the column numbers. */
  name(column: string, list: readonly string[], row: number): string | undefined {
    const index = this.number(column, row);
    return index === undefined ? undefined : list[index];
  }

  input(row: number): string {
    return this.table.texts.input?.[row] ?? '';
  }

  output(row: number): string {
    const output = this.table.texts.output?.[row] ?? '';
    return output === '=' ? this.input(row) : output;
  }

  /** `write /r3 17`: what was done, shortly. */
  title(row: number): string {
    const { fs, keys } = this.meta;
    const value =
      this.outcome(row) === 'ok' ? this.output(row) || this.input(row) : this.input(row);
    const parts = [this.name('f', fs, row), this.name('key', keys, row), shorten(value, 60)];
    return parts.filter((part) => part !== undefined && part !== '').join(' ');
  }

  /** Row of an operation's id, undefined when it is not in the page. */
  rowOfId(id: number): number | undefined {
    const ids = this.table.numbers.id!;
    const row = lowerBound(ids, id);
    return ids[row] === id ? row : undefined;
  }
}

/** Unpacks the page's data. */
export async function readRunData(): Promise<RunData> {
  const source = document.getElementById('run-data')?.textContent ?? '';
  const binary = atob(source.trim());
  const packed = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) packed[i] = binary.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  return new RunData(decodeTable<PageMeta>(bytes));
}

/** First position in an ascending list whose value is not below `value`. */
export function lowerBound(sorted: ArrayLike<number>, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function shorten(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax - 1)}…`;
}
