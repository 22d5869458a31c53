// The requests that a server answers by itself: what they carry, and their answers from its own tree.
// Writes and syncs go to the leader and are none of this file's business.
import { type ByteReader, type ByteWriter, WireError } from '../../wire/bytes.ts';
import type { Identity } from '../contract.ts';
import { AddWatchMode, ErrorCode, Op, WatcherType } from '../protocol/codes.ts';
import type { Codec } from '../protocol/jute.ts';
import { type MultiReadOp, MultiReadRequest, MultiReadResponse } from '../protocol/multi.ts';
import {
  AddWatchRequest,
  AddWatchResponse,
  ExistsResponse,
  GetAclRequest,
  GetAclResponse,
  GetAllChildrenNumberRequest,
  GetAllChildrenNumberResponse,
  GetChildren2Response,
  GetChildrenResponse,
  GetDataResponse,
  GetEphemeralsRequest,
  GetEphemeralsResponse,
  PathWatchRequest,
  ReplyHeader,
  SetWatches2Request as SetWatches2,
  type SetWatches2Request,
  SetWatchesRequest,
  WatchesRequest,
  WhoAmIResponse,
} from '../protocol/records.ts';
import type { DataTree } from '../tree/data-tree.ts';
import type { Read } from '../tree/reads.ts';
import type { Watcher, WatchKind } from '../tree/watches.ts';
import { userOf } from './identities.ts';
import { putFrame, putHeader } from './replies.ts';

/** Kinds of watches as events name them. */
export type WatchName = WatchKind | 'persistent' | 'persistentRecursive';

/** A request that this server answers by itself, decoded. */
export type ReadRequest =
  | {
      op: typeof Op.exists | typeof Op.getData | typeof Op.getChildren | typeof Op.getChildren2;
      path: string;
      watch: boolean;
    }
  | { op: typeof Op.getACL | typeof Op.getAllChildrenNumber; path: string }
  | { op: typeof Op.getEphemerals; prefixPath: string | null }
  | { op: typeof Op.whoAmI }
  | { op: typeof Op.multiRead; reads: MultiReadOp[] }
  | { op: typeof Op.addWatch; path: string; mode: 'persistent' | 'recursive' }
  | {
      op: typeof Op.checkWatches | typeof Op.removeWatches;
      path: string;
      kinds: readonly WatchKind[];
    }
  | ({ op: typeof Op.setWatches } & SetWatchesRequest)
  | ({ op: typeof Op.setWatches2 } & SetWatches2Request);

/** Who reads. */
export interface Reader extends Watcher {
  readonly session: number;
}

const MODES = new Map<number, 'persistent' | 'recursive'>([
  [AddWatchMode.persistent, 'persistent'],
  [AddWatchMode.persistentRecursive, 'recursive'],
]);

const KINDS = new Map<number, readonly WatchKind[]>([
  [WatcherType.children, ['children']],
  [WatcherType.data, ['data']],
  [WatcherType.any, ['children', 'data']],
]);

function known<T>(values: ReadonlyMap<number, T>, what: string, number: number): T {
  const value = values.get(number);
  if (value !== undefined) return value;
  throw new WireError(`expected a ${what} of ${[...values.keys()].join(', ')}, got ${number}`);
}

/** Decodes the body of a read; undefined: the operation is no read. Throws WireError. */
export function readRequest(op: number, reader: ByteReader): ReadRequest | undefined {
  switch (op) {
    case Op.exists:
    case Op.getData:
    case Op.getChildren:
    case Op.getChildren2:
      return { op, ...PathWatchRequest.read(reader) };
    case Op.getACL:
      return { op, ...GetAclRequest.read(reader) };
    case Op.getAllChildrenNumber:
      return { op, ...GetAllChildrenNumberRequest.read(reader) };
    case Op.getEphemerals:
      return { op, ...GetEphemeralsRequest.read(reader) };
    case Op.whoAmI:
      return { op };
    case Op.multiRead:
      return { op, reads: MultiReadRequest.read(reader) };
    case Op.addWatch: {
      const { path, mode } = AddWatchRequest.read(reader);
      return { op, path, mode: known(MODES, 'watch mode', mode) };
    }
    case Op.checkWatches:
    case Op.removeWatches: {
      const { path, type } = WatchesRequest.read(reader);
      return { op, path, kinds: known(KINDS, 'watcher type', type) };
    }
    case Op.setWatches:
      return { op, ...SetWatchesRequest.read(reader) };
    case Op.setWatches2:
      return { op, ...SetWatches2.read(reader) };
    default:
      return undefined;
  }
}

/** Puts one reply: its header, and its body when the read succeeded. */
class Replier {
  readonly #writer: ByteWriter;
  readonly #xid: number;
  readonly #zxid: number;

  constructor(writer: ByteWriter, xid: number, zxid: number) {
    this.#writer = writer;
    this.#xid = xid;
    this.#zxid = zxid;
  }

  /** Returns whether the read succeeded. */
  read<T>(read: Read<T>, body: Codec<T>): boolean {
    if (read.ok) this.body(body, read);
    else this.header(read.err);
    return read.ok;
  }

