// Every record of ZooKeeper's client protocol that we speak, as schemas. Source: zookeeper.jute of
// ZooKeeper 3.8; names and field order are its.
import { ByteReader, ByteWriter, WireError } from '../../wire/bytes.ts';
import { frame } from '../../wire/frames.ts';
import { Op, Perm } from './codes.ts';
import {
  bool,
  buffer,
  type Codec,
  type Infer,
  id64,
  int,
  long,
  record,
  text,
  ustring,
  vector,
} from './jute.ts';

export const Acl = record({ perms: int, scheme: ustring, id: ustring });
export type Acl = Infer<typeof Acl>;

/** world:anyone may do everything. */
export const OPEN_ACL: Acl[] = [{ perms: Perm.all, scheme: 'world', id: 'anyone' }];

export const Stat = record({
  czxid: long,
  mzxid: long,
  ctime: long,
  mtime: long,
  version: int,
  cversion: int,
  aversion: int,
  ephemeralOwner: id64,
  dataLength: int,
  numChildren: int,
  pzxid: long,
});
export type Stat = Infer<typeof Stat>;

/** The trailing readOnly byte is absent from old clients; see `readConnectRequest`. */
export const ConnectRequest = record({
  protocolVersion: int,
  lastZxidSeen: long,
  timeOut: int,
  sessionId: id64,
  passwd: buffer,
});
export type ConnectRequest = Infer<typeof ConnectRequest>;

export const ConnectResponse = record({
  protocolVersion: int,
  timeOut: int,
  sessionId: id64,
  passwd: buffer,
});
export type ConnectResponse = Infer<typeof ConnectResponse>;

export const RequestHeader = record({ xid: int, type: int });
export type RequestHeader = Infer<typeof RequestHeader>;

export const ReplyHeader = record({ xid: int, zxid: long, err: int });
export type ReplyHeader = Infer<typeof ReplyHeader>;

export const CreateRequest = record({ path: text, data: buffer, acl: vector(Acl), flags: int });
export type CreateRequest = Infer<typeof CreateRequest>;
export const CreateResponse = record({ path: text });
export const Create2Response = record({ path: text, stat: Stat });

export const DeleteRequest = record({ path: text, version: int });
export type DeleteRequest = Infer<typeof DeleteRequest>;

/** exists, getData, getChildren, getChildren2. */
export const PathWatchRequest = record({ path: text, watch: bool });
export type PathWatchRequest = Infer<typeof PathWatchRequest>;
export const ExistsResponse = record({ stat: Stat });
export const GetDataResponse = record({ data: buffer, stat: Stat });
export const GetChildrenResponse = record({ children: vector(text) });
export const GetChildren2Response = record({ children: vector(text), stat: Stat });

export const SetDataRequest = record({ path: text, data: buffer, version: int });
export type SetDataRequest = Infer<typeof SetDataRequest>;
export const SetDataResponse = record({ stat: Stat });

export const CheckVersionRequest = record({ path: text, version: int });
export type CheckVersionRequest = Infer<typeof CheckVersionRequest>;

export const SyncRequest = record({ path: text });
export const SyncResponse = record({ path: text });

export const GetAclRequest = record({ path: text });
export const GetAclResponse = record({ acl: vector(Acl), stat: Stat });

export const SetWatchesRequest = record({
  relativeZxid: long,
  dataWatches: vector(text),
  existWatches: vector(text),
  childWatches: vector(text),
});
export type SetWatchesRequest = Infer<typeof SetWatchesRequest>;

export const AuthPacket = record({ type: int, scheme: ustring, auth: buffer });

export const WatcherEvent = record({ type: int, state: int, path: text });
export type WatcherEvent = Infer<typeof WatcherEvent>;

const MultiHeader = record({ type: int, done: bool, err: int });
const ErrorResult = record({ err: int });

