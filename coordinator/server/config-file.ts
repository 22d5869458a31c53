// The lines of a zoo.cfg: which keys there are, and how a value is checked. What they mean together is
// config.ts's business.
import { ConfigError, type Property, PropertyFile, wholeNumber } from '../../wire/property-file.ts';

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

/** The properties of one file, and typed access to them. */
export class Properties extends PropertyFile<ConfigKey> {
  /** Throws ConfigError for a line that is no assignment or a key that is not known. */
  constructor(text: string, file: string) {
    super(text, file, {
      keys: KNOWN_KEYS,
      prefixes: [SERVER_PREFIX],
      withoutEffect: WITHOUT_EFFECT,
    });
  }

  /** The server.N lines. */
  servers(): Iterable<Property> {
    return this.beginningWith(SERVER_PREFIX);
  }

  text(key: ConfigKey): string | undefined {
    return this.get(key)?.value;
  }

  /** A whole number. Throws ConfigError with the line. */
  number(key: ConfigKey, fallback: number, min: number, max = INT_MAX): number {
    const entry = this.get(key);
    if (entry === undefined) return fallback;
    return wholeNumber(`${entry.where}: ${key}`, entry.value, min, max);
  }

  /** One of a few words. Throws ConfigError that lists them. */
  choice<Word extends string>(key: ConfigKey, fallback: Word, words: readonly Word[]): Word {
    const entry = this.get(key);
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
