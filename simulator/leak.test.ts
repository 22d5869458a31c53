// Nothing of the real machine reaches a simulated program: the same program, looking everywhere, has the
// same trace in processes with another zone, language, folder, environment, memory and time.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const PROGRAM = fileURLToPath(new URL('./leak.testing.ts', import.meta.url));

interface Told {
  hash: string;
  lines: string[];
}

function tell(env: Record<string, string>, cwd: string, flags: string[]): Told {
  const told = execFileSync(process.execPath, [...flags, PROGRAM], { cwd, env, encoding: 'utf8' });
  return JSON.parse(told) as Told;
}

describe('a program that looks everywhere', () => {
  it('finds the same world on another machine', () => {
    const cwd = mkdtempSync(join(tmpdir(), 'chaos-leak-'));
    try {
      const here = { TZ: 'Pacific/Chatham', LANG: 'de_DE.UTF-8', SECRET: 'one', FORCE_COLOR: '1' };
      const there = {
        TZ: 'America/Lima',
        LC_ALL: 'tr_TR.UTF-8',
        NODE_DEBUG: 'x',
        HOME: '/nowhere',
      };
      const first = tell(here, cwd, ['--max-old-space-size=300', '--stack-trace-limit=3']);
      const second = tell(there, '/', ['--title=other', '--expose-gc']);
      expect(second.lines).toEqual(first.lines);
      expect(second.hash).toBe(first.hash);
      const text = first.lines.join('\n');
      expect(text).toContain('later');
      expect(text).toContain("timeZone: 'UTC'");
      expect(text).toContain("locale: 'en-US'");
      expect(text).toContain('2026-01-01T');
      for (const leak of ['SECRET', 'nowhere', cwd, 'Chatham', 'simulator/']) {
        expect(text).not.toContain(leak);
      }
    } finally {
      rmSync(cwd, { recursive: true, force: true });
    }
  });
});
