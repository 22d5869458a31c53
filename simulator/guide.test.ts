// Runs every block of docs/simulator.md and compares what it prints with the block that follows it. A
// guide for strangers is wrong the day after it was written unless something reads it every day.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const ROOT = new URL('..', import.meta.url).pathname;
const GUIDE = new URL('../docs/simulator.md', import.meta.url);
const LIMIT_MS = 180_000;

interface Block {
  language: string;
  text: string;
  line: number;
}

function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map((found) => ({
    language: found[1] ?? '',
    text: found[2] ?? '',
    line: markdown.slice(0, found.index).split('\n').length,
  }));
}

/** Standard output; a command that finds a bug ends with code 1, as it should. */
async function printed(file: string, args: string[]): Promise<string> {
  const run = promisify(execFile)(file, args, { cwd: ROOT });
  const { stdout, stderr, code } = await run.then(
    (done) => ({ ...done, code: 0 }),
    (error: { stdout: string; stderr: string; code: number }) => error,
  );
  if (code > 1 || stderr !== '') throw new Error(`expected no error, got ${code}: ${stderr}`);
  return stdout;
}

function run({ language, text }: Block): Promise<string> {
  if (language === 'ts')
    return printed(process.execPath, ['--input-type=module-typescript', '-e', text]);
  const [command, ...args] = text.trim().split(' ');
  if (command !== 'node') throw new Error(`expected a command of node, got '${command}'`);
  return printed(process.execPath, args);
}

/** What a text block says, as a pattern: `…` stands for anything. */
function patternOf(text: string): RegExp {
  const parts = text
    .trim()
    .split('…')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^]*')}$`);
}

const blocks = blocksOf(readFileSync(GUIDE, 'utf8'));
const runnable = blocks
  .map((block, i) => ({ block, expected: blocks[i + 1] }))
  .filter(({ block }) => ['ts', 'sh'].includes(block.language));

describe('docs/simulator.md', () => {
  it('has blocks of known languages only, and each that runs is followed by what it prints', () => {
    expect(runnable.length).toBeGreaterThan(5);
    expect(new Set(blocks.map(({ language }) => language))).toEqual(
      new Set(['ts', 'sh', 'text', 'diff']),
    );
    for (const { expected } of runnable) expect(expected?.language).toBe('text');
  });

  it.each(runnable)('line $block.line prints what it says', { timeout: LIMIT_MS }, async (pair) => {
    const output = await run(pair.block);
    expect(output.trim()).toMatch(patternOf(pair.expected?.text ?? ''));
  });
});
