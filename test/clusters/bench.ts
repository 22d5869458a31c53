// What the conformance tests need to boot a cluster of test servers and to question them. Waiting is
// always for something to become true, never for time to pass.
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Cluster, ClusterOptions, NodeSpec } from '../../harness/cluster.ts';
import { bundleProgram } from '../../harness/clusters/bundle.ts';
import { type Message, onMessages, Questions } from '../../harness/clusters/lines.ts';
import type { StreamReport } from './node.ts';

const CLIENT_PORT = 7000;
const PEER_PORT = 2888;
const UNTIL_MS = 30_000;
const POLL_MS = 10;

/** Options of a cluster of `size` test servers in a fresh directory. */
export async function testOptions(runId: string, size: number): Promise<ClusterOptions> {
  const program = await bundleProgram(fileURLToPath(new URL('./node.ts', import.meta.url)));
  const specs = Array.from({ length: size }, (_, i): NodeSpec => {
    const name = `n${i + 1}`;
    return {
      name,
      program,
      args: (dir) => [name, dir],
      files: (dir) => ({ 'conf/where': dir }),
      ports: { client: CLIENT_PORT, peer: PEER_PORT },
      published: ['client'],
    };
  });
  return {
    runId,
    specs,
    runDir: await mkdtemp(join(tmpdir(), 'chaos-test-')),
    launchArgs: (_, incarnation) => [String(incarnation)],
    log: () => {},
  };
}

/** Asks a test server one question on a connection of its own. */
export async function ask(
  cluster: Cluster,
  node: string,
  question: Message,
  timeoutMs = 10_000,
): Promise<Message> {
  const { host, port } = cluster.address(node, 'client');
  const socket = connect({ host, port, noDelay: true });
  const questions = new Questions(node, socket);
  onMessages(socket, (message) => questions.receive(message));
  try {
    await once(socket, 'connect');
    return await questions.ask(question, timeoutMs);
  } finally {
    socket.destroy();
  }
}

/** Repeats a look until it satisfies; throws with the last look after 30 s. */
export async function until<T>(look: () => Promise<T>, wanted: (seen: T) => boolean): Promise<T> {
  const deadline = performance.now() + UNTIL_MS;
  for (;;) {
    let last: unknown;
    try {
      const seen = await look();
      if (wanted(seen)) return seen;
      last = seen;
    } catch (error) {
      last = error;
    }
    if (performance.now() > deadline) {
      const text = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`not so after ${UNTIL_MS} ms; last seen: ${text}`);
    }
    await delay(POLL_MS);
  }
}

/** Waits until a node's server answers. */
export async function answering(cluster: Cluster, node: string): Promise<Message> {
  return until(
    () => ask(cluster, node, { ask: 'who' }, 1_000),
    (who) => who.name === node,
  );
}

/** Starts nodes and waits until all answer. */
export async function boot(cluster: Cluster): Promise<void> {
  await Promise.all(cluster.nodes.map((node) => cluster.start(node)));
  await Promise.all(cluster.nodes.map((node) => answering(cluster, node)));
}

/** What a node saw of a stream; null while it knows of none. */
export async function report(
  cluster: Cluster,
  node: string,
  key: string,
): Promise<StreamReport | null> {
  const answer = await ask(cluster, node, { ask: 'report', key });
  return answer.report as StreamReport | null;
}

/** Waits until a node has received `frames` frames of a stream. */
export function received(
  cluster: Cluster,
  node: string,
  key: string,
  frames: number,
): Promise<StreamReport | null> {
  return until(
    () => report(cluster, node, key),
    (seen) => seen !== null && seen.received >= frames,
  );
}

/** Opens a stream and waits until both ends have it. */
export async function openStream(
  cluster: Cluster,
  from: string,
  to: string,
  key: string,
): Promise<void> {
  await ask(cluster, from, { ask: 'open', key, to });
  await until(
    () => report(cluster, to, key),
    (seen) => seen !== null,
  );
}

/** Sends frames from one end; does not wait for them. */
export async function send(
  cluster: Cluster,
  node: string,
  key: string,
  frames: number,
): Promise<void> {
  await ask(cluster, node, { ask: 'send', key, frames });
}
