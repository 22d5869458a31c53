// The live window: redrawn in place on a terminal, one line a phase elsewhere.
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { type LiveState, type LiveStream, LiveView } from './live.ts';

const STATE: LiveState = {
  system: 'coordinator',
  nemesis: 'kill-leader',
  cluster: 'local',
  phase: 'faults',
  elapsedMs: 1_000,
  totalMs: 4_000,
  ops: { ok: 10, fail: 1, info: 2 },
  opsPerSecond: 99.6,
};
const ESC = '\x1b';

function capture(columns?: number) {
  const stream: LiveStream & PassThrough = new PassThrough({ encoding: 'utf8' });
  if (columns !== undefined) stream.columns = columns;
  return { stream, written: (): string => (stream.read() as string | null) ?? '' };
}

describe('LiveView on a terminal', () => {
  it('draws a window and replaces it by as many lines as it had', async () => {
    const { stream, written } = capture(80);
    const view = new LiveView(stream, { interactive: true, color: false });
    view.update({ ...STATE, fault: 'kill n1', leader: 'n2' });
    const first = written();
    expect(first.split('\n').map((line) => line.slice(0, 10).trim())).toEqual([
      'run',
      'phase',
      'ops',
      'fault',
      'leader',
      '',
    ]);
    expect(first).toContain('100/s  ok 10  fail 1  info 2');
    expect(first).toContain('██████░░░░░░░░░░░░░░░░░░ 1.0 s of 4.0 s');
    view.update({ ...STATE, opsPerSecond: 1 });
    view.update({ ...STATE, opsPerSecond: 2 });
    expect(written()).toBe('');
    await once(stream, 'readable');
    const second = written();
    expect(second.startsWith(`${ESC}[5A${ESC}[0J`)).toBe(true);
    expect(second).toContain('2/s');
    view.stop();
    expect(written()).toBe(`${ESC}[5A${ESC}[0J`);
  });

  it('lets lines flow above the window', () => {
    const { stream, written } = capture(80);
    const view = new LiveView(stream, { interactive: true, color: false });
    view.log('before any state');
    expect(written()).toBe('before any state\n');
    view.update(STATE);
    const window = written();
    view.log('fault healed');
    expect(written()).toBe(`${ESC}[5A${ESC}[0Jfault healed\n${window}`);
    view.stop();
    written();
    view.log('afterwards');
    view.update(STATE);
    expect(written()).toBe('afterwards\n');
  });

  it('never writes a line as wide as the terminal', () => {
    const { stream, written } = capture(40);
    const view = new LiveView(stream, { interactive: true, color: false });
    view.update({ ...STATE, fault: 'cut '.repeat(40) });
    expect(
      Math.max(
        ...written()
          .split('\n')
          .map((line) => line.length),
      ),
    ).toBeLessThan(40);
    view.stop();
  });

  it('uses colour only where wanted', () => {
    for (const color of [true, false]) {
      const { stream, written } = capture(80);
      const view = new LiveView(stream, { interactive: true, color });
      view.update(STATE);
      expect(written().includes(`${ESC}[2m`)).toBe(color);
      view.stop();
    }
  });
});

describe('LiveView elsewhere', () => {
  it('writes one line a phase, without escape codes', () => {
    const { stream, written } = capture();
    const view = new LiveView(stream);
    view.update({ ...STATE, phase: 'warmup' });
    view.update({ ...STATE, phase: 'warmup', elapsedMs: 2_000 });
    view.update(STATE);
    view.log('a line');
    view.stop();
    const text = written();
    expect(text).not.toContain(ESC);
    expect(text.split('\n').map((line) => line.slice(0, 16))).toEqual([
      '1.0 s warmup: co',
      '1.0 s faults: co',
      'a line',
      '',
    ]);
  });
});