/** One operation of a multi. */
export type MultiOp =
  | ({ type: typeof Op.create | typeof Op.create2 } & CreateRequest)
  | ({ type: typeof Op.delete } & DeleteRequest)
  | ({ type: typeof Op.setData } & SetDataRequest)
  | ({ type: typeof Op.check } & CheckVersionRequest);

/** One result of a multi. All are `error` when the multi failed; err 0 marks ops before the culprit. */
export type MultiResult =
  | { type: typeof Op.create; path: string }
  | { type: typeof Op.create2; path: string; stat: Stat }
  | { type: typeof Op.delete }
  | { type: typeof Op.setData; stat: Stat }
  | { type: typeof Op.check }
  | { type: typeof Op.error; err: number };

const MULTI_END = { type: -1, done: true, err: -1 };

/** Request body of multi: headers and requests until `done`. */
export const MultiRequest: Codec<MultiOp[]> = {
  write(w, ops) {
    for (const op of ops) {
      MultiHeader.write(w, { type: op.type, done: false, err: -1 });
      switch (op.type) {
        case Op.create:
        case Op.create2:
          CreateRequest.write(w, op);
          break;
        case Op.delete:
          DeleteRequest.write(w, op);
          break;
        case Op.setData:
          SetDataRequest.write(w, op);
          break;
        case Op.check:
          CheckVersionRequest.write(w, op);
          break;
      }
    }
    MultiHeader.write(w, MULTI_END);
  },
  read(r) {
    const ops: MultiOp[] = [];
    for (;;) {
      const { type, done } = MultiHeader.read(r);
      if (done) return ops;
      switch (type) {
        case Op.create:
        case Op.create2:
          ops.push({ type, ...CreateRequest.read(r) });
          break;
        case Op.delete:
          ops.push({ type, ...DeleteRequest.read(r) });
          break;
        case Op.setData:
          ops.push({ type, ...SetDataRequest.read(r) });
          break;
        case Op.check:
          ops.push({ type, ...CheckVersionRequest.read(r) });
          break;
        default:
          throw new WireError(`expected create, delete, setData or check in a multi, got ${type}`);
      }
    }
  },
};

/** Response body of multi. */
export const MultiResponse: Codec<MultiResult[]> = {
  write(w, results) {
    for (const result of results) {
      const err = result.type === Op.error ? result.err : 0;
      MultiHeader.write(w, { type: result.type, done: false, err });
      if (result.type === Op.create) CreateResponse.write(w, result);
      else if (result.type === Op.create2) Create2Response.write(w, result);
      else if (result.type === Op.setData) SetDataResponse.write(w, result);
      else if (result.type === Op.error) ErrorResult.write(w, result);
    }
    MultiHeader.write(w, MULTI_END);
  },
  read(r) {
    const results: MultiResult[] = [];
    for (;;) {
      const { type, done } = MultiHeader.read(r);
      if (done) return results;
      switch (type) {
        case Op.create:
          results.push({ type, ...CreateResponse.read(r) });
          break;
        case Op.create2:
          results.push({ type, ...Create2Response.read(r) });
          break;
        case Op.delete:
        case Op.check:
          results.push({ type });
          break;
        case Op.setData:
          results.push({ type, ...SetDataResponse.read(r) });
          break;
        case Op.error:
          results.push({ type, ...ErrorResult.read(r) });
          break;
        default:
          throw new WireError(`expected a known result type in a multi, got ${type}`);
      }
    }
  },
};

/** Decodes a ConnectRequest with or without the readOnly byte (44 or 45 bytes with a password). */
export function readConnectRequest(body: Buffer): ConnectRequest & { readOnly: boolean | null } {
  const reader = new ByteReader(body);
  const request = ConnectRequest.read(reader);
  return { ...request, readOnly: reader.remaining > 0 ? reader.bool() : null };
}

/** Encodes one frame from its parts in order: `[codec, value]` pairs. */
export function encodeFrame(...parts: [Codec<never>, unknown][]): Buffer {
  const writer = new ByteWriter();
  for (const [codec, value] of parts) (codec as Codec<unknown>).write(writer, value);
  return frame(writer.view());
}
