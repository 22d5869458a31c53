// The whole state as bytes and back: what a snapshot file holds and what a learner far behind is sent.
// Loading trusts nothing: it rebuilds the digest from the content and compares.
import { setImmediate } from 'node:timers/promises';
import { ByteReader, ByteWriter, WireError } from '../../wire/bytes.ts';
import { crc32c } from '../../wire/crc32c.ts';
import { FrameSplitter } from '../../wire/frames.ts';
import type { Session } from '../contract.ts';
import { buffer, type Codec, int, long, record, text } from '../protocol/jute.ts';
import { type Acl, AclList } from '../protocol/records.ts';
import type { SharedAcl } from './acls.ts';
import { isOwner } from './lifetimes.ts';
import { StateError, TreeState } from './tree-state.ts';
import { type NodeImage, ZNode } from './znode.ts';

/** A snapshot that cannot be used; another one, or a sync from the leader, can. */
export class SnapshotError extends Error {
  override name = 'SnapshotError';
}

/** Every snapshot begins with this: `CTR` and the version of the format. */
const MAGIC = 0x43545202;
/** Version 1 knew neither containers nor times to live, and is otherwise the same. */
const MAGIC_1 = 0x43545201;
const CHUNK_BYTES = 1 << 20;
/** A node's data and its path, each within the client's frame limit, and its Stat. */
const RECORD_BYTES_MAX = 4 << 20;

// The stream is length-prefixed records: one header, then as many ACLs, sessions and nodes as it
// says. How it is cut into chunks means nothing, so a reader may hand it over in any pieces.
const Header = record({
  magic: int,
  lastApplied: long,
  digest: text,
  acls: int,
  sessions: int,
  nodes: int,
});
const SessionRecord = record({ id: long, timeoutMs: int, password: buffer });
const NodeRecord = record({
  path: text,
  data: buffer,
  /** Index into the ACLs. */
  acl: int,
  ephemeralOwner: long,
  czxid: long,
  mzxid: long,
  pzxid: long,
  ctime: long,
  mtime: long,
  version: int,
  created: int,
  aversion: int,
});

class ChunkWriter {
  readonly chunks: Buffer[] = [];
  readonly #writer = new ByteWriter(CHUNK_BYTES);

  put<T>(codec: Codec<T>, value: T, bytesAbout: number): void {
    const writer = this.#writer;
    if (writer.length > 0 && writer.length + bytesAbout > CHUNK_BYTES) this.cut();
    const at = writer.length;
    writer.i32(0);
    codec.write(writer, value);
    writer.patchI32(at, writer.length - at - 4);
  }

  cut(): void {
    if (this.#writer.length > 0) this.chunks.push(this.#writer.toBuffer());
    this.#writer.reset();
  }
}

const HeaderWithCrc: Codec<Parameters<typeof Header.write>[1]> = {
  write(writer, value) {
    const at = writer.length;
    Header.write(writer, value);
    writer.u32(crc32c(writer.view(), 0, at));
  },
  read(reader) {
    const at = reader.position;
    const magic = new ByteReader(reader.buffer, at).i32();
    if (magic !== MAGIC && magic !== MAGIC_1) {
      throw new WireError(
        'it does not begin as a snapshot of format 1 or 2 does; a later release may have written it',
      );
    }
    const value = Header.read(reader);
    const crc = crc32c(reader.buffer, 0, at, reader.position);
    if (reader.u32() !== crc) throw new WireError('the header does not match its checksum');
    return value;
  },
};

/** Writes a state's records in their order; the header and the lists at once, nodes as they are given. */
class StateWriter {
  readonly #out = new ChunkWriter();
  readonly #index = new Map<SharedAcl, number>();

  constructor(state: TreeState) {
    for (const shared of state.acls.lists()) this.#index.set(shared, this.#index.size);
    this.#out.put(
      HeaderWithCrc,
      {
        magic: MAGIC,
        lastApplied: state.lastApplied,
        digest: state.digest(),
        acls: this.#index.size,
        sessions: state.sessionCount,
        nodes: state.nodes.size,
      },
      128,
    );
    for (const shared of this.#index.keys()) this.#out.put(AclList, shared.acl, shared.key.length);
    for (const session of state.sessions()) this.#out.put(SessionRecord, session, 64);
  }

  node(node: NodeImage): void {
    const { path, data, ephemeralOwner, czxid, mzxid, pzxid, ctime, mtime } = node;
    const { version, created, aversion } = node;
    const acl = this.#index.get(node.acl) as number;
    const times = { czxid, mzxid, pzxid, ctime, mtime };
    const value = { path, data, acl, ephemeralOwner, ...times, version, created, aversion };
    this.#out.put(NodeRecord, value, 96 + path.length * 3 + (data?.length ?? 0));
  }

