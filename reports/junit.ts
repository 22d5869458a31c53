// A run as JUnit XML, the one format every CI system reads: a suite per run, a case per guarantee.
// invalid is a failure, unknown an error and never a skip: CI systems pass over skips, and thin
// evidence must not look like success. A run that broke adds a case of its own.
import type { FinishedRun } from '../history/run-record.ts';
import type { Verdict } from '../history/verdict.ts';
import { formatEvidence, verdictName, verdictSentence } from './figures.ts';

const ANOMALIES_PRINTED_MAX = 100;

/** JUnit XML of one run. */
export function renderJunit(run: FinishedRun): string {
  const { config, startedAt, ended, error, reproduce } = run.info;
  const suite = `chaos.${config.system}.${config.workload}`;
  const cases = run.results.verdicts.map((verdict) => testCase(suite, verdict, reproduce));
  const count = (outcome: string): number =>
    run.results.verdicts.filter((v) => v.outcome === outcome).length;
  let errors = count('unknown');
  if (ended !== 'complete' || cases.length === 0) {
    errors++;
    const why = error ?? (ended === undefined ? 'the run never ended' : verdictSentence(run));
    cases.push(
      `    <testcase classname="${xml(suite)}" name="run" time="0">\n` +
        `      <error type="${xml(ended ?? 'unfinished')}" message="${xml(why)}"></error>\n` +
        `    </testcase>\n`,
    );
  }
  const time = Math.max(0, Date.parse(run.info.finishedAt ?? startedAt) - Date.parse(startedAt));
  const counts =
    `tests="${cases.length}" failures="${count('invalid')}" errors="${errors}" skipped="0" ` +
    `time="${(Number.isFinite(time) ? time / 1000 : 0).toFixed(3)}"`;
  const properties = Object.entries({
    seed: config.seed,
    nemesis: config.nemesis,
    cluster: config.cluster,
    nodes: config.nodes.length,
    node: run.info.versions.node,
    reproduce,
  }).map(([name, value]) => `      <property name="${xml(name)}" value="${xml(`${value}`)}"/>\n`);
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n` +
    `<testsuites name="chaos" ${counts}>\n` +
    `  <testsuite name="${xml(`${config.name} seed ${config.seed}`)}" ${counts} ` +
    `timestamp="${xml(startedAt)}">\n` +
    `    <properties>\n${properties.join('')}    </properties>\n` +
    `${cases.join('')}  </testsuite>\n</testsuites>\n`
  );
}

function testCase(suite: string, verdict: Verdict, reproduce: string): string {
  const open = `    <testcase classname="${xml(suite)}" name="${xml(verdictName(verdict))}" time="0">\n`;
  const evidence = `${verdict.guarantee}\n${formatEvidence(verdict.evidence)}`;
  return `${open}${problem(verdict, reproduce)}      <system-out>${xml(evidence)}</system-out>\n    </testcase>\n`;
}

function problem(verdict: Verdict, reproduce: string): string {
  if (verdict.outcome === 'valid') return '';
  if (verdict.outcome === 'unknown') {
    const reason = verdict.reason ?? 'no reason was given';
    return `      <error type="unknown" message="${xml(reason)}">reproduce: ${xml(reproduce)}</error>\n`;
  }
  const { anomalies } = verdict;
  const prose = anomalies
    .slice(0, ANOMALIES_PRINTED_MAX)
    .map((a) => `${a.kind}: ${a.why} (history events ${a.events.join(', ')})`);
  if (anomalies.length > ANOMALIES_PRINTED_MAX) {
    prose.push(`and ${anomalies.length - ANOMALIES_PRINTED_MAX} more`);
  }
  const message = anomalies[0] === undefined ? (verdict.reason ?? 'violated') : prose[0]!;
  const text = [...prose, `reproduce: ${reproduce}`].join('\n');
  const type = anomalies[0]?.kind ?? 'invalid';
  return `      <failure type="${xml(type)}" message="${xml(message)}">${xml(text)}</failure>\n`;
}

/** Escapes for XML text and attributes; characters that XML 1.0 cannot carry become U+FFFD. */
export function xml(text: string): string {
  return (
    text
      .toWellFormed()
      // biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 forbids them
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      .replaceAll('\n', '&#10;')
  );
}
