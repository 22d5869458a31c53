// `chaos run --cluster sim --seeds` as a whole: a planted bug fails, its run is kept with all that it drew,
// and the kept run is the one that failed.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { seedsCommand } from '../harness/cli/seeds-command.ts';
import { registry } from '../harness/registry.ts';
import { loadRun } from '../harness/store.ts';

const LIMIT_MS = 240_000;
const storeDir = mkdtempSync(join(tmpdir(), 'chaos-seeds-'));
afterEach(() => rmSync(storeDir, { recursive: true, force: true }));

describe('--seeds', () => {
  it('keeps the failing run, says what it drew and how to go on', {
    timeout: LIMIT_MS,
  }, async () => {
    const stdout = new PassThrough({ encoding: 'utf8' });
    const stderr = new PassThrough({ encoding: 'utf8' });
    const terminal = { stdout, stderr, storeDir, signal: new AbortController().signal };
    const request = { from: 1, to: 1, jobs: 1, keepGoing: false, mutant: 'Z56' };
    expect(await seedsCommand(request, true, terminal, registry)).toBe(1);
    const said = String(stderr.read());
    const answer = JSON.parse(String(stdout.read()));
    expect(answer).toMatchObject({
      exit: 1,
      seeds: 1,
      failed: [1],
      lost: 0,
      runs: [{ seed: 1, outcome: 'invalid', drawn: { mutant: 'Z56', rounds: expect.any(Object) } }],
    });
    const [kept] = answer.kept;
    const run = loadRun(kept.run);
    expect(run.info.simulation?.trace).toBe(answer.runs[0].trace);
    expect(said).toContain(`npx chaos replay ${kept.run}`);
    expect(said).toContain(`npx chaos shrink ${kept.run}`);
    expect(said).toContain('npx chaos run --cluster sim --seeds 1 --mutant Z56');
    expect(said).toMatch(/drew .*tickTime \d+/);
    expect(readFileSync(join(kept.run, 'report.html'), 'utf8')).toContain('<html');
    const lines = readFileSync(answer.list, 'utf8').trim().split('\n');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ config: run.info.config });
  });
});
