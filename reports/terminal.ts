// The summary a run prints when it ends: verdict first, then what it rests on. It is a function of
// the finished run alone, so `chaos check` prints the same for a stored run.
import type { FinishedRun } from '../history/run-record.ts';
import type { Outcome, Verdict } from '../history/verdict.ts';
import {
  anomaliesOf,
  faultRows,
  formatCount,
  formatEvidence,
  formatMs,
  formatSeconds,
  messageCounts,
  RECOVERY_NOTE,
  verdictName,
  verdictSentence,
  verdictsByGravity,
} from './figures.ts';
import { FAULT_WINDOWS, latencyTables, type Quantiles } from './latency.ts';

/** How to print: with ANSI colour or without, and how many columns there are. */
export interface SummaryOptions {
  color: boolean;
  width: number;
}

const ANOMALIES_SHOWN_MAX = 5;
const WIDTH_MIN = 60;
const NODES_COLUMNS_MAX = 40;
const NAME_COLUMNS = 18;
const MARK: Record<Outcome, string> = { valid: '✓', invalid: '✗', unknown: '?' };

interface Style {
  bold(text: string): string;
  dim(text: string): string;
  outcome(outcome: Outcome, text: string): string;
}

function styleFor(color: boolean): Style {
  const sgr = (code: string, text: string): string =>
    color ? `\x1b[${code}m${text}\x1b[0m` : text;
  const codes: Record<Outcome, string> = { valid: '32', invalid: '31', unknown: '33' };
  return {
    bold: (text) => sgr('1', text),
    dim: (text) => sgr('2', text),
    outcome: (outcome, text) => sgr(`1;${codes[outcome]}`, text),
  };
}

/** The whole summary, without a newline at its end; its last line is `reproduce: <command>`. */
export function renderSummary(run: FinishedRun, options: SummaryOptions): string {
  const style = styleFor(options.color);
  const width = Math.max(WIDTH_MIN, options.width);
  const { ops } = run.results;
  const total = ops.ok + ops.fail + ops.info;
  const headline = style.outcome(run.results.outcome, run.results.outcome.toUpperCase());
  const counts =
    `${formatCount(total)} operations: ${formatCount(ops.ok)} ok, ` +
    `${formatCount(ops.fail)} fail, ${formatCount(ops.info)} info`;
  const verdicts = verdictsByGravity(run);
  const nameColumns = Math.max(NAME_COLUMNS, ...verdicts.map((v) => verdictName(v).length));
  const sections = [
    [`${headline}  ${verdictSentence(run)}`, style.dim(counts), ...messagesLine(run, style)],
    verdicts.flatMap((verdict) => verdictLines(verdict, nameColumns, style, width)),
    anomalyLines(run, style, width),
    faultTable(run, style),
    latencyTable(run, style),
  ];
  const body = sections.filter((lines) => lines.length > 0).map((lines) => lines.join('\n'));
  return [...body, `reproduce: ${plain(run.info.reproduce)}`].join('\n\n');
}

function messagesLine(run: FinishedRun, style: Style): string[] {
  const counts = messageCounts(run);
  if (counts === undefined) return [];
  const { acknowledged, unknown, failed, read, duplicates, unread } = counts;
  const sent =
    `${formatCount(acknowledged)} messages acknowledged, ${formatCount(unknown)} unknown, ` +
    `${formatCount(failed)} failed`;
  const got =
    `${formatCount(read)} read at least once, ${formatCount(unread)} unread, ` +
    `${formatCount(duplicates)} duplicates`;
  return [style.dim(`${sent}; ${got}`)];
}

function verdictLines(
  verdict: Verdict,
  nameColumns: number,
  style: Style,
  width: number,
): string[] {
  const mark = style.outcome(verdict.outcome, MARK[verdict.outcome]);
  const evidence = style.dim(plain(formatEvidence(verdict.evidence)));
  const lines = [
    `${mark} ${style.bold(plain(verdictName(verdict)).padEnd(nameColumns))} ${evidence}`,
  ];
  if (verdict.outcome !== 'valid') lines.push(...wrap(verdict.guarantee, width, '    '));
  if (verdict.reason !== undefined) lines.push(...wrap(verdict.reason, width, '    '));
  return lines;
}

