// How the coordinator is built, deployed and looked at. Its configuration is a zoo.cfg with ZooKeeper's
// own names, and the harness asks it what any administrator would: mntr, by four-letter word.
import { connect } from 'node:net';
import type { RunConfig } from '../../history/run-record.ts';
import { bundle } from '../bundle.ts';
import type { Cluster, NodeSpec } from '../cluster.ts';
import type { System } from '../system.ts';

const SOURCE = 'coordinator/server/main.ts';
const PORTS = { client: 2181, peer: 2888, election: 3888 } as const;
const WORD_MS_MAX = 300;
const WORD_BYTES_MAX = 1 << 20;

/** The server's id: the number in its node's name. */
function serverId(config: RunConfig, node: string): number {
  return config.nodes.indexOf(node) + 1;
}

/** The configuration file of every node; `dir` is the node's directory as it sees it. */
export function zooCfg(config: RunConfig, dir: string): string {
  const lines = Object.entries(config.systemOptions).map(([name, value]) => `${name}=${value}`);
  const servers = config.nodes.map(
    (node) => `server.${serverId(config, node)}=${node}:${PORTS.peer}:${PORTS.election}`,
  );
  const own = [`dataDir=${dir}/data`, `clientPort=${PORTS.client}`];
  return `${[...lines, ...own, ...servers].join('\n')}\n`;
}

/** Sends a four-letter word and gives the whole answer; rejects on no answer within 300 ms. */
export function fourLetterWord(
  address: { host: string; port: number },
  word: string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(address.port, address.host);
    const chunks: Buffer[] = [];
    let bytes = 0;
    const timer = setTimeout(
      () => socket.destroy(new Error(`no answer to ${word} within ${WORD_MS_MAX} ms`)),
      WORD_MS_MAX,
    );
    socket.on('connect', () => socket.write(word));
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > WORD_BYTES_MAX) socket.destroy(new Error(`the answer to ${word} has no end`));
    });
    socket.on('error', reject);
    socket.on('close', () => {
      clearTimeout(timer);
      // A port's proxy accepts for a dead server and closes without a word.
      if (bytes === 0) reject(new Error(`the connection was closed without an answer to ${word}`));
      else resolve(Buffer.concat(chunks).toString('utf8'));
    });
  });
}

/** What mntr said: `zk_server_state`, `zk_epoch` and so on. */
function parseMntr(text: string): Map<string, string> {
  const pairs = text.split('\n').map((line) => line.split('\t'));
  return new Map(pairs.map(([name, value]) => [name ?? '', (value ?? '').trim()]));
}

interface Standing {
  node: string;
  /** `leader`, `follower`, or why neither. */
  state: string;
  epoch: number;
}

/** Asks one node what it is; silence is an answer too. */
async function standing(cluster: Cluster, node: string): Promise<Standing> {
  try {
    const mntr = parseMntr(await fourLetterWord(cluster.address(node, 'client'), 'mntr'));
    const state = mntr.get('zk_server_state') ?? 'not serving';
    return { node, state, epoch: Number(mntr.get('zk_epoch') ?? 0) };
  } catch (error) {
    return { node, state: (error as Error).message, epoch: -1 };
  }
}

function standings(cluster: Cluster): Promise<Standing[]> {
  return Promise.all(cluster.nodes.map((node) => standing(cluster, node)));
}

/** Who leads: an isolated leader may still say so, and then the higher epoch is the newer truth. */
export function leaderOf(all: readonly Standing[]): string | undefined {
  const leaders = all.filter(({ state }) => state === 'leader');
  return leaders.sort((a, b) => b.epoch - a.epoch)[0]?.node;
}

function spec(config: RunConfig, node: string, program: string): NodeSpec {
  return {
    name: node,
    program,
    args: (dir) => [
      ...['--config', `${dir}/zoo.cfg`],
      ...['--myid', String(serverId(config, node))],
      ...['--events', `${dir}/events.jsonl`],
      ...['--event-level', config.eventLevel],
    ],
    files: (dir) => ({ 'zoo.cfg': zooCfg(config, dir) }),
    ports: { ...PORTS },
    published: ['client'],
  };
}

export const coordinator: System = {
  name: 'coordinator',
  description: 'the coordination service of this project, ZooKeeper on the wire',
  source: SOURCE,
  clientPort: 'client',
  defaultOptions: { tickTime: 250, initLimit: 20, syncLimit: 6, snapCount: 10_000 },
  bundle: (mutant) =>
    bundle({ entry: SOURCE, name: 'coordinator', ...(mutant === undefined ? {} : { mutant }) }),
  specs: (config, program) => config.nodes.map((node) => spec(config, node, program)),
  launchArgs: (node, incarnation, baseNs) => [
    ...['--incarnation', String(incarnation)],
    ...['--event-base', String(baseNs)],
    ...['--node', node],
  ],
  async observe(cluster) {
    const leader = leaderOf(await standings(cluster));
    return { nodes: [...cluster.nodes], roles: { leader: leader === undefined ? [] : [leader] } };
  },
  async notReady(cluster) {
    const all = await standings(cluster);
    const idle = all.filter(({ state }) => state !== 'leader' && state !== 'follower');
    if (idle.length > 0) return idle.map(({ node, state }) => `${node}: ${state}`).join('; ');
    const leaders = all.filter(({ state }) => state === 'leader').map(({ node }) => node);
    return leaders.length === 1 ? undefined : `leaders: ${leaders.join(' ') || 'none'}`;
  },
};
