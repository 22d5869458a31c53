// Encodes everything that a server says to a client: replies, notifications, connect responses. Kept
// apart from connections so that what is said for which outcome can be read in one place.
import { ByteReader, type ByteWriter } from '../../wire/bytes.ts';
import type { ApplyResult } from '../contract.ts';
import { ErrorCode, EventType, Op, Xid } from '../protocol/codes.ts';
import type { Codec } from '../protocol/jute.ts';
import {
  ConnectResponse,
  Create2Response,
  CreateResponse,
  ExistsResponse,
  GetChildren2Response,
  GetChildrenResponse,
  GetDataResponse,
  MultiResponse,
  PathWatchRequest,
  ReplyHeader,
  SetDataResponse,
  SetWatchesRequest,
  SyncRequest,
  SyncResponse,
  WatcherEvent,
} from '../protocol/records.ts';
import type { DataTree, Read } from '../tree/data-tree.ts';
import type { Watcher, WatchKind } from '../tree/watches.ts';
import type { Zxid } from '../zxid.ts';

const PREFIX_BYTES = 4;
const NO_PASSWORD = Buffer.alloc(16);

/** Puts one length-prefixed frame whose body `encode` writes. */
function putFrame(w: ByteWriter, encode: () => void): void {
  const at = w.length;
  w.i32(0);
  encode();
  w.patchI32(at, w.length - at - PREFIX_BYTES);
}

/** A reply that is a header alone: pings, deletes, errors. */
export function putHeader(w: ByteWriter, xid: number, zxid: Zxid, err: number): void {
  putFrame(w, () => ReplyHeader.write(w, { xid, zxid, err }));
}

/** The answer to a connection request. */
export interface Welcome {
  /** Negotiated, ms; 0: the session is over. */
  timeoutMs: number;
  session: number;
  password: Buffer;
}

/** What a client is told whose session has expired, or never was. */
export const SESSION_OVER: Welcome = { timeoutMs: 0, session: 0, password: NO_PASSWORD };

/** `withReadOnly`: the client sent that byte, so it expects one. */
export function putWelcome(w: ByteWriter, welcome: Welcome, withReadOnly: boolean): void {
  putFrame(w, () => {
    ConnectResponse.write(w, {
      protocolVersion: 0,
      timeOut: welcome.timeoutMs,
      sessionId: BigInt(welcome.session),
      passwd: welcome.password,
    });
    if (withReadOnly) w.bool(false);
  });
}

export function putNotification(w: ByteWriter, event: WatcherEvent): void {
  putFrame(w, () => {
    ReplyHeader.write(w, { xid: Xid.notification, zxid: -1, err: ErrorCode.Ok });
    WatcherEvent.write(w, event);
  });
}

/** The reply to a write that became a transaction. */
export function putResult(
  w: ByteWriter,
  xid: number,
  zxid: Zxid,
  op: number,
  result: ApplyResult,
): void {
  putFrame(w, () => {
    // A multi that failed says so in its results; its header is that of a success (ZooKeeper 3.8).
    const err = result.multi === undefined ? result.err : ErrorCode.Ok;
    ReplyHeader.write(w, { xid, zxid, err });
    if (err !== ErrorCode.Ok) return;
    const { path, stat, multi } = result;
    if (op === Op.create) CreateResponse.write(w, { path: present(path, 'path', op) });
    else if (op === Op.create2) {
      Create2Response.write(w, {
        path: present(path, 'path', op),
        stat: present(stat, 'stat', op),
      });
    } else if (op === Op.setData) SetDataResponse.write(w, { stat: present(stat, 'stat', op) });
    else if (op === Op.multi) MultiResponse.write(w, present(multi, 'multi', op));
  });
}

function present<T>(value: T | undefined, field: string, op: number): T {
  if (value === undefined) {
    throw new Error(`expected ApplyResult.${field} for a successful operation ${op}, got none`);
  }
  return value;
}

export function putSynced(w: ByteWriter, xid: number, zxid: Zxid, path: string): void {
  putFrame(w, () => {
    ReplyHeader.write(w, { xid, zxid, err: ErrorCode.Ok });
    SyncResponse.write(w, { path });
  });
}

/** A request that this server answers by itself, decoded. */
export type ReadRequest =
  | {
      op: typeof Op.exists | typeof Op.getData | typeof Op.getChildren | typeof Op.getChildren2;
      path: string;
      watch: boolean;
    }
  | ({ op: typeof Op.setWatches } & SetWatchesRequest);

/** Decodes the body of a read; undefined: the operation is no read. Throws WireError. */
export function readRequest(op: number, reader: ByteReader): ReadRequest | undefined {
  switch (op) {
    case Op.exists:
    case Op.getData:
    case Op.getChildren:
    case Op.getChildren2:
      return { op, ...PathWatchRequest.read(reader) };
    case Op.setWatches:
      return { op, ...SetWatchesRequest.read(reader) };
    default:
      return undefined;
  }
}

/** The path a sync names. Throws WireError. */
export function syncPath(body: Buffer): string {
  return SyncRequest.read(new ByteReader(body)).path;
}

/** Reads the tree, sets the watch asked for, and puts the reply. Returns the watch set. */
export function putRead(
  w: ByteWriter,
  xid: number,
  request: ReadRequest,
  tree: DataTree,
  watcher: Watcher,
): WatchKind | undefined {
  const zxid = tree.lastApplied;
  if (request.op === Op.setWatches) {
    for (const missed of tree.setWatches(request, watcher)) watcher.notify(missed, zxid);
    putHeader(w, xid, zxid, ErrorCode.Ok);
    return undefined;
  }
  const { op, path } = request;
  const watching = request.watch ? watcher : undefined;
  const put = <T>(read: Read<T>, body: Codec<T>) => {
    putFrame(w, () => {
      ReplyHeader.write(w, { xid, zxid, err: read.ok ? ErrorCode.Ok : read.err });
      if (read.ok) body.write(w, read);
    });
    return read.ok && request.watch;
  };
  switch (op) {
    case Op.exists:
      put(tree.exists(path, watching), ExistsResponse);
      // A node that is not there is watched for its creation.
      return request.watch ? 'exists' : undefined;
    case Op.getData:
      return put(tree.getData(path, watching), GetDataResponse) ? 'data' : undefined;
    case Op.getChildren:
      return put(tree.getChildren(path, watching), GetChildrenResponse) ? 'children' : undefined;
    case Op.getChildren2:
      return put(tree.getChildren(path, watching), GetChildren2Response) ? 'children' : undefined;
  }
}

const EVENT_NAMES = new Map<number, string>(
  Object.entries(EventType).map(([name, code]) => [code, name]),
);

/** The name of a watch event's type. */
export function eventName(type: number): string {
  return EVENT_NAMES.get(type) ?? `event ${type}`;
}
