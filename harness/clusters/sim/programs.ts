// The programs of a simulated run: those of the system's nodes, with a mutant's patches where they have its
// sources, and the harness. Each is compiled once a process, whatever number of seeds it runs.
import { join } from 'node:path';
import type { Mutant } from '../../../mutants/mutant.ts';
import { loadProgram, type Program } from '../../../simulator/index.ts';
import { patching, ROOT, refuseIdlePatches } from '../../bundle.ts';

const HARNESS = 'harness/clusters/sim/program.ts';

interface Loaded {
  program: Program;
  /** Files of the mutant that are part of it. */
  patched: ReadonlySet<string>;
}

const loading = new Map<string, Promise<Loaded>>();

function load(entry: string, mutant?: Mutant): Promise<Loaded> {
  const key = `${entry} ${mutant?.id ?? ''}`;
  let loaded = loading.get(key);
  if (loaded === undefined) {
    const patched = new Set<string>();
    const plugins = mutant === undefined ? [] : [patching(ROOT, mutant, patched)];
    loaded = loadProgram(join(ROOT, entry), { plugins }).then((program) => ({ program, patched }));
    loading.set(key, loaded);
  }
  return loaded;
}

/** The harness as a simulated process. */
export async function harnessProgram(): Promise<Program> {
  return (await load(HARNESS)).program;
}

/**
 * A system's programs by name; `entries` are their entry points by the same names. Throws when a source does
 * not compile, or when no program has a file that the mutant patches.
 */
export async function systemPrograms(
  entries: Readonly<Record<string, string>>,
  mutant: Mutant | undefined,
): Promise<Map<string, Program>> {
  const all = await Promise.all(
    Object.entries(entries).map(async ([name, entry]) => ({
      name,
      ...(await load(entry, mutant)),
    })),
  );
  if (mutant !== undefined) {
    const applied = new Set(all.flatMap(({ patched }) => [...patched]));
    refuseIdlePatches(mutant, applied, Object.values(entries).join(', '));
  }
  return new Map(all.map(({ name, program }) => [name, program]));
}
