// Bundles a server into one file, with a mutant's patches applied on the way in. Sources on disk are
// never changed: a patch exists in the bundle alone.
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import type { Mutant, Patch } from '../mutants/mutant.ts';

/** The project's root folder. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

export interface BundleOptions {
  /** Entry point, from the root. */
  entry: string;
  /** Name of the bundle's file, without extension. */
  name: string;
  mutant?: Mutant;
  /** Collects the mutant's files that were patched; without it one that is not refuses the bundle. */
  applied?: Set<string>;
  /** The project's root; another one in tests. */
  root?: string;
}

/**
 * Bundles an entry point into `.chaos/build/<hash>/<name>.mjs` and returns that path; the hash is of
 * the bundle's content, so equal sources give the same file. Throws when the source does not compile
 * or a patch does not fit.
 */
export async function bundle(options: BundleOptions): Promise<string> {
  const root = resolve(options.root ?? ROOT);
  const entry = join(root, options.entry);
  if (!existsSync(entry)) throw new Error(`nothing to bundle: there is no ${options.entry}`);
  const applied = options.applied ?? new Set<string>();
  const result = await build({
    entryPoints: [entry],
    absWorkingDir: root,
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    sourcemap: 'inline',
    logLevel: 'silent',
    plugins: options.mutant === undefined ? [] : [patching(root, options.mutant, applied)],
  });
  if (options.mutant !== undefined && options.applied === undefined) {
    refuseIdlePatches(options.mutant, applied, options.entry);
  }
  const content = result.outputFiles[0]!.contents;
  const hash = createHash('sha256').update(content).digest('hex').slice(0, 16);
  const path = join(root, '.chaos', 'build', hash, `${options.name}.mjs`);
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true });
    const draft = `${path}.${process.pid}`;
    writeFileSync(draft, content);
    // The servers in containers read it as another user, whatever the umask.
    chmodSync(draft, 0o644);
    renameSync(draft, path);
  }
  return path;
}

/**
 * Bundles programs, each with those of a mutant's patches that concern it; gives their paths by name.
 * Throws when a source does not compile, or a patch does not fit or concerns none of them.
 */
export async function bundlePrograms(
  programs: Readonly<Record<string, string>>,
  mutant?: Mutant,
): Promise<Record<string, string>> {
  const applied = new Set<string>();
  const bundles: Record<string, string> = {};
  for (const [name, entry] of Object.entries(programs)) {
    const patched = mutant === undefined ? {} : { mutant, applied };
    bundles[name] = await bundle({ entry, name, ...patched });
  }
  if (mutant !== undefined) refuseIdlePatches(mutant, applied, Object.values(programs).join(', '));
  return bundles;
}

/** Throws when a patch concerns none of the files that were bundled from `entries`. */
export function refuseIdlePatches(
  mutant: Mutant,
  applied: ReadonlySet<string>,
  entries: string,
): void {
  const idle = mutant.patches.find(({ file }) => !applied.has(file));
  if (idle === undefined) return;
  throw new Error(
    `mutant ${mutant.id}: ${idle.file} is not part of what is bundled from ${entries}, so its patch ` +
      'has no effect; plant it in another system or correct the file name',
  );
}

/** Applies one patch. Throws unless `find` occurs exactly once. */
export function applyPatch(source: string, patch: Patch, mutantId: string): string {
  const at = source.indexOf(patch.find);
  const times = patch.find === '' ? 0 : source.split(patch.find).length - 1;
  if (times !== 1) {
    throw new Error(
      `mutant ${mutantId}: expected its text exactly once in ${patch.file}, found it ${times} times; ` +
        `adapt the patch to the source: ${JSON.stringify(patch.find.slice(0, 120))}`,
    );
  }
  return source.slice(0, at) + patch.replace + source.slice(at + patch.find.length);
}

export function patching(root: string, mutant: Mutant, applied: Set<string>): Plugin {
  return {
    name: 'mutant',
    setup(bundling) {
      bundling.onLoad({ filter: /\.(ts|js|mjs)$/ }, ({ path }) => {
        const file = relative(root, path).split(sep).join('/');
        const patches = mutant.patches.filter((patch) => patch.file === file);
        if (patches.length === 0) return undefined;
        applied.add(file);
        let contents = readFileSync(path, 'utf8');
        for (const patch of patches) contents = applyPatch(contents, patch, mutant.id);
        return { contents, loader: file.endsWith('.ts') ? 'ts' : 'js' };
      });
    },
  };
}
