// The summary's content: verdict first, all that it rests on, the command last.
import { describe, expect, it } from 'vitest';
import { renderSummary, wrap } from './terminal.ts';
import { hostileRun, synthesiseRun } from './testing.ts';

describe('renderSummary', () => {
  it('begins with the verdict and ends with the command', () => {
    for (const outcome of ['valid', 'invalid', 'unknown'] as const) {
      const run = synthesiseRun({ ops: 2_000, outcome });
      const lines = renderSummary(run, { color: false, width: 100 }).split('\n');
      expect(lines[0]).toMatch(new RegExp(`^${outcome.toUpperCase()}  `));
      expect(lines.at(-1)).toBe(`reproduce: ${run.info.reproduce}`);
      for (const { checker } of run.results.verdicts) {
        expect(lines.some((line) => line.includes(checker))).toBe(true);
      }
    }
  });

  it('shows counts, faults, recovery and latency', () => {
    const run = synthesiseRun({ ops: 2_000 });
    const text = renderSummary(run, { color: false, width: 100 });
    const { ok, fail, info } = run.results.ops;
    expect(text).toContain(
      `2,000 operations: ${ok.toLocaleString('en-US')} ok, ${fail} fail, ${info} info`,
    );
    expect(text).toMatch(/6 faults, 6 verified; recovery p50 315 ms, max 578 ms/);
    expect(text).toMatch(/^ +1 {2}kill +n\d +15\.\d\d s +\d\.\d\d s {2}yes +228 +11\.0$/m);
    expect(text).toMatch(/^ +service( +[\d.,]+){4} {2}from the invocation$/m);
    expect(text).toMatch(/^ +response( +[\d.,]+){4} {2}from when the operation was due$/m);
    expect(text).toMatch(/^ +fault +before +during +after$/m);
  });

  it('tells the first anomalies in prose and counts the rest', () => {
    const run = synthesiseRun({ ops: 2_000, outcome: 'invalid' });
    const [verdict] = run.results.verdicts;
    verdict!.anomalies = Array.from({ length: 9 }, () => verdict!.anomalies[0]!);
    const text = renderSummary(run, { color: false, width: 80 });
    expect(text).toContain('9 anomalies');
    expect(text.match(/a contradiction/g)).toHaveLength(5);
    expect(text).toContain('and 4 more');
    const [events] = verdict!.anomalies;
    expect(text).toContain(`history events ${events!.events.join(', ')}`);
  });

  it('counts the messages as their checker did, and says which part a verdict is about', () => {
    const run = synthesiseRun({ ops: 500 });
    expect(renderSummary(run, { color: false, width: 100 })).not.toContain('messages');
    const verdict = {
      checker: 'messages',
      part: 'broker',
      guarantee: 'No acknowledged message is lost.',
      outcome: 'invalid' as const,
      evidence: {
        acknowledged: 4_574,
        readBack: 4_571,
        refused: 71,
        unknown: 14,
        undecided: 1,
        'anomalies.lost-write': 2,
        'anomalies.unseen': 3,
        'anomalies.duplicate': 4,
      },
      anomalies: [],
    };
    const verdicts = [...run.results.verdicts, verdict];
    const results = { ...run.results, outcome: 'invalid' as const, verdicts };
    const lines = renderSummary({ ...run, results }, { color: false, width: 100 }).split('\n');
    expect(lines[0]).toBe('INVALID  1 of 5 guarantees broken: messages · broker.');
    expect(lines[2]).toBe(
      '4,574 messages acknowledged, 14 unknown, 71 failed; ' +
        '4,571 read at least once, 6 unread, 4 duplicates',
    );
    expect(lines.some((line) => line.startsWith('✗ messages · broker'))).toBe(true);
  });

  it('takes the slower part of a fault that two parts recovered from', () => {
    const run = synthesiseRun({ ops: 500 });
    const recoveryOf = () =>
      /^ +0 +cut .*$/m.exec(renderSummary(run, { color: false, width: 100 }));
    const before = recoveryOf()?.[0] ?? '';
    expect(before).toMatch(/ 140 +10\.0$/);
    const liveness = run.results.verdicts.find(({ checker }) => checker === 'liveness')!;
    const faults = [{ id: 0, recoveryMs: 90, healRecoveryMs: 20 }];
    run.results.verdicts.push({ ...liveness, part: 'broker', details: { faults } });
    expect(recoveryOf()?.[0]).toMatch(/ 140 +20\.0$/);
  });

  it('says why a verdict is unknown', () => {
    const text = renderSummary(synthesiseRun({ ops: 500, outcome: 'unknown' }), {
      color: false,
      width: 100,
    });
    expect(text).toContain('? election');
    expect(text).toContain('The event log of n2 has a gap: seq 14 to 19.');
  });

  it('uses escape codes only when asked, and never those of the run', () => {
    const esc = '\x1b';
    const run = hostileRun();
    expect(renderSummary(run, { color: false, width: 80 })).not.toContain(esc);
    const colored = renderSummary(run, { color: true, width: 80 });
    expect(colored).toContain(`${esc}[1;31mINVALID${esc}[0m`);
    expect(colored).not.toContain(`${esc}[31m`);
  });
});

describe('wrap', () => {
  it('keeps within the width and loses no word', () => {
    const text = 'one two three four five six seven eight nine ten';
    const lines = wrap(text, 20, '  ');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(20);
    expect(lines.map((line) => line.trim()).join(' ')).toBe(text);
  });
});
