// How ZooKeeper itself, as Debian packages it, is deployed and looked at: the yardstick. Whatever the
// harness says of our coordinator it must also be able to say of the real one, with the same means.
import { existsSync } from 'node:fs';
import { orderedRegisters } from '../../checkers/linearizability/ordered.ts';
import { sessionsSeen } from '../../checkers/sessions-seen.ts';
import type { RunConfig } from '../../history/run-record.ts';
import type { NodeSpec } from '../cluster.ts';
import type { System } from '../system.ts';
import {
  fourLetterWord,
  observeBy,
  PORTS,
  readyBy,
  type Standing,
  serverId,
} from './coordinator-view.ts';
import { javaFiles } from './java-files.ts';

const SOURCE = 'harness/systems/zookeeper-node.ts';
const JAVA = '/usr/bin/java';
/** The jar of ZooKeeper names in its manifest all others that it needs, in the same folder. */
const JAR_FOLDER = '/usr/share/java';
const JARS = [`${JAR_FOLDER}/zookeeper.jar`, `${JAR_FOLDER}/slf4j-simple.jar`];
const MAIN = 'org.apache.zookeeper.server.quorum.QuorumPeerMain';
const HEAP_MB = 256;

/** The configuration file of a node; `dir` is the node's directory as it sees it. */
function zooCfg(config: RunConfig, node: string, dir: string): string {
  const lines = Object.entries(config.systemOptions).map(([name, value]) => `${name}=${value}`);
  const servers = config.nodes.map(
    (each) => `server.${serverId(config, each)}=${each}:${PORTS.peer}:${PORTS.election}`,
  );
  const own = [
    ...[`dataDir=${dir}/data`, `clientPort=${PORTS.client}`, `clientPortAddress=${node}`],
    // What the harness looks with, and limits that would hit its clients, who all share one address.
    ...['4lw.commands.whitelist=*', 'maxClientCnxns=0', 'admin.enableServer=false'],
  ];
  return `${[...lines, ...own, ...servers].join('\n')}\n`;
}

/** Which Java runs it, and what a container must borrow for that. */
function javaOf({ cluster }: RunConfig): { binary: string; hostPaths?: string[] } {
  if (cluster !== 'docker') return { binary: JAVA };
  const { binary, needed } = javaFiles(JAVA);
  return { binary, hostPaths: [...needed, JAR_FOLDER] };
}

function spec(
  config: RunConfig,
  node: string,
  program: string,
  { binary, ...borrowed }: ReturnType<typeof javaOf>,
): NodeSpec {
  // A container has a network of its own; on loopback the program stands in for one.
  const staged = config.cluster === 'docker' ? [] : ['--staged'];
  const java = (dir: string): string[] => [
    `-Xmx${HEAP_MB}m`,
    '-XX:+UseSerialGC',
    '-Djava.net.preferIPv4Stack=true',
    '-Dorg.slf4j.simpleLogger.showDateTime=true',
    ...['-cp', JARS.join(':'), MAIN, `${dir}/zoo.cfg`],
  ];
  return {
    name: node,
    program,
    args: (dir) => [
      ...['--dir', dir, '--node', node, '--java', binary, ...staged],
      ...['--nodes', config.nodes.join(','), '--client', String(PORTS.client)],
      ...['--peers', `${PORTS.peer},${PORTS.election}`],
      ...['--', ...java(dir)],
    ],
    files: (dir) => ({
      'zoo.cfg': zooCfg(config, node, dir),
      'data/myid': `${serverId(config, node)}\n`,
    }),
    ports: { ...PORTS },
    published: ['client'],
    ...borrowed,
  };
}

/** What a server says of itself in `srvr`: its mode, and the epoch of its last zxid. */
export function parseSrvr(text: string): Omit<Standing, 'node'> {
  const mode = /^Mode: (\w+)$/m.exec(text)?.[1];
  const zxid = /^Zxid: 0x([0-9a-f]+)$/m.exec(text)?.[1];
  if (mode === undefined || zxid === undefined) return { state: 'not serving', epoch: 0 };
  return {
    state: mode === 'standalone' ? 'leader' : mode,
    epoch: Number(BigInt(`0x${zxid}`) >> 32n),
  };
}

const askSrvr = async (address: { host: string; port: number }): Promise<Omit<Standing, 'node'>> =>
  parseSrvr(await fourLetterWord(address, 'srvr'));

/** What is missing here to run it, or undefined. */
function missing(): string | undefined {
  if (process.platform !== 'linux') return 'it runs on Linux only';
  const absent = [JAVA, ...JARS].filter((file) => !existsSync(file));
  return absent.length === 0 ? undefined : `there is no ${absent.join(', no ')}`;
}

export const zookeeper: System = {
  name: 'zookeeper',
  description: 'ZooKeeper itself, of Debian’s package zookeeper',
  programs: { 'zookeeper-node': SOURCE },
  clientPort: 'client',
  defaultWorkload: 'register',
  clusters: ['docker', 'local'],
  // It writes no log of events, so nobody can judge what goes on between its servers.
  eventLevel: 'off',
  defaultOptions: {
    ...{ tickTime: 250, initLimit: 20, syncLimit: 6, snapCount: 10_000 },
    // With its default, a minute, a server may look for its peers long after they can be reached again.
    'fastleader.maxNotificationInterval': 1_000,
    cnxTimeout: 1_000,
  },
  available() {
    const reason = missing();
    if (reason === undefined) return { ok: true };
    return { ok: false, reason, remedy: 'install zookeeper (apt-get install zookeeper)' };
  },
  checkerFor(checker) {
    if (checker.name === 'linearizable') return orderedRegisters;
    if (checker.name === 'sessions') return sessionsSeen;
    return checker;
  },
  specs(config, { 'zookeeper-node': program = '' }) {
    const java = javaOf(config);
    return config.nodes.map((node) => spec(config, node, program, java));
  },
  launchArgs: () => [],
  observe: (cluster) => observeBy(cluster, askSrvr),
  notReady: (cluster) => readyBy(cluster, askSrvr),
};
