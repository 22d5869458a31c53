// The coordinator's client: ZooKeeper's operations as promises over one session. It speaks to any
// server of the protocol; requests are pipelined, and their results carry the zxid the reply showed.
import { CreateFlag, ErrorCode, Op } from '../protocol/codes.ts';
import type { Codec } from '../protocol/jute.ts';
import { type MultiOp, MultiRequest, MultiResponse, type MultiResult } from '../protocol/multi.ts';
import {
  type Acl,
  Create2Response,
  CreateRequest,
  CreateResponse,
  CreateTtlRequest,
  DeleteRequest,
  ExistsResponse,
  GetChildren2Response,
  GetChildrenResponse,
  GetDataResponse,
  OPEN_ACL,
  ReconfigRequest,
  SetDataRequest,
  SetDataResponse,
  type Stat,
  SyncRequest,
} from '../protocol/records.ts';
import { replyError } from './errors.ts';
import { NodeLoreClient } from './node-lore.ts';
import type { Result } from './session-client.ts';
import type { WatchCallback } from './watches.ts';

export interface CreateOptions {
  /** A number of CreateFlag. Default persistent. */
  flags?: number;
  /** Default: everybody may do everything. */
  acl?: readonly Acl[];
  /** Longest time for this operation, ms. Default: the client's. */
  timeoutMs?: number;
}

const ANY_VERSION = -1;

/**
 * A client with one session. Connects on first use, or by `connect`. After its session expired or it
 * was closed it is of no more use: make a new one. All operations reject with CoordinatorError.
 */
export class CoordinatorClient extends NodeLoreClient {
  /** Creates a node; resolves with its path, which a sequential node's request did not know. */
  create(
    path: string,
    data: Buffer | null,
    { flags = CreateFlag.persistent, acl = OPEN_ACL, timeoutMs }: CreateOptions = {},
  ): Promise<Result & { path: string }> {
    return this.call({
      op: Op.create,
      what: `create ${path}`,
      timeoutMs,
      request: [CreateRequest, { path, data, acl, flags }],
      response: CreateResponse,
    });
  }

  /** As `create`, and tells the new node's Stat. */
  create2(
    path: string,
    data: Buffer | null,
    { flags = CreateFlag.persistent, acl = OPEN_ACL, timeoutMs }: CreateOptions = {},
  ): Promise<Result & { path: string; stat: Stat }> {
    return this.call({
      op: Op.create2,
      what: `create2 ${path}`,
      timeoutMs,
      request: [CreateRequest, { path, data, acl, flags }],
      response: Create2Response,
    });
  }

  /** Creates a container: the leader deletes it some time after its last child went. */
  createContainer(
    path: string,
    data: Buffer | null,
    { flags = CreateFlag.container, acl = OPEN_ACL, timeoutMs }: CreateOptions = {},
  ): Promise<Result & { path: string; stat: Stat }> {
    return this.call({
      op: Op.createContainer,
      what: `createContainer ${path}`,
      timeoutMs,
      request: [CreateRequest, { path, data, acl, flags }],
      response: Create2Response,
    });
  }

  /** Creates a node that the leader deletes when it has no children and nobody changed it for `ttlMs`. */
  createTtl(
    path: string,
    data: Buffer | null,
    ttlMs: number,
    { flags = CreateFlag.persistentWithTtl, acl = OPEN_ACL, timeoutMs }: CreateOptions = {},
  ): Promise<Result & { path: string; stat: Stat }> {
    return this.call({
      op: Op.createTTL,
      what: `createTTL ${path}`,
      timeoutMs,
      request: [CreateTtlRequest, { path, data, acl, flags, ttl: ttlMs }],
      response: Create2Response,
    });
  }

  /** Deletes a node without children; BadVersion unless `version` is its version or −1. */
  delete(path: string, version = ANY_VERSION): Promise<Result> {
    const request: [Codec<DeleteRequest>, DeleteRequest] = [DeleteRequest, { path, version }];
    return this.call({ op: Op.delete, what: `delete ${path}`, request });
  }

