// A gate as a whole on the memory cluster and on workers that simulate nothing: what is tried again, what
// never is, what is kept, and which exit code it all comes to.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { GateEntry } from '../../history/gate-record.ts';
import { EXIT } from '../../history/verdict.ts';
import { parseXml } from '../../reports/testing-xml.ts';
import type { ClusterDriver } from '../cluster.ts';
import { registry } from '../registry.ts';
import type { Registry } from '../registry-types.ts';
import { type MemoryQuirks, memoryRegistry, QUICK } from '../testing.ts';
import { Artefacts } from './artefacts.ts';
import { type GateOptions, gateExit, runGate } from './gate.ts';
import { profileOf } from './load.ts';

const root = mkdtempSync(join(tmpdir(), 'chaos-gate-'));
// Where its workers remember what they did.
process.env.CHAOS_GATE_TEST = root;
afterAll(() => rmSync(root, { recursive: true, force: true }));
const worker = fileURLToPath(new URL('./testing-worker.ts', import.meta.url));

const MEMORY_ROW = {
  system: 'memory',
  workload: 'memory',
  nemesis: 'pause-once',
  cluster: 'local',
  timeLimit: '1s',
};

/** A memory registry of which each cluster made has its own quirks, the last ones for all that follow. */
function quirky(...each: MemoryQuirks[]): Registry & { made(): number; quirks: MemoryQuirks } {
  const quirks: MemoryQuirks = {};
  const own = memoryRegistry(quirks);
  let made = 0;
  const driver: ClusterDriver = {
    ...own.driver,
    create(options) {
      for (const name of Object.keys(quirks)) delete quirks[name as keyof MemoryQuirks];
      Object.assign(quirks, each[Math.min(made++, each.length - 1)]);
      return own.driver.create(options);
    },
  };
  const chooseCluster = async () => ({ driver });
  return { ...own, drivers: [driver], chooseCluster, made: () => made, quirks };
}

let folders = 0;

/** Runs a gate of one row for one round, and gives what it left behind. */
async function gate(
  row: object,
  registryOf: Registry,
  { keptMax, ...more }: Partial<GateOptions> & { keptMax?: number } = {},
) {
  const dir = join(root, `${folders++}`);
  const config = { profiles: { own: { budget: '10m', matrix: [row] } } };
  const profile = profileOf(config, 'own', registryOf);
  const ended: GateEntry[] = [];
  const record = await runGate({
    profile,
    seed: 1,
    budgetMs: profile.budgetMs,
    jobs: 2,
    rounds: 1,
    skipUnavailable: false,
    failFast: false,
    artefacts: new Artefacts(dir, keptMax),
    registry: registryOf,
    signal: new AbortController().signal,
    onEnd: (entry) => ended.push(entry),
    log: () => {},
    timing: { ...QUICK, faultsMs: 80 },
    worker,
    ...more,
  });
  if (more.onEnd === undefined) expect(record.entries).toEqual(ended);
  const junit = readFileSync(join(dir, 'junit.xml'), 'utf8');
  parseXml(junit);
  return { record, dir, junit, summary: readFileSync(join(dir, 'summary.md'), 'utf8') };
}

const only = ({ entries }: { entries: GateEntry[] }): GateEntry => {
  expect(entries).toHaveLength(1);
  return entries[0] as GateEntry;
};

