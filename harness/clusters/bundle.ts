// Turns a program of this repository into one file that runs on a bare Node. A container or a child
// process then needs nothing but Node and that file.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url));
const bundles = new Map<string, Promise<string>>();

/**
 * Bundles a TypeScript entry file (absolute path) into `.chaos/build/<name>-<hash>.mjs` and returns
 * that path. The same content gives the same file. Throws with esbuild's message on a bad program.
 */
export function bundleProgram(entry: string): Promise<string> {
  const known = bundles.get(entry);
  if (known !== undefined) return known;
  const made = buildOnce(entry);
  bundles.set(entry, made);
  made.catch(() => bundles.delete(entry));
  return made;
}

async function buildOnce(entry: string): Promise<string> {
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    write: false,
    logLevel: 'silent',
    legalComments: 'none',
  });
  const contents = result.outputFiles[0]?.contents;
  if (contents === undefined) throw new Error(`esbuild gave no output for ${entry}`);
  return keepFile(basename(entry).replace(/\.[^.]+$/, ''), '.mjs', contents);
}

/** Puts `contents` into `.chaos/build/<name>-<hash><ending>`, unless it is there, and says where. */
export async function keepFile(
  name: string,
  ending: string,
  contents: Uint8Array | string,
): Promise<string> {
  const hash = createHash('sha256').update(contents).digest('hex').slice(0, 16);
  const folder = join(REPOSITORY, '.chaos', 'build');
  const file = join(folder, `${name}-${hash}${ending}`);
  if (existsSync(file)) return file;
  await mkdir(folder, { recursive: true });
  const draft = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  await writeFile(draft, contents);
  // A container's root without DAC_OVERRIDE must be able to read it, whatever the umask says.
  await chmod(draft, 0o644);
  await rename(draft, file);
  return file;
}

/** The pinned Node binary of this platform, or undefined where its package is not installed. */
export function pinnedNode(platform = process.platform, arch = process.arch): string | undefined {
  const system = platform === 'win32' ? 'win' : platform;
  try {
    const manifest = createRequire(import.meta.url).resolve(`node-${system}-${arch}/package.json`);
    const binary = join(dirname(manifest), 'bin', platform === 'win32' ? 'node.exe' : 'node');
    return existsSync(binary) ? binary : undefined;
  } catch {
    return undefined;
  }
}

/** The Node that runs local nodes: the pinned one, else the harness' own. */
export function nodeBinary(): string {
  return pinnedNode() ?? process.execPath;
}
