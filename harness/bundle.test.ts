// Bundles a small program with and without a mutant: a patch that does not fit must never pass in silence.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Mutant, Patch } from '../mutants/mutant.ts';
import { bundle } from './bundle.ts';

const root = mkdtempSync(join(tmpdir(), 'chaos-bundle-'));
afterAll(() => rmSync(root, { recursive: true }));

mkdirSync(join(root, 'server'));
const quorum = 'export const quorum = (voters: number): number => Math.floor(voters / 2) + 1;\n';
writeFileSync(join(root, 'server', 'quorum.ts'), quorum);
writeFileSync(
  join(root, 'server', 'main.ts'),
  "import { quorum } from './quorum.ts';\nconsole.log(quorum(5), quorum(3));\n",
);
writeFileSync(join(root, 'server', 'unused.ts'), 'export const unused = 1;\n');

const options = { entry: 'server/main.ts', name: 'server', root };

function mutant(...patches: Patch[]): Mutant {
  const words = { title: '', source: '', guarantee: '', masks: '', seenBy: [], witness: '' };
  return { id: 'Z0', ...words, patches };
}

const fits: Patch = { file: 'server/quorum.ts', find: ' + 1;', replace: ';' };
const run = (path: string) => execFileSync(process.execPath, [path], { encoding: 'utf8' }).trim();

describe('bundle', () => {
  it('makes one file that runs, the same one for the same source', async () => {
    const path = await bundle(options);
    expect(run(path)).toBe('3 2');
    expect(await bundle(options)).toBe(path);
  });

  it('applies a mutant to the bundle and leaves the source alone', async () => {
    const path = await bundle({ ...options, mutant: mutant(fits) });
    expect(run(path)).toBe('2 1');
    expect(path).not.toBe(await bundle(options));
    expect(readFileSync(join(root, 'server', 'quorum.ts'), 'utf8')).toBe(quorum);
  });

  it.each<[string, Patch, RegExp]>([
    ['nowhere', { ...fits, find: 'no such text' }, /exactly once in server\/quorum.ts, found it 0/],
    ['several times', { ...fits, find: 'number' }, /found it 2 times/],
    ['empty', { ...fits, find: '' }, /found it 0 times/],
    [
      'in a file outside',
      { ...fits, file: 'server/unused.ts' },
      /not part of what is bundled from server\/main.ts/,
    ],
    ['in no file', { ...fits, file: 'server/gone.ts' }, /server\/gone.ts is not part of/],
  ])('refuses a patch that fits %s', async (_where, patch, message) => {
    await expect(bundle({ ...options, mutant: mutant(patch) })).rejects.toThrow(message);
  });

  it('says what is missing', async () => {
    const missing = bundle({ ...options, entry: 'server/none.ts' });
    await expect(missing).rejects.toThrow('there is no server/none.ts');
  });
});
