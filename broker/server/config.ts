// The configuration of a broker: Kafka's server.properties and the flags it is started with. Everything wrong is
// said before anything starts, in terms of the file's own lines.
import path from 'node:path';
import { parseConnectString } from '../../coordinator/client/index.ts';
import type { EventLogOptions } from '../../wire/event-log.ts';
import { ConfigError, readText, wholeNumber } from '../../wire/property-file.ts';
import { eventOptions, parseServerFlags } from '../../wire/server-flags.ts';
import type { Endpoints } from '../contract.ts';
import type { GroupConfig } from '../groups/membership.ts';
import { type Doors, readDoors } from './doors.ts';
import type { FrontConfig } from './front.ts';
import { type NumberName, Properties, SETTINGS, type SettingName } from './properties.ts';
import type { TopicDefaults } from './settings.ts';

export { ConfigError } from '../../wire/property-file.ts';

export interface BrokerConfig {
  readonly brokerId: number;
  readonly logDir: string;
  /** The coordinator's connect string. */
  readonly coordinator: string;
  readonly sessionTimeoutMs: number;
  readonly front: FrontConfig;
  /** What is registered for others to connect to. */
  readonly endpoints: Endpoints;
  readonly topics: TopicDefaults;
  readonly groups: GroupConfig & { readonly storeTimeoutMs: number };
  readonly minInsyncReplicas: number;
  readonly uncleanElection: boolean;
  readonly answerBytesMax: number;
  readonly requestTimeoutMs: number;
  readonly frameBytesMax: number;
  readonly controlledShutdown: { retriesMax: number; backoffMs: number } | undefined;
  readonly rebalancing: { readonly autoRebalance: boolean; readonly rebalanceIntervalMs: number };
  /** Settings of logs where a topic has none, by the topic's names. */
  readonly log: Readonly<Record<string, string>>;
  /** Settings of replication, by Kafka's names. */
  readonly replication: Readonly<Record<string, string>>;
  /** Everything by name, for those who ask (DescribeConfigs). */
  readonly settings: ReadonlyMap<string, { readonly value: string; readonly given: boolean }>;
  readonly warnings: readonly string[];
  /** Absent: nobody watches. */
  readonly events?: EventLogOptions;
}

const SECOND_MS = 1_000;
const ID_MAX = 2 ** 31 - 1;
/** Produce requests of one connection under way at once; idempotent clients have five. */
const OVERLAP_MAX = 16;
/** Bytes of one connection that were read and not begun; a single request may be larger. */
const QUEUED_BYTES_MAX = 4 * 1024 * 1024;
/** Least that a consumer's turn is worth waiting for. */
const TURN_BYTES_MIN = 1024 * 1024;
/** Nobody who reads at all takes so long for a part of an answer. */
const STALLED_MS_MAX = 5_000;

/** What a broker's name for a setting of logs is to a topic. */
const LOG_NAMES: readonly (readonly [SettingName, string])[] = [
  ['log.segment.bytes', 'segment.bytes'],
  ['log.roll.ms', 'segment.ms'],
  ['log.retention.ms', 'retention.ms'],
  ['log.retention.bytes', 'retention.bytes'],
  ['log.index.interval.bytes', 'index.interval.bytes'],
  ['message.max.bytes', 'max.message.bytes'],
  ['log.flush.interval.messages', 'log.flush.interval.messages'],
  ['log.flush.interval.ms', 'log.flush.interval.ms'],
  ['producer.id.expiration.ms', 'producer.id.expiration.ms'],
];

const REPLICATION_NAMES: readonly SettingName[] = [
  'min.insync.replicas',
  'replica.lag.time.max.ms',
  'replica.fetch.wait.max.ms',
  'replica.fetch.max.bytes',
  'replica.fetch.response.max.bytes',
  'replica.fetch.backoff.ms',
  'replica.socket.timeout.ms',
  'replica.high.watermark.checkpoint.interval.ms',
  'log.flush.offset.checkpoint.interval.ms',
  'log.retention.check.interval.ms',
];

function needed(properties: Properties, name: SettingName, example: string): string {
  const value = properties.text(name);
  if (value !== '') return value;
  throw new ConfigError(`${properties.where(name)}: ${name} is missing, expected ${example}`);
}

function readCoordinator(properties: Properties): string {
  const name = 'zookeeper.connect';
  const text = needed(properties, name, 'host:port of each server of the coordinator');
  const fault = (problem: string): ConfigError =>
    new ConfigError(`${properties.where(name)}: ${name}: ${problem}`);
  if (text.includes('/')) {
    throw fault(
      `expected host:port,host:port, got a path in '${text}': brokers keep their znodes at the root; leave the path out`,
    );
  }
  try {
    parseConnectString(text);
  } catch (error) {
    throw fault((error as Error).message);
  }
  return text;
}

/** What is allowed and seldom meant. */
function doubtsOf(properties: Properties): string[] {
  const doubts: string[] = [];
  const compare = (low: NumberName, high: NumberName, consequence: string): void => {
    const [least, most] = [properties.number(low), properties.number(high)];
    if (least <= most) return;
    doubts.push(
      `${properties.where(low)}: ${low} is ${least}, above ${high}, which is ${most}: ${consequence}`,
    );
  };
  compare(
    'min.insync.replicas',
    'default.replication.factor',
    'topics of the defaults will take no message with acks=all',
  );
  compare('message.max.bytes', 'socket.request.max.bytes', 'such messages cannot be sent');
  return doubts;
}

