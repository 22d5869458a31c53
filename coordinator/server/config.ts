// The configuration of a server: ZooKeeper's zoo.cfg names and defaults, and the flags the harness
// starts it with. Everything wrong is said before anything starts, in terms of the file's own
// lines.
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { FRAME_BYTES_MAX } from '../protocol/codes.ts';

/** A voter of the ensemble. */
export interface PeerConfig {
  sid: number;
  host: string;
  /** Where the leader takes its learners. */
  peerPort: number;
  electionPort: number;
}

/** How the server reports what it does (events.ts). */
export interface EventConfig {
  /** File to append to. */
  path: string;
  level: 'off' | 'state' | 'all';
  node: string;
  /** Numbers the starts of this node. */
  incarnation: number;
  /** Value of the monotonic clock, ns, that counts as time 0. */
  baseNs: bigint;
}

export interface ServerConfig {
  sid: number;
  dataDir: string;
  clientPort: number;
  /** Address clients are taken on. */
  clientHost: string;
  /** All voters, this server included, by sid; one for a standalone server. */
  peers: PeerConfig[];
  /** Address the other servers are taken on: this server's own from its server.N line. */
  peerHost: string;
  tickTimeMs: number;
  /** Ticks to find and synchronise with a leader. */
  initLimit: number;
  /** Ticks of silence after which leader and learner let go of each other. */
  syncLimit: number;
  minSessionTimeoutMs: number;
  maxSessionTimeoutMs: number;
  /** Largest frame taken from a client (jute.maxbuffer). */
  frameBytesMax: number;
  /** Requests one connection may have outstanding (globalOutstandingLimit). */
  outstandingMax: number;
  /** Connections one client address may have; 0: any number. */
  clientConnectionsMax: number;
  /** Transactions between snapshots. */
  snapCount: number;
  snapRetainCount: number;
  /** Size of a log segment (preAllocSize, which is in KB). */
  preAllocBytes: number;
  /** Recent transactions kept in memory for learners. */
  commitLogCount: number;
  /** Absent: nobody watches. */
  events?: EventConfig;
}

/** The configuration cannot be used; the message says where and what was expected. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/** As ZooKeeper's, so that a zoo.cfg can be taken as it is. */
const KNOWN_KEYS = [
  'tickTime',
  'initLimit',
  'syncLimit',
  'dataDir',
  'clientPort',
  'clientPortAddress',
  'snapCount',
  'autopurge.snapRetainCount',
  'minSessionTimeout',
  'maxSessionTimeout',
  'jute.maxbuffer',
  'preAllocSize',
  'commitLogCount',
  'globalOutstandingLimit',
  'maxClientCnxns',
] as const;

export type ConfigKey = (typeof KNOWN_KEYS)[number];

const USAGE =
  'usage: --config FILE [--myid N] [--events FILE] [--event-level off|state|all] ' +
  '[--event-base NS] [--incarnation N] [--node NAME]';

/** One line of the file and its place, `file:line`. */
interface Property {
  key: string;
  value: string;
  where: string;
}

const LEVELS = ['off', 'state', 'all'] as const;
const SID_MAX = 255;
const PORT_MAX = 65_535;
const INT_MAX = 2 ** 31 - 1;
const DEFAULT_CLIENT_PORT = 2181;
const SERVER_PREFIX = 'server.';
const SERVER_LINE = /^(\[[^\]]+\]|[^:[\]]+):(\d{1,5}):(\d{1,5})(?::(\w+))?$/;
const SERVER_FORM = 'host:peerPort:electionPort[:participant]';

type Flags = Record<
  'config' | 'myid' | 'events' | 'event-level' | 'event-base' | 'incarnation' | 'node',
  string | undefined
>;

function parseFlags(argv: readonly string[]): Flags {
  const option = { type: 'string' } as const;
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        config: option,
        myid: option,
        events: option,
        'event-level': option,
        'event-base': option,
        incarnation: option,
        node: option,
      },
    });
    return values as Flags;
  } catch (error) {
    throw new ConfigError(`${(error as Error).message}\n${USAGE}`);
  }
}

/** A whole number from text. Throws ConfigError that names `what`. */
function wholeNumber(what: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > max) {
    throw new ConfigError(`${what}: expected a whole number of ${min} to ${max}, got '${text}'`);
  }
  return value;
}