describe('runs on a cluster', () => {
  it('that are valid leave no folder', async () => {
    const { record, dir } = await gate({ ...MEMORY_ROW, seeds: 2 }, memoryRegistry());
    expect(record.entries.map(({ ending }) => ending)).toEqual(['valid', 'valid']);
    expect(new Set(record.entries.map(({ seed }) => seed)).size).toBe(2);
    expect(record.exit).toBe(EXIT.valid);
    expect(readdirSync(dir).sort()).toEqual(['gate.json', 'junit.xml', 'summary.md']);
    expect(JSON.parse(readFileSync(join(dir, 'gate.json'), 'utf8'))).toEqual(record);
  });

  it('are tried again where only the infrastructure failed, and say so', async () => {
    const made = quirky({ failsToStart: true }, {});
    const { record, dir, summary, junit } = await gate(MEMORY_ROW, made);
    const entry = only(record);
    expect(made.made()).toBe(2);
    expect(entry).toMatchObject({ ending: 'valid', exit: EXIT.valid, errors: [] });
    expect(entry.retried).toEqual([expect.stringContaining('does not start')]);
    expect(record.exit).toBe(EXIT.valid);
    expect(entry.runs).toHaveLength(1);
    expect(existsSync(join(dir, entry.runs[0] ?? '', 'run.json'))).toBe(true);
    expect(summary).toContain('Ended after the infrastructure had failed them');
    expect(junit).toContain('attempt 1 was failed by the infrastructure');
  });

  it('are given up after two further attempts, an error that is no anomaly', async () => {
    const made = quirky({ unverified: true });
    const { record, junit } = await gate(MEMORY_ROW, made);
    expect(made.made()).toBe(3);
    expect(only(record)).toMatchObject({ ending: 'infrastructure', exit: EXIT.infrastructure });
    expect(only(record).retried).toHaveLength(2);
    expect(record.exit).toBe(EXIT.infrastructure);
    expect(junit).toContain('failures="0" errors="1"');
  });

  it('that show too little are run with another seed, and say so', async () => {
    const made = quirky({ refusedReads: true }, {});
    const { record, dir, summary, junit } = await gate(MEMORY_ROW, made);
    expect(made.made()).toBe(2);
    const entry = only(record);
    const [why] = entry.redrawn;
    expect(entry).toMatchObject({ ending: 'valid', exit: EXIT.valid, retried: [], runs: [] });
    expect(entry.redrawn).toHaveLength(1);
    expect(why).toContain(`seed ${entry.seed - 1_000_000_000} showed too little to be judged`);
    expect(entry.reproduce).toContain(`--seed ${entry.seed}`);
    expect(record.exit).toBe(EXIT.valid);
    for (const text of [summary, junit]) expect(text).toContain('showed too little to be judged');
    expect(existsSync(join(dir, 'runs')) ? readdirSync(join(dir, 'runs')) : []).toEqual([]);
  });

  it('that show too little three times are undecided, and the last one is kept', async () => {
    const made = quirky({ refusedReads: true });
    const { record, dir } = await gate(MEMORY_ROW, made);
    expect(made.made()).toBe(3);
    const entry = only(record);
    expect(entry).toMatchObject({ ending: 'unknown', exit: EXIT.unknown, retried: [] });
    expect(entry.redrawn).toHaveLength(2);
    expect(entry.runs).toHaveLength(1);
    expect(existsSync(join(dir, entry.runs[0] ?? '', 'report.html'))).toBe(true);
    expect(record.exit).toBe(EXIT.unknown);
  });

  it('are never tried again after an anomaly, which a later success would hide', async () => {
    const made = quirky({ wrongReads: true }, {});
    const { record, dir, junit, summary } = await gate(MEMORY_ROW, made);
    expect(made.made()).toBe(1);
    const entry = only(record);
    expect(entry).toMatchObject({ ending: 'anomaly', exit: EXIT.invalid, retried: [] });
    expect(record.exit).toBe(EXIT.invalid);
    expect(junit).toContain('failures="1" errors="0"');
    for (const text of [junit, summary]) {
      expect(text).toContain('unwritten-value (written-before)');
      expect(text).toContain(entry.reproduce);
    }
    expect(existsSync(join(dir, entry.runs[0] ?? '', 'report.html'))).toBe(true);
    expect(readdirSync(join(dir, 'runs'))).not.toContain('latest');
  });

  it('keep an anomaly also when the infrastructure failed beside it', async () => {
    const made = quirky({ wrongReads: true, unverified: true }, {});
    const { record } = await gate(MEMORY_ROW, made);
    expect(made.made()).toBe(1);
    expect(only(record)).toMatchObject({ ending: 'anomaly', exit: EXIT.invalid });
    expect(only(record).errors).not.toEqual([]);
  });

  it('keep an anomaly of an attempt that came after a failed one', async () => {
    const made = quirky({ failsToStart: true }, { wrongReads: true });
    const { record } = await gate(MEMORY_ROW, made);
    expect(only(record)).toMatchObject({ ending: 'anomaly' });
    expect(only(record).retried).toHaveLength(1);
    expect(record.exit).toBe(EXIT.invalid);
  });

  it('are never tried again after a server ended by itself', async () => {
    const made = quirky({ crashes: 'n2' }, {});
    const { record, junit } = await gate(MEMORY_ROW, made);
    expect(made.made()).toBe(1);
    expect(only(record)).toMatchObject({ ending: 'crash', exit: EXIT.infrastructure });
    expect(junit).toMatch(/<failure type="crash" message="[^"]*n2 ended by itself/);
  });
});

