// Enforces who may import whom (docs: the table of floors). Arrows only go down: a checker that reached
// into the harness could not judge a stored run, and a server that did could not be shipped.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';
import { afterAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SKIPPED = new Set(['node_modules', 'store', 'dist', 'docs']);

/** What each folder may import besides itself; a folder not named here is an error. */
const MAY_IMPORT: Readonly<Record<string, readonly string[] | 'everything'>> = {
  history: [],
  wire: [],
  simulator: [],
  mutants: [],
  checkers: ['history'],
  nemesis: ['history'],
  reports: ['history'],
  coordinator: ['wire'],
  broker: ['wire', 'coordinator/client', 'coordinator/protocol'],
  workloads: [
    'history',
    'checkers',
    'coordinator/client',
    'coordinator/protocol',
    'broker/client',
    'broker/protocol',
  ],
  harness: 'everything',
  bench: 'everything',
  test: 'everything',
};

interface Import {
  from: string;
  to: string;
}

/** All TypeScript and JavaScript sources below `root`, relative to it. */
function sourcesOf(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|js|mjs)$/.test(entry.name))
    .filter((entry) => !entry.name.endsWith('.d.ts') && !entry.name.endsWith('.config.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((file) => !file.split('/').some((part) => SKIPPED.has(part) || part.startsWith('.')));
}

/** Imports between files of the project, types included, as esbuild resolves them. */
async function importsOf(root: string, files: readonly string[]): Promise<Import[]> {
  const { metafile } = await build({
    entryPoints: [...files],
    absWorkingDir: root,
    outdir: 'out',
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    packages: 'external',
    logLevel: 'silent',
    plugins: [
      {
        // esbuild drops imports of types before it resolves them; as plain imports they stay.
        name: 'types-are-imports-too',
        setup(bundling) {
          bundling.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
            const { readFile } = await import('node:fs/promises');
            const source = await readFile(path, 'utf8');
            return { contents: importsAlone(source), loader: 'js', resolveDir: dirname(path) };
          });
        },
      },
    ],
  });
  return flatten(metafile);
}

/** Only a file's import and re-export statements and dynamic imports, as bare imports. */
function importsAlone(source: string): string {
  const found = [
    ...source.matchAll(/^\s*(?:import|export)\b[^;'"]*?\bfrom\s*['"]([^'"]+)['"]/gm),
    ...source.matchAll(/^\s*import\s*['"]([^'"]+)['"]/gm),
    ...source.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g),
  ];
  const inside = found.map((match) => match[1] ?? '').filter((path) => path.startsWith('.'));
  return inside.map((path) => `import ${JSON.stringify(path)};`).join('\n');
}

function flatten(metafile: Metafile): Import[] {
  return Object.entries(metafile.inputs).flatMap(([from, { imports }]) =>
    imports.filter((found) => found.external !== true).map(({ path: to }) => ({ from, to })),
  );
}

/** The imports that the table forbids, in words. */
function forbidden(imports: readonly Import[]): string[] {
  return imports
    .filter(({ from, to }) => !allowed(from, to))
    .map(({ from, to }) => `${from} must not import ${to}`);
}

function allowed(from: string, to: string): boolean {
  const folder = from.split('/')[0] ?? '';
  const may = MAY_IMPORT[folder];
  if (may === undefined)
    throw new Error(`${from}: ${folder}/ is not in the table of floors; add it`);
  return (
    may === 'everything' ||
    to.startsWith(`${folder}/`) ||
    may.some((other) => to.startsWith(`${other}/`))
  );
}

describe('floors', () => {
  it('nobody imports upwards', async () => {
    const files = sourcesOf(ROOT);
    const imports = await importsOf(ROOT, files);
    expect(imports.length).toBeGreaterThan(files.length);
    expect(forbidden(imports)).toEqual([]);
  });

  it('every folder of sources has its line in the table', () => {
    const folders = new Set(sourcesOf(ROOT).map((file) => file.split('/')[0] ?? ''));
    expect([...folders].filter((folder) => MAY_IMPORT[folder] === undefined)).toEqual([]);
  });
});

describe('the check itself', () => {
  const root = mkdtempSync(join(tmpdir(), 'chaos-floors-'));
  afterAll(() => rmSync(root, { recursive: true }));

  it('sees forbidden imports of values and types, static, dynamic and re-exported', async () => {
    const files: Record<string, string> = {
      'harness/run.ts': "import { judge } from '../checkers/fine.ts';\nexport const run = judge;\n",
      'history/event.ts': 'export interface Event {\n  time: number;\n}\n',
      'checkers/fine.ts':
        "import type { Event } from '../history/event.ts';\nexport const judge = 1;\n",
      'checkers/value.ts': "import { run } from '../harness/run.ts';\nexport const a = run;\n",
      'checkers/type.ts':
        "import type {\n  Run,\n} from '../harness/run.ts';\nexport type A = Run;\n",
      'checkers/again.ts': "export { run } from '../harness/run.ts';\n",
      'checkers/late.ts': "export const late = () => import('../harness/run.ts');\n",
      'checkers/effect.ts': "import '../harness/run.ts';\n",
      'workloads/server.ts': "import '../coordinator/server/main.ts';\n",
      'workloads/client.ts': "import '../coordinator/client/index.ts';\n",
      'coordinator/server/main.ts': 'export {};\n',
      'coordinator/client/index.ts': 'export {};\n',
    };
    for (const [file, source] of Object.entries(files)) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), source);
    }
    const found = forbidden(await importsOf(root, sourcesOf(root)));
    expect(found.sort()).toEqual([
      'checkers/again.ts must not import harness/run.ts',
      'checkers/effect.ts must not import harness/run.ts',
      'checkers/late.ts must not import harness/run.ts',
      'checkers/type.ts must not import harness/run.ts',
      'checkers/value.ts must not import harness/run.ts',
      'workloads/server.ts must not import coordinator/server/main.ts',
    ]);
  });

  it('refuses a folder that the table does not know', () => {
    expect(() => forbidden([{ from: 'tools/a.ts', to: 'history/b.ts' }])).toThrow(/tools\//);
  });
});
