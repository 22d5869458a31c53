// The lines of a zoo.cfg: which keys there are, how a line is read, and how a value is checked. What
// they mean together is config.ts's business.
import fs from 'node:fs';

/** The configuration cannot be used; the message says where and what was expected. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/** As ZooKeeper's, so that a zoo.cfg can be taken as it is; the last six are this server’s own. */
export const KNOWN_KEYS = [
  'tickTime',
  'initLimit',
  'syncLimit',
  'dataDir',
  'clientPort',
  'peerType',
  'reconfigEnabled',
  'readonlymode.enabled',
  'clientPortAddress',
  'secureClientPort',
  'secureClientPortAddress',
  'snapCount',
  'autopurge.snapRetainCount',
  'minSessionTimeout',
  'maxSessionTimeout',
  'jute.maxbuffer',
  'preAllocSize',
  'commitLogCount',
  'globalOutstandingLimit',
  'maxClientCnxns',
  'maxCnxns',
  'extendedTypesEnabled',
  'znode.container.checkIntervalMs',
  'znode.container.maxPerMinute',
  'znode.container.maxNeverUsedIntervalMs',
  'enforceQuota',
  'DigestAuthenticationProvider.superDigest',
  '4lw.commands.whitelist',
  'metricsProvider.httpHost',
  'metricsProvider.httpPort',
  'ssl.keyStore.location',
  'ssl.trustStore.location',
  'ssl.clientAuth',
  'sslQuorum',
  'ssl.quorum.keyStore.location',
  'ssl.quorum.trustStore.location',
  'ssl.quorum.hostnameVerification',
  'connectionOutstandingLimit',
  'connectionOutputLimit',
  'totalOutputLimit',
  'transactionsPerEpoch',
  'nodeCountLimit',
  'dataSizeLimit',
  'heartbeatTimeout',
] as const;

export type ConfigKey = (typeof KNOWN_KEYS)[number];

/** Keys of ZooKeeper that are taken and have no effect, with why that is no loss. */
const WITHOUT_EFFECT: Readonly<Record<string, string>> = {
  'autopurge.purgeInterval': 'old snapshots and logs are removed after every snapshot',
  'admin.enableServer': 'there is no admin server; see metricsProvider.httpPort',
  'admin.serverPort': 'there is no admin server; see metricsProvider.httpPort',
  'metricsProvider.className': 'metrics are given in the text format of Prometheus alone',
  'metricsProvider.exportJvmInfo': 'there is no JVM; figures of the process are always given',
  electionAlg: 'there is one algorithm, ZooKeeper’s number 3',
  forceSync: 'every transaction is on disk before it is acknowledged',
  standaloneEnabled: 'a server without server.N lines is an ensemble of one',
  'ssl.keyStore.type': 'key and trust stores are PEM files',
  'ssl.trustStore.type': 'key and trust stores are PEM files',
  'ssl.quorum.keyStore.type': 'key and trust stores are PEM files',
  'ssl.quorum.trustStore.type': 'key and trust stores are PEM files',
};

export const SERVER_PREFIX = 'server.';
export const PORT_MAX = 65_535;
export const INT_MAX = 2 ** 31 - 1;

/** One line of the file and its place, `file:line`. */
export interface Property {
  key: string;
  value: string;
  where: string;
}

/** A whole number from text. Throws ConfigError that names `what`. */
export function wholeNumber(what: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw new ConfigError(`${what}: expected a whole number of ${min} to ${max}, got '${text}'`);
  }
  return value;
}

/** The text of a file. Throws ConfigError that names `what`. */
export function readText(file: string, what: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`cannot read ${what}: ${(error as Error).message}`);
  }
}

/** The properties of one file, and typed access to them. */
export class Properties {
  /** The file's name as it was given. */
  readonly file: string;
  /** What was taken without effect. */
  readonly warnings: string[] = [];
  readonly #found = new Map<string, Property>();

  /** Reads `key=value` lines and comments. Throws ConfigError for any other line or key. */
  constructor(text: string, file: string) {
    this.file = file;
    for (const [index, raw] of text.split(/\r?\n/).entries()) {
      const line = raw.trim();
      if (line === '' || line.startsWith('#') || line.startsWith('!')) continue;
      this.#take(line, `${file}:${index + 1}`);
    }
  }

  #take(line: string, where: string): void {
    const equals = line.indexOf('=');
    if (equals <= 0) throw new ConfigError(`${where}: expected key=value, got '${line}'`);
    const key = line.slice(0, equals).trim();
    const value = line.slice(equals + 1).trim();
    const earlier = this.#found.get(key);
    if (earlier !== undefined) {
      throw new ConfigError(`${where}: ${key} was already given at ${earlier.where}`);
    }
    const idle = WITHOUT_EFFECT[key];
    if (idle !== undefined) {
      this.warnings.push(`${where}: ${key} has no effect: ${idle}`);
    } else if (!KNOWN_KEYS.some((known) => known === key) && !key.startsWith(SERVER_PREFIX)) {
      const names = [...KNOWN_KEYS, `${SERVER_PREFIX}N`].join(', ');
      throw new ConfigError(`${where}: unknown key '${key}', known are ${names}`);
    }
    this.#found.set(key, { key, value, where });
  }

  get(key: ConfigKey): Property | undefined {
    return this.#found.get(key);
  }

  /** The server.N lines. */
  *servers(): Generator<Property> {
    for (const entry of this.#found.values()) {
      if (entry.key.startsWith(SERVER_PREFIX)) yield entry;
    }
  }

  text(key: ConfigKey): string | undefined {
    return this.#found.get(key)?.value;
  }

  /** A whole number. Throws ConfigError with the line. */
  number(key: ConfigKey, fallback: number, min: number, max = INT_MAX): number {
    const entry = this.#found.get(key);
    if (entry === undefined) return fallback;
    return wholeNumber(`${entry.where}: ${key}`, entry.value, min, max);
  }

  /** One of a few words. Throws ConfigError that lists them. */
  choice<Word extends string>(key: ConfigKey, fallback: Word, words: readonly Word[]): Word {
    const entry = this.#found.get(key);
    if (entry === undefined) return fallback;
    const word = words.find((each) => each === entry.value);
    if (word === undefined) {
      const known = words.join(', ');
      throw new ConfigError(
        `${entry.where}: ${key}: expected one of ${known}, got '${entry.value}'`,
      );
    }
    return word;
  }
}
