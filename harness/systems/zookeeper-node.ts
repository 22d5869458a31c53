// The program of a ZooKeeper node: starts the Java server and lives and dies with it. On loopback it
// also is the server's network, since the agent that cuts links can only stand in a Node process.
import { spawn } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { backstage, frontOf } from '../agent/backstage.ts';
import { door, socksServer } from './socks.ts';

const SOCKS_PORT = 1080;
/** Ends a process with its parent, whatever ended that. Where it is missing the group's end must do. */
const TIE = '/usr/bin/setpriv';

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
}

/**
 * Puts this process between the server and its peers: connections to it come in here, its own leave
 * through SOCKS. Returns what the Java machine must be told to play along.
 */
async function stageNetwork(
  dir: string,
  self: string,
  nodes: readonly string[],
  ports: { client: number; peers: readonly number[] },
): Promise<string[]> {
  const addresses = new Map<string, string>();
  for (const node of nodes) addresses.set(node, (await lookup(node)).address);
  const front = addresses.get(self);
  if (front === undefined) throw new Error(`expected ${self} among the nodes ${nodes.join(', ')}`);
  const back = backstage(front);
  addresses.set(self, back);
  const hosts = join(dir, 'hosts');
  await writeFile(hosts, [...addresses].map(([node, at]) => `${at} ${node}\n`).join(''));
  // An election message tells peers the sender's own address, which only the sender can dial.
  const socks = socksServer(({ host, port }) => ({ host: frontOf(host), port }));
  await listen(socks, SOCKS_PORT, back);
  await listen(door(back, ports.client, 'any'), ports.client, self);
  for (const port of ports.peers) await listen(door(back, port, 'socks'), port, self);
  return [
    `-Djdk.net.hosts.file=${hosts}`,
    `-DsocksProxyHost=${back}`,
    `-DsocksProxyPort=${SOCKS_PORT}`,
    '-DsocksNonProxyHosts=',
  ];
}

/** Runs Java to its end and ends alike. */
function run(java: string, args: readonly string[]): void {
  const tied = existsSync(TIE);
  const command = tied ? [TIE, '--pdeathsig', 'KILL', java] : [java];
  const child = spawn(command[0] as string, [...command.slice(1), ...args], { stdio: 'inherit' });
  process.on('exit', () => child.kill('SIGKILL'));
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('error', (error) => {
    console.error(`cannot run ${java}: ${error.message}`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    console.error(`java ended by ${signal ?? `exit code ${code}`}`);
    process.exit(code ?? 1);
  });
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      dir: { type: 'string' },
      nodes: { type: 'string' },
      client: { type: 'string' },
      peers: { type: 'string' },
      node: { type: 'string' },
      java: { type: 'string' },
      staged: { type: 'boolean', default: false },
    },
  });
  const { dir, node, java, nodes = '', client = '', peers = '', staged } = values;
  if (dir === undefined || node === undefined || java === undefined) {
    throw new Error('expected --dir, --node and --java, and the arguments of Java after --');
  }
  const ports = { client: Number(client), peers: peers.split(',').map(Number) };
  const network = staged ? await stageNetwork(dir, node, nodes.split(','), ports) : [];
  run(java, [...network, ...positionals]);
}

await main();
