// The settings of replication under Kafka's names, checked once, and those of a topic on top of them. What
// a topic or a file says beyond its limits is refused with the limits.
import { LOG_SETTINGS, type LogConfig, logConfig } from '../log/config.ts';

export interface ReplicaSettings {
  /** `min.insync.replicas` of topics that do not say. */
  readonly minInsyncReplicas: number;
  /** `replica.lag.time.max.ms`: a follower that did not catch up for so long leaves the ISR. */
  readonly lagTimeMaxMs: number;
  /** `replica.fetch.wait.max.ms`: how long a leader may hold a follower's fetch. */
  readonly fetchWaitMaxMs: number;
  /** `replica.fetch.max.bytes`: of one partition in one answer. */
  readonly fetchMaxBytes: number;
  /** `replica.fetch.response.max.bytes`: of one answer. */
  readonly fetchResponseMaxBytes: number;
  /** `replica.fetch.backoff.ms`: longest pause after a failed fetch; the first ones are shorter. */
  readonly fetchBackoffMs: number;
  /** `replica.socket.timeout.ms`: a leader that has not answered by then is asked again. */
  readonly requestTimeoutMs: number;
  /** `replica.high.watermark.checkpoint.interval.ms`. */
  readonly highWatermarkCheckpointMs: number;
  /** `log.flush.offset.checkpoint.interval.ms`: recovery points are noted so often. */
  readonly recoveryPointCheckpointMs: number;
  /** `log.retention.check.interval.ms`. */
  readonly retentionCheckMs: number;
}

interface Setting {
  readonly field: keyof ReplicaSettings;
  readonly fallback: number;
  readonly min: number;
}

const MAX = 2 ** 31 - 1;

/** Every setting by Kafka's name, with Kafka's defaults. */
export const REPLICA_SETTINGS: Readonly<Record<string, Setting>> = {
  'min.insync.replicas': { field: 'minInsyncReplicas', fallback: 1, min: 1 },
  'replica.lag.time.max.ms': { field: 'lagTimeMaxMs', fallback: 30_000, min: 1 },
  'replica.fetch.wait.max.ms': { field: 'fetchWaitMaxMs', fallback: 500, min: 0 },
  'replica.fetch.max.bytes': { field: 'fetchMaxBytes', fallback: 1_048_576, min: 0 },
  'replica.fetch.response.max.bytes': {
    field: 'fetchResponseMaxBytes',
    fallback: 10_485_760,
    min: 0,
  },
  'replica.fetch.backoff.ms': { field: 'fetchBackoffMs', fallback: 1000, min: 1 },
  'replica.socket.timeout.ms': { field: 'requestTimeoutMs', fallback: 30_000, min: 1 },
  'replica.high.watermark.checkpoint.interval.ms': {
    field: 'highWatermarkCheckpointMs',
    fallback: 5000,
    min: 1,
  },
  'log.flush.offset.checkpoint.interval.ms': {
    field: 'recoveryPointCheckpointMs',
    fallback: 60_000,
    min: 1,
  },
  'log.retention.check.interval.ms': { field: 'retentionCheckMs', fallback: 300_000, min: 1 },
};

/**
 * The settings named in `given`, as text or numbers, over the defaults.
 * @throws Error for an unknown name or a value that is no whole number within its limits.
 */
export function replicaSettings(
  given: Readonly<Record<string, string | number>> = {},
): ReplicaSettings {
  const known = Object.entries(REPLICA_SETTINGS);
  const settings = Object.fromEntries(known.map(([, { field, fallback }]) => [field, fallback]));
  for (const [name, value] of Object.entries(given)) {
    const setting = REPLICA_SETTINGS[name];
    if (setting === undefined) {
      const names = known.map(([each]) => each).join(', ');
      throw new Error(`unknown setting of replication '${name}': known are ${names}`);
    }
    settings[setting.field] = wholeNumber(name, value, setting.min);
  }
  return settings as unknown as ReplicaSettings;
}

function wholeNumber(name: string, value: string | number, min: number): number {
  const number = String(value).trim() === '' ? Number.NaN : Number(value);
  if (Number.isInteger(number) && number >= min && number <= MAX) return number;
  throw new Error(`${name} is '${value}', expected a whole number from ${min} to ${MAX}`);
}

/** Settings that have another name in a topic than in a broker. */
const TOPIC_NAMES: Readonly<Record<string, string>> = {
  'flush.messages': 'log.flush.interval.messages',
  'flush.ms': 'log.flush.interval.ms',
};

/** What one topic's own settings make of the broker's. Names that concern neither are passed over. */
export function topicSettings(
  own: Readonly<Record<string, string>>,
  broker: { readonly log: Readonly<Record<string, string | number>>; readonly minIsr: number },
): { readonly log: LogConfig; readonly minIsr: number } {
  const log = { ...broker.log };
  for (const [name, value] of Object.entries(own)) {
    const known = TOPIC_NAMES[name] ?? name;
    if (known in LOG_SETTINGS) log[known] = value;
  }
  const minIsr = own['min.insync.replicas'];
  return {
    log: logConfig(log),
    minIsr: minIsr === undefined ? broker.minIsr : wholeNumber('min.insync.replicas', minIsr, 1),
  };
}
