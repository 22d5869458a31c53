// A transaction: what the leader decided a request does, in a form that applies the same everywhere
// and twice as well as once. Its bytes are encoded once and serve log, network and hash.
import { ByteReader, ByteWriter, WireError } from '../wire/bytes.ts';
import { crc32c } from '../wire/crc32c.ts';
import {
  buffer,
  type Codec,
  type Infer,
  int,
  long,
  record,
  text,
  vector,
} from './protocol/jute.ts';
import { AclList } from './protocol/records.ts';
import type { Zxid } from './zxid.ts';

/** Resulting values, never increments, so that replay over a newer snapshot changes nothing. */
const CreateTxn = record({
  path: text,
  data: buffer,
  acl: AclList,
  /** Session that owns it; 0 for a persistent node; below 0 see tree/lifetimes.ts. */
  ephemeralOwner: long,
  /** Children ever created under the parent, this one included: ZooKeeper's stored cversion. */
  parentCversion: int,
});
const DeleteTxn = record({ path: text, parentCversion: int });
const SetDataTxn = record({ path: text, data: buffer, version: int });
const SetAclTxn = record({ path: text, acl: AclList, aversion: int });
const CheckTxn = record({ path: text, version: int });
const CreateSessionTxn = record({ timeoutMs: int, password: buffer });
/** The ephemerals to remove travel in the transaction (ZOOKEEPER-3145), with their parents' cversions. */
const CloseSessionTxn = record({ session: long, deletes: vector(DeleteTxn) });
const ErrorTxn = record({ error: int });

/** The change itself, without a header. */
export type TxnBody =
  /** `withStat`: as a part of a multi it answers with the Stat. */
  | ({ type: 'create'; withStat?: true } & Infer<typeof CreateTxn>)
  | ({ type: 'delete' } & Infer<typeof DeleteTxn>)
  | ({ type: 'setData' } & Infer<typeof SetDataTxn>)
  | ({ type: 'setACL' } & Infer<typeof SetAclTxn>)
  | ({ type: 'check' } & Infer<typeof CheckTxn>)
  | ({ type: 'createSession' } & Infer<typeof CreateSessionTxn>)
  | ({ type: 'closeSession' } & Infer<typeof CloseSessionTxn>)
  /** A request that failed: it takes its place in the order and changes nothing. */
  | ({ type: 'error' } & Infer<typeof ErrorTxn>)
  | { type: 'multi'; parts: TxnBody[] }
  /** Proves that the leader still leads. */
  | { type: 'noop' };

/** A transaction with its header. */
export interface Txn {
  zxid: Zxid;
  /** The session that asked for it (0: none), and that request's number in it. */
  session: number;
  cxid: number;
  /** The server whose client asked (its sid), and that server's own number for the request. */
  origin: number;
  request: number;
  /** The request's opcode, for the reply. */
  op: number;
  /** Leader's wall clock, ms since 1970: becomes ctime and mtime. */
  timeMs: number;
  body: TxnBody;
}

const KINDS = [
  'create',
  'delete',
  'setData',
  'check',
  'createSession',
  'closeSession',
  'error',
  'multi',
  'noop',
  // Later ones come last, so that old logs stay readable.
  'setACL',
  'createWithStat',
] as const satisfies readonly (TxnBody['type'] | 'createWithStat')[];

const PARTS_MAX = 100_000;

function writeBody(w: ByteWriter, body: TxnBody): void {
  const withStat = body.type === 'create' && body.withStat === true;
  w.u8(KINDS.indexOf(withStat ? 'createWithStat' : body.type));
  switch (body.type) {
    case 'create':
      CreateTxn.write(w, body);
      break;
    case 'delete':
      DeleteTxn.write(w, body);
      break;
    case 'setData':
      SetDataTxn.write(w, body);
      break;
    case 'setACL':
      SetAclTxn.write(w, body);
      break;
    case 'check':
      CheckTxn.write(w, body);
      break;
    case 'createSession':
      CreateSessionTxn.write(w, body);
      break;
    case 'closeSession':
      CloseSessionTxn.write(w, body);
      break;
    case 'error':
      ErrorTxn.write(w, body);
      break;
    case 'multi':
      w.i32(body.parts.length);
      for (const part of body.parts) writeBody(w, part);
      break;
    case 'noop':
      break;
  }
}

function readBody(r: ByteReader): TxnBody {
  const code = r.u8();
  const type = KINDS[code];
  switch (type) {
    case 'create':
      return { type, ...CreateTxn.read(r) };
    case 'createWithStat':
      return { type: 'create', withStat: true, ...CreateTxn.read(r) };
    case 'setACL':
      return { type, ...SetAclTxn.read(r) };
    case 'delete':
      return { type, ...DeleteTxn.read(r) };
    case 'setData':
      return { type, ...SetDataTxn.read(r) };
    case 'check':
      return { type, ...CheckTxn.read(r) };
    case 'createSession':
      return { type, ...CreateSessionTxn.read(r) };
    case 'closeSession':
      return { type, ...CloseSessionTxn.read(r) };
    case 'error':
      return { type, ...ErrorTxn.read(r) };
    case 'multi': {
      const count = r.i32();
      if (count < 0 || count > PARTS_MAX) {
        throw new WireError(`expected 0 to ${PARTS_MAX} parts in a multi, got ${count}`);
      }
      const parts: TxnBody[] = [];
      for (let i = 0; i < count; i++) parts.push(readBody(r));
      return { type, parts };
    }
    case 'noop':
      return { type };
    default:
      throw new WireError(`expected a transaction kind of 0 to ${KINDS.length - 1}, got ${code}`);
  }
}

const TxnHeader = record({
  zxid: long,
  session: long,
  cxid: int,
  origin: int,
  request: long,
  op: int,
  timeMs: long,
});

export const TxnCodec: Codec<Txn> = {
  write(w, txn) {
    TxnHeader.write(w, txn);
    writeBody(w, txn.body);
  },
  read(r) {
    return { ...TxnHeader.read(r), body: readBody(r) };
  },
};

/** A transaction with the bytes it has in the log and on the wire, and their CRC32C. */
export interface TxnRecord {
  txn: Txn;
  bytes: Buffer;
  /** CRC32C of `bytes`: the same transaction has the same hash on every server. */
  hash: number;
}

/** Encodes a transaction once. */
export function sealTxn(txn: Txn): TxnRecord {
  const writer = new ByteWriter(128);
  TxnCodec.write(writer, txn);
  const bytes = writer.view();
  return { txn, bytes, hash: crc32c(bytes) };
}

/** Decodes a transaction from its bytes, which are kept. Throws WireError. */
export function openTxn(bytes: Buffer): TxnRecord {
  const reader = new ByteReader(bytes);
  const txn = TxnCodec.read(reader);
  if (reader.remaining > 0) {
    throw new WireError(`expected a transaction of ${reader.position} bytes, got ${bytes.length}`);
  }
  return { txn, bytes, hash: crc32c(bytes) };
}

/** A hash or digest word as the event log prints it: eight hexadecimal digits. */
export function hashHex(hash: number): string {
  return (hash >>> 0).toString(16).padStart(8, '0');
}
