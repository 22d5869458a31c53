// Stories of runs with one crime in them: short, in order, each step in its server's lane, and with what
// the anomaly names; a run without a crime has no story.
import { describe, expect, it } from 'vitest';
import { CRIMES } from '../../checkers/testing-crimes.ts';
import { altered, correctRun } from '../../checkers/testing-run.ts';
import { failedAtMs, firstAnomaly, timesOf } from './moment.ts';
import { tellStory } from './story.ts';

const SEEDS = [1, 2, 3];

async function told(seed: number, { checker, commit }: (typeof CRIMES)[number]) {
  const record = altered(correctRun(seed), (events, history) => commit(events, history, seed));
  const verdicts = [await checker.check(record)];
  return { record, verdicts, lines: tellStory({ record, results: { verdicts } }) };
}

describe('the story of', () => {
  it.each(CRIMES.map((crime) => [crime.name, crime] as const))('%s', async (_, crime) => {
    for (const seed of SEEDS) {
      const { record, verdicts, lines } = await told(seed, crime);
      const first = firstAnomaly(record, verdicts, []);
      if (first === undefined) continue;
      expect(lines.length).toBeLessThanOrEqual(44);
      expect(lines.at(-1)).toBe(
        `${crime.checker.name}: ${first.anomaly.kind}. ${first.anomaly.why}`,
      );
      const times = lines.flatMap((line) => /^ *(\d+\.\d+) s/.exec(line)?.[1] ?? []).map(Number);
      expect(times).toEqual([...times].sort((a, b) => a - b));
      const [head = ''] = lines;
      for (const node of record.config.nodes) expect(head).toContain(node);
      const { anomaly } = first;
      const operations = record.ops.filter(({ invoke, completion }) =>
        [invoke.index, completion?.index ?? -1].some((index) => anomaly.events.includes(index)),
      );
      for (const { process } of operations) {
        expect(lines.some((line) => line.includes(`* client ${process} `))).toBe(true);
      }
    }
  });

  it('at least half of the crimes is told', async () => {
    const stories = await Promise.all(CRIMES.map((crime) => told(1, crime)));
    const some = stories.filter(({ lines }) => lines.length > 3);
    expect(some.length).toBeGreaterThan(CRIMES.length / 2);
  });

  it('a correct run is not told', async () => {
    const record = correctRun(1);
    const verdicts = await Promise.all(CRIMES.map(({ checker }) => checker.check(record)));
    expect(tellStory({ record, results: { verdicts } })).toEqual([]);
    expect(failedAtMs(record, verdicts, [])).toBeUndefined();
  });

  it("puts a server's step into its lane", async () => {
    const crime = CRIMES.find(({ name }) => name.startsWith('a leader commits before'));
    if (crime === undefined) throw new Error('expected the crime of an early commit');
    const { record, verdicts, lines } = await told(2, crime);
    const named = firstAnomaly(record, verdicts, [])?.anomaly.nodeEvents?.[0];
    const at = (lines[0] as string).indexOf(named?.node ?? '?');
    expect(lines.some((line) => line.slice(at).startsWith('* commits'))).toBe(true);
  });
});

describe('the moment of a failure', () => {
  it('is when the last thing that the anomaly names happened', async () => {
    for (const crime of CRIMES) {
      const { record, verdicts } = await told(1, crime);
      const first = firstAnomaly(record, verdicts, []);
      for (const anomaly of verdicts.flatMap((v) => v.anomalies)) {
        const last = timesOf(record, anomaly).at(-1) ?? Number.POSITIVE_INFINITY;
        expect(last).toBeGreaterThanOrEqual(first?.atNs ?? 0);
      }
      expect(firstAnomaly(record, verdicts, ['no such checker'])).toBeUndefined();
    }
  });
});
