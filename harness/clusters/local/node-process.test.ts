// Tests of a node's process group after its leader's end, on real processes. By then the number may be another
// program's, and a signal to it would hit a stranger.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isAlive, type ProcessStamp, stampOf } from '../owner.ts';
import { NodeProcess } from './node-process.ts';

let dir: string;
let left: ProcessStamp | undefined;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'chaos-node-process-'));
  left = undefined;
});

afterEach(async () => {
  if (left !== undefined && isAlive(left)) process.kill(left.pid, 'SIGKILL');
  await rm(dir, { recursive: true, force: true });
});

/** A node that has ended and left a process in its group, which was started with `env`. */
async function ended(env: string): Promise<{ node: NodeProcess; member: ProcessStamp }> {
  const [agent, program, pidFile] = ['agent.mjs', 'node.mjs', 'pid'].map((name) => join(dir, name));
  await writeFile(agent as string, '');
  await writeFile(
    program as string,
    `import { spawn } from 'node:child_process';
    import { writeFileSync } from 'node:fs';
    const args = ['-e', 'setInterval(() => {}, 1000)'];
    const child = spawn(process.execPath, args, { stdio: 'ignore', env: ${env} });
    child.once('spawn', () => {
      writeFileSync(process.argv[2], String(child.pid));
      process.exit(0);
    });`,
  );
  const node = new NodeProcess({
    node: 'n1',
    program: program as string,
    args: [pidFile as string],
    directory: dir,
    agent: agent as string,
    config: { node: 'n1', incarnation: 1, nodes: {}, control: { port: 0, token: '' } },
  });
  expect(await node.ended).toEqual({ how: 'exit code 0', wanted: false });
  left = stampOf(Number(await readFile(pidFile as string, 'utf8')));
  return { node, member: left };
}

test.runIf(process.platform === 'linux')('what a dead node started is killed with it', async () => {
  const { node, member } = await ended('process.env');
  expect(node.inspect()).toMatchObject({ state: 'running' });
  await node.kill();
  expect(isAlive(member)).toBe(false);
  expect(node.inspect()).toMatchObject({ state: 'dead' });
});

test.runIf(process.platform === 'linux').each(['{}', `{ CHAOS_NODE: 'of another node' }`])(
  'a group of a dead node in which nobody is known to be its own is left alone: %s',
  async (env) => {
    const { node, member } = await ended(env);
    expect(node.inspect()).toMatchObject({ state: 'dead' });
    await node.kill();
    await node.terminate(0);
    expect(isAlive(member)).toBe(true);
  },
);
