// How brokers are built, deployed and looked at. Their coordinators are nodes of their own, c1 and so on, beside
// the run's nodes, so that whatever befalls a broker's node leaves the coordination service alone.
import { BrokerClient, type ClusterImage } from '../../broker/client/index.ts';
import type { ClusterView } from '../../history/plan.ts';
import type { RunConfig } from '../../history/run-record.ts';
import { bundle } from '../bundle.ts';
import type { Cluster, NodeSpec } from '../cluster.ts';
import type { System } from '../system.ts';
import { PORTS as COORDINATOR_PORTS, NEEDED } from './coordinator-view.ts';

const SOURCE = 'broker/server/main.ts';
const COORDINATOR_SOURCE = 'coordinator/server/main.ts';
const PORTS = { client: 9092, internal: 9093 } as const;
const ASK_MS_MAX = 300;
/** Options of a deployment that are the harness' own and no broker's setting. */
const COORDINATORS = 'coordinators';
const COORDINATORS_MAX = 5;
const COORDINATOR_SETTINGS = { ...NEEDED, tickTime: 250, initLimit: 20, syncLimit: 6 };

/** Names of the coordinators' nodes. Throws on an option out of range. */
function coordinatorsOf({ systemOptions }: RunConfig): string[] {
  const count = systemOptions[COORDINATORS] ?? 1;
  if (
    typeof count !== 'number' ||
    !Number.isInteger(count) ||
    count < 1 ||
    count > COORDINATORS_MAX
  )
    throw new Error(`expected ${COORDINATORS} to be 1 to ${COORDINATORS_MAX}, got ${count}`);
  return Array.from({ length: count }, (_, i) => `c${i + 1}`);
}

const isCoordinator = (node: string): boolean => node.startsWith('c');
const idOf = (node: string): number => Number(node.slice(1));

