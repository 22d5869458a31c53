// How a running coordinator is looked at: its configuration file, and who leads. Apart from how it is
// built, because this part also runs inside the simulator.
import { connect } from 'node:net';
import type { ClusterView } from '../../history/plan.ts';
import type { RunConfig } from '../../history/run-record.ts';
import type { Nodes, SystemView } from '../system.ts';

export const PORTS = { client: 2181, peer: 2888, election: 3888 } as const;
const WORD_MS_MAX = 300;
const WORD_BYTES_MAX = 1 << 20;

/** The server's id: the number in its node's name. */
export function serverId(config: RunConfig, node: string): number {
  return config.nodes.indexOf(node) + 1;
}

/** Without these a harness cannot observe, whatever a run, a drawn or a stored one, says of its servers. */
export const NEEDED = {
  // All clients of a run come from one address, and the harness asks what operators ask.
  maxClientCnxns: 0,
  '4lw.commands.whitelist': '*',
};

/** The configuration file of every node; `dir` is the node's directory as it sees it. */
export function zooCfg(config: RunConfig, dir: string): string {
  const options = { ...NEEDED, ...config.systemOptions };
  const lines = Object.entries(options).map(([name, value]) => `${name}=${value}`);
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

/** What a server is just now. */
export interface Standing {
  node: string;
  /** `leader`, `follower`, or why neither. */
  state: string;
  epoch: number;
}

/** Asks the server at an address what it is; rejects when there is no answer. */
export type Ask = (address: { host: string; port: number }) => Promise<Omit<Standing, 'node'>>;

const askMntr: Ask = async (address) => {
  const mntr = parseMntr(await fourLetterWord(address, 'mntr'));
  const state = mntr.get('zk_server_state') ?? 'not serving';
  return { state, epoch: Number(mntr.get('zk_epoch') ?? 0) };
};

/** Asks one node what it is; silence is an answer too. */
async function standing(cluster: Nodes, node: string, ask: Ask): Promise<Standing> {
  try {
    return { node, ...(await ask(cluster.address(node, 'client'))) };
  } catch (error) {
    return { node, state: (error as Error).message, epoch: -1 };
  }
}

function standings(cluster: Nodes, ask: Ask): Promise<Standing[]> {
  return Promise.all(cluster.nodes.map((node) => standing(cluster, node, ask)));
}

/** Who leads: an isolated leader may still say so, and then the higher epoch is the newer truth. */
export function leaderOf(all: readonly Standing[]): string | undefined {
  const leaders = all.filter(({ state }) => state === 'leader');
  return leaders.sort((a, b) => b.epoch - a.epoch)[0]?.node;
}

/** Who plays which role just now, as the servers say when asked that way. */
export async function observeBy(cluster: Nodes, ask: Ask): Promise<ClusterView> {
  const leader = leaderOf(await standings(cluster, ask));
  return { nodes: [...cluster.nodes], roles: { leader: leader === undefined ? [] : [leader] } };
}

/** Why the cluster does not serve yet, or undefined when it does. */
export async function readyBy(cluster: Nodes, ask: Ask): Promise<string | undefined> {
  const all = await standings(cluster, ask);
  const idle = all.filter(({ state }) => state !== 'leader' && state !== 'follower');
  if (idle.length > 0) return idle.map(({ node, state }) => `${node}: ${state}`).join('; ');
  const leaders = all.filter(({ state }) => state === 'leader').map(({ node }) => node);
  return leaders.length === 1 ? undefined : `leaders: ${leaders.join(' ') || 'none'}`;
}

/** Our coordinator, asked by mntr. */
export const coordinatorView: SystemView = {
  observe: (cluster) => observeBy(cluster, askMntr),
  notReady: (cluster) => readyBy(cluster, askMntr),
};
