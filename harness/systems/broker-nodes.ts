// How brokers are deployed and looked at, whoever their coordinators are. Systems that have brokers share it,
// and it also runs inside the simulator.
import { BrokerClient, type ClusterImage } from '../../broker/client/index.ts';
import type { RunConfig } from '../../history/run-record.ts';
import type { Address, NodeSpec } from '../cluster.ts';
import type { Nodes } from '../system.ts';
import { PORTS as COORDINATOR_PORTS } from './coordinator-view.ts';

export const BROKER_SOURCE = 'broker/server/main.ts';
const PORTS = { client: 9092, internal: 9093 } as const;
const ASK_MS_MAX = 300;

/** Settings of brokers under test, with Kafka's names: short, so that a run sees them at work. */
export const BROKER_OPTIONS = {
  'zookeeper.session.timeout.ms': 2_000,
  'replica.lag.time.max.ms': 2_000,
  'min.insync.replicas': 2,
  'offsets.topic.num.partitions': 4,
  'group.min.session.timeout.ms': 1_000,
  'group.initial.rebalance.delay.ms': 100,
  'controlled.shutdown.retry.backoff.ms': 500,
} as const;

/** Brokers of one run. */
export interface Brokers {
  nodes: readonly string[];
  /** Names of the coordinators' nodes. */
  coordinators: readonly string[];
  settings: RunConfig['systemOptions'];
  eventLevel: RunConfig['eventLevel'];
}

/** A broker's id: the number in its node's name. */
const idOf = (node: string): number => Number(node.slice(1));

function serverProperties(
  { coordinators, settings }: Brokers,
  node: string,
  dir: string,
  outside: Address,
): string {
  const connect = coordinators.map((each) => `${each}:${COORDINATOR_PORTS.client}`);
  const doors = (external: Address, host: string): string =>
    `EXTERNAL://${external.host}:${external.port},INTERNAL://${host}:${PORTS.internal}`;
  const all = {
    ...settings,
    'broker.id': idOf(node),
    listeners: doors({ host: '', port: PORTS.client }, ''),
    // Clients come from outside, also those who know nothing of this harness; brokers know names.
    'advertised.listeners': doors(outside, node),
    'inter.broker.listener.name': 'INTERNAL',
    'zookeeper.connect': connect.join(','),
    'log.dirs': `${dir}/data`,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}=${value}`);
  return `${lines.join('\n')}\n`;
}

/** One spec a broker; `program` is the broker's. */
export function brokerSpecs(brokers: Brokers, program: string): NodeSpec[] {
  return brokers.nodes.map((node) => ({
    name: node,
    program,
    args: (dir) => [
      ...['--config', `${dir}/server.properties`],
      ...['--events', `${dir}/events.jsonl`],
      ...['--event-level', brokers.eventLevel],
    ],
    files: (dir, reached) => ({
      'server.properties': serverProperties(brokers, node, dir, reached('client')),
    }),
    ports: { ...PORTS },
    published: ['client'],
  }));
}

/** The cluster as one broker shows it, or why it shows nothing. */
async function ask(brokers: Nodes, node: string): Promise<ClusterImage | string> {
  const client = new BrokerClient({
    bootstrap: [brokers.address(node, 'client')],
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

/** Who plays which role among the brokers. */
export interface BrokerRoles {
  /** Of a workload's first partition. */
  partitionLeader: string[];
  /** In sync with that leader, itself left out. */
  inSyncFollower: string[];
  controller: string[];
}

/** Asks all brokers; they may differ, and then the newest leader epoch tells. Never rejects. */
export async function brokerRoles(brokers: Nodes): Promise<BrokerRoles> {
  const { nodes } = brokers;
  const images = (await Promise.all(nodes.map((node) => ask(brokers, node)))).filter(
    (image) => typeof image !== 'string',
  );
  const keys = images.flatMap(({ partitions }) => [...partitions.keys()]);
  const first = keys.filter((key) => !key.startsWith('__')).sort()[0] ?? '';
  const views = images.flatMap(({ partitions }) => partitions.get(first) ?? []);
  const newest = views.sort((a, b) => b.leaderEpoch - a.leaderEpoch)[0];
  const named = (ids: readonly number[]): string[] =>
    nodes.filter((node) => ids.includes(idOf(node)));
  const controllers = images.map(({ controller }) => controller).filter((id) => id >= 0);
  return {
    partitionLeader: named(newest === undefined ? [] : [newest.leader]),
    inSyncFollower: named((newest?.isr ?? []).filter((id) => id !== newest?.leader)),
    controller: named(mostFrequent(controllers)),
  };
}

function mostFrequent(ids: readonly number[]): number[] {
  const count = (id: number): number => ids.filter((each) => each === id).length;
  return [...ids].sort((a, b) => count(b) - count(a)).slice(0, 1);
}

/** Why the brokers do not serve yet, or undefined when they do. Never rejects. */
export async function brokersNotReady(brokers: Nodes): Promise<string | undefined> {
  for (const node of brokers.nodes) {
    const image = await ask(brokers, node);
    if (typeof image === 'string') return `${node}: ${image}`;
    if (image.brokers.size < brokers.nodes.length)
      return `${node} knows ${image.brokers.size} of ${brokers.nodes.length} brokers`;
    if (image.controller < 0) return `${node} knows no controller`;
  }
  return undefined;
}

/** Which partition lacks its leader or one of its replicas, or undefined when none does. Never rejects. */
export async function brokersNotWhole(brokers: Nodes): Promise<string | undefined> {
  for (const node of brokers.nodes) {
    const image = await ask(brokers, node);
    if (typeof image === 'string') return `${node}: ${image}`;
    for (const [key, { leader, isr, replicas }] of image.partitions) {
      if (leader < 0) return `${node} knows no leader of ${key}`;
      if (isr.length < replicas.length)
        return `${node} knows ${isr.length} of ${replicas.length} replicas of ${key} in sync`;
    }
  }
  return undefined;
}