describe('what ends a gate early', () => {
  it('an interruption: healed, reported, exit 130, the rest named', async () => {
    const stop = new AbortController();
    const memory = memoryRegistry();
    const { record, junit } = await gate({ ...MEMORY_ROW, seeds: 3 }, memory, {
      signal: stop.signal,
      onEnd: () => stop.abort(),
    });
    expect(record).toMatchObject({ interrupted: true, exit: EXIT.interrupted });
    expect(record.entries).toHaveLength(1);
    expect(record.notRun).toMatchObject([{ entries: 2, elsewhere: true }]);
    expect(memory.driver.created.every(({ deeds }) => deeds.at(-1) === 'close')).toBe(true);
    expect(junit).toContain('skipped="1"');
  });

  it('an interruption in the midst of a run, which is healed and no infrastructure error', async () => {
    const stop = new AbortController();
    const memory = memoryRegistry();
    const { observe } = memory.systems[0] as (typeof memory.systems)[number];
    const systems = memory.systems.map((system) => ({
      ...system,
      observe(...given: Parameters<typeof observe>) {
        stop.abort();
        return observe(...given);
      },
    }));
    const { record, dir } = await gate(MEMORY_ROW, { ...memory, systems }, { signal: stop.signal });
    expect(only(record)).toMatchObject({ ending: 'interrupted', runs: [] });
    expect(record.exit).toBe(EXIT.interrupted);
    expect(memory.driver.created[0]?.deeds.at(-1)).toBe('close');
    expect(existsSync(join(dir, 'runs'))).toBe(false);
  });

  it('the first anomaly, where that is asked for', async () => {
    const row = { ...MEMORY_ROW, seeds: 3 };
    const { record } = await gate(row, quirky({ wrongReads: true }), { failFast: true });
    expect(record.entries).toHaveLength(1);
    expect(record).toMatchObject({ exit: EXIT.invalid, interrupted: false });
    expect(record.notRun).toMatchObject([{ entries: 2 }]);
  });
});

describe('what breaks the gate itself', () => {
  it('loses nothing that was found before', async () => {
    const { record, summary } = await gate(
      { ...MEMORY_ROW, seeds: 2 },
      quirky({ wrongReads: true }),
      {
        onEnd() {
          throw new Error('no space left');
        },
      },
    );
    expect(record.entries).toMatchObject([{ ending: 'anomaly' }]);
    expect(record).toMatchObject({
      exit: EXIT.invalid,
      errors: [expect.stringMatching(/no space/)],
    });
    expect(summary).toContain('no space left');
  });
});

describe('what is not here', () => {
  const absent = (): Registry => {
    const own = memoryRegistry();
    const here = { ok: false as const, reason: 'no daemon', remedy: 'start one' };
    return {
      ...own,
      drivers: own.drivers.map((each) => ({ ...each, available: async () => here })),
    };
  };

  it('is an error of the infrastructure, by name', async () => {
    const { record, junit, summary } = await gate(MEMORY_ROW, absent());
    expect(record.exit).toBe(EXIT.infrastructure);
    expect(record.absent).toEqual([
      { name: 'cluster local', why: 'no daemon; start one', skipped: false },
    ]);
    expect(record.notRun).toMatchObject([
      { entries: 1, why: expect.stringMatching(/not available/) },
    ]);
    expect(junit).toContain('cluster local is not available: no daemon');
    expect(summary).toContain('cluster local: no daemon');
  });

  it('is passed over where that is asked for, but a gate that ran nothing proves nothing', async () => {
    const { record, junit } = await gate(MEMORY_ROW, absent(), { skipUnavailable: true });
    expect(record.absent).toMatchObject([{ skipped: true }]);
    expect(record.exit).toBe(EXIT.unknown);
    expect(junit).toContain('errors="1"');
  });
});