function anomalyLines(run: FinishedRun, style: Style, width: number): string[] {
  const anomalies = anomaliesOf(run);
  if (anomalies.length === 0) return [];
  const lines = [
    style.bold(anomalies.length === 1 ? '1 anomaly' : `${formatCount(anomalies.length)} anomalies`),
  ];
  for (const { verdict, anomaly } of anomalies.slice(0, ANOMALIES_SHOWN_MAX)) {
    const where = anomaly.key === undefined ? '' : ` on ${plain(anomaly.key)}`;
    lines.push(
      style.outcome('invalid', `  ${plain(anomaly.kind)}${where} (${plain(verdictName(verdict))})`),
    );
    lines.push(...wrap(anomaly.why, width, '    '));
    const shown = anomaly.events.slice(0, 12).join(', ');
    const more = anomaly.events.length > 12 ? ` and ${anomaly.events.length - 12} more` : '';
    if (shown !== '') lines.push(style.dim(`    history events ${shown}${more}`));
  }
  const more = anomalies.length - ANOMALIES_SHOWN_MAX;
  if (more > 0) lines.push(style.dim(`  and ${formatCount(more)} more`));
  return lines;
}

function faultTable(run: FinishedRun, style: Style): string[] {
  const rows = faultRows(run);
  const { faults, recoveryMs } = run.results;
  if (rows.length === 0) return [];
  const table = rows.map((row) => [
    `${row.id}`,
    row.kind,
    shorten(row.description.slice(row.kind.length + 1), NODES_COLUMNS_MAX),
    formatSeconds(row.from),
    formatSeconds(row.durationMs === undefined ? undefined : row.durationMs * 1e6),
    row.verified,
    formatMs(row.recoveryMs),
    formatMs(row.afterHealMs),
  ]);
  const recovered = `recovery p50 ${formatMs(recoveryMs.p50)} ms, max ${formatMs(recoveryMs.max)} ms`;
  return [
    style.bold(`${faults.injected} faults, ${faults.verified} verified; ${recovered}`),
    ...columns(
      ['fault', 'kind', 'nodes', 'start', 'lasted', 'verified', 'recovery ms', 'after heal ms'],
      table,
      new Set([0, 3, 4, 6, 7]),
      style,
    ),
    style.dim(`  ${RECOVERY_NOTE}`),
  ];
}

function latencyTable(run: FinishedRun, style: Style): string[] {
  const tables = latencyTables(run);
  const quantiles = (q: Quantiles | undefined): string[] =>
    [q?.p50, q?.p95, q?.p99, q?.max].map(formatMs);
  const { service, response, count } = tables.overall;
  const overall = [
    ['service', ...quantiles(service), 'from the invocation'],
    ['response', ...quantiles(response), 'from when the operation was due'],
  ];
  const lines = [
    style.bold(`latency of ${formatCount(count)} acknowledged operations in ms`),
    ...columns(['time', 'p50', 'p95', 'p99', 'max', ''], overall, new Set([1, 2, 3, 4]), style),
  ];
  if (tables.faults.length === 0) return lines;
  const rows = tables.faults.map((fault) => [
    `${fault.id}`,
    ...FAULT_WINDOWS.map((window) => quantiles(fault[window].response).join(' / ')),
  ]);
  return [
    ...lines,
    '',
    style.bold('response time around each fault, p50 / p95 / p99 / max in ms'),
    ...columns(['fault', ...FAULT_WINDOWS], rows, new Set([0, 1, 2, 3]), style),
  ];
}

function columns(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  right: ReadonlySet<number>,
  style: Style,
): string[] {
  const widths = header.map((name, i) => Math.max(name.length, ...rows.map((r) => r[i]!.length)));
  const line = (cells: readonly string[]): string =>
    `  ${cells
      .map((cell, i) => (right.has(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')}`.trimEnd();
  return [style.dim(line(header)), ...rows.map((row) => line(row.map(plain)))];
}

function shorten(text: string, columnsMax: number): string {
  return text.length <= columnsMax ? text : `${text.slice(0, columnsMax - 1)}…`;
}

/** Text of the run without control characters: a value must not steer the reader's terminal. */
export function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: removing them is the point
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

/** Breaks text at spaces to lines of at most `width` columns, each indented; long words stay whole. */
export function wrap(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of plain(text).split(/\s+/)) {
    if (line !== '' && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  if (line !== '') lines.push(indent + line);
  return lines;
}
