// The configuration of a server: ZooKeeper's zoo.cfg names and defaults, and the flags the harness
// starts it with. Everything wrong is said before anything starts, in terms of the file's own
// lines.
import fs from 'node:fs';
import path from 'node:path';
import type { EventLogOptions } from '../../wire/event-log.ts';
import { ConfigError, readText, wholeNumber } from '../../wire/property-file.ts';
import { eventOptions, parseServerFlags } from '../../wire/server-flags.ts';
import { FRAME_BYTES_MAX } from '../protocol/codes.ts';
import type { Peer } from '../zab/context.ts';
import { clashOf, parseMember, SID_MAX } from '../zab/members.ts';
import { COUNTER_MAX } from '../zxid.ts';
import { type ConfigKey, PORT_MAX, Properties, SERVER_PREFIX } from './config-file.ts';
import {
  readSecureClients,
  readSecurePeers,
  type SecureClients,
  type SecurePeers,
} from './config-tls.ts';
import { FOUR_LETTER_WORDS } from './four-letter-words.ts';
import { type ClientLimits, DEFAULT_LIMITS } from './limits.ts';

export interface ServerConfig {
  sid: number;
  dataDir: string;
  clientPort: number;
  /** Address clients are taken on. */
  clientHost: string;
  /** All members, this server included, by sid; one for a standalone server. */
  peers: Peer[];
  /** Address the other servers are taken on: this server's own from its server.N line. */
  peerHost: string;
  tickTimeMs: number;
  /** Ticks to find and synchronise with a leader. */
  initLimit: number;
  /** Ticks of silence after which leader and learner let go of each other at the latest. */
  syncLimit: number;
  /** Silence after which they do so at the latest, ms. */
  heartbeatTimeoutMs: number;
  minSessionTimeoutMs: number;
  maxSessionTimeoutMs: number;
  limits: ClientLimits;
  /** Znodes, and bytes of paths and data, that the tree may grow to; 0: no bound. */
  nodesMax: number;
  dataBytesMax: number;
  /** Four-letter words that are answered. */
  words: ReadonlySet<string>;
  /** Where metrics are given; absent: nowhere. */
  metrics?: { host: string; port: number };
  secureClients?: SecureClients;
  securePeers?: SecurePeers;
  /** Taken, and yet worth a line in the server's log. */
  warnings: string[];
  /** Transactions between snapshots. */
  snapCount: number;
  snapRetainCount: number;
  /** Size of a log segment (preAllocSize, which is in KB). */
  preAllocBytes: number;
  /** Recent transactions kept in memory for learners. */
  commitLogCount: number;
  /** Transactions after which a leader gives up its epoch. */
  transactionsPerEpochMax: number;
  /** Whether nodes may have a time to live (extendedTypesEnabled); ours is true, ZooKeeper's false. */
  extendedTypes: boolean;
  /** How containers and nodes with a time to live are ended (znode.container.*). */
  reaping: { checkMs: number; perMinuteMax: number; unusedMsMax: number };
  /** Whether reads are served without a quorum (readonlymode.enabled). */
  readOnlyMode: boolean;
  /** Whether clients may change the ensemble (reconfigEnabled). */
  reconfigEnabled: boolean;
  /** Whether hard limits of quotas refuse (enforceQuota); otherwise they are only logged. */
  enforceQuota: boolean;
  /** `super:` and the digest of `super:password`; absent: nobody is above access lists. */
  superDigest?: string;
  /** Absent: nobody watches. */
  events?: EventLogOptions;
}

export { ConfigError } from '../../wire/property-file.ts';

const DEFAULT_CLIENT_PORT = 2181;
/** A request and its reply travel between servers in frames of at most 64 MB. */
const FRAME_BYTES_TOP = 32 * 1024 * 1024;

function parsePeers(properties: Properties): Peer[] {
  const peers: Peer[] = [];
  for (const { key, value, where } of properties.servers()) {
    const sid = wholeNumber(`${where}: ${key}`, key.slice(SERVER_PREFIX.length), 1, SID_MAX);
    const peer = parseMember(sid, value);
    if (typeof peer === 'string') throw new ConfigError(`${where}: ${key}: ${peer}`);
    if (peers.some((other) => other.sid === sid)) {
      throw new ConfigError(`${where}: server ${sid} is defined twice`);
    }
    peers.push(peer);
    const clash = clashOf(peers);
    if (clash !== undefined) throw new ConfigError(`${where}: ${clash}`);
  }
  if (peers.length > 0 && peers.every(({ observer }) => observer === true)) {
    throw new ConfigError(`${properties.file}: expected a participant among the server.N lines`);
  }
  return peers.sort((a, b) => a.sid - b.sid);
}

