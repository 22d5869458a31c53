// `chaos gate` as a whole, in the simulator: green on the server as it is, and red with a planted bug that
// the JUnit file and the summary name, with the run that shows it kept.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { ROOT } from '../harness/bundle.ts';
import { type GateRequest, gateCommand } from '../harness/cli/gate-command.ts';
import { registry } from '../harness/registry.ts';
import { loadRun } from '../harness/store.ts';
import { parseXml } from '../reports/testing-xml.ts';

const LIMIT_MS = 240_000;
const folder = mkdtempSync(join(tmpdir(), 'chaos-gate-whole-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const config = join(folder, 'chaos.config.ts');
const defined = pathToFileURL(join(ROOT, 'harness/gate/config.ts')).href;
writeFileSync(
  config,
  `import { defineConfig } from '${defined}';
export default defineConfig({
  profiles: {
    tiny: {
      budget: '5m',
      matrix: [
        {
          system: 'coordinator',
          workload: 'register',
          nemesis: 'partition-leader',
          cluster: 'sim',
          timeLimit: '6s',
        },
      ],
    },
  },
});
`,
);

async function gate(request: Partial<GateRequest>) {
  const stdout = new PassThrough({ encoding: 'utf8' });
  const stderr = new PassThrough({ encoding: 'utf8' });
  const terminal = { stdout, stderr, storeDir: folder, signal: new AbortController().signal };
  const whole = { profile: 'tiny', config, rounds: 1, jobs: 1, ...request };
  const exit = await gateCommand(whole, true, terminal, registry);
  const answer = JSON.parse(String(stdout.read()));
  const file = (name: string) => readFileSync(join(answer.out, name), 'utf8');
  const junit = file('junit.xml');
  parseXml(junit);
  return { exit, answer, said: String(stderr.read()), junit, summary: file('summary.md') };
}

describe('a gate', () => {
  // Six seconds of another seed may show too little: the gate would be right to be yellow.
  it('is green on the server as it is, and keeps no runs', {
    timeout: LIMIT_MS,
  }, async () => {
    const { exit, answer, said, junit, summary } = await gate({ seed: 2 });
    expect(exit, said).toBe(0);
    expect(answer).toMatchObject({ exit: 0, colour: 'green', runs: 1, valid: 1, failed: [] });
    expect(said).toContain(`seed      ${answer.seed}`);
    expect(junit).toContain('tests="1" failures="0" errors="0" skipped="0"');
    expect(summary).toContain('green');
    expect(existsSync(join(answer.out, 'runs'))).toBe(false);
  });

  it('is red with a planted bug, which its reports name, with what shows it again', {
    timeout: LIMIT_MS,
  }, async () => {
    const { exit, answer, said, junit, summary } = await gate({
      mutant: 'Z29',
      seed: 1,
      out: join(folder, 'red'),
    });
    expect(exit, said).toBe(1);
    expect(answer).toMatchObject({ exit: 1, colour: 'red', mutant: 'Z29', anomaly: 1 });
    const [failed] = answer.failed;
    expect(failed.reproduce).toMatch(/^npx chaos run .*--cluster sim .*--seed \d+ --mutant Z29$/);
    for (const text of [junit, summary, said]) {
      expect(text).toContain('Z29');
      expect(text).toContain('commit without a quorum');
      expect(text).toContain('commit-without-quorum');
      expect(text).toContain(failed.reproduce);
    }
    const run = loadRun(join(answer.out, failed.runs[0]));
    expect(run.results?.outcome).toBe('invalid');
    expect(existsSync(join(run.dir, 'report.html'))).toBe(true);
  });

  it('refuses a folder that holds the results of another', async () => {
    writeFileSync(join(folder, 'gate.json'), '{}');
    await expect(gate({ out: folder })).rejects.toThrow(/holds the results of another gate/);
  });
});
