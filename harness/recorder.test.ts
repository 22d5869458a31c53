// The recorder must lose nothing it was asked to keep, and what a killed harness wrote must be readable.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { RunClock } from './clock.ts';
import { fileSink, Recorder } from './recorder.ts';
import { readHistory } from './store.ts';

const root = mkdtempSync(join(tmpdir(), 'chaos-recorder-'));
afterAll(() => rmSync(root, { recursive: true }));

/** Writes without end until it is killed; says so once the first chunk is out. */
const WRITER = `
import { RunClock } from ${JSON.stringify(fileURLToPath(new URL('./clock.ts', import.meta.url)))};
import { fileSink, Recorder } from ${JSON.stringify(fileURLToPath(new URL('./recorder.ts', import.meta.url)))};
const recorder = new Recorder(new RunClock(), fileSink(process.argv[2]));
let said = false;
for (let i = 0; ; i++) {
  recorder.record({ process: i, type: 'invoke', f: 'write', key: '/r', value: 'x'.repeat(i % 300) });
  if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  if (i > 10_000 && !said) {
    said = true;
    process.stdout.write('writing');
  }
}
`;

describe('recorder', () => {
  it('numbers, stamps and writes every event, without undefined keys', () => {
    const path = join(root, 'plain.jsonl');
    const recorder = new Recorder(new RunClock(), fileSink(path));
    for (let i = 0; i < 10_000; i++) {
      recorder.record({ process: 1, type: 'invoke', f: 'read', key: undefined, value: i } as never);
      recorder.record({ process: 1, type: i % 2 === 0 ? 'ok' : 'info', f: 'read', value: 'ä' });
    }
    recorder.close();
    recorder.close();
    expect(recorder.events[0]).not.toHaveProperty('key');
    expect(readHistory(path)).toEqual(recorder.events);
    expect(recorder.counts).toEqual({ ok: 5_000, fail: 0, info: 5_000 });
    const late = { process: 1, type: 'ok', f: 'read' } as const;
    expect(() => recorder.record(late)).toThrow(/after the history was closed/);
  });

  it('says so when the disk refuses, at the latest when it is closed', () => {
    let closed = false;
    const recorder = new Recorder(new RunClock(), {
      append: () => {
        throw new Error('ENOSPC');
      },
      close: () => {
        closed = true;
      },
    });
    recorder.record({ process: 'harness', type: 'info', f: 'phase', value: 'boot' });
    expect(() => recorder.close()).toThrow(/could not be written/);
    expect(closed).toBe(true);
  });

  it.each([1, 2, 3])('a killed writer leaves a readable history (%i)', async (round) => {
    const script = join(root, `writer-${round}.mjs`);
    const path = join(root, `killed-${round}.jsonl`);
    writeFileSync(script, WRITER);
    const child: ChildProcess = spawn(process.execPath, [script, path]);
    const ended = new Promise((resolve) => child.on('close', resolve));
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    child.kill('SIGKILL');
    await ended;
    const events = readHistory(path);
    expect(events.length).toBeGreaterThan(4_000);
    expect(events.at(-1)?.index).toBe(events.length - 1);
  });

  it('the reader tolerates a torn last line and nothing else', () => {
    const path = join(root, 'torn.jsonl');
    const recorder = new Recorder(new RunClock(), fileSink(path));
    for (let i = 0; i < 5; i++) recorder.record({ process: i, type: 'invoke', f: 'read' });
    recorder.close();
    const whole = readFileSync(path, 'utf8');
    const lastLine = whole.trimEnd().lastIndexOf('\n') + 1;
    for (let end = lastLine + 1; end < whole.length - 1; end += 7) {
      writeFileSync(path, whole.slice(0, end));
      expect(readHistory(path)).toHaveLength(4);
    }
    const lines = whole.trimEnd().split('\n');
    writeFileSync(path, [lines[0], lines[1]!.slice(0, 9), ...lines.slice(2)].join('\n'));
    expect(() => readHistory(path)).toThrow(/line 2 is not JSON and not the last/);
    writeFileSync(path, [lines[0], ...lines.slice(2)].join('\n'));
    expect(() => readHistory(path)).toThrow(/line 2 has index 2, expected 1/);
  });
});
