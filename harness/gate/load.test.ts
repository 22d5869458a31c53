// chaos.config.ts: this project's own is whole, and what is wrong with another is refused by place and name.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ROOT } from '../bundle.ts';
import { BadArguments } from '../names.ts';
import { registry } from '../registry.ts';
import type { Row } from './config.ts';
import { loadProfile, profileOf } from './load.ts';

const folder = mkdtempSync(join(tmpdir(), 'chaos-gate-config-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ROW = {
  system: 'coordinator',
  workload: 'register',
  nemesis: 'kill-all',
  cluster: 'sim',
} as const;

const withRow = (row: unknown) => ({ profiles: { own: { budget: '1m', matrix: [row] } } });
const cellsOf = (row: Row) => profileOf(withRow(row), 'own', registry).cells;

function refused(config: unknown, profile = 'own'): string {
  try {
    profileOf(config, profile, registry);
  } catch (error) {
    expect(error).toBeInstanceOf(BadArguments);
    return (error as Error).message;
  }
  return expect.fail('it was taken');
}

describe('rows', () => {
  it('are multiplied out', () => {
    const cells = cellsOf({
      ...ROW,
      nemesis: ['kill-all', 'none'],
      nodes: [3, 5],
      timeLimit: '20s',
    });
    expect(cells.map(({ id }) => id)).toEqual([
      'sim coordinator register kill-all 3 nodes',
      'sim coordinator register none 3 nodes',
      'sim coordinator register kill-all 5 nodes',
      'sim coordinator register none 5 nodes',
    ]);
    expect(cells[0]).toMatchObject({ timeLimitMs: 20_000, ratePerSecond: 200, seeds: 1 });
  });

  it('leave out combinations that cannot be, as long as every name is used', () => {
    const cells = cellsOf({ ...ROW, nemesis: ['amn', 'kill-all'], cluster: ['sim', 'local'] });
    expect(cells.map(({ nemesis, cluster }) => `${nemesis} ${cluster}`)).toEqual([
      'amn sim',
      'kill-all sim',
      'kill-all local',
    ]);
  });

  it('may name several workloads at once, or none', () => {
    const stack = { ...ROW, system: 'stack', workload: ['register+log', 'register+group'] };
    expect(cellsOf(stack).map(({ workload }) => workload)).toEqual(stack.workload);
    const { workload: _, ...usual } = { ...ROW, system: 'stack' };
    expect(cellsOf(usual)).toMatchObject([
      { id: 'sim stack kill-all 3 nodes', workload: undefined },
    ]);
  });

  it('of the swarm leave open what is drawn', () => {
    expect(cellsOf({ swarm: 'coordinator', seeds: 4 })).toMatchObject([
      { id: 'sim coordinator swarm', swarm: true, workload: undefined, nodes: undefined, seeds: 4 },
    ]);
  });
});

describe('what is wrong', () => {
  it.each([
    [
      { ...ROW, nemesis: 'kil-all' },
      /^profiles\.own\.matrix\[0\]: unknown nemesis "kil-all"; did you mean kill-all\? ?.*known: none, /,
    ],
    [{ ...ROW, system: 'x' }, /unknown system "x".*known: .*coordinator/],
    [{ ...ROW, workload: ['register', 'x'] }, /unknown workload "x".*known: register/],
    [{ ...ROW, workload: 'register+x' }, /unknown workload "x".*known: register/],
    [{ ...ROW, system: 'stack', workload: 'log+group' }, /expected one workload for the broker/],
    [{ ...ROW, nemesis: 'isolate-controller' }, /finds nothing to break on coordinator, only on/],
    [{ swarm: 'zookeeper' }, /unknown system of the swarm "zookeeper".*known: .*coordinator/],
    [{ ...ROW, cluster: 'podman' }, /unknown cluster "podman".*known: docker, local, sim/],
    [{ ...ROW, nemeses: 'none' }, /unknown field "nemeses"; did you mean nemesis\?.*known: system/],
    [{ swarm: 'coordinator', nemesis: 'none' }, /unknown field "nemesis".*known: swarm/],
    [{ ...ROW, nemesis: undefined }, /expected .*\.nemesis to be a name, got undefined/],
    [{ ...ROW, nemesis: [] }, /expected .*\.nemesis to name at least one/],
    [{ ...ROW, nodes: 12 }, /expected .*\.nodes to be a whole number from 1 to 9, got 12/],
    [{ ...ROW, timeLimit: '10' }, /expected .*\.timeLimit to be 1s to 24h/],
    [{ ...ROW, timeLimit: 10 }, /expected .*\.timeLimit to be like '20m', got 10/],
    [{ ...ROW, seeds: 0 }, /expected .*\.seeds to be a whole number from 1/],
    [
      { ...ROW, nemesis: 'partition-leader', nodes: 1 },
      /no run can use .*needs at least \d nodes, got 1/,
    ],
    [{ ...ROW, cluster: 'local', nemesis: 'amn' }, /nemesis amn needs .* local cluster cannot do/],
    [{ ...ROW, workload: 'log' }, /workload log does not run on coordinator, only on/],
    ['none', /expected .*matrix\[0\] to be an object, got "none"/],
  ])('in a row %j', (row, said) => {
    expect(refused(withRow(row))).toMatch(said);
  });

  it('in a profile', () => {
    expect(refused({ profiles: { own: { budget: '1m', matrix: [] } } })).toMatch(
      /at least one row/,
    );
    expect(refused({ profiles: { own: { budget: 'x', matrix: [ROW] } } })).toMatch(
      /profiles\.own\.budget to be 1s to 24h/,
    );
    expect(refused(withRow(ROW), 'owm')).toMatch(/unknown profile "owm"; did you mean own\?/);
    expect(refused({ profiles: { own: { budget: '1m', matrix: [ROW, ROW] } } })).toMatch(/twice/);
    expect(refused({ profile: {} })).toMatch(/unknown field "profile"; did you mean profiles\?/);
  });
});

describe('files', () => {
  it('of this project have profiles pr and nightly', async () => {
    const file = join(ROOT, 'chaos.config.ts');
    const pr = await loadProfile(file, 'pr', registry);
    expect(pr.file).toBe(file);
    expect(pr.profile.cells.some(({ cluster }) => cluster === 'docker')).toBe(false);
    const { profile } = await loadProfile(file, 'nightly', registry);
    const clusters = new Set(profile.cells.map(({ cluster }) => cluster));
    expect([...clusters].sort()).toEqual(['docker', 'local', 'sim']);
  });

  it('that are missing, no program, or export nothing are refused', async () => {
    const file = (name: string, text: string) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const load = (path: string) => loadProfile(path, 'pr', registry);
    await expect(load(join(folder, 'none.ts'))).rejects.toThrow(/there is no configuration/);
    await expect(load(file('torn.mjs', 'export default {'))).rejects.toThrow(/cannot be read/);
    await expect(load(file('empty.mjs', 'export {};'))).rejects.toThrow(
      /export default defineConfig/,
    );
    const unknown = file(
      'row.mjs',
      "export default { profiles: { pr: { budget: '1m', matrix: [1] } } };",
    );
    await expect(load(unknown)).rejects.toThrow(/row\.mjs: expected profiles\.pr\.matrix\[0\]/);
  });
});
