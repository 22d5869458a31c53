// The offline tools on a directory that a server could have left, whole and damaged: they print what is
// there, say what is wrong and where, and change nothing.
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recover } from '../storage/recovery.ts';
import { snapshotFiles, temporaryDirectory } from '../storage/testing.ts';
import { ask, SoloLeader } from '../tree/testing.ts';
import { runTool } from './main.ts';

let dataDir: string;
let version2: string;
let digest: string;

/** A server with a session and six nodes, a snapshot after the third, and the rest in the log. */
beforeEach(async () => {
  dataDir = temporaryDirectory();
  version2 = path.join(dataDir, 'version-2');
  const storage = recover(dataDir, { preAllocBytes: 64 * 1024 });
  storage.epochs.setAccepted(1);
  storage.epochs.setCurrent(1);
  const leader = new SoloLeader();
  const session = leader.open();
  for (const name of ['a', 'b', 'c']) leader.run(ask.create(`/${name}`, 'data'), session);
  storage.log.append(leader.records, 0);
  await storage.log.drained();
  const { tree } = leader;
  await storage.snapshots.save(tree.lastApplied, tree.serialize(), tree.digest());
  storage.log.roll();
  const before = leader.records.length;
  for (const name of ['d', 'e', 'f']) leader.run(ask.create(`/${name}`, 'data'), session);
  for (const record of leader.records.slice(before)) {
    storage.log.append([record], record.txn.zxid);
    await storage.log.drained();
  }
  digest = tree.digest();
  await storage.log.close();
});
afterEach(() => {
  fs.rmSync(dataDir, { recursive: true, force: true });
});

function run(...args: string[]): { code: number; out: string } {
  const lines: string[] = [];
  const print = (line: string) => void lines.push(line.replaceAll(dataDir, ''));
  const code = runTool(args, print, print);
  return { code, out: lines.join('\n') };
}

/** Changes a byte, `from` the start or, negative, before the last byte that is not zero. */
function damage(file: string, from: number): void {
  const data = fs.readFileSync(file);
  let end = data.length;
  while (end > 0 && data[end - 1] === 0) end--;
  const at = from < 0 ? end + from : from;
  data[at] = (data[at] as number) ^ 0xff;
  fs.writeFileSync(file, data);
}

const logs = () => fs.readdirSync(version2).filter((name) => name.startsWith('log.'));

describe('on what is whole', () => {
  it('prints every transaction of the log', () => {
    const { code, out } = run('log', dataDir);
    expect(code).toBe(0);
    expect(out.match(/^0x1000\w+ /gm)).toHaveLength(7);
    expect(out).toMatch(
      /^0x100000002 2023-\S+ session=0x100000001 cxid=0 origin=1 .* op=create2 hash=\w{8} create path="\/a" data=<4 bytes>/m,
    );
    expect(out).toContain('# ends with 0x100000007');
  });

  it('prints the newest snapshot with its nodes and sessions', () => {
    const { code, out } = run('snapshot', version2);
    expect(code).toBe(0);
    expect(out).toContain('snapshot.100000004: at 0x100000004, epoch 1, was saved here');
    expect(out).toMatch(/^\/a 4 bytes czxid=0x100000002 mzxid=0x100000002 version=0/m);
    expect(out).toMatch(/^0x100000001 1000 ms$/m);
  });

  it('verifies everything, says what a server would have, and changes nothing', () => {
    const before = snapshotFiles(version2);
    const { code, out } = run('verify', dataDir);
    expect(out).toContain(`with the log: 0x100000007, digest ${digest}, 10 znodes`);
    expect(out.endsWith('whole')).toBe(true);
    expect(code).toBe(0);
    expect(snapshotFiles(version2)).toEqual(before);
  });
});

describe('on what is damaged', () => {
  it('prints the log up to there and says where', () => {
    const last = path.join(version2, logs().at(-1) as string);
    damage(last, -1);
    const { code, out } = run('log', last);
    expect(code).toBe(1);
    expect(out.match(/^0x1000\w+ /gm)).toHaveLength(2);
    expect(out).toMatch(/offset \d+: expected a batch with CRC32C/);
  });

  it('tells a lost end, by the mark, and a bad snapshot, both at once', () => {
    damage(path.join(version2, logs().at(-1) as string), -1);
    damage(path.join(version2, 'snapshot.100000004'), 60);
    const { code, out } = run('verify', dataDir);
    expect(code).toBe(1);
    expect(out).toContain(
      'DAMAGED: the log ends with 0x100000006, but was durable up to 0x100000007',
    );
    expect(out).toMatch(/DAMAGED: \/version-2\/snapshot\.100000004, offset 0: .*CRC32C/);
    expect(out).toContain('2 problems');
    expect(run('snapshot', dataDir)).toMatchObject({ code: 1 });
  });

  it('tells damage in the middle of the log, and what to do', () => {
    damage(path.join(version2, logs()[0] as string), 60);
    const { code, out } = run('verify', dataDir);
    expect(code).toBe(1);
    expect(out).toMatch(/DAMAGED: .*this is damage, as .* What to do: if the other servers/);
  });
});

describe('wrong arguments', () => {
  it('are explained', () => {
    expect(run()).toMatchObject({ code: 254, out: expect.stringContaining('usage:') });
    expect(run('print', dataDir).out).toContain("unknown command 'print', known are log, snapshot");
    expect(run('log', `${dataDir}/none`)).toEqual({ code: 254, out: 'there is no /none' });
    expect(run('log', path.join(version2, 'currentEpoch')).out).toContain('expected a file named');
  });
});
