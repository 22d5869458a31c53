// Makes one function out of a program: esbuild bundles it, and the function, called once per simulated
// process, evaluates it with that process's own `require` and globals in scope.
import { createHash } from 'node:crypto';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { compileFunction } from 'node:vm';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { ADDON_PREFIX } from './addons.ts';
import { type Asset, collectingAssets } from './assets.ts';
import { SCOPE_NAMES } from './globals.ts';

/** A program that can be started any number of times, in any number of simulations. */
export interface Program {
  /** The path of its entry as the program sees it: `/app/` and the file's name, on any machine. */
  readonly file: string;
  /** SHA-256 of the code: a replay on other code is another run. */
  readonly hash: string;
  /** Makes the program's body for one life; the body returns a promise with top-level await. */
  readonly instantiate: Instantiate;
  /** Compiles it once more: what the engine learns of one life's code, it then keeps to that life. */
  readonly compile: () => Instantiate;
  /** Files that it finds on the disk of each machine that it runs on. */
  readonly assets: readonly Asset[];
}

type Instantiate = (...scope: unknown[]) => (this: unknown) => unknown;

/** Where a program's code comes from: the path of its entry, or its source. */
export type ProgramSource =
  | string
  | {
      source: string;
      /** Where relative imports are looked for and what the program takes for its own path. */
      file?: string;
      loader?: 'ts' | 'js';
    };

export interface ProgramOptions {
  /** Plugins for esbuild: to change sources on their way in. */
  plugins?: Plugin[];
}

/** Native addons stay on the real disk; the simulation says which of them may be loaded. */
const addons: Plugin = {
  name: 'native addons',
  setup(bundling) {
    bundling.onLoad({ filter: /\.node$/ }, ({ path: file }) => {
      return { contents: `module.exports = require(${JSON.stringify(ADDON_PREFIX + file)});` };
    });
    bundling.onResolve({ filter: new RegExp(`^${ADDON_PREFIX}`) }, ({ path: specifier }) => {
      return { path: specifier, external: true };
    });
  },
};

const IMPORT_META_URL = '__simulatedImportMetaUrl';

function buildOptions(from: ProgramSource, file: string, plugins: Plugin[]): BuildOptions {
  const entry: BuildOptions =
    typeof from === 'string'
      ? { entryPoints: [file] }
      : {
          stdin: {
            contents: from.source,
            resolveDir: path.dirname(file),
            sourcefile: file,
            loader: from.loader ?? 'ts',
          },
        };
  return {
    ...entry,
    bundle: true,
    plugins: [...plugins, addons],
    // Code for `compileFunction` has no `import()`: what is not bundled comes by `require`.
    supported: { 'dynamic-import': false },
    platform: 'node',
    target: 'node24',
    write: false,
    logLevel: 'silent',
    // The globals are replaced by name in scope, so a name must not be renamed or folded away.
    minify: false,
    keepNames: false,
    sourcemap: false,
    legalComments: 'none',
    define: { 'import.meta.url': IMPORT_META_URL },
  };
}

async function bundled(options: BuildOptions): Promise<string> {
  const result = await build(options);
  const [output] = result.outputFiles ?? [];
  if (output === undefined) throw new Error('expected esbuild to give one file, got none');
  return output.text;
}

function hasTopLevelAwait(error: unknown): boolean {
  return error instanceof Error && /top-level await/i.test(error.message);
}

/** Turns esbuild's own import and export statements, which stand alone on a line, into requires. */
function withoutModuleSyntax(code: string): string {
  const requires: string[] = [];
  const statement = /^import(?:\s+([\w$*\s{},]+?)\s+from)?\s*"([^"]+)";$/gm;
  const body = code
    .replace(statement, (_all, clause: string | undefined, name: string) => {
      const module = `__import${requires.length}`;
      const lines = [`const ${module} = require(${JSON.stringify(name)});`];
      const [, star] = /\*\s+as\s+([\w$]+)/.exec(clause ?? '') ?? [];
      if (star !== undefined) lines.push(`const ${star} = ${module};`);
      const [, named] = /\{([^}]*)\}/.exec(clause ?? '') ?? [];
      if (named !== undefined)
        lines.push(`const {${named.replace(/\s+as\s+/g, ': ')}} = ${module};`);
      const [, fallback] = /^([\w$]+)\s*(?:,|$)/.exec(clause ?? '') ?? [];
      if (fallback !== undefined) lines.push(`const ${fallback} = ${module}.default ?? ${module};`);
      requires.push(lines.join(' '));
      return '';
    })
    .replace(/^export \{([^}]*)\};$/gm, (_all, names: string) => {
      for (const name of names.split(',').map((part) => part.trim())) {
        if (name === '') continue;
        const [local, exported = local] = name.split(/\s+as\s+/);
        const key = JSON.stringify(exported);
        // In force from the start: a server's top-level await may never come to its end.
        const get = `{ enumerable: true, get: () => ${local} }`;
        requires.push(`Object.defineProperty(exports, ${key}, ${get});`);
      }
      return '';
    });
  return `${requires.join(' ')}${body}`;
}

const programs = new Map<string, Program>();

/**
 * Bundles a program, ESM or CommonJS, TypeScript or JavaScript, with everything that it imports.
 * @throws esbuild's error when it does not compile or an import is not found.
 */
export async function loadProgram(
  from: ProgramSource,
  { plugins = [] }: ProgramOptions = {},
): Promise<Program> {
  const named = typeof from === 'string' ? from : (from.file ?? 'program.ts');
  const file = path.resolve(named);
  const assets = new Map<string, Asset>();
  const options = buildOptions(from, file, [...plugins, collectingAssets(assets)]);
  let code: string;
  let isAsync = false;
  try {
    code = await bundled({ ...options, format: 'cjs' });
  } catch (error) {
    if (!hasTopLevelAwait(error)) throw error;
    isAsync = true;
    // Template literals are folded into strings, so that no line of text looks like an import.
    const supported = { ...options.supported, 'template-literal': false };
    code = withoutModuleSyntax(await bundled({ ...options, format: 'esm', supported }));
  }
  return compiled(file, code, isAsync, [...assets.values()]);
}

function compiled(
  entry: string,
  code: string,
  isAsync: boolean,
  assets: readonly Asset[],
): Program {
  const file = `/app/${path.basename(entry)}`;
  const hash = createHash('sha256').update(`${isAsync}\0${code}`).digest('hex');
  const key = `${file}\0${hash}`;
  let program = programs.get(key);
  if (program === undefined) {
    // The program stands in a function of its own: a strict one may not have a parameter `eval`.
    const wrapped = `return ${isAsync ? 'async ' : ''}function () {${code}\n};`;
    const compile = () =>
      compileFunction(wrapped, [...SCOPE_NAMES], { filename: file }) as Instantiate;
    program = { file, hash, instantiate: compile(), compile, assets };
    programs.set(key, program);
  }
  return program;
}

/** What a module of the program reads as `import.meta.url`. */
export function importMetaUrl(program: Program): string {
  return pathToFileURL(program.file).href;
}
