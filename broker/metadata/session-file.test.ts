import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SESSION_FILE_NAME, SessionFile } from './session-file.ts';

const KEY = { id: 0x1234_5678_9abcn, password: Buffer.from('sixteen bytes: 6') };

let dir: string;
const said: string[] = [];

beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'chaos-session-file-'));
  said.length = 0;
});

afterEach(() => fs.rmSync(dir, { recursive: true }));

function file(options: { dir?: string; brokerId?: number } = {}): SessionFile {
  return new SessionFile({ dir, brokerId: 1, log: (line) => void said.push(line), ...options });
}

describe('the file of the newest session', () => {
  it('gives the next life what was kept last, and nothing once it is over', () => {
    expect(file().recall()).toBeUndefined();
    file().keep({ ...KEY, id: 7n });
    file().keep(KEY);
    expect(file().recall()).toEqual(KEY);
    file().forget();
    expect(file().recall()).toBeUndefined();
    file().forget();
    expect(said).toEqual([]);
  });

  it.skipIf(process.platform === 'win32')('is for the eyes of its broker only', () => {
    file().keep(KEY);
    expect(fs.statSync(path.join(dir, SESSION_FILE_NAME)).mode & 0o777).toBe(0o600);
  });

  it('keeps a negative id, as servers of the protocol may give', () => {
    file().keep({ ...KEY, id: -5n });
    expect(file().recall()?.id).toBe(-5n);
  });

  it('gives nothing to another broker, or to a copy of the directory', () => {
    file().keep(KEY);
    expect(file({ brokerId: 2 }).recall()).toBeUndefined();
    const copy = path.join(dir, 'copy');
    fs.mkdirSync(copy);
    fs.copyFileSync(path.join(dir, SESSION_FILE_NAME), path.join(copy, SESSION_FILE_NAME));
    expect(file({ dir: copy }).recall()).toBeUndefined();
  });

  it('gives nothing, wherever a power loss tore it', () => {
    file().keep(KEY);
    const name = path.join(dir, SESSION_FILE_NAME);
    const whole = fs.readFileSync(name);
    for (let bytes = 0; bytes < whole.length - 1; bytes += 5) {
      for (const torn of [
        whole.subarray(0, bytes),
        Buffer.concat([whole.subarray(0, bytes), Buffer.alloc(9)]),
      ]) {
        fs.writeFileSync(name, torn);
        expect(file().recall()).toBeUndefined();
      }
    }
    for (const strange of ['null', '7', '{}', '[]']) {
      fs.writeFileSync(name, strange);
      expect(file().recall()).toBeUndefined();
    }
  });

  it('says what the disk refuses, and does without', () => {
    const missing = file({ dir: path.join(dir, 'missing', 'too') });
    missing.keep(KEY);
    fs.mkdirSync(path.join(dir, SESSION_FILE_NAME));
    expect(file().recall()).toBeUndefined();
    expect(said).toEqual([expect.stringMatching(/cannot read .*EISDIR/)]);
  });
});
