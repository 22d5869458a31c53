// Loads parts of the server with a planted bug's patches or without: a directed witness asks both the same
// question, so that a patch that is never reached, or changes nothing, is seen for what it is.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { afterAll, describe, expect, it } from 'vitest';
import { patching, ROOT } from '../../harness/bundle.ts';
import { mutants } from '../../mutants/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'chaos-witnesses-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A new directory that is removed after the tests. */
export function directory(): string {
  return mkdtempSync(join(folder, 'data-'));
}

/** What `files` below coordinator/, or another folder, export, with a mutant's patches or without. */
export async function load<T>(
  files: readonly string[],
  id?: string,
  below: 'coordinator' | 'broker' | '.' = 'coordinator',
): Promise<T> {
  const mutant = mutants.find((each) => each.id === id);
  const outfile = join(
    folder,
    `${id ?? 'clean'}-${[below, ...files].join('-').replace(/\W/g, '-')}.mjs`,
  );
  await build({
    stdin: {
      contents: files.map((file) => `export * from './${below}/${file}.ts';`).join('\n'),
      resolveDir: ROOT,
    },
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    outfile,
    logLevel: 'silent',
    plugins: mutant === undefined ? [] : [patching(ROOT, mutant, new Set())],
  });
  return (await import(pathToFileURL(outfile).href)) as T;
}

/** One question, and what the clean and the patched code answer. */
export interface Question {
  ask(id?: string): Promise<unknown>;
  clean: unknown;
  planted: unknown;
}

/** Asks every question of the clean code and of the one with its bug. */
export function witnesses(asked: Readonly<Record<string, Question>>): void {
  describe('a directed witness', () => {
    it.each(Object.entries(asked))('of %s answers otherwise', async (id, witness) => {
      expect(await witness.ask()).toEqual(witness.clean);
      expect(await witness.ask(id)).toEqual(witness.planted);
    });
  });
}
