// What a client's wish to change the ensemble comes to: the ensemble after it, or the error that refuses
// it. Source: PrepRequestProcessor of ZooKeeper 3.8, whose order of checks this keeps.
import { ByteReader, WireError } from '../../wire/bytes.ts';
import { ErrorCode } from '../protocol/codes.ts';
import { ReconfigRequest } from '../protocol/records.ts';
import type { Zxid } from '../zxid.ts';
import type { Peer } from './context.ts';
import {
  clashOf,
  describeEnsemble,
  type EnsembleConfig,
  ensembleOf,
  parseMember,
  parseMembers,
  SID_MAX,
} from './members.ts';
import { isQuorum, type Membership } from './membership.ts';

/** With fewer voters an ensemble could not be changed back once one of them is away. */
const VOTERS_MIN = 2;

export interface ReconfigTerms {
  membership: Membership;
  /** reconfigEnabled. */
  enabled: boolean;
  /** Whether a server, the leader included, is in step with the leader. */
  inStep(sid: number): boolean;
}

/** A number of ErrorCode, or the text of the ensemble to come. */
export type ReconfigPlan = { error: number } | { text: string };

/** Plans the change that a ReconfigRequest asks for; `zxid` becomes the version of the ensemble. */
export function planReconfig(
  body: Buffer,
  { membership, enabled, inStep }: ReconfigTerms,
  zxid: Zxid,
): ReconfigPlan {
  if (!enabled) return { error: ErrorCode.ReconfigDisabled };
  const { current, pending } = membership;
  // A server that no other can reach is not the beginning of an ensemble.
  if (current.members.some(({ peerPort }) => peerPort === 0)) {
    return { error: ErrorCode.Unimplemented };
  }
  if (pending !== undefined) return { error: ErrorCode.ReconfigInProgress };
  const request = decode(body);
  if (request === undefined) return { error: ErrorCode.MarshallingError };
  const { curConfigId } = request;
  if (curConfigId !== -1 && curConfigId !== current.version) return { error: ErrorCode.BadVersion };
  const members = membersOf(request, current);
  if (members === undefined || clashOf(members) !== undefined) {
    return { error: ErrorCode.BadArguments };
  }
  const next = ensembleOf(members, zxid);
  if (next.voters.length < VOTERS_MIN) return { error: ErrorCode.BadArguments };
  if (!isQuorum(next.voters, inStep)) return { error: ErrorCode.NewConfigNoQuorum };
  return { text: describeEnsemble(next.members, zxid) };
}

function decode(body: Buffer): ReconfigRequest | undefined {
  try {
    return ReconfigRequest.read(new ByteReader(body));
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

function list(text: string | null): string[] {
  return (text ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

/** The members after the change; undefined: they make no sense. */
function membersOf(request: ReconfigRequest, current: EnsembleConfig): Peer[] | undefined {
  const { newMembers, joiningServers, leavingServers } = request;
  if (newMembers !== null) {
    const lines = newMembers.split(/[,\n]/).filter((line) => line.trim() !== '');
    const members = parseMembers(lines);
    return typeof members === 'string' ? undefined : members;
  }
  const members = new Map(current.members.map((member) => [member.sid, member]));
  for (const leaving of list(leavingServers)) {
    if (!/^\d{1,9}$/.test(leaving)) return undefined;
    members.delete(Number(leaving));
  }
  for (const joining of list(joiningServers)) {
    const [, digits, spec] = /^server\.(\d{1,3})\s*=(.*)$/.exec(joining) ?? [];
    const sid = Number(digits);
    if (spec === undefined || sid < 1 || sid > SID_MAX) return undefined;
    const member = parseMember(sid, spec);
    // Others than those of the file must say where clients find them.
    if (typeof member === 'string' || member.clientAddress === undefined) return undefined;
    members.set(sid, member);
  }
  return [...members.values()];
}
