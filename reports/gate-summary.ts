// A gate as Markdown, for the page of a CI system: what is broken first, with the command that shows it
// again, and what was not run last.
import type { GateEntry, GateRecord } from '../history/gate-record.ts';
import {
  counted,
  countOf,
  ENDINGS,
  endingsOf,
  type GateColour,
  gateColour,
  gist,
  mutantSentence,
  redrawnOf,
  retriedOf,
} from './gate-figures.ts';

/** Entries told in full; a page of a CI system holds a megabyte. */
const TOLD_MAX = 30;
const TEXT_MAX = 600;

const HEADLINES: Readonly<Record<GateColour, string>> = {
  green: 'green: every run valid',
  yellow: 'yellow: nothing found broken, but not all proven',
  red: 'red',
  interrupted: 'interrupted',
};

/** Words of a run or a server, made harmless in Markdown and of bounded length. */
function plain(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  const short = line.length > TEXT_MAX ? `${line.slice(0, TEXT_MAX)} …` : line;
  return short
    .toWellFormed()
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll(/[\\`*_|[\]~@#]/g, '\\$&');
}

/** A command or path as code. */
function code(text: string): string {
  const line = text.toWellFormed().replaceAll('`', "'").replaceAll(/\s+/g, ' ');
  return `\`${line.slice(0, TEXT_MAX)}\``;
}

function told(entry: GateEntry): string[] {
  const { cell, seed, findings, errors, retried, redrawn, reproduce, runs } = entry;
  return [
    `- **${plain(cell)}**, seed ${seed}: ${plain(gist(entry) || entry.ending)}`,
    ...findings.map(({ checker, why }) => `  - ${plain(checker)}: ${plain(why)}`),
    ...errors.map((error) => `  - ${plain(error)}`),
    ...retried.map((why, i) => `  - attempt ${i + 1}: ${plain(why)}`),
    ...redrawn.map((why) => `  - drawn again: ${plain(why)}`),
    ...(reproduce === '' ? [] : [`  - reproduce: ${code(reproduce)}`]),
    ...runs.map((run) => `  - run: ${code(run)}`),
  ];
}

function section(title: string, entries: readonly GateEntry[]): string[] {
  if (entries.length === 0) return [];
  const lines = entries.slice(0, TOLD_MAX).flatMap(told);
  const more = entries.length - TOLD_MAX;
  if (more > 0) lines.push(`- and ${more} more, in the JUnit file`);
  return ['', `### ${title}`, '', ...lines];
}

function matrix({ entries }: GateRecord): string[] {
  const cells = [...Map.groupBy(entries, ({ cell }) => cell)].sort(([a], [b]) =>
    a.localeCompare(b),
  );
  const rows = cells.map(([cell, own]) => {
    const seconds = own.reduce((sum, { wallMs }) => sum + wallMs, 0) / own.length / 1_000;
    return `| ${plain(cell)} | ${own.length} | ${endingsOf(own)} | ${seconds.toFixed(1)} s |`;
  });
  if (rows.length === 0) return [];
  return ['', '### Runs', '', '| | runs | ended | mean |', '| --- | --: | --- | --: |', ...rows];
}

/** Markdown of a gate. */
export function renderGateSummary(record: GateRecord): string {
  const { profile, seed, shard, exit, reproduce, entries, notRun, absent } = record;
  const part = shard === undefined ? '' : `, shard ${shard.index} of ${shard.count}`;
  const counts = ENDINGS.map(([ending, one, several]) =>
    counted(countOf(record, ending), one, several),
  );
  const planted = mutantSentence(record);
  const of = (ending: string) => entries.filter((entry) => entry.ending === ending);
  const lines = [
    `## chaos gate ${plain(profile)}${part}: ${HEADLINES[gateColour(record)]} (exit ${exit})`,
    '',
    `${counted(entries.length, 'run', 'runs')} in ${Math.round(record.wallMs / 1_000)} s: ${counts.join(', ')}.`,
    `Base seed ${seed}; the same again: ${code(reproduce)}`,
    ...(planted === undefined ? [] : ['', `**${plain(planted)}**`]),
    ...section('Anomalies', of('anomaly')),
    ...section('Servers that ended by themselves', of('crash')),
    ...section('Infrastructure errors', of('infrastructure')),
    ...section('Missed thresholds', of('threshold')),
    ...section('Undecided: too little evidence', of('unknown')),
    ...section('Interrupted', of('interrupted')),
    ...section(
      'Ended after the infrastructure had failed them',
      retriedOf(record).filter(({ ending }) => ending === 'valid'),
    ),
    ...section(
      'Drawn again: the first draw showed too little',
      redrawnOf(record).filter(({ ending }) => ending === 'valid'),
    ),
  ];
  if (record.errors.length > 0) {
    const rows = record.errors.map((error) => `- ${plain(error)}`);
    lines.push('', '### The gate itself broke off', '', ...rows);
  }
  if (absent.length > 0) {
    const rows = absent.map(({ name, why, skipped }) => {
      return `- ${plain(name)}: ${plain(why)}${skipped ? ' (passed over, as asked for)' : ''}`;
    });
    lines.push('', '### Not available here', '', ...rows);
  }
  if (notRun.length > 0) {
    const rows = notRun.map(({ cell, entries: count, elsewhere, why }) => {
      return `- ${plain(cell)}: ${count} not run${elsewhere ? '' : ', and no other either'}: ${plain(why)}`;
    });
    lines.push('', '### Not run', '', ...rows);
  }
  return `${[...lines, ...matrix(record)].join('\n')}\n`;
}
