// The two ways in which replicated logs have lost what they acknowledged: an answer before the others have it, and
// a leader from outside the in-sync replicas. Each must come out invalid with the lost messages named, in a run
// that the broker without the bug passes. In the simulator, so that every run of a seed is the same.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readHistory } from '../harness/store.ts';
import type { Event } from '../history/event.ts';
import type { RunResults } from '../history/run-record.ts';
import { chaos, lastObject } from './interrupt/live-run.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'chaos-negative-proof-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const LIMIT_MS = 300_000;
/** What somebody had polled before it was lost counts as an offset that changed: not every seed has another. */
const SEEDS_MAX = 6;
const LOST =
  /^Value (\d+), sent by .*event (\d+) on n\d to (chaos-log-\d+) and acknowledged at offset (\d+), was returned by no poll/;

interface Proof {
  readonly mutant: string;
  readonly what: string;
  readonly nemesis: string;
  readonly timeLimit: string;
  /** What the brokers' own events show of the cause, by checker. */
  readonly cause: { readonly checker: string; readonly kind: string };
}

const PROOFS: readonly Proof[] = [
  {
    mutant: 'K11',
    what: 'acks=all answered before replication',
    nemesis: 'kill-isolated-leader',
    timeLimit: '10s',
    cause: { checker: 'replication', kind: 'ack-above-hw' },
  },
  {
    mutant: 'K09',
    what: 'an election outside the ISR',
    nemesis: 'straggler',
    timeLimit: '16s',
    cause: { checker: 'partition-states', kind: 'elected-outside-isr' },
  },
];

async function run({ nemesis, timeLimit, mutant }: Proof, seed: number, planted: boolean) {
  const system = ['--system', 'broker', '--workload', 'log', '--cluster', 'sim'];
  const faults = ['--nemesis', nemesis, '--time-limit', timeLimit, '--seed', String(seed)];
  const bug = planted ? ['--mutant', mutant] : [];
  const name = ['--name', planted ? mutant : `without-${mutant}`];
  const ended = await chaos(folder, 'run', ...system, ...faults, ...bug, ...name, '--json');
  const object = lastObject(ended);
  const dir = object.run as string;
  const { verdicts } = JSON.parse(
    readFileSync(path.join(dir, 'results.json'), 'utf8'),
  ) as RunResults;
  const anomaliesOf = (name: string) =>
    verdicts.find(({ checker }) => checker === name)?.anomalies ?? [];
  return { ...ended, object, anomaliesOf, history: readHistory(path.join(dir, 'history.jsonl')) };
}

/** The send that was acknowledged, as a lost message's sentence names it. */
function expectNamed(why: string, history: readonly Event[]): void {
  const [, value, event, , offset] = LOST.exec(why) ?? [];
  const sent = history[Number(event)];
  expect(sent?.type).toBe('ok');
  const text = JSON.stringify(sent?.value);
  expect(text).toMatch(new RegExp(`\\b${value}\\b`));
  expect(text).toMatch(new RegExp(`\\b${offset}\\b`));
}

describe('negative proof', () => {
  it.each(PROOFS)(
    '$what is invalid, with the lost messages named',
    {
      timeout: LIMIT_MS,
    },
    async (proof) => {
      let seed = 0;
      for (let lost = 0; lost === 0; ) {
        expect(++seed).toBeLessThanOrEqual(SEEDS_MAX);
        const planted = await run(proof, seed, true);
        expect(planted.object, planted.stderr).toMatchObject({ verdict: 'invalid', exit: 1 });
        const causes = planted.anomaliesOf(proof.cause.checker).map(({ kind }) => kind);
        expect(causes).toContain(proof.cause.kind);
        for (const { kind, why } of planted.anomaliesOf('messages')) {
          if (kind !== 'lost-write') continue;
          lost++;
          expect(why).toMatch(LOST);
          expectNamed(why, planted.history);
        }
      }

      const clean = await run(proof, seed, false);
      expect(clean.object, clean.stderr).toMatchObject({ verdict: 'valid', exit: 0 });
      for (const name of ['messages', 'replication', 'partition-states'])
        expect(clean.anomaliesOf(name)).toEqual([]);
    },
  );
});
