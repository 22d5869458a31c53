// A leader of one for tests: prepares requests, remembers their transactions, applies them when told.
// Every transaction goes through its bytes, as it would on the way to disk and to followers.
import { ByteWriter } from '../../wire/bytes.ts';
import type { ApplyResult, ClientRequest, Identity } from '../contract.ts';
import { CreateFlag, Op } from '../protocol/codes.ts';
import { type Codec, text } from '../protocol/jute.ts';
import { type MultiOp, MultiRequest } from '../protocol/multi.ts';
import {
  type Acl,
  CheckVersionRequest,
  CreateRequest,
  CreateTtlRequest,
  DeleteRequest,
  OPEN_ACL,
  SetAclRequest,
  SetDataRequest,
} from '../protocol/records.ts';
import { openTxn, sealTxn, type TxnBody, type TxnRecord } from '../txn.ts';
import { makeZxid, type Zxid } from '../zxid.ts';
import { DataTree } from './data-tree.ts';
import { CreateSessionRequest, type PreparerOptions, TxnPreparer } from './preparer.ts';

/** Bytes of a request body. */
export function encode<T>(codec: Codec<T>, value: T): Buffer {
  const writer = new ByteWriter();
  codec.write(writer, value);
  return writer.toBuffer();
}

/** What a client asks: an operation with its body. */
export interface Ask {
  op: number;
  body: Buffer;
}

type Data = string | Buffer | null;
const bytesOf = (data: Data) => (typeof data === 'string' ? Buffer.from(data) : data);

interface CreateOptions {
  flags?: number;
  acl?: readonly Acl[];
}

const createRequest = (path: string, data: Data, { flags, acl }: CreateOptions) => ({
  path,
  data: bytesOf(data),
  acl: acl ?? OPEN_ACL,
  flags: flags ?? CreateFlag.persistent,
});

/** Operations of a multi. */
export const part = {
  create: (path: string, data: Data = '', options: CreateOptions = {}): MultiOp => ({
    type: Op.create,
    ...createRequest(path, data, options),
  }),
  createContainer: (path: string, data: Data = '', options: CreateOptions = {}): MultiOp => ({
    type: Op.createContainer,
    ...createRequest(path, data, { flags: CreateFlag.container, ...options }),
  }),
  createTtl: (
    path: string,
    ttl: number,
    data: Data = '',
    options: CreateOptions = {},
  ): MultiOp => ({
    type: Op.createTTL,
    ...createRequest(path, data, { flags: CreateFlag.persistentWithTtl, ...options }),
    ttl,
  }),
  delete: (path: string, version = -1): MultiOp => ({ type: Op.delete, path, version }),
  setData: (path: string, data: Data, version = -1): MultiOp => ({
    type: Op.setData,
    path,
    data: bytesOf(data),
    version,
  }),
  check: (path: string, version: number): MultiOp => ({ type: Op.check, path, version }),
};

/** Requests as a client's server would send them on. */
export const ask = {
  create: (path: string, data: Data = '', options: CreateOptions = {}): Ask => ({
    op: Op.create2,
    body: encode(CreateRequest, createRequest(path, data, options)),
  }),
  createContainer: (path: string, data: Data = '', options: CreateOptions = {}): Ask => ({
    op: Op.createContainer,
    body: encode(
      CreateRequest,
      createRequest(path, data, { flags: CreateFlag.container, ...options }),
    ),
  }),
  createTtl: (path: string, ttl: number, data: Data = '', options: CreateOptions = {}): Ask => ({
    op: Op.createTTL,
    body: encode(CreateTtlRequest, {
      ...createRequest(path, data, { flags: CreateFlag.persistentWithTtl, ...options }),
      ttl,
    }),
  }),
  setAcl: (path: string, acl: readonly Acl[], version = -1): Ask => ({
    op: Op.setACL,
    body: encode(SetAclRequest, { path, acl, version }),
  }),
  deleteContainer: (path: string): Ask => ({
    op: Op.deleteContainer,
    body: encode(text, path),
  }),
  delete: (path: string, version = -1): Ask => ({
    op: Op.delete,
    body: encode(DeleteRequest, { path, version }),
  }),
  setData: (path: string, data: Data, version = -1): Ask => ({
    op: Op.setData,
    body: encode(SetDataRequest, { path, data: bytesOf(data), version }),
  }),
  check: (path: string, version: number): Ask => ({
    op: Op.check,
    body: encode(CheckVersionRequest, { path, version }),
  }),
  multi: (...ops: MultiOp[]): Ask => ({ op: Op.multi, body: encode(MultiRequest, ops) }),
  createSession: (timeoutMs = 1000): Ask => ({
    op: Op.createSession,
    body: encode(CreateSessionRequest, { timeoutMs, password: Buffer.alloc(16, 7) }),
  }),
  configure: (description: string): Ask => ({
    op: Op.reconfig,
    body: encode(text, description),
  }),
  closeSession: (): Ask => ({ op: Op.closeSession, body: Buffer.alloc(0) }),
};

/** Prepares and applies, with as much in between as the test likes. */
export class SoloLeader {
  readonly tree: DataTree;
  readonly preparer: TxnPreparer;
  readonly records: TxnRecord[] = [];
  #zxid: Zxid;
  #applied = 0;

  constructor(tree = new DataTree(), first: Zxid = makeZxid(1, 1), options?: PreparerOptions) {
    this.tree = tree;
    this.preparer = new TxnPreparer(tree, options);
    this.#zxid = first - 1;
  }

  get waiting(): number {
    return this.records.length - this.#applied;
  }

  /** The time of the transaction to come. */
  static timeOf(zxid: Zxid): number {
    return 1_700_000_000_000 + (zxid >>> 0);
  }

  /** Decides a request; it is applied later. Returns its zxid and what was decided. */
  prepare(
    { op, body }: Ask,
    session = 0,
    identities: readonly Identity[] = [],
  ): { zxid: Zxid; body: TxnBody } {
    const zxid = ++this.#zxid;
    const request: ClientRequest = {
      origin: 1,
      request: zxid,
      session,
      cxid: 0,
      op,
      body,
      identities,
    };
    const timeMs = SoloLeader.timeOf(zxid);
    const decided = this.preparer.prepare(request, zxid, timeMs);
    const header = { zxid, session, cxid: 0, origin: 1, request: zxid, op, timeMs };
    const { bytes } = sealTxn({ ...header, body: decided });
    this.records.push(openTxn(Buffer.from(bytes)));
    return { zxid, body: decided };
  }

  /** Applies the oldest of those that wait. */
  applyNext(): ApplyResult {
    const record = this.records[this.#applied++];
    if (record === undefined) throw new Error('expected a transaction to apply, none waits');
    const result = this.tree.apply(record);
    this.preparer.applied(record.txn.zxid);
    return result;
  }

  /** Prepares and applies at once, with everything that waited before. */
  run(
    request: Ask,
    session = 0,
    identities: readonly Identity[] = [],
  ): ApplyResult & { zxid: Zxid } {
    const { zxid } = this.prepare(request, session, identities);
    while (this.waiting > 1) this.applyNext();
    return { ...this.applyNext(), zxid };
  }

  /** Opens a session and returns its id. */
  open(timeoutMs = 1000): number {
    return this.run(ask.createSession(timeoutMs)).zxid;
  }
}