function serverProperties(config: RunConfig, node: string, dir: string): string {
  const { [COORDINATORS]: _, ...settings } = config.systemOptions;
  const connect = coordinatorsOf(config).map((each) => `${each}:${COORDINATOR_PORTS.client}`);
  const doors = (host: string): string =>
    `EXTERNAL://${host}:${PORTS.client},INTERNAL://${host}:${PORTS.internal}`;
  const all = {
    ...settings,
    'broker.id': idOf(node),
    listeners: doors(''),
    // Clients outside know where a node is to be found; brokers find it by its name.
    'advertised.listeners': doors(node),
    'inter.broker.listener.name': 'INTERNAL',
    'zookeeper.connect': connect.join(','),
    'log.dirs': `${dir}/data`,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}=${value}`);
  return `${lines.join('\n')}\n`;
}

function brokerSpec(config: RunConfig, node: string, program: string): NodeSpec {
  return {
    name: node,
    program,
    args: (dir) => [
      ...['--config', `${dir}/server.properties`],
      ...['--events', `${dir}/events.jsonl`],
      ...['--event-level', config.eventLevel],
    ],
    files: (dir) => ({ 'server.properties': serverProperties(config, node, dir) }),
    ports: { ...PORTS },
    published: ['client'],
  };
}

function coordinatorSpec(config: RunConfig, node: string, program: string): NodeSpec {
  const { client, peer, election } = COORDINATOR_PORTS;
  const all = coordinatorsOf(config);
  const lines = Object.entries(COORDINATOR_SETTINGS).map(([name, value]) => `${name}=${value}`);
  const servers = all.map((each) => `server.${idOf(each)}=${each}:${peer}:${election}`);
  return {
    name: node,
    program,
    args: (dir) => [
      ...['--config', `${dir}/zoo.cfg`, '--myid', String(idOf(node))],
      ...['--events', `${dir}/events.jsonl`, '--event-level', 'state'],
    ],
    files: (dir) => {
      const own = [`dataDir=${dir}/data`, `clientPort=${client}`];
      return { 'zoo.cfg': `${[...lines, ...own, ...servers].join('\n')}\n` };
    },
    ports: { ...COORDINATOR_PORTS },
    published: ['client'],
  };
}

const brokersOf = (cluster: Cluster): string[] =>
  cluster.nodes.filter((node) => !isCoordinator(node));

/** The cluster as one broker shows it, or why it shows nothing. */
async function ask(cluster: Cluster, node: string): Promise<ClusterImage | string> {
  const client = new BrokerClient({
    bootstrap: [cluster.address(node, 'client')],
    clientId: 'chaos-observer',
  });
  try {
    return await client.metadata(null, ASK_MS_MAX);
  } catch (error) {
    return (error as Error).message;
  } finally {
    client.close();
  }
}

/** Who leads a workload's first partition; brokers may differ, and then the newest leader epoch tells. */
async function observe(cluster: Cluster): Promise<ClusterView> {
  const nodes = brokersOf(cluster);
  const images = (await Promise.all(nodes.map((node) => ask(cluster, node)))).filter(
    (image) => typeof image !== 'string',
  );
  const keys = images.flatMap(({ partitions }) => [...partitions.keys()]);
  const first = keys.filter((key) => !key.startsWith('__')).sort()[0] ?? '';
  const views = images.flatMap(({ partitions }) => partitions.get(first) ?? []);
  const newest = views.sort((a, b) => b.leaderEpoch - a.leaderEpoch)[0];
  const named = (id: number | undefined): string[] =>
    nodes.filter((node) => id !== undefined && idOf(node) === id);
  const controllers = images.map(({ controller }) => controller);
  return {
    nodes,
    roles: {
      leader: named(newest?.leader),
      controller: named(mostFrequent(controllers.filter((id) => id >= 0))),
    },
  };
}

function mostFrequent(ids: readonly number[]): number | undefined {
  const count = (id: number): number => ids.filter((each) => each === id).length;
  return [...ids].sort((a, b) => count(b) - count(a))[0];
}

async function notReady(cluster: Cluster): Promise<string | undefined> {
  const nodes = brokersOf(cluster);
  for (const node of nodes) {
    const image = await ask(cluster, node);
    if (typeof image === 'string') return `${node}: ${image}`;
    if (image.brokers.size < nodes.length)
      return `${node} knows ${image.brokers.size} of ${nodes.length} brokers`;
    if (image.controller < 0) return `${node} knows no controller`;
  }
  return undefined;
}

/** Where the program of a run's coordinators is, by the program of its brokers. */
const coordinatorPrograms = new Map<string, string>();

export const broker: System = {
  name: 'broker',
  description:
    'the message broker of this project, Kafka on the wire, beside coordinators of its own',
  source: SOURCE,
  clientPort: 'client',
  clusters: ['local'],
  defaultOptions: {
    [COORDINATORS]: 1,
    'zookeeper.session.timeout.ms': 2_000,
    'replica.lag.time.max.ms': 2_000,
    'min.insync.replicas': 2,
    'offsets.topic.num.partitions': 4,
    'group.min.session.timeout.ms': 1_000,
    'group.initial.rebalance.delay.ms': 100,
    'controlled.shutdown.retry.backoff.ms': 500,
  },
  async bundle(mutant) {
    const program = await bundle({
      entry: SOURCE,
      name: 'broker',
      ...(mutant === undefined ? {} : { mutant }),
    });
    const beside = await bundle({ entry: COORDINATOR_SOURCE, name: 'coordinator' });
    coordinatorPrograms.set(program, beside);
    return program;
  },
  specs(config, program) {
    const beside = coordinatorPrograms.get(program);
    if (beside === undefined) throw new Error(`${program} was not bundled by this system`);
    return [
      ...coordinatorsOf(config).map((node) => coordinatorSpec(config, node, beside)),
      ...config.nodes.map((node) => brokerSpec(config, node, program)),
    ];
  },
  launchArgs: (node, incarnation, baseNs) => [
    ...['--incarnation', String(incarnation)],
    ...['--event-base', String(baseNs)],
    ...['--node', node],
  ],
  observe,
  notReady,
};
