// A log's settings under Kafka's names, checked once. Values may come from a broker's file, from a topic's
// own settings or over the wire, so an unknown name or a value beyond its limits is told with what is known.

export interface LogConfig {
  /** `segment.bytes`: a segment takes no further batch beyond this. */
  readonly segmentBytes: number;
  /** `segment.ms`: a segment older than this takes no further batch. */
  readonly segmentMs: number;
  /** `retention.ms`: segments whose newest record is older may go; −1: none by age. */
  readonly retentionMs: number;
  /** `retention.bytes`: oldest segments go while the rest holds as much; −1: none by size. */
  readonly retentionBytes: number;
  /** `index.interval.bytes`: about so many bytes of the log for each entry of its indexes. */
  readonly indexIntervalBytes: number;
  /** `max.message.bytes`: largest batch that a producer may append. */
  readonly maxMessageBytes: number;
  /**
   * `log.flush.interval.messages`: an fsync is due when so many records wait for one. 1, the default here,
   * means that nothing counts before it is durable; anything else leaves it to the replicas.
   */
  readonly flushIntervalMessages: number;
  /** `log.flush.interval.ms`: an fsync is due when a record waited so long; −1: no timer. */
  readonly flushIntervalMs: number;
  /** `producer.id.expiration.ms`: a producer not heard of for so long is forgotten. */
  readonly producerExpirationMs: number;
}

/** No batch is larger, whatever a topic's settings say: recovery reads one into memory. */
export const BATCH_BYTES_MAX = 256 * 1024 * 1024;

const INT32_MAX = 2 ** 31 - 1;
const DAY_MS = 86_400_000;

interface Setting {
  readonly field: keyof LogConfig;
  readonly fallback: number;
  readonly min: number;
  readonly max: number;
}

/** Every setting by Kafka's name; defaults are Kafka's, but for the fsync. */
export const LOG_SETTINGS: Readonly<Record<string, Setting>> = {
  'segment.bytes': { field: 'segmentBytes', fallback: 2 ** 30, min: 1024, max: INT32_MAX },
  'segment.ms': { field: 'segmentMs', fallback: 7 * DAY_MS, min: 1, max: Number.MAX_SAFE_INTEGER },
  'retention.ms': {
    field: 'retentionMs',
    fallback: 7 * DAY_MS,
    min: -1,
    max: Number.MAX_SAFE_INTEGER,
  },
  'retention.bytes': {
    field: 'retentionBytes',
    fallback: -1,
    min: -1,
    max: Number.MAX_SAFE_INTEGER,
  },
  'index.interval.bytes': { field: 'indexIntervalBytes', fallback: 4096, min: 0, max: INT32_MAX },
  'max.message.bytes': {
    field: 'maxMessageBytes',
    fallback: 1_048_588,
    min: 0,
    max: BATCH_BYTES_MAX,
  },
  'log.flush.interval.messages': {
    field: 'flushIntervalMessages',
    fallback: 1,
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
  },
  'log.flush.interval.ms': { field: 'flushIntervalMs', fallback: -1, min: -1, max: INT32_MAX },
  'producer.id.expiration.ms': {
    field: 'producerExpirationMs',
    fallback: DAY_MS,
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
  },
};

/** What Kafka calls "no limit" in the settings that count. */
const LONG_MAX = 2n ** 63n - 1n;

/**
 * The settings named in `given`, as text or numbers, over the defaults.
 * @throws Error for an unknown name or a value that is no whole number within its limits.
 */
export function logConfig(given: Readonly<Record<string, string | number>> = {}): LogConfig {
  const known = Object.entries(LOG_SETTINGS);
  const config = Object.fromEntries(known.map(([, { field, fallback }]) => [field, fallback]));
  for (const [name, value] of Object.entries(given)) {
    const setting = LOG_SETTINGS[name];
    if (setting === undefined) {
      const names = known.map(([each]) => each).join(', ');
      throw new Error(`unknown log setting '${name}': known are ${names}`);
    }
    config[setting.field] = numberFor(name, value, setting);
  }
  return config as unknown as LogConfig;
}

function numberFor(name: string, value: string | number, { min, max }: Setting): number {
  const text = String(value).trim();
  // The largest long is how Kafka's own documentation writes "never".
  if (text === String(LONG_MAX) && max === Number.MAX_SAFE_INTEGER) return max;
  const number = text === '' ? Number.NaN : Number(text);
  if (Number.isSafeInteger(number) && number >= min && number <= max) return number;
  throw new Error(`${name} is '${value}', expected a whole number from ${min} to ${max}`);
}