function readFile(file: string, what: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`cannot read ${what}: ${(error as Error).message}`);
  }
}

/** `key=value` lines and comments, by key. Throws ConfigError for any other line or key. */
function readProperties(text: string, file: string): Map<string, Property> {
  const found = new Map<string, Property>();
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#') || line.startsWith('!')) continue;
    const where = `${file}:${index + 1}`;
    const equals = line.indexOf('=');
    if (equals <= 0) throw new ConfigError(`${where}: expected key=value, got '${line}'`);
    const key = line.slice(0, equals).trim();
    const value = line.slice(equals + 1).trim();
    const earlier = found.get(key);
    if (earlier !== undefined) {
      throw new ConfigError(`${where}: ${key} was already given at ${earlier.where}`);
    }
    if (!KNOWN_KEYS.some((known) => known === key) && !key.startsWith(SERVER_PREFIX)) {
      const names = [...KNOWN_KEYS, `${SERVER_PREFIX}N`].join(', ');
      throw new ConfigError(`${where}: unknown key '${key}', known are ${names}`);
    }
    found.set(key, { key, value, where });
  }
  return found;
}

function parsePeers(properties: ReadonlyMap<string, Property>): PeerConfig[] {
  const peers: PeerConfig[] = [];
  const addresses = new Map<string, string>();
  for (const { key, value, where } of properties.values()) {
    if (!key.startsWith(SERVER_PREFIX)) continue;
    const sid = wholeNumber(`${where}: ${key}`, key.slice(SERVER_PREFIX.length), 1, SID_MAX);
    const match = SERVER_LINE.exec(value);
    if (match === null) {
      throw new ConfigError(`${where}: ${key}: expected ${SERVER_FORM}, got '${value}'`);
    }
    const [, rawHost, rawPeer, rawElection, role = 'participant'] = match as unknown as string[];
    if (role !== 'participant') {
      const why = role === 'observer' ? 'observers are not there yet' : `'${role}' is no role`;
      throw new ConfigError(`${where}: ${key}: ${why}, expected participant`);
    }
    const host = (rawHost as string).replace(/^\[|\]$/g, '');
    const peerPort = wholeNumber(`${where}: ${key} peerPort`, rawPeer as string, 1, PORT_MAX);
    const electionPort = wholeNumber(
      `${where}: ${key} electionPort`,
      rawElection as string,
      1,
      PORT_MAX,
    );
    for (const port of [peerPort, electionPort]) {
      const address = `${host}:${port}`;
      const other = addresses.get(address);
      if (other !== undefined) {
        throw new ConfigError(`${where}: ${key}: ${address} is already taken by ${other}`);
      }
      addresses.set(address, key);
    }
    if (peers.some((peer) => peer.sid === sid)) {
      throw new ConfigError(`${where}: server ${sid} is defined twice`);
    }
    peers.push({ sid, host, peerPort, electionPort });
  }
  return peers.sort((a, b) => a.sid - b.sid);
}

/** This server's id: the flag, else the file `myid` in dataDir, else 1 for a standalone server. */
function findSid(flag: string | undefined, dataDir: string, peers: readonly PeerConfig[]): number {
  const file = path.join(dataDir, 'myid');
  let sid: number;
  if (flag !== undefined) sid = wholeNumber('--myid', flag, 1, SID_MAX);
  else if (fs.existsSync(file)) {
    sid = wholeNumber(file, readFile(file, 'the server id').trim(), 1, SID_MAX);
  } else if (peers.length === 0) return 1;
  else throw new ConfigError(`which server is this? Expected --myid N or a number in ${file}`);
  if (peers.length > 0 && !peers.some((peer) => peer.sid === sid)) {
    const known = peers.map((peer) => peer.sid).join(', ');
    throw new ConfigError(`myid is ${sid}, but the server.N lines are for ${known}`);
  }
  return sid;
}

