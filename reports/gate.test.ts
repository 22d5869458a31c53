// The reports of a gate: whatever runs and servers say, the XML is well-formed and the Markdown harmless,
// and nothing that is red or undecided looks like success.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GateEnding, GateEntry, GateRecord } from '../history/gate-record.ts';
import { ENDINGS } from './gate-figures.ts';
import { renderGateJunit } from './gate-junit.ts';
import { renderGateSummary } from './gate-summary.ts';
import { parseXml } from './testing-xml.ts';

const CASE = 'testsuites/testsuite/testcase';

function entry(ending: GateEnding, more: Partial<GateEntry> = {}): GateEntry {
  return {
    cell: 'sim coordinator register kill-all 3 nodes',
    system: 'coordinator',
    workload: 'register',
    nemesis: 'kill-all',
    cluster: 'sim',
    seed: 7,
    ending,
    exit: 0,
    wallMs: 1_500,
    findings: [],
    errors: [],
    retried: [],
    redrawn: [],
    reproduce: 'npx chaos run --seed 7',
    runs: [],
    ...more,
  };
}

function record(entries: GateEntry[], more: Partial<GateRecord> = {}): GateRecord {
  return {
    profile: 'pr',
    seed: 1,
    budgetMs: 60_000,
    startedAt: '2026-01-01T00:00:00.000Z',
    wallMs: 60_000,
    entries,
    notRun: [],
    absent: [],
    errors: [],
    interrupted: false,
    exit: 0,
    reproduce: 'npx chaos gate --seed 1',
    versions: { chaos: '0', node: '24', platform: 'p' },
    ...more,
  };
}

const STALE = {
  checker: 'linearizable',
  outcome: 'invalid',
  kinds: ['stale-read'],
  why: 'It is old.',
};
const hostile = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(']]>', '</testcase>', '"\u0000<&>', '\ud800', '| `x` |\n# y', '<script>'),
);
const anyEntry: fc.Arbitrary<GateEntry> = fc.record({
  cell: hostile,
  system: hostile,
  workload: hostile,
  nemesis: hostile,
  cluster: hostile,
  seed: fc.nat(),
  ending: fc.constantFrom(...ENDINGS.map(([ending]) => ending)),
  exit: fc.nat(),
  wallMs: fc.nat(),
  findings: fc.array(
    fc.record({ checker: hostile, outcome: hostile, kinds: fc.array(hostile), why: hostile }),
    { maxLength: 3 },
  ),
  errors: fc.array(hostile, { maxLength: 3 }),
  retried: fc.array(hostile, { maxLength: 2 }),
  redrawn: fc.array(hostile, { maxLength: 2 }),
  reproduce: hostile,
  runs: fc.array(hostile, { maxLength: 2 }),
});

describe('JUnit', () => {
  it('is well-formed and counts right, whatever is in it', () => {
    const omissions = fc.array(
      fc.record({ cell: hostile, entries: fc.nat(), elsewhere: fc.boolean(), why: hostile }),
      { maxLength: 3 },
    );
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 8 }), omissions, hostile, (all, left, title) => {
        const mutant = { id: 'Z1', title };
        const xml = renderGateJunit(record(all, { notRun: left, mutant }));
        const seen = parseXml(xml);
        const count = (path: string) => seen.filter((each) => each === path).length;
        const said = Number(/tests="(\d+)"/.exec(xml)?.[1]);
        expect(said).toBe(count(CASE));
        expect(said).toBe(Math.max(all.length, 1 - all.length) + left.length);
        const bad = all.filter(({ ending }) => ending !== 'valid').length;
        expect(count(`${CASE}/failure`) + count(`${CASE}/error`)).toBe(all.length === 0 ? 1 : bad);
        expect(count(`${CASE}/skipped`)).toBe(left.length);
      }),
    );
  });

  it.each([
    ['anomaly', 'failure'],
    ['crash', 'failure'],
    ['threshold', 'failure'],
    ['infrastructure', 'error'],
    ['unknown', 'error'],
    ['interrupted', 'error'],
  ] as const)('makes %s a %s, never a skip', (ending, kind) => {
    const seen = parseXml(renderGateJunit(record([entry(ending)])));
    expect(seen).toContain(`${CASE}/${kind}`);
    expect(seen).not.toContain(`${CASE}/skipped`);
  });

  it('and the summary tell what broke the gate itself', () => {
    const broken = record([entry('valid')], { errors: ['no space left\n  at write'], exit: 255 });
    expect(renderGateJunit(broken)).toContain('tests="2" failures="0" errors="1"');
    expect(renderGateJunit(broken)).toContain('message="no space left"');
    expect(renderGateSummary(broken)).toContain('no space left');
  });

  it('names the planted bug with what found it and how it is seen again', () => {
    const red = entry('anomaly', { exit: 1, findings: [STALE] });
    const xml = renderGateJunit(record([red], { mutant: { id: 'Z56', title: 'a local sync' } }));
    const failure = /<failure.*<\/failure>/s.exec(xml)?.[0] ?? '';
    for (const part of ['Z56', 'a local sync', 'stale-read (linearizable)', red.reproduce]) {
      expect(failure).toContain(part);
    }
  });
});

describe('the summary', () => {
  it('names the planted bug with what found it and how it is seen again, or that nothing did', () => {
    const mutant = { id: 'Z56', title: 'a local sync' };
    const red = entry('anomaly', { exit: 1, findings: [STALE], runs: ['runs/a/b'] });
    const found = renderGateSummary(record([red, entry('valid')], { mutant, exit: 1 }));
    for (const part of ['red', 'Z56', 'a local sync', 'stale-read', red.reproduce, 'runs/a/b']) {
      expect(found).toContain(part);
    }
    const missed = renderGateSummary(record([entry('valid')], { mutant }));
    expect(missed).toContain('NOT found');
  });

  it('says its colour, what was tried again, what was not run and what is not here', () => {
    const text = renderGateSummary(
      record([entry('valid', { retried: ['no boot'] })], {
        exit: 255,
        notRun: [{ cell: 'docker x', entries: 4, elsewhere: false, why: 'no room' }],
        absent: [{ name: 'cluster docker', why: 'no daemon', skipped: false }],
      }),
    );
    for (const part of ['red', 'no boot', 'docker x: 4 not run', 'no room', 'no daemon']) {
      expect(text).toContain(part);
    }
    expect(renderGateSummary(record([], { exit: 2 }))).toContain('yellow');
    expect(renderGateSummary(record([entry('valid')]))).toContain('green');
  });

  it('lets nothing that a run says become markup, and stays small', () => {
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 8 }), (all) => {
        const text = renderGateSummary(record(all));
        expect(text.replaceAll(/`[^`\n]*`/g, '')).not.toMatch(/<[a-z/!]/i);
        expect(text.isWellFormed()).toBe(true);
      }),
    );
    const why = 'x'.repeat(100_000);
    const many = Array.from({ length: 500 }, () => entry('unknown', { errors: [why] }));
    expect(renderGateSummary(record(many)).length).toBeLessThan(200_000);
  });
});
