// The requests of one connection, answered strictly in the order they came. Many may be outstanding;
// a read waits for the writes before it (ZOOKEEPER-1863), and nothing passes a sync.
import type { ByteWriter } from '../../wire/bytes.ts';
import type { ApplyResult, Identity } from '../contract.ts';
import { ErrorCode, Op } from '../protocol/codes.ts';
import type { DataTree } from '../tree/data-tree.ts';
import type { Zxid } from '../zxid.ts';
import { putRead, type Reader, type ReadRequest, type WatchName } from './reads.ts';
import { putHeader, putResult, putSynced } from './replies.ts';

/** A request taken and not yet answered. */
export interface Outstanding {
  xid: number;
  op: number;
  receivedMs: number;
  /** Who the connection had shown to be when it came. */
  identities: readonly Identity[];
  /** This server's number for it, once it was handed to consensus. */
  request?: number;
  work: Work;
}

/** What is to be done for a request. */
export type Work =
  | { kind: 'read'; read: ReadRequest }
  | { kind: 'write'; body: Buffer; outcome?: { zxid: Zxid; result: ApplyResult } }
  | { kind: 'sync'; path: string; confirmed?: Zxid }
  /** `ending`: the refusal is also the end of the connection, for this reason. */
  | { kind: 'refusal'; err: number; ending?: string };

/** What a pipeline asks of its connection and server. */
export interface PipelineHost extends Reader {
  readonly tree: DataTree;
  /** Where replies are put. */
  readonly out: ByteWriter;
  /** Whether more output may be produced now. */
  readonly writable: boolean;
  /** Hands a write or a sync to consensus and numbers it. */
  hand(entry: Outstanding): void;
  answered(entry: Outstanding, watch: WatchName | undefined): void;
  /** The reply just put ends the connection. */
  finish(reason: string): void;
}

export class RequestPipeline {
  readonly #host: PipelineHost;
  readonly #queue: Outstanding[] = [];
  /** Syncs in the queue. */
  #syncs = 0;
  #ended = false;
  #advancing = false;

  constructor(host: PipelineHost) {
    this.#host = host;
  }

  /** Requests taken and not yet answered. */
  get size(): number {
    return this.#queue.length;
  }

  /** Takes the next request of the connection. */
  take(entry: Outstanding): void {
    if (this.#ended) return;
    const { kind } = entry.work;
    this.#queue.push(entry);
    if (kind === 'sync') {
      this.#syncs++;
      this.#host.hand(entry);
    } else if (kind === 'write') {
      // The sync's reply will carry a zxid of the leader's choice; a write already under way could
      // then be answered with a smaller one, and reply zxids of a session never decrease (I-C3).
      if (this.#syncs === 0) this.#host.hand(entry);
    } else if (this.#queue.length === 1) this.advance();
  }

  /** Answers what can be answered, from the oldest on. */
  advance(): void {
    // An answer may hand over a write that is applied at once and comes back here.
    if (this.#advancing) return;
    this.#advancing = true;
    for (;;) {
      const head = this.#queue[0];
      if (head === undefined || this.#ended || !this.#host.writable || !this.#ready(head)) break;
      this.#queue.shift();
      this.#answer(head);
    }
    this.#advancing = false;
  }

  /** The connection is gone: nothing more is answered. Returns what was outstanding. */
  end(): Outstanding[] {
    this.#ended = true;
    return this.#queue.splice(0);
  }

  #ready({ work }: Outstanding): boolean {
    if (work.kind === 'write') return work.outcome !== undefined;
    if (work.kind !== 'sync') return true;
    return work.confirmed !== undefined && this.#host.tree.lastApplied >= work.confirmed;
  }

  #answer(entry: Outstanding): void {
    const { out, tree } = this.#host;
    const { work, xid, op } = entry;
    let watch: WatchName | undefined;
    let ending: string | undefined;
    if (work.kind === 'read') watch = this.#read(entry, work.read);
    else if (work.kind === 'refusal') {
      putHeader(out, xid, tree.lastApplied, work.err);
      ending = work.ending;
    } else if (work.kind === 'sync') putSynced(out, xid, tree.lastApplied, work.path);
    else if (work.outcome !== undefined) {
      const { zxid, result } = work.outcome;
      // As in ZooKeeper an error of the connection, not of the request: no client expects it as a reply.
      if (result.err === ErrorCode.SessionMoved) ending = 'the session moved to another server';
      else {
        putResult(out, xid, zxid, op, result);
        if (op === Op.closeSession) ending = 'the client closed its session';
      }
    }
    this.#host.answered(entry, watch);
    if (work.kind === 'sync') {
      this.#syncs--;
      this.#release();
    }
    if (ending !== undefined) this.#host.finish(ending);
  }

  #read({ xid, identities }: Outstanding, read: ReadRequest): WatchName | undefined {
    const { out, tree } = this.#host;
    return putRead(out, xid, read, tree, this.#host, identities);
  }

  /** Hands over the writes that a sync just answered had held back. */
  #release(): void {
    for (const entry of this.#queue) {
      if (entry.work.kind === 'sync') return;
      if (entry.work.kind === 'write' && entry.request === undefined) this.#host.hand(entry);
    }
  }
}