  finish(): Buffer[] {
    this.#out.cut();
    return this.#out.chunks;
  }
}

/** The state as bytes, in chunks of at most about 1 MB (one record is never divided). */
export function serializeState(state: TreeState): Buffer[] {
  const writer = new StateWriter(state);
  // In order of creation, which puts parents first and keeps the order of children over a load.
  for (const node of state.nodes.values()) writer.node(node);
  return writer.finish();
}

/** So many take some 10 ms, which clients and peers can wait. */
const NODES_PER_TURN = 5_000;

/**
 * What `serializeState` would give now, made over several turns of the loop when there are more nodes than
 * one turn takes. What is applied meanwhile is not in it.
 */
export function captureState(
  state: TreeState,
  nodesPerTurn = NODES_PER_TURN,
): Buffer[] | Promise<Buffer[]> {
  return state.nodes.size <= nodesPerTurn
    ? serializeState(state)
    : captureInTurns(state, nodesPerTurn);
}

async function captureInTurns(state: TreeState, nodesPerTurn: number): Promise<Buffer[]> {
  const writer = new StateWriter(state);
  const nodes = [...state.nodes.values()];
  const before = state.keepBefore();
  try {
    for (let at = 0; at < nodes.length; at += nodesPerTurn) {
      if (at > 0) await setImmediate();
      for (const node of nodes.slice(at, at + nodesPerTurn)) {
        writer.node(before.get(node) ?? node);
      }
    }
    return writer.finish();
  } finally {
    state.forgetBefore();
  }
}

class StateLoader {
  readonly #state = new TreeState();
  readonly #acls: (readonly Acl[])[] = [];
  #header: Parameters<typeof Header.write>[1] | null = null;
  #sessionsLeft = 0;

  take(body: Buffer): void {
    const reader = new ByteReader(body);
    this.#takeRecord(reader);
    if (reader.remaining > 0) {
      throw new WireError(`a record is ${reader.remaining} bytes longer than its content`);
    }
  }

  #takeRecord(reader: ByteReader): void {
    const header = this.#header;
    if (header === null) {
      this.#header = HeaderWithCrc.read(reader);
      this.#state.lastApplied = this.#header.lastApplied;
      this.#sessionsLeft = this.#header.sessions;
    } else if (this.#acls.length < header.acls) {
      this.#acls.push(AclList.read(reader));
    } else if (this.#sessionsLeft > 0) {
      this.#sessionsLeft--;
      this.#addSession(SessionRecord.read(reader));
    } else {
      this.#addNode(reader);
    }
  }

  #addSession(value: Omit<Session, 'password'> & { password: Buffer | null }): void {
    this.#state.addSession({ ...value, password: Buffer.from(value.password ?? []) });
  }

  #addNode(reader: ByteReader): void {
    const state = this.#state;
    const value = NodeRecord.read(reader);
    const { path, ephemeralOwner: owner } = value;
    const acl = this.#acls[value.acl];
    if (acl === undefined) {
      throw new WireError(`${path} has ACL ${value.acl} of ${this.#acls.length}`);
    }
    if (!isOwner(owner) || (owner > 0 && state.session(owner) === undefined)) {
      throw new WireError(`${path} belongs to 0x${owner.toString(16)}, which is no session`);
    }
    const data = value.data === null ? null : Buffer.from(value.data);
    const node = new ZNode(path, data, state.acls.take(acl), owner, value.czxid, value.ctime);
    node.mzxid = value.mzxid;
    node.pzxid = value.pzxid;
    node.mtime = value.mtime;
    node.version = value.version;
    node.created = value.created;
    node.aversion = value.aversion;
    state.adopt(node);
  }

  finish(bytesLeft: number): TreeState {
    const header = this.#header;
    const state = this.#state;
    if (header === null) throw new WireError('it is empty');
    if (bytesLeft > 0 || state.nodes.size !== header.nodes || this.#sessionsLeft > 0) {
      throw new WireError(
        `it is cut off or too long: expected ${header.sessions} sessions and ${header.nodes} nodes, ` +
          `got ${header.sessions - this.#sessionsLeft} and ${state.nodes.size}` +
          ` with ${bytesLeft} bytes left over`,
      );
    }
    state.rehashAll();
    if (state.digest() !== header.digest) {
      throw new WireError(
        `its content has digest ${state.digest()}, the server that wrote it had ${header.digest}`,
      );
    }
    return state;
  }
}

/** The state that `serializeState` wrote, however its bytes are cut. Throws SnapshotError. */
export function loadState(chunks: readonly Buffer[]): TreeState {
  const loader = new StateLoader();
  const splitter = new FrameSplitter(RECORD_BYTES_MAX);
  try {
    for (const chunk of chunks) {
      splitter.feed(chunk, (body) => {
        loader.take(body);
        return true;
      });
    }
    return loader.finish(splitter.pendingBytes);
  } catch (error) {
    if (!(error instanceof WireError || error instanceof StateError)) throw error;
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    throw new SnapshotError(
      `this snapshot of ${bytes} bytes cannot be loaded: ${error.message}. ` +
        `Use an older snapshot with its log, or let this server take the state from the leader`,
    );
  }
}

/** The zxid a serialised state is at, from its first chunk. Throws SnapshotError. */
export function snapshotZxid(firstChunk: Buffer): number {
  try {
    const reader = new ByteReader(firstChunk);
    reader.i32();
    return HeaderWithCrc.read(reader).lastApplied;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw new SnapshotError(`expected the beginning of a snapshot: ${error.message}`);
  }
}