  body<T>(codec: Codec<T>, value: T): void {
    const w = this.#writer;
    putFrame(w, () => {
      ReplyHeader.write(w, { xid: this.#xid, zxid: this.#zxid, err: ErrorCode.Ok });
      codec.write(w, value);
    });
  }

  header(err: number): void {
    putHeader(this.#writer, this.#xid, this.#zxid, err);
  }
}

/** Reads the tree, sets the watch asked for, and puts the reply. Returns the watch set. */
export function putRead(
  w: ByteWriter,
  xid: number,
  request: ReadRequest,
  tree: DataTree,
  reader: Reader,
  identities: readonly Identity[],
): WatchName | undefined {
  const reply = new Replier(w, xid, tree.lastApplied);
  const { op } = request;
  switch (op) {
    case Op.exists:
    case Op.getData:
    case Op.getChildren:
    case Op.getChildren2:
      return putNodeRead(reply, request, tree, reader, identities);
    case Op.getACL:
      reply.read(tree.getAcl(request.path, identities), GetAclResponse);
      return undefined;
    case Op.getAllChildrenNumber:
      reply.read(tree.getAllChildrenNumber(request.path, identities), GetAllChildrenNumberResponse);
      return undefined;
    case Op.getEphemerals: {
      const prefix = request.prefixPath ?? '';
      const all = [...tree.ephemerals(reader.session)].sort();
      const ephemerals = prefix.trim() === '' ? all : all.filter((path) => path.startsWith(prefix));
      reply.body(GetEphemeralsResponse, { ephemerals });
      return undefined;
    }
    case Op.whoAmI: {
      const clientInfo = identities.map((each) => ({
        authScheme: each.scheme,
        user: userOf(each),
      }));
      reply.body(WhoAmIResponse, { clientInfo });
      return undefined;
    }
    case Op.multiRead:
      reply.body(
        MultiReadResponse,
        request.reads.map((each) => readPart(each, tree, identities)),
      );
      return undefined;
    default:
      return putWatchRequest(reply, request, tree, reader);
  }
}

type NodeRead = Extract<ReadRequest, { watch: boolean }>;

function putNodeRead(
  reply: Replier,
  { op, path, watch }: NodeRead,
  tree: DataTree,
  reader: Reader,
  identities: readonly Identity[],
): WatchKind | undefined {
  const watcher = watch ? reader : undefined;
  switch (op) {
    case Op.exists: {
      const read = tree.exists(path, watcher);
      reply.read(read, ExistsResponse);
      // A node that is not there is watched for its creation; a path that cannot be is not.
      return watch && (read.ok || read.err === ErrorCode.NoNode) ? 'exists' : undefined;
    }
    case Op.getData: {
      const done = reply.read(tree.getData(path, watcher, identities), GetDataResponse);
      return done && watch ? 'data' : undefined;
    }
    case Op.getChildren:
    case Op.getChildren2: {
      const read = tree.getChildren(path, watcher, identities);
      const done =
        op === Op.getChildren
          ? reply.read(read, GetChildrenResponse)
          : reply.read(read, GetChildren2Response);
      return done && watch ? 'children' : undefined;
    }
  }
}

function readPart(
  { type, path }: MultiReadOp,
  tree: DataTree,
  identities: readonly Identity[],
): Parameters<typeof MultiReadResponse.write>[1][number] {
  const read =
    type === Op.getData
      ? tree.getData(path, undefined, identities)
      : tree.getChildren(path, undefined, identities);
  if (!read.ok) return { type: Op.error, err: read.err };
  if ('children' in read) return { type: Op.getChildren, children: read.children };
  return { type: Op.getData, data: read.data, stat: read.stat };
}

type WatchRequest = Extract<
  ReadRequest,
  {
    op:
      | typeof Op.addWatch
      | typeof Op.checkWatches
      | typeof Op.removeWatches
      | typeof Op.setWatches
      | typeof Op.setWatches2;
  }
>;

function putWatchRequest(
  reply: Replier,
  request: WatchRequest,
  tree: DataTree,
  reader: Reader,
): WatchName | undefined {
  const { watches } = tree;
  switch (request.op) {
    case Op.addWatch:
      watches.addLasting(request.mode, request.path, reader);
      reply.body(AddWatchResponse, { err: ErrorCode.Ok });
      return request.mode === 'recursive' ? 'persistentRecursive' : 'persistent';
    case Op.checkWatches: {
      const { path, kinds } = request;
      const found = kinds.some((kind) => watches.covers(kind, path, reader));
      reply.header(found ? ErrorCode.Ok : ErrorCode.NoWatcher);
      return undefined;
    }
    case Op.removeWatches: {
      const { path, kinds } = request;
      const removed = kinds.filter((kind) => watches.remove(kind, path, reader));
      reply.header(removed.length > 0 ? ErrorCode.Ok : ErrorCode.NoWatcher);
      return undefined;
    }
    default:
      for (const missed of tree.setWatches(request, reader)) {
        reader.notify(missed, tree.lastApplied);
      }
      reply.header(ErrorCode.Ok);
      return undefined;
  }
}