/** The role that this server's own line gives it counts; `peerType` can only agree. */
function checkRole(properties: Properties, self: Peer | undefined): void {
  const entry = properties.get('peerType');
  const role = self?.observer === true ? 'observer' : 'participant';
  const wanted = properties.choice('peerType', role, ['participant', 'observer']);
  if (entry === undefined || wanted === role) return;
  properties.warnings.push(
    `${entry.where}: peerType is ${wanted}, but the server.N line of this server says ${role}, ` +
      'which is what it will be',
  );
}

/** This server's id: the flag, else the file `myid` in dataDir, else 1 for a standalone server. */
function findSid(flag: string | undefined, dataDir: string, peers: readonly Peer[]): number {
  const file = path.join(dataDir, 'myid');
  let sid: number;
  if (flag !== undefined) sid = wholeNumber('--myid', flag, 1, SID_MAX);
  else if (fs.existsSync(file)) {
    sid = wholeNumber(file, readText(file, 'the server id').trim(), 1, SID_MAX);
  } else if (peers.length === 0) return 1;
  else throw new ConfigError(`which server is this? Expected --myid N or a number in ${file}`);
  if (peers.length > 0 && !peers.some((peer) => peer.sid === sid)) {
    const known = peers.map((peer) => peer.sid).join(', ');
    throw new ConfigError(`myid is ${sid}, but the server.N lines are for ${known}`);
  }
  return sid;
}

function readLimits(properties: Properties): ClientLimits {
  const number = properties.number.bind(properties);
  const defaults = DEFAULT_LIMITS;
  return {
    frameBytesMax: number('jute.maxbuffer', FRAME_BYTES_MAX, 1024, FRAME_BYTES_TOP),
    connectionsPerAddressMax: number('maxClientCnxns', defaults.connectionsPerAddressMax, 0),
    connectionsMax: number('maxCnxns', defaults.connectionsMax, 0),
    outstandingMax: number('globalOutstandingLimit', defaults.outstandingMax, 1),
    connectionOutstandingMax: number(
      'connectionOutstandingLimit',
      defaults.connectionOutstandingMax,
      1,
    ),
    connectionOutputBytesMax: number(
      'connectionOutputLimit',
      defaults.connectionOutputBytesMax,
      1024,
    ),
    totalOutputBytesMax: number('totalOutputLimit', defaults.totalOutputBytesMax, 1024 * 1024),
  };
}

/** The words of 4lw.commands.whitelist; `*` is all of them, and srvr alone is the default. */
function readWhitelist(properties: Properties): ReadonlySet<string> {
  const entry = properties.get('4lw.commands.whitelist');
  // Clients that take a server without a quorum ask with it whether another has one.
  const always = readFlag(properties, 'readonlymode.enabled', false) ? ['isro'] : [];
  if (entry === undefined) return new Set(['srvr', ...always]);
  const words = entry.value.split(',').map((word) => word.trim());
  if (words.includes('*')) return FOUR_LETTER_WORDS;
  for (const word of words) {
    if (word === '' || FOUR_LETTER_WORDS.has(word)) continue;
    const known = [...FOUR_LETTER_WORDS].sort().join(', ');
    throw new ConfigError(`${entry.where}: unknown word '${word}', known are ${known} and *`);
  }
  return new Set([...words.filter((word) => word !== ''), ...always]);
}

type OptionalParts = Pick<ServerConfig, 'metrics' | 'secureClients' | 'securePeers'>;

/** What is there only when it is asked for. */
function optional(properties: Properties, clientHost: string): OptionalParts {
  const port = properties.number('metricsProvider.httpPort', 0, 1, PORT_MAX);
  const host = properties.text('metricsProvider.httpHost') ?? '0.0.0.0';
  const secureClients = readSecureClients(properties, clientHost);
  const securePeers = readSecurePeers(properties);
  return {
    ...(port === 0 ? {} : { metrics: { host, port } }),
    ...(secureClients === undefined ? {} : { secureClients }),
    ...(securePeers === undefined ? {} : { securePeers }),
  };
}

function readFlag(properties: Properties, key: ConfigKey, fallback: boolean): boolean {
  return properties.choice(key, fallback ? 'true' : 'false', ['true', 'false']) === 'true';
}

