// How the servers of an ensemble are written: ZooKeeper's server.N lines, as they stand in zoo.cfg, in
// `/zookeeper/config` and in a reconfig request. One place, because all three must mean the same.
// Source: QuorumPeer.QuorumServer and QuorumMaj of ZooKeeper 3.8.
import { Op } from '../protocol/codes.ts';
import type { TxnRecord } from '../txn.ts';
import type { Zxid } from '../zxid.ts';
import type { Peer } from './context.ts';

export const SID_MAX = 255;
const PORT_MAX = 65_535;
const MEMBER =
  /^(\[[^\]]+\]|[^:;,=[\]\s]+):(\d{1,5}):(\d{1,5})(?::(\w+))?(?:;(?:(\[[^\]]+\]|[^:;,=[\]\s]+):)?(\d{1,5}))?$/;

/** What is expected after `server.N=`. */
export const MEMBER_FORM =
  'host:peerPort:electionPort[:participant|observer][;[clientHost:]clientPort]';

/** The servers of an ensemble since transaction `version`; 0: since their configuration files. */
export interface EnsembleConfig {
  readonly version: Zxid;
  /** By sid. */
  readonly members: readonly Peer[];
  /** sids of the participants. */
  readonly voters: readonly number[];
}

/** Sorts the members and tells the voters among them. */
export function ensembleOf(members: readonly Peer[], version: Zxid): EnsembleConfig {
  const sorted = [...members].sort((a, b) => a.sid - b.sid);
  const voters = sorted.filter(({ observer }) => observer !== true).map(({ sid }) => sid);
  return { version, members: sorted, voters };
}

/** A member from what follows `server.N=`; a string says what is wrong with it. */
export function parseMember(sid: number, spec: string): Peer | string {
  const match = MEMBER.exec(spec.trim());
  if (match === null) return `expected ${MEMBER_FORM}, got '${spec}'`;
  const [, rawHost, rawPeer, rawElection, role = 'participant', clientHost, rawClient] = match;
  if (role !== 'participant' && role !== 'observer') {
    return `'${role}' is no role, expected participant or observer`;
  }
  for (const port of [rawPeer, rawElection, rawClient ?? '1'].map(Number)) {
    if (port < 1 || port > PORT_MAX) return `expected ports of 1 to ${PORT_MAX}, got ${port}`;
  }
  const host = (rawHost as string).replace(/^\[|\]$/g, '');
  return {
    sid,
    host,
    peerPort: Number(rawPeer),
    electionPort: Number(rawElection),
    ...(role === 'observer' ? { observer: true as const } : {}),
    ...(rawClient === undefined
      ? {}
      : { clientAddress: `${clientHost ?? '0.0.0.0'}:${Number(rawClient)}` }),
  };
}

/** Members from `server.N=…` lines; a string says which line is wrong and why. */
export function parseMembers(lines: readonly string[]): Peer[] | string {
  const members = new Map<number, Peer>();
  for (const line of lines) {
    const [, digits, spec] = /^\s*server\.(\d{1,3})\s*=\s*(.*)$/.exec(line) ?? [];
    const sid = Number(digits);
    if (spec === undefined || sid < 1 || sid > SID_MAX) {
      return `expected server.N=… with N of 1 to ${SID_MAX}, got '${line}'`;
    }
    if (members.has(sid)) return `server ${sid} is named twice`;
    const member = parseMember(sid, spec);
    if (typeof member === 'string') return `server.${sid}: ${member}`;
    members.set(sid, member);
  }
  return clashOf([...members.values()]) ?? [...members.values()];
}

/** Says which two members want one address; undefined: none do. */
export function clashOf(members: readonly Peer[]): string | undefined {
  const takenBy = new Map<string, number>();
  for (const { sid, host, peerPort, electionPort } of members) {
    for (const port of [peerPort, electionPort]) {
      const address = `${host}:${port}`;
      const other = takenBy.get(address);
      if (other !== undefined)
        return `server.${sid}: ${address} is already taken by server.${other}`;
      takenBy.set(address, sid);
    }
  }
  return undefined;
}

/** The servers as `/zookeeper/config` tells them. `version` is the zxid that made them so; 0: a file. */
export function describeEnsemble(members: readonly Peer[], version: Zxid): string {
  const bracketed = (host: string) => (host.includes(':') ? `[${host}]` : host);
  const lines = members.map(({ sid, host, peerPort, electionPort, observer, clientAddress }) => {
    const role = observer === true ? 'observer' : 'participant';
    const client = clientAddress === undefined ? '' : `;${clientAddress}`;
    return `server.${sid}=${bracketed(host)}:${peerPort}:${electionPort}:${role}${client}\n`;
  });
  return `${lines.join('')}version=${version.toString(16)}`;
}

/** Reads what `describeEnsemble` wrote. Throws when it is something else. */
export function parseEnsemble(text: string): EnsembleConfig {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const [, version] = /^version=([0-9a-f]{1,14})$/.exec(lines.pop() ?? '') ?? [];
  const members = parseMembers(lines);
  if (version === undefined || typeof members === 'string') {
    const why = typeof members === 'string' ? members : 'no version at its end';
    throw new Error(`expected the servers of an ensemble, got '${text.slice(0, 200)}': ${why}`);
  }
  return ensembleOf(members, Number.parseInt(version, 16));
}

/** The ensemble that a transaction makes; undefined: it changes none. */
export function ensembleIn({ txn }: TxnRecord): EnsembleConfig | undefined {
  if (txn.op !== Op.reconfig || txn.body.type !== 'setData') return undefined;
  return ensembleIfLater(txn.body.data?.toString() ?? '');
}

/** The ensemble a text tells of, unless it only repeats the configuration files. */
export function ensembleIfLater(text: string): EnsembleConfig | undefined {
  if (text === '') return undefined;
  const ensemble = parseEnsemble(text);
  return ensemble.version === 0 ? undefined : ensemble;
}
