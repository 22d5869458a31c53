// The settings that a topic may have of its own, each checked before it is stored. What the log knows is the
// log's table; what is here concerns replication, or says that only one value is served.
import { MetadataError } from '../contract.ts';
import { LOG_SETTINGS, logConfig } from '../log/config.ts';

type Settings = Readonly<Record<string, string>>;

const oneOf =
  (...allowed: string[]) =>
  (value: string) =>
    allowed.includes(value) ? undefined : `expected ${allowed.join(' or ')}`;

const REPLICAS_MAX = 32_767;

/** Says what is wrong with a value, or undefined. */
const OTHERS: Readonly<Record<string, (value: string) => string | undefined>> = {
  'min.insync.replicas': (value) =>
    /^[0-9]{1,5}$/.test(value) && Number(value) >= 1 && Number(value) <= REPLICAS_MAX
      ? undefined
      : `expected a whole number from 1 to ${REPLICAS_MAX}`,
  'unclean.leader.election.enable': oneOf('true', 'false'),
  'cleanup.policy': oneOf('delete'),
  'compression.type': oneOf('producer'),
  'message.timestamp.type': oneOf('CreateTime'),
};

/** Settings of the log that have another name in a topic than in a broker. */
const TOPIC_NAMES: Readonly<Record<string, string>> = {
  'flush.messages': 'log.flush.interval.messages',
  'flush.ms': 'log.flush.interval.ms',
};

/** A wrong value of these costs speed or disk at most, and the broker's own may stand in for it. */
const HARMLESS: readonly string[] = [
  'segment.bytes',
  'segment.ms',
  'index.interval.bytes',
  'max.message.bytes',
  'compression.type',
  'message.timestamp.type',
];

/** @throws MetadataError INVALID_CONFIG for a name that is not known or a value that is not allowed. */
export function checkTopicSettings(settings: Settings): void {
  const [fault] = soundSettings(settings).faults;
  if (fault !== undefined) throw new MetadataError('INVALID_CONFIG', fault);
}

export interface SoundSettings {
  /** Those that are known and allowed. */
  readonly sound: Settings;
  /** What is wrong with the others. */
  readonly faults: readonly string[];
  /** The names of those others for which no default may stand in, because it could promise less. */
  readonly missed: readonly string[];
}

/** Tells the right settings from the wrong ones. */
export function soundSettings(settings: Settings): SoundSettings {
  const sound: Record<string, string> = {};
  const faults: string[] = [];
  const missed: string[] = [];
  for (const [name, value] of Object.entries(settings)) {
    const fault = faultOf(name, value);
    if (fault === undefined) sound[name] = value;
    else faults.push(fault);
    if (fault !== undefined && isKnown(name) && !HARMLESS.includes(name)) missed.push(name);
  }
  return { sound, faults, missed };
}

/**
 * What a topic has whose own settings nobody here knows: no setting could promise more.
 * `replicas`: of the partition that has the most.
 */
export function strictestSettings(replicas: number): Settings {
  return {
    'min.insync.replicas': String(replicas),
    'unclean.leader.election.enable': 'false',
    'retention.ms': '-1',
    'retention.bytes': '-1',
    'flush.messages': '1',
  };
}

const nameInLog = (name: string) =>
  Object.hasOwn(TOPIC_NAMES, name) ? (TOPIC_NAMES[name] as string) : name;

const isKnown = (name: string) =>
  Object.hasOwn(LOG_SETTINGS, nameInLog(name)) || Object.hasOwn(OTHERS, name);

function faultOf(name: string, value: string): string | undefined {
  const ofTheLog = nameInLog(name);
  if (Object.hasOwn(LOG_SETTINGS, ofTheLog)) {
    try {
      logConfig({ [ofTheLog]: value });
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }
  if (!isKnown(name)) {
    const known = [...Object.keys(LOG_SETTINGS), ...Object.keys(OTHERS)].join(', ');
    return `unknown setting '${name}': known are ${known}`;
  }
  const fault = OTHERS[name]?.(value);
  return fault === undefined ? undefined : `${name} is '${value}', ${fault}`;
}

/** The broker's own values of what a topic may set otherwise. */
export interface ReplicationDefaults {
  /** `min.insync.replicas`. */
  readonly minInsyncReplicas: number;
  /** `unclean.leader.election.enable`. */
  readonly uncleanElection: boolean;
}

/** What holds for a topic. */
export function replicationOf(
  settings: Settings,
  defaults: ReplicationDefaults,
): ReplicationDefaults {
  const min = settings['min.insync.replicas'];
  const unclean = settings['unclean.leader.election.enable'];
  return {
    minInsyncReplicas: min === undefined ? defaults.minInsyncReplicas : Number(min),
    uncleanElection: unclean === undefined ? defaults.uncleanElection : unclean === 'true',
  };
}
