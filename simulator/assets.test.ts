// A package's files beside its code: found on the simulated disk, whatever machine it runs on, and part of what
// a program's hash stands for.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadProgram, simulate } from './index.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chaos-assets-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Two modules that each have a file of the same name beside them. */
function write(one: string, two: string): string {
  for (const [name, text] of [
    ['one', one],
    ['two', two],
  ] as const) {
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, 'data.txt'), text);
    writeFileSync(
      join(folder, name, 'index.js'),
      `import { readFileSync } from 'node:fs';
       export const text = readFileSync(new URL('./data.txt', import.meta.url), 'utf8');`,
    );
  }
  const main = join(folder, 'main.js');
  const modules = ['one', 'two'].map(
    (name) => `import { text as ${name} } from './${name}/index.js';`,
  );
  const say =
    "console.log(one, two, import.meta.url, new URL('./gone', import.meta.url).pathname);";
  writeFileSync(main, [...modules, say].join('\n'));
  return main;
}

it('finds files by import.meta.url, each module its own', async () => {
  const program = await loadProgram(write('eins', 'zwei'));
  const sim = simulate({ seed: 1, processes: { p: { program } } });
  sim.start();
  await sim.runFor(100);
  expect(sim.process('p').output()).toEqual(['eins zwei file:///app/main.js /app/gone']);
  sim.powerLoss('p');
  sim.start();
  await sim.runFor(100);
  expect(sim.process('p').output()).toHaveLength(2);
});

it('is another program with another file', async () => {
  const before = await loadProgram(write('a', 'b'));
  const after = await loadProgram(write('a', 'c'));
  expect(after.hash).not.toBe(before.hash);
});
