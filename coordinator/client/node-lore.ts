// The client's operations besides those on nodes' data: access lists, counts, whom the server takes the
// client for, many reads at once, and watches that last.
import { AddWatchMode, ErrorCode, Op, WatcherType } from '../protocol/codes.ts';
import {
  type MultiReadOp,
  MultiReadRequest,
  MultiReadResponse,
  type MultiReadResult,
} from '../protocol/multi.ts';
import {
  type Acl,
  AddWatchRequest,
  AddWatchResponse,
  type ClientInfo,
  GetAclRequest,
  GetAclResponse,
  GetAllChildrenNumberRequest,
  GetAllChildrenNumberResponse,
  GetEphemeralsRequest,
  GetEphemeralsResponse,
  SetAclRequest,
  SetAclResponse,
  type Stat,
  WatchesRequest,
  WhoAmIResponse,
} from '../protocol/records.ts';
import { type Result, SessionClient } from './session-client.ts';
import type { LastingKind, WatchCallback } from './watches.ts';

/** Which watches are meant; a lasting one is of both kinds. */
export type WatchType = keyof typeof WatcherType;

/** A read of `multiRead`. */
export const readData = (path: string): MultiReadOp => ({ type: Op.getData, path });
/** A read of `multiRead`. */
export const readChildren = (path: string): MultiReadOp => ({ type: Op.getChildren, path });

export abstract class NodeLoreClient extends SessionClient {
  /** A node's access list; digests are hidden from who may not change it. */
  getAcl(path: string): Promise<Result & { acl: readonly Acl[]; stat: Stat }> {
    return this.call({
      op: Op.getACL,
      what: `getACL ${path}`,
      request: [GetAclRequest, { path }],
      response: GetAclResponse,
    });
  }

  /** Replaces a node's access list; BadVersion unless `version` is its aversion or −1. */
  setAcl(path: string, acl: readonly Acl[], version = -1): Promise<Result & { stat: Stat }> {
    return this.call({
      op: Op.setACL,
      what: `setACL ${path}`,
      request: [SetAclRequest, { path, acl, version }],
      response: SetAclResponse,
    });
  }

  /** Paths of this session's ephemeral nodes that begin with `prefixPath`. */
  getEphemerals(prefixPath = '/'): Promise<Result & { ephemerals: string[] }> {
    return this.call({
      op: Op.getEphemerals,
      what: `getEphemerals ${prefixPath}`,
      request: [GetEphemeralsRequest, { prefixPath }],
      response: GetEphemeralsResponse,
    });
  }

  /** How many nodes are below a node, at any depth. */
  getAllChildrenNumber(path: string): Promise<Result & { totalNumber: number }> {
    return this.call({
      op: Op.getAllChildrenNumber,
      what: `getAllChildrenNumber ${path}`,
      request: [GetAllChildrenNumberRequest, { path }],
      response: GetAllChildrenNumberResponse,
    });
  }

  /** Whom the server takes this connection for. */
  whoAmI(): Promise<Result & { clientInfo: ClientInfo[] }> {
    return this.call({ op: Op.whoAmI, what: 'whoAmI', response: WhoAmIResponse });
  }

  /** Many reads of one state; each succeeds or is refused by itself. */
  async multiRead(reads: MultiReadOp[]): Promise<Result & { results: MultiReadResult[] }> {
    let results: MultiReadResult[] = [];
    const { zxid, connection } = await this.call<MultiReadOp[], Record<never, never>>({
      op: Op.multiRead,
      what: `multiRead of ${reads.length}`,
      request: [MultiReadRequest, reads],
      response: {
        write: () => undefined,
        read: (r) => {
          // The frame's memory is a chunk of the stream, far larger than the data.
          results = MultiReadResponse.read(r).map((each) =>
            each.type === Op.getData && each.data !== null
              ? { ...each, data: Buffer.from(each.data) }
              : each,
          );
          return {};
        },
      },
    });
    return { zxid, connection, results };
  }

  /**
   * Watches a path until the watch is removed; `persistentRecursive` also all below it, without events
   * of lists of children. It is set again on every new connection; what happened in between is not told.
   */
  addWatch(path: string, kind: LastingKind, callback: WatchCallback): Promise<Result> {
    const mode = AddWatchMode[kind];
    return new Promise((resolve, reject) => {
      this.session.request({
        op: Op.addWatch,
        what: `addWatch ${path}`,
        encode: (w) => AddWatchRequest.write(w, { path, mode }),
        accept: ({ zxid, connection, body }) => {
          AddWatchResponse.read(body);
          this.session.watches.add(kind, path, callback);
          resolve({ zxid, connection });
        },
        reject,
      });
    });
  }

  /** Takes watches of a path back. Rejects with NoWatcher when there was none. */
  removeWatches(path: string, type: WatchType = 'any'): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.session.request({
        op: Op.removeWatches,
        what: `removeWatches ${path}`,
        encode: (w) => WatchesRequest.write(w, { path, type: WatcherType[type] }),
        accept: ({ zxid, connection }) => {
          this.session.watches.remove(type, path);
          resolve({ zxid, connection });
        },
        reject,
      });
    });
  }

  /** Whether the server has a watch of this connection on a path, or a recursive one above it. */
  hasWatches(path: string, type: WatchType = 'any'): Promise<Result & { watched: boolean }> {
    return new Promise((resolve, reject) => {
      this.session.request({
        op: Op.checkWatches,
        what: `checkWatches ${path}`,
        tolerated: [ErrorCode.NoWatcher],
        encode: (w) => WatchesRequest.write(w, { path, type: WatcherType[type] }),
        accept: ({ zxid, connection, err }) => {
          resolve({ zxid, connection, watched: err === ErrorCode.Ok });
        },
        reject,
      });
    });
  }
}
