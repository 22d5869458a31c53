// The lines of a server.properties: which names there are, what each may be, and what it is if nobody says. All
// names are Kafka's, so that a file written for Kafka is taken or told what is wrong with it.
import { ConfigError, type Property, PropertyFile, wholeNumber } from '../../wire/property-file.ts';

interface NumberSetting {
  readonly kind: 'number';
  readonly fallback: number;
  readonly min: number;
  readonly max: number;
}
interface FlagSetting {
  readonly kind: 'flag';
  readonly fallback: boolean;
}
interface TextSetting {
  readonly kind: 'text';
  readonly fallback: string;
}
type Setting = NumberSetting | FlagSetting | TextSetting;

const INT_MAX = 2 ** 31 - 1;
const LONG_MAX = Number.MAX_SAFE_INTEGER;
const number = (fallback: number, min = 0, max = INT_MAX): NumberSetting => ({
  kind: 'number',
  fallback,
  min,
  max,
});
const flag = (fallback: boolean): FlagSetting => ({ kind: 'flag', fallback });
const text = (fallback = ''): TextSetting => ({ kind: 'text', fallback });

/**
 * Every setting. Defaults are Kafka's but for these: an append is synced before it counts
 * (log.flush.interval.messages), offsets of groups never expire, and what others may use up is bounded.
 */
export const SETTINGS = {
  'broker.id': number(-1, 0),
  listeners: text('PLAINTEXT://:9092'),
  'advertised.listeners': text(),
  'inter.broker.listener.name': text(),
  'zookeeper.connect': text(),
  'zookeeper.session.timeout.ms': number(18_000, 1),
  'log.dirs': text(),
  'log.dir': text('/tmp/kafka-logs'),
  'num.partitions': number(1, 1, 100_000),
  'default.replication.factor': number(1, 1, 32_767),
  'min.insync.replicas': number(1, 1, 32_767),
  'unclean.leader.election.enable': flag(false),
  'auto.create.topics.enable': flag(true),
  'auto.leader.rebalance.enable': flag(true),
  'leader.imbalance.check.interval.seconds': number(300, 1, 86_400),
  'controlled.shutdown.enable': flag(true),
  'controlled.shutdown.max.retries': number(3, 0, 100),
  'controlled.shutdown.retry.backoff.ms': number(5_000, 1),
  'request.timeout.ms': number(30_000, 1),
  'replica.lag.time.max.ms': number(30_000, 1),
  'replica.fetch.wait.max.ms': number(500),
  'replica.fetch.max.bytes': number(1_048_576),
  'replica.fetch.response.max.bytes': number(10_485_760),
  'replica.fetch.backoff.ms': number(1_000, 1),
  'replica.socket.timeout.ms': number(30_000, 1),
  'replica.high.watermark.checkpoint.interval.ms': number(5_000, 1),
  'log.flush.offset.checkpoint.interval.ms': number(60_000, 1),
  'log.retention.check.interval.ms': number(300_000, 1),
  'log.segment.bytes': number(2 ** 30, 1_024),
  'log.roll.ms': number(7 * 86_400_000, 1, LONG_MAX),
  'log.retention.ms': number(7 * 86_400_000, -1, LONG_MAX),
  'log.retention.bytes': number(-1, -1, LONG_MAX),
  'log.index.interval.bytes': number(4_096),
  'log.flush.interval.messages': number(1, 1, LONG_MAX),
  'log.flush.interval.ms': number(-1, -1),
  'message.max.bytes': number(1_048_588, 0, 256 * 1024 * 1024),
  'producer.id.expiration.ms': number(86_400_000, 1),
  'fetch.max.bytes': number(57_671_680, 1_024),
  'socket.request.max.bytes': number(104_857_600, 1),
  'queued.max.requests': number(500, 1),
  'queued.max.response.bytes': number(268_435_456, 1_048_576, LONG_MAX),
  'connections.max.idle.ms': number(600_000, 1),
  'max.connections': number(10_000, 1),
  'max.connections.per.ip': number(10_000, 1),
  'offsets.topic.num.partitions': number(50, 1, 1_000),
  'offsets.topic.replication.factor': number(3, 1, 32_767),
  'offsets.topic.segment.bytes': number(104_857_600, 1_024),
  'offsets.commit.timeout.ms': number(5_000, 1),
  'offset.metadata.max.bytes': number(4_096),
  'group.min.session.timeout.ms': number(6_000, 1),
  'group.max.session.timeout.ms': number(1_800_000, 1),
  'group.initial.rebalance.delay.ms': number(3_000),
  'group.max.size': number(10_000, 1),
} as const satisfies Readonly<Record<string, Setting>>;

export type SettingName = keyof typeof SETTINGS;

/** Names of Kafka that are taken and have no effect, with why that is no loss. */
const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  'num.network.threads': 'there is one thread',
  'num.io.threads': 'there is one thread',
  'num.replica.fetchers': 'there is one fetcher for each leader',
  'num.recovery.threads.per.data.dir': 'there is one thread',
  'socket.send.buffer.bytes': 'the system chooses',
  'socket.receive.buffer.bytes': 'the system chooses',
  'zookeeper.connection.timeout.ms': 'connecting goes on until the session is there',
  'delete.topic.enable': 'topics can always be deleted',
  'log.cleaner.enable': 'nothing is compacted',
  'transaction.state.log.replication.factor': 'there are no transactions',
  'transaction.state.log.min.isr': 'there are no transactions',
  'transaction.state.log.num.partitions': 'there are no transactions',
  'offsets.retention.minutes': 'offsets of groups never expire',
};

/** Names whose values are whole numbers. */
export type NumberName = {
  [N in SettingName]: (typeof SETTINGS)[N] extends NumberSetting ? N : never;
}[SettingName];

function check({ key, value, where }: Property): void {
  const setting: Setting = SETTINGS[key as SettingName];
  if (setting.kind === 'flag' && value !== 'true' && value !== 'false') {
    throw new ConfigError(`${where}: ${key}: expected true or false, got '${value}'`);
  }
  if (setting.kind === 'number') wholeNumber(`${where}: ${key}`, value, setting.min, setting.max);
}

/** The properties of one file over the defaults, each checked when it is read. */
export class Properties extends PropertyFile<SettingName> {
  /** Throws ConfigError for a line that is no assignment, a name that is not known or a wrong value. */
  constructor(content: string, file: string) {
    const keys = Object.keys(SETTINGS).sort();
    super(content, file, { keys, withoutEffect: WITHOUT_EFFECT, check });
  }

  /** Where a name was given, `file:line`; the file alone if it was not. */
  where(name: SettingName): string {
    return this.get(name)?.where ?? this.file;
  }

  given(name: SettingName): boolean {
    return this.get(name) !== undefined;
  }

  text(name: SettingName): string {
    return this.get(name)?.value ?? String(SETTINGS[name].fallback);
  }

  number(name: NumberName): number {
    return Number(this.text(name));
  }

  flag(name: SettingName): boolean {
    return this.text(name) === 'true';
  }
}