function readLogDir(properties: Properties): string {
  const name = properties.given('log.dirs') ? 'log.dirs' : 'log.dir';
  const dir = needed(properties, name, 'a directory');
  if (dir.includes(','))
    throw new ConfigError(
      `${properties.where(name)}: ${name}: expected one directory, got '${dir}'`,
    );
  return path.resolve(dir);
}

function readGroups(properties: Properties): BrokerConfig['groups'] {
  const groups = {
    minSessionTimeoutMs: properties.number('group.min.session.timeout.ms'),
    maxSessionTimeoutMs: properties.number('group.max.session.timeout.ms'),
    initialRebalanceDelayMs: properties.number('group.initial.rebalance.delay.ms'),
    membersMax: properties.number('group.max.size'),
    offsetMetadataBytesMax: properties.number('offset.metadata.max.bytes'),
    storeTimeoutMs: properties.number('offsets.commit.timeout.ms'),
  };
  if (groups.minSessionTimeoutMs <= groups.maxSessionTimeoutMs) return groups;
  throw new ConfigError(
    `${properties.where('group.min.session.timeout.ms')}: group.min.session.timeout.ms is ` +
      `${groups.minSessionTimeoutMs}, above group.max.session.timeout.ms, ` +
      `which is ${groups.maxSessionTimeoutMs}`,
  );
}

function readTopics(properties: Properties): TopicDefaults {
  return {
    partitions: properties.number('num.partitions'),
    replicationFactor: properties.number('default.replication.factor'),
    autoCreate: properties.flag('auto.create.topics.enable'),
    offsetsPartitions: properties.number('offsets.topic.num.partitions'),
    offsetsReplicationFactor: properties.number('offsets.topic.replication.factor'),
    offsetsSettings: {
      'retention.ms': '-1',
      'retention.bytes': '-1',
      'segment.bytes': properties.text('offsets.topic.segment.bytes'),
    },
  };
}

function readFront(properties: Properties, doors: Doors): FrontConfig {
  const frameBytesMax = properties.number('socket.request.max.bytes');
  const answerBytesMax = properties.number('queued.max.response.bytes');
  return {
    listeners: doors.listeners,
    internalListener: doors.internalListener,
    connectionsMax: properties.number('max.connections'),
    connectionsPerAddressMax: properties.number('max.connections.per.ip'),
    idleMsMax: properties.number('connections.max.idle.ms'),
    answerBytesMax,
    // A batch larger than this is taken by topics alone that say so themselves.
    turnBytes: Math.max(TURN_BYTES_MIN, properties.number('message.max.bytes')),
    stalledMsMax: STALLED_MS_MAX,
    // Fetches keep to the budget; what else is answered and not read has as much again.
    unsentBytesMax: 2 * answerBytesMax,
    limits: {
      frameBytesMax,
      queuedMax: properties.number('queued.max.requests'),
      queuedBytesMax: Math.min(frameBytesMax, QUEUED_BYTES_MAX),
      overlapMax: OVERLAP_MAX,
    },
  };
}

/**
 * The configuration that command-line arguments (without the program) and the file they name give.
 * Throws ConfigError. Names and defaults: Kafka's documentation, "Broker Configs".
 */
export function loadConfig(argv: readonly string[]): BrokerConfig {
  const flags = parseServerFlags(argv, 'broker-id');
  const content = readText(flags.config, 'the configuration');
  const properties = new Properties(content, flags.config);
  const id = flags['broker-id'];
  const brokerId =
    id === undefined ? properties.number('broker.id') : wholeNumber('--broker-id', id, 0, ID_MAX);
  if (brokerId < 0) {
    throw new ConfigError(
      `${flags.config}: broker.id is missing, expected a line broker.id=N or --broker-id N`,
    );
  }
  const doors = readDoors(properties);
  const events = eventOptions(flags, `b${brokerId}`);
  const names = Object.keys(SETTINGS) as SettingName[];
  return {
    brokerId,
    logDir: readLogDir(properties),
    coordinator: readCoordinator(properties),
    sessionTimeoutMs: properties.number('zookeeper.session.timeout.ms'),
    front: readFront(properties, doors),
    endpoints: doors.endpoints,
    topics: readTopics(properties),
    groups: readGroups(properties),
    minInsyncReplicas: properties.number('min.insync.replicas'),
    uncleanElection: properties.flag('unclean.leader.election.enable'),
    answerBytesMax: properties.number('fetch.max.bytes'),
    requestTimeoutMs: properties.number('request.timeout.ms'),
    frameBytesMax: properties.number('socket.request.max.bytes'),
    controlledShutdown: properties.flag('controlled.shutdown.enable')
      ? {
          retriesMax: properties.number('controlled.shutdown.max.retries'),
          backoffMs: properties.number('controlled.shutdown.retry.backoff.ms'),
        }
      : undefined,
    rebalancing: {
      autoRebalance: properties.flag('auto.leader.rebalance.enable'),
      rebalanceIntervalMs: properties.number('leader.imbalance.check.interval.seconds') * SECOND_MS,
    },
    log: Object.fromEntries(LOG_NAMES.map(([name, topic]) => [topic, properties.text(name)])),
    replication: Object.fromEntries(REPLICATION_NAMES.map((name) => [name, properties.text(name)])),
    settings: new Map(
      names.map((name) => [name, { value: properties.text(name), given: properties.given(name) }]),
    ),
    warnings: [...properties.warnings, ...doubtsOf(properties)],
    ...(events === undefined ? {} : { events }),
  };
}