function parseEvents(flags: Flags, sid: number): EventConfig | undefined {
  const given = (['event-level', 'event-base', 'incarnation', 'node'] as const).filter(
    (name) => flags[name] !== undefined,
  );
  if (flags.events === undefined) {
    // A level of off needs no file, so that a launcher may pass it always.
    if (given.length === 0 || flags['event-level'] === 'off') return undefined;
    throw new ConfigError(`--${given[0]} needs --events FILE`);
  }
  const level = LEVELS.find((each) => each === (flags['event-level'] ?? 'state'));
  if (level === undefined) {
    const got = flags['event-level'];
    throw new ConfigError(`--event-level: expected one of ${LEVELS.join(', ')}, got '${got}'`);
  }
  const base = flags['event-base'] ?? '0';
  if (!/^-?\d{1,19}$/.test(base)) {
    throw new ConfigError(`--event-base: expected nanoseconds, got '${base}'`);
  }
  return {
    path: path.resolve(flags.events),
    level,
    node: flags.node ?? `n${sid}`,
    incarnation: wholeNumber('--incarnation', flags.incarnation ?? '1', 0, INT_MAX),
    baseNs: BigInt(base),
  };
}

/**
 * The configuration that command-line arguments (without the program) and the file they name give.
 * Throws ConfigError. Names and defaults: ZooKeeper Administrator's Guide, "Configuration
 * Parameters".
 */
export function loadConfig(argv: readonly string[]): ServerConfig {
  const flags = parseFlags(argv);
  if (flags.config === undefined) throw new ConfigError(`--config is missing\n${USAGE}`);
  const file = path.resolve(flags.config);
  const text = readFile(file, 'the configuration');
  const properties = readProperties(text, flags.config);
  const number = (key: ConfigKey, fallback: number, min: number, max = INT_MAX): number => {
    const entry = properties.get(key);
    if (entry === undefined) return fallback;
    return wholeNumber(`${entry.where}: ${key}`, entry.value, min, max);
  };
  const dataDirEntry = properties.get('dataDir');
  if (dataDirEntry === undefined || dataDirEntry.value === '') {
    throw new ConfigError(`${flags.config}: dataDir is missing, expected a line dataDir=DIRECTORY`);
  }
  const dataDir = path.resolve(dataDirEntry.value);
  const peers = parsePeers(properties);
  const sid = findSid(flags.myid, dataDir, peers);
  const tickTimeMs = number('tickTime', 2000, 1);
  const minSessionTimeoutMs = number('minSessionTimeout', 2 * tickTimeMs, 1);
  const maxSessionTimeoutMs = number('maxSessionTimeout', 20 * tickTimeMs, 1);
  if (minSessionTimeoutMs > maxSessionTimeoutMs) {
    throw new ConfigError(
      `${flags.config}: minSessionTimeout is ${minSessionTimeoutMs}, above maxSessionTimeout, which ` +
        `is ${maxSessionTimeoutMs} ms`,
    );
  }
  const clientPort = number('clientPort', DEFAULT_CLIENT_PORT, 1, PORT_MAX);
  const self = peers.find((peer) => peer.sid === sid);
  if (self !== undefined && [self.peerPort, self.electionPort].includes(clientPort)) {
    throw new ConfigError(`${flags.config}: clientPort ${clientPort} is also in server.${sid}`);
  }
  const events = parseEvents(flags, sid);
  return {
    sid,
    dataDir,
    clientPort,
    clientHost: properties.get('clientPortAddress')?.value ?? '0.0.0.0',
    // A standalone server is an ensemble of one, which never opens these ports.
    peers: peers.length > 0 ? peers : [{ sid, host: '127.0.0.1', peerPort: 0, electionPort: 0 }],
    peerHost: self?.host ?? '127.0.0.1',
    tickTimeMs,
    initLimit: number('initLimit', 10, 1),
    syncLimit: number('syncLimit', 5, 1),
    minSessionTimeoutMs,
    maxSessionTimeoutMs,
    frameBytesMax: number('jute.maxbuffer', FRAME_BYTES_MAX, 1024),
    outstandingMax: number('globalOutstandingLimit', 1000, 1),
    clientConnectionsMax: number('maxClientCnxns', 60, 0),
    snapCount: number('snapCount', 100_000, 2),
    snapRetainCount: number('autopurge.snapRetainCount', 3, 3),
    preAllocBytes: number('preAllocSize', 65_536, 1, 2 ** 21) * 1024,
    commitLogCount: number('commitLogCount', 500, 1),
    ...(events === undefined ? {} : { events }),
  };
}