describe('simulated runs', () => {
  const swarm = (workload: string) => ({ swarm: 'coordinator', workload, seeds: 3 });

  it('are tried again when their worker died, and say so', async () => {
    const { record } = await gate(swarm('lock'), registry);
    expect(record.exit).toBe(EXIT.valid);
    expect(record.entries.map(({ ending }) => ending)).toEqual(['valid', 'valid', 'valid']);
    for (const { retried } of record.entries) {
      expect(retried).toEqual([expect.stringContaining('the worker ended (3)')]);
    }
  });

  it('whose workers die again are errors, each counted once', async () => {
    const { record } = await gate(swarm('watch'), registry);
    expect(record.exit).toBe(EXIT.infrastructure);
    expect(record.entries).toHaveLength(3);
    expect(record.entries.every(({ ending }) => ending === 'infrastructure')).toBe(true);
    expect(record.notRun).toEqual([]);
  });

  it('of the swarm that show too little are drawn again, and say so', async () => {
    const { record, summary, junit } = await gate(swarm('sequence'), registry);
    expect(record.exit).toBe(EXIT.valid);
    expect(record.entries.map(({ ending }) => ending)).toEqual(['valid', 'valid', 'valid']);
    expect(new Set(record.entries.map(({ seed }) => seed)).size).toBe(3);
    for (const { redrawn, retried, seed, reproduce } of record.entries) {
      expect(retried).toEqual([]);
      expect(redrawn).toEqual([
        `seed ${seed - 1_000_000_000} showed too little to be judged: stats: Nobody spoke.`,
      ]);
      expect(reproduce).toContain(`--seeds ${seed}`);
    }
    expect(summary).toContain('Drawn again: the first draw showed too little');
    expect(junit).toContain('Nobody spoke.');
  });

  it('that show too little in three draws are undecided', async () => {
    const { record } = await gate(swarm('election'), registry, { keptMax: 0 });
    expect(record.entries.map(({ ending }) => ending)).toEqual(['unknown', 'unknown', 'unknown']);
    expect(record.entries.map(({ redrawn }) => redrawn.length)).toEqual([2, 2, 2]);
    expect(record.exit).toBe(EXIT.unknown);
  });

  it('that show too little are not run where there is no room for another draw', async () => {
    const { record, summary } = await gate(swarm('config'), registry, { jobs: 3 });
    expect(record.entries).toEqual([]);
    expect(record.notRun).toMatchObject([
      { entries: 3, why: expect.stringMatching(/Nobody spoke.; there was no room for another/) },
    ]);
    expect(summary).toContain('Nobody spoke');
    expect(record.exit).toBe(EXIT.unknown);
  });

  it('that the budget has no room for are named', async () => {
    const { record } = await gate(swarm('register'), registry, { budgetMs: 1 });
    expect(record.entries).toEqual([]);
    expect(record.notRun).toMatchObject([{ entries: 3, elsewhere: false }]);
    expect(record.exit).toBe(EXIT.unknown);
  });
});

describe('the exit code of a gate', () => {
  const codes = [EXIT.valid, EXIT.invalid, EXIT.unknown, EXIT.threshold, EXIT.infrastructure];
  const WORST_FIRST = [1, 255, 3, 2, 0];

  it('is the worst of its entries, in whatever order they ended', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...codes), { minLength: 1 }), (exits) => {
        const worst = WORST_FIRST.find((code) => exits.some((exit) => exit === code));
        const entries = exits.map((exit) => ({ exit }));
        expect(gateExit(entries, [], [])).toBe(worst);
        expect(gateExit(entries, [], ['broken'])).toBe(worst === 1 ? 1 : 255);
      }),
    );
  });
});
