// What is to be done for a client's request: answered here, handed to the leader, or refused. One place
// decides it, so that no operation can be known to one part of the server and not to another.
import type { ByteReader } from '../../wire/bytes.ts';
import { ErrorCode, Op, opName } from '../protocol/codes.ts';
import { SyncRequest } from '../protocol/records.ts';
import type { Work } from './pipeline.ts';
import { isLocal } from './read-only.ts';
import { readRequest } from './reads.ts';

/** Requests that become transactions; their bodies are the leader's to decode. */
const WRITES: ReadonlySet<number> = new Set([
  Op.create,
  Op.create2,
  Op.createContainer,
  Op.createTTL,
  Op.delete,
  Op.setData,
  Op.setACL,
  Op.multi,
  Op.reconfig,
  Op.closeSession,
]);

/** What a request after its header asks for. Throws WireError when its body cannot be decoded. */
export function decodeWork(op: number, reader: ByteReader): Work {
  const read = readRequest(op, reader);
  if (read !== undefined) return { kind: 'read', read };
  if (op === Op.sync) return { kind: 'sync', path: SyncRequest.read(reader).path };
  if (WRITES.has(op)) {
    // The frame's memory is a large chunk of the stream; the write lives longer than it should.
    return { kind: 'write', body: Buffer.from(reader.bytes(reader.remaining)) };
  }
  // As ZooKeeper's UnimplementedRequestProcessor: what else such a client means is unknown.
  const ending = `${opName(op)} is no operation this server offers`;
  return { kind: 'refusal', err: ErrorCode.Unimplemented, ending };
}

/** What becomes of it on a server without a quorum. Source: ReadOnlyRequestProcessor. */
export function withoutQuorum(op: number, work: Work, session: number): Work {
  if (work.kind !== 'write' && work.kind !== 'sync') return work;
  if (op === Op.closeSession && isLocal(session)) {
    return { kind: 'refusal', err: ErrorCode.Ok, ending: 'the client closed its session' };
  }
  return { kind: 'refusal', err: ErrorCode.NotReadOnly };
}
