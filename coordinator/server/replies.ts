// Encodes everything that a server says to a client: replies, notifications, connect responses. Kept
// apart from connections so that what is said for which outcome can be read in one place.
import type { ByteWriter } from '../../wire/bytes.ts';
import type { ApplyResult } from '../contract.ts';
import { ErrorCode, EventType, Op, Xid } from '../protocol/codes.ts';
import { MultiResponse } from '../protocol/multi.ts';
import {
  ConnectResponse,
  Create2Response,
  CreateResponse,
  GetDataResponse,
  ReplyHeader,
  SetAclResponse,
  SetDataResponse,
  SyncResponse,
  WatcherEvent,
} from '../protocol/records.ts';
import type { Zxid } from '../zxid.ts';

const PREFIX_BYTES = 4;
const NO_PASSWORD = Buffer.alloc(16);

/** Puts one length-prefixed frame whose body `encode` writes. */
export function putFrame(w: ByteWriter, encode: () => void): void {
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
  /** The server has no quorum. */
  readOnly?: boolean;
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
    if (withReadOnly) w.bool(welcome.readOnly === true);
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
    const { path, stat, multi, data } = result;
    switch (op) {
      case Op.create:
        CreateResponse.write(w, { path: present(path, 'path', op) });
        break;
      case Op.create2:
      case Op.createContainer:
      case Op.createTTL:
        Create2Response.write(w, {
          path: present(path, 'path', op),
          stat: present(stat, 'stat', op),
        });
        break;
      case Op.setData:
        SetDataResponse.write(w, { stat: present(stat, 'stat', op) });
        break;
      case Op.reconfig:
        GetDataResponse.write(w, { data: data ?? null, stat: present(stat, 'stat', op) });
        break;
      case Op.setACL:
        SetAclResponse.write(w, { stat: present(stat, 'stat', op) });
        break;
      case Op.multi:
        MultiResponse.write(w, present(multi, 'multi', op));
        break;
      default:
        break;
    }
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

const EVENT_NAMES = new Map<number, string>(
  Object.entries(EventType).map(([name, code]) => [code, name]),
);

/** The name of a watch event's type. */
export function eventName(type: number): string {
  return EVENT_NAMES.get(type) ?? `event ${type}`;
}
