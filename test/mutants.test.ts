// Planted bugs: each must be found, by the guarantee it breaks and with the operations named, in a
// schedule that the server without the bug passes. Otherwise a `valid` would mean nothing.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { applyPatch, bundlePrograms, ROOT } from '../harness/bundle.ts';
import { clusterDrivers } from '../harness/clusters/index.ts';
import { readHistory } from '../harness/store.ts';
import { broker } from '../harness/systems/broker.ts';
import type { Event } from '../history/event.ts';
import type { RunResults } from '../history/run-record.ts';
import { mutants } from '../mutants/index.ts';
import type { Mutant } from '../mutants/mutant.ts';
import { chaos, lastObject } from './interrupt/live-run.ts';

/** What finds a mutant: the schedule, and what must be said of it. */
interface Hunt {
  id: string;
  nemesis: string;
  /** The guarantee's checker and the kind of anomaly that says what the server did wrong. */
  guarantee: { checker: string; kind: RegExp };
  /** Checkers of which one must show it in operations of clients, and one of those operations. */
  shownBy: string[];
  operation(event: Event): boolean;
}

const acknowledged = (event: Event, ...kinds: string[]) =>
  event.type === 'ok' && kinds.includes(event.f);

const HUNTS: readonly Hunt[] = [
  {
    id: 'Z29',
    nemesis: 'partition-leader',
    guarantee: { checker: 'log', kind: /^commit-without-quorum$/ },
    shownBy: ['linearizable', 'no-rollback'],
    operation: (event) => acknowledged(event, 'create', 'write', 'cas'),
  },
  {
    id: 'Z56',
    nemesis: 'partition-one',
    guarantee: { checker: 'linearizable', kind: /^(stale-read|sync-behind)$/ },
    shownBy: ['linearizable'],
    operation: (event) => acknowledged(event, 'read'),
  },
];

const SEEDS = [1, 2, 3, 4, 5];
const TEST_MS = 300_000;
const inCi = (process.env.CI ?? '') !== '';

const folder = mkdtempSync(join(tmpdir(), 'chaos-mutants-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs ten seconds of a schedule. */
async function run(cluster: string, nemesis: string, seed: number, mutant?: string) {
  const planted = mutant === undefined ? [] : ['--mutant', mutant];
  const options = [
    '--system',
    'coordinator',
    '--cluster',
    cluster,
    '--nemesis',
    nemesis,
    '--seed',
    String(seed),
  ];
  const name = ['--name', `${mutant ?? 'clean'}-${nemesis}-${cluster}`];
  const all = [...options, ...planted, ...name, '--time-limit', '10s', '--json'];
  const ended = await chaos(folder, 'run', ...all);
  return { ...ended, object: lastObject(ended) };
}

/** Whether a run's results say what a hunt is for, with operations that stand in its history. */
function found(hunt: Hunt, dir: string): boolean {
  const text = readFileSync(join(dir, 'results.json'), 'utf8');
  const { verdicts } = JSON.parse(text) as RunResults;
  const history = readHistory(join(dir, 'history.jsonl'));
  const anomaliesOf = (checker: string) =>
    verdicts.find((verdict) => verdict.checker === checker)?.anomalies ?? [];
  const named = anomaliesOf(hunt.guarantee.checker).some(({ kind }) =>
    hunt.guarantee.kind.test(kind),
  );
  const shown = hunt.shownBy
    .flatMap(anomaliesOf)
    .some(({ events }) => events.some((index) => hunt.operation(history[index] as Event)));
  return named && shown;
}

async function hunted(hunt: Hunt, cluster: string): Promise<void> {
  const said: string[] = [];
  for (const seed of SEEDS) {
    const [planted, clean] = await Promise.all([
      run(cluster, hunt.nemesis, seed, hunt.id),
      run(cluster, hunt.nemesis, seed),
    ]);
    expect(clean.object, clean.stderr).toMatchObject({ verdict: 'valid', exit: 0, seed });
    expect(clean.exit).toBe(0);
    const { object, exit } = planted;
    said.push(`seed ${seed}: ${object.verdict}, ${JSON.stringify(object.verdicts)}`);
    if (object.verdict !== 'invalid' || !found(hunt, object.run as string)) continue;
    expect([object.exit, exit]).toEqual([1, 1]);
    return;
  }
  expect.fail(`${hunt.id} was not found under ${hunt.nemesis}:\n${said.join('\n')}`);
}

describe('every mutant', () => {
  test('has an id of its own, and every hunt is for one of them', () => {
    const ids = mutants.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { id } of HUNTS) expect(ids).toContain(id);
  });

  test.each(mutants.map((mutant): [string, Mutant] => [mutant.id, mutant]))(
    '%s fits the sources and changes the server',
    async (id, mutant) => {
      expect(mutant.patches.length).toBeGreaterThan(0);
      for (const patch of mutant.patches) {
        const source = readFileSync(join(ROOT, patch.file), 'utf8');
        expect(applyPatch(source, patch, id)).not.toBe(source);
      }
      const { programs } = broker;
      expect(await bundlePrograms(programs, mutant)).not.toEqual(await bundlePrograms(programs));
    },
  );
});

for (const driver of clusterDrivers.filter(({ kind }) => kind !== 'sim')) {
  const here = await driver.available();
  describe(`planted bugs on ${driver.kind}`, () => {
    if (here.ok) {
      test.concurrent.each(HUNTS)(
        '$id is found under $nemesis, which the clean server passes',
        { timeout: TEST_MS },
        (hunt) => hunted(hunt, driver.kind),
      );
    } else {
      const missing = `${here.reason}; ${here.remedy}`;
      test.skipIf(!inCi)(`cluster ${driver.kind} is available (${missing})`, () => {
        expect(missing).toBeUndefined();
      });
    }
  });
}
