// `chaos list`: what there is to run, and what was run.
import type { Checker } from '../../history/run-record.ts';
import { EXIT } from '../../history/verdict.ts';
import { lookUp } from '../names.ts';
import { checkersOf, type Registry } from '../registry-types.ts';
import { listRuns, type RunSummary, runTitle } from '../store.ts';
import { columns, Output, type Terminal } from './terminal.ts';

interface Entry {
  name: string;
  description: string;
  [detail: string]: unknown;
}

const KINDS = [
  'systems',
  'workloads',
  'nemeses',
  'checkers',
  'clusters',
  'mutants',
  'runs',
] as const;
type Kind = (typeof KINDS)[number];

/** Lists one kind of thing, or all but the runs. Throws BadArguments on an unknown kind. */
export async function listCommand(
  kind: string | undefined,
  json: boolean,
  terminal: Terminal,
  registry: Registry,
): Promise<number> {
  const output = new Output(terminal, json);
  const wanted: readonly Kind[] =
    kind === undefined
      ? KINDS.filter((name) => name !== 'runs')
      : [lookUp('kind of thing', kind, KINDS, (name) => name)];
  const lists: Partial<Record<Kind, Entry[]>> = {};
  for (const name of wanted) lists[name] = await entriesOf(name, terminal, registry);
  if (json) {
    output.object(lists);
    return EXIT.valid;
  }
  for (const [i, name] of wanted.entries()) {
    const entries = lists[name] ?? [];
    if (wanted.length > 1) output.line(`${i > 0 ? '\n' : ''}${name}`);
    if (entries.length === 0) output.line(name === 'runs' ? noRuns(terminal) : '  (none)');
    const rows = columns(entries.map((entry) => [`  ${entry.name}`, entry.description]));
    for (const row of rows) output.line(row);
  }
  return EXIT.valid;
}

async function entriesOf(kind: Kind, terminal: Terminal, registry: Registry): Promise<Entry[]> {
  switch (kind) {
    case 'systems':
      return registry.systems.map(({ name, description }) => ({ name, description }));
    case 'workloads':
      return registry.workloads.map(({ name, description, systems }) => ({
        name,
        description,
        systems,
      }));
    case 'nemeses':
      return registry.nemeses.map(({ name, description, needs, nodesMin }) => ({
        name,
        description,
        needs,
        nodesMin,
      }));
    case 'checkers':
      return allCheckers(registry).map(({ name, guarantee }) => ({ name, description: guarantee }));
    case 'clusters':
      return Promise.all(
        registry.drivers.map(async (driver) => {
          const here = await driver.available();
          const standing = here.ok ? 'works here' : `not here: ${here.reason}`;
          const supports = [...driver.supports];
          const description = `${driver.description} (${standing})`;
          return { name: driver.kind, description, available: here.ok, supports };
        }),
      );
    case 'mutants':
      return registry.mutants.map(({ id, title, guarantee, source }) => ({
        name: id,
        description: `${title} (${source}); breaks ${guarantee}`,
      }));
    case 'runs':
      return listRuns(terminal.storeDir).map(runEntry);
  }
}

function runEntry(run: RunSummary): Entry {
  const { dir, info, results, damage } = run;
  const standing = `${results?.outcome ?? 'not judged'}  exit ${results?.exit ?? '–'}  ${info?.ended ?? 'never ended'}`;
  return {
    name: runTitle(dir),
    description: damage === undefined ? standing : `damaged: ${damage}`,
    run: dir,
    seed: info?.config.seed ?? null,
    verdict: results?.outcome ?? null,
    exit: results?.exit ?? null,
  };
}

/** The store is the working folder's: one who looks for runs in vain may be in another. */
function noRuns(terminal: Terminal): string {
  return `  (none in ${terminal.storeDir})`;
}

function allCheckers(registry: Registry): Checker[] {
  const all = registry.workloads.flatMap((workload) =>
    workload.systems.flatMap((system) => checkersOf(registry, system, workload.name)),
  );
  return [...new Map(all.map((checker) => [checker.name, checker])).values()];
}
