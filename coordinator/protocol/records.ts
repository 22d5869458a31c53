// Every record of ZooKeeper's client protocol that we speak, as schemas. Source: zookeeper.jute of
// ZooKeeper 3.8; names and field order are its.
import { ByteReader, ByteWriter } from '../../wire/bytes.ts';
import { frame } from '../../wire/frames.ts';
import { Perm } from './codes.ts';
import {
  bool,
  buffer,
  type Codec,
  encodeBody,
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
export const OPEN_ACL: readonly Acl[] = Object.freeze([
  Object.freeze({ perms: Perm.all, scheme: 'world', id: 'anyone' }),
]);

/** Whether a list says what OPEN_ACL says. */
export function isOpen(acl: readonly Acl[]): boolean {
  if (acl === OPEN_ACL) return true;
  const first = acl[0];
  return (
    acl.length === 1 &&
    first?.perms === Perm.all &&
    first.scheme === 'world' &&
    first.id === 'anyone'
  );
}

const anyAclList: Codec<readonly Acl[]> = vector(Acl);
const OPEN_BYTES = encodeBody(anyAclList, OPEN_ACL);

/** An access control list. Nearly all are the open one, which is known by its bytes. */
export const AclList: Codec<readonly Acl[]> = {
  write(w, acl) {
    if (isOpen(acl)) w.bytes(OPEN_BYTES);
    else anyAclList.write(w, acl);
  },
  read(r) {
    return r.skips(OPEN_BYTES) ? OPEN_ACL : anyAclList.read(r);
  },
};

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

export const CreateRequest = record({ path: text, data: buffer, acl: AclList, flags: int });
export type CreateRequest = Infer<typeof CreateRequest>;
export const CreateResponse = record({ path: text });
export const Create2Response = record({ path: text, stat: Stat });

/** create with a time to live, ms: the node goes when it was not changed that long and has no children. */
export const CreateTtlRequest = record({
  path: text,
  data: buffer,
  acl: AclList,
  flags: int,
  ttl: long,
});
export type CreateTtlRequest = Infer<typeof CreateTtlRequest>;

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
export const GetAclResponse = record({ acl: AclList, stat: Stat });

export const SetAclRequest = record({ path: text, acl: AclList, version: int });
export type SetAclRequest = Infer<typeof SetAclRequest>;
export const SetAclResponse = record({ stat: Stat });

/**
 * Changes the ensemble: by whole list (`newMembers`) or by who joins and who leaves; null where not
 * used. `curConfigId`: the version it must be at; −1: any. Answered as getData of `/zookeeper/config`.
 */
export const ReconfigRequest = record({
  joiningServers: ustring,
  leavingServers: ustring,
  newMembers: ustring,
  curConfigId: long,
});
export type ReconfigRequest = Infer<typeof ReconfigRequest>;

/** All paths of the session's ephemeral nodes that begin with the prefix; null or empty: all. */
export const GetEphemeralsRequest = record({ prefixPath: ustring });
export const GetEphemeralsResponse = record({ ephemerals: vector(text) });

export const GetAllChildrenNumberRequest = record({ path: text });
export const GetAllChildrenNumberResponse = record({ totalNumber: int });

export const ClientInfo = record({ authScheme: text, user: text });
export type ClientInfo = Infer<typeof ClientInfo>;
export const WhoAmIResponse = record({ clientInfo: vector(ClientInfo) });

/** `mode` is a number of AddWatchMode. */
export const AddWatchRequest = record({ path: text, mode: int });
export type AddWatchRequest = Infer<typeof AddWatchRequest>;
export const AddWatchResponse = record({ err: int });

/** checkWatches, removeWatches; `type` is a number of WatcherType. */
export const WatchesRequest = record({ path: text, type: int });
export type WatchesRequest = Infer<typeof WatchesRequest>;

export const SetWatchesRequest = record({
  relativeZxid: long,
  dataWatches: vector(text),
  existWatches: vector(text),
  childWatches: vector(text),
});
export type SetWatchesRequest = Infer<typeof SetWatchesRequest>;

/** setWatches and the persistent ones. */
export const SetWatches2Request = record({
  relativeZxid: long,
  dataWatches: vector(text),
  existWatches: vector(text),
  childWatches: vector(text),
  persistentWatches: vector(text),
  persistentRecursiveWatches: vector(text),
});
export type SetWatches2Request = Infer<typeof SetWatches2Request>;

export const AuthPacket = record({ type: int, scheme: ustring, auth: buffer });

export const WatcherEvent = record({ type: int, state: int, path: text });
export type WatcherEvent = Infer<typeof WatcherEvent>;

/** `readOnly`: it takes a server without a quorum, too; null: it does not know that there are such. */
export type Hello = ConnectRequest & { readOnly: boolean | null };

/** Decodes a ConnectRequest with or without the readOnly byte (44 or 45 bytes with a password). */
export function readConnectRequest(body: Buffer): Hello {
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