  /** `stat` is null when there is no such node. The watch also hears of its creation. */
  exists(path: string, watch?: WatchCallback): Promise<Result & { stat: Stat | null }> {
    return this.read(Op.exists, `exists ${path}`, path, watch, [ErrorCode.NoNode], (reply) => {
      const missing = reply.err === ErrorCode.NoNode;
      return {
        value: { stat: missing ? null : ExistsResponse.read(reply.body).stat },
        kind: missing ? 'exists' : 'data',
      };
    });
  }

  getData(
    path: string,
    watch?: WatchCallback,
  ): Promise<Result & { data: Buffer | null; stat: Stat }> {
    return this.read(Op.getData, `getData ${path}`, path, watch, [], ({ body }) => {
      const { data, stat } = GetDataResponse.read(body);
      // The frame's memory is a chunk of the stream, far larger than the data.
      return { value: { data: data === null ? null : Buffer.from(data), stat }, kind: 'data' };
    });
  }

  /** Replaces a node's data; BadVersion unless `version` is its version or −1. */
  setData(
    path: string,
    data: Buffer | null,
    version = ANY_VERSION,
  ): Promise<Result & { stat: Stat }> {
    return this.call({
      op: Op.setData,
      what: `setData ${path}`,
      request: [SetDataRequest, { path, data, version }],
      response: SetDataResponse,
    });
  }

  /**
   * Changes which servers the ensemble has: who joins (`server.4=host:port:port;port`) and who leaves
   * (ids), or all `members`; `version` is what `/zookeeper/config` must be at, −1 for any.
   */
  reconfig(
    change: { joining?: string[]; leaving?: number[]; members?: string[] },
    version = ANY_VERSION,
  ): Promise<Result & { data: Buffer | null; stat: Stat }> {
    const joined = (items?: readonly (string | number)[]) => items?.join(',') ?? null;
    const request: ReconfigRequest = {
      joiningServers: joined(change.joining),
      leavingServers: joined(change.leaving),
      newMembers: joined(change.members),
      curConfigId: version,
    };
    return this.call({
      op: Op.reconfig,
      what: 'reconfig',
      request: [ReconfigRequest, request],
      response: GetDataResponse,
    });
  }

  /** Names of the node's children, in no particular order. */
  getChildren(path: string, watch?: WatchCallback): Promise<Result & { children: string[] }> {
    return this.read(Op.getChildren, `getChildren ${path}`, path, watch, [], ({ body }) => {
      return { value: GetChildrenResponse.read(body), kind: 'children' };
    });
  }

  /** As `getChildren`, and tells the parent's Stat. */
  getChildren2(
    path: string,
    watch?: WatchCallback,
  ): Promise<Result & { children: string[]; stat: Stat }> {
    return this.read(Op.getChildren2, `getChildren2 ${path}`, path, watch, [], ({ body }) => {
      return { value: GetChildren2Response.read(body), kind: 'children' };
    });
  }

  /** Waits until the server has applied all that was committed when the sync reached the leader. */
  sync(path: string): Promise<Result> {
    return this.call({ op: Op.sync, what: `sync ${path}`, request: [SyncRequest, { path }] });
  }

  /**
   * All operations or none. Rejects when one was refused, with that one's error and everybody's
   * results: 0 for those before it, RuntimeInconsistency for those after it.
   */
  multi(ops: MultiOp[]): Promise<Result & { results: MultiResult[] }> {
    const what = `multi of ${ops.length}`;
    return new Promise((resolve, reject) => {
      this.session.request({
        op: Op.multi,
        what,
        encode: (w) => MultiRequest.write(w, ops),
        accept: ({ zxid, body, connection }) => {
          const results = MultiResponse.read(body);
          const refused = results.find((each) => each.type === Op.error && each.err !== 0);
          if (refused?.type === Op.error) {
            reject(replyError(refused.err, what, zxid, results));
          } else resolve({ zxid, connection, results });
        },
        reject,
      });
    });
  }
}
