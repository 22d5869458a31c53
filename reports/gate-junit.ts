// A gate as JUnit XML: a suite a system and cluster, a case a run. An anomaly or a crash is a failure,
// what the infrastructure failed and what is undecided an error; a skip is what was not run.
import type { GateEntry, GateRecord } from '../history/gate-record.ts';
import { gist, mutantSentence, wholeStory } from './gate-figures.ts';
import { xml } from './junit.ts';

const FAILURES: ReadonlySet<string> = new Set(['anomaly', 'crash', 'threshold']);

interface Case {
  suite: string;
  xml: string;
  kind: 'passed' | 'failure' | 'error' | 'skipped';
  seconds: number;
}

/** JUnit XML of a gate. */
export function renderGateJunit(record: GateRecord): string {
  const cases = [
    ...record.entries.map((entry) => entryCase(entry, record)),
    ...record.absent
      .filter(({ skipped }) => !skipped)
      .map(({ name, why }) => absentCase(name, why)),
    ...record.errors.map(brokenCase),
    ...record.notRun.map(({ cell, entries, why }) => skippedCase(cell, entries, why)),
  ];
  if (record.entries.length === 0) cases.push(emptyCase());
  const suites = Map.groupBy(cases, ({ suite }) => suite);
  const body = [...suites].map(([name, own]) => {
    const timestamp = `timestamp="${xml(record.startedAt)}"`;
    return (
      `  <testsuite name="${xml(name)}" ${counts(own)} ${timestamp}>\n${properties(record)}` +
      `${own.map((each) => each.xml).join('')}  </testsuite>\n`
    );
  });
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n` +
    `<testsuites name="${xml(`chaos gate ${record.profile}`)}" ${counts(cases)}>\n` +
    `${body.join('')}</testsuites>\n`
  );
}

function counts(cases: readonly Case[]): string {
  const count = (kind: Case['kind']) => cases.filter((each) => each.kind === kind).length;
  const seconds = cases.reduce((sum, each) => sum + each.seconds, 0);
  return (
    `tests="${cases.length}" failures="${count('failure')}" errors="${count('error')}" ` +
    `skipped="${count('skipped')}" time="${seconds.toFixed(3)}"`
  );
}

function properties(record: GateRecord): string {
  const { shard, mutant, versions } = record;
  const all: Record<string, string | number | undefined> = {
    profile: record.profile,
    seed: record.seed,
    shard: shard === undefined ? undefined : `${shard.index}/${shard.count}`,
    'mutant.id': mutant?.id,
    'mutant.title': mutant?.title,
    mutant: mutantSentence(record),
    node: versions.node,
    reproduce: record.reproduce,
  };
  const lines = Object.entries(all)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `      <property name="${xml(name)}" value="${xml(`${value}`)}"/>\n`);
  return `    <properties>\n${lines.join('')}    </properties>\n`;
}

function testCase(suite: string, name: string, seconds: number, inside: string): string {
  return (
    `    <testcase classname="${xml(suite)}" name="${xml(name)}" time="${seconds.toFixed(3)}">\n` +
    `${inside}    </testcase>\n`
  );
}

function problem(tag: 'failure' | 'error', type: string, message: string, text: string): string {
  return `      <${tag} type="${xml(type)}" message="${xml(message)}">${xml(text)}</${tag}>\n`;
}

function entryCase(entry: GateEntry, { mutant }: GateRecord): Case {
  const { ending, system, cluster, cell, seed, wallMs } = entry;
  const suite = `chaos.gate.${cluster}.${system}`;
  const seconds = wallMs / 1_000;
  const name = `${cell} seed ${seed}`;
  const planted = mutant === undefined ? [] : [`planted bug ${mutant.id}: ${mutant.title}`];
  const story = [...planted, ...wholeStory(entry)].join('\n');
  if (ending === 'valid') {
    const quiet = entry.retried.length + entry.redrawn.length === 0;
    const said = quiet ? `reproduce: ${entry.reproduce}` : story;
    const inside = `      <system-out>${xml(said)}</system-out>\n`;
    return { suite, seconds, kind: 'passed', xml: testCase(suite, name, seconds, inside) };
  }
  const kind = FAILURES.has(ending) ? 'failure' : 'error';
  const message = [...(mutant === undefined ? [] : [mutant.id]), gist(entry)].join(': ');
  const inside = problem(kind, ending, message, story);
  return { suite, seconds, kind, xml: testCase(suite, name, seconds, inside) };
}

function absentCase(name: string, why: string): Case {
  const suite = 'chaos.gate';
  const inside = problem('error', 'unavailable', `${name} is not available: ${why}`, '');
  return { suite, seconds: 0, kind: 'error', xml: testCase(suite, name, 0, inside) };
}

function brokenCase(error: string): Case {
  const suite = 'chaos.gate';
  const inside = problem('error', 'infrastructure', error.split('\n')[0] ?? '', error);
  return { suite, seconds: 0, kind: 'error', xml: testCase(suite, 'gate', 0, inside) };
}

/** A gate that ran nothing proves nothing, which must not look like success. */
function emptyCase(): Case {
  const suite = 'chaos.gate';
  const inside = problem('error', 'unknown', 'nothing was run, so nothing is proven', '');
  return { suite, seconds: 0, kind: 'error', xml: testCase(suite, 'matrix', 0, inside) };
}

function skippedCase(cell: string, entries: number, why: string): Case {
  const suite = 'chaos.gate.not-run';
  const inside = `      <skipped message="${xml(`${entries} not run: ${why}`)}"/>\n`;
  return { suite, seconds: 0, kind: 'skipped', xml: testCase(suite, cell, 0, inside) };
}