function readSuperDigest(properties: Properties): string | undefined {
  const entry = properties.get('DigestAuthenticationProvider.superDigest');
  if (entry === undefined) return undefined;
  if (/^super:[A-Za-z0-9+/]{27}=$/.test(entry.value)) return entry.value;
  throw new ConfigError(
    `${entry.where}: ${entry.key}: expected super: and the base64 of the SHA-1 of super:password`,
  );
}

/**
 * The configuration that command-line arguments (without the program) and the file they name give.
 * Throws ConfigError. Names and defaults: ZooKeeper Administrator's Guide, "Configuration
 * Parameters".
 */
export function loadConfig(argv: readonly string[]): ServerConfig {
  const flags = parseServerFlags(argv, 'myid');
  const file = path.resolve(flags.config);
  const properties = new Properties(readText(file, 'the configuration'), flags.config);
  const superDigest = readSuperDigest(properties);
  const dataDirEntry = properties.get('dataDir');
  if (dataDirEntry === undefined || dataDirEntry.value === '') {
    throw new ConfigError(`${flags.config}: dataDir is missing, expected a line dataDir=DIRECTORY`);
  }
  const dataDir = path.resolve(dataDirEntry.value);
  const peers = parsePeers(properties);
  const sid = findSid(flags.myid, dataDir, peers);
  const number = properties.number.bind(properties);
  const tickTimeMs = number('tickTime', 2000, 1);
  const minSessionTimeoutMs = number('minSessionTimeout', 2 * tickTimeMs, 1);
  const maxSessionTimeoutMs = number('maxSessionTimeout', 20 * tickTimeMs, 1);
  if (minSessionTimeoutMs > maxSessionTimeoutMs) {
    throw new ConfigError(
      `${flags.config}: minSessionTimeout is ${minSessionTimeoutMs}, above maxSessionTimeout, which ` +
        `is ${maxSessionTimeoutMs} ms`,
    );
  }
  const self = peers.find((peer) => peer.sid === sid);
  checkRole(properties, self);
  const ownPort = self?.clientAddress?.replace(/^.*:/, '');
  const defaultPort = ownPort === undefined ? DEFAULT_CLIENT_PORT : Number(ownPort);
  const clientPort = properties.number('clientPort', defaultPort, 1, PORT_MAX);
  const clientHost = properties.text('clientPortAddress') ?? '0.0.0.0';
  if (self !== undefined && [self.peerPort, self.electionPort].includes(clientPort)) {
    throw new ConfigError(`${flags.config}: clientPort ${clientPort} is also in server.${sid}`);
  }
  const events = eventOptions(flags, `n${sid}`);
  return {
    sid,
    dataDir,
    clientPort,
    clientHost,
    // A standalone server is an ensemble of one, which never opens these ports.
    peers: peers.length > 0 ? peers : [{ sid, host: '127.0.0.1', peerPort: 0, electionPort: 0 }],
    peerHost: self?.host ?? '127.0.0.1',
    tickTimeMs,
    initLimit: number('initLimit', 10, 1),
    syncLimit: number('syncLimit', 5, 1),
    heartbeatTimeoutMs: number('heartbeatTimeout', 1_500, 50),
    minSessionTimeoutMs,
    maxSessionTimeoutMs,
    limits: readLimits(properties),
    nodesMax: number('nodeCountLimit', 0, 0),
    dataBytesMax: number('dataSizeLimit', 0, 0, Number.MAX_SAFE_INTEGER),
    words: readWhitelist(properties),
    warnings: properties.warnings,
    snapCount: number('snapCount', 100_000, 2),
    snapRetainCount: number('autopurge.snapRetainCount', 3, 3),
    preAllocBytes: number('preAllocSize', 65_536, 1, 2 ** 21) * 1024,
    commitLogCount: number('commitLogCount', 500, 1),
    transactionsPerEpochMax: number('transactionsPerEpoch', COUNTER_MAX, 1, COUNTER_MAX),
    ...optional(properties, clientHost),
    extendedTypes: readFlag(properties, 'extendedTypesEnabled', true),
    reaping: {
      checkMs: number('znode.container.checkIntervalMs', 60_000, 1),
      perMinuteMax: number('znode.container.maxPerMinute', 10_000, 1),
      unusedMsMax: number('znode.container.maxNeverUsedIntervalMs', 0, 0),
    },
    readOnlyMode: readFlag(properties, 'readonlymode.enabled', false),
    reconfigEnabled: readFlag(properties, 'reconfigEnabled', false),
    enforceQuota: readFlag(properties, 'enforceQuota', false),
    ...(superDigest === undefined ? {} : { superDigest }),
    ...(events === undefined ? {} : { events }),
  };
}
