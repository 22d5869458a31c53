// What the client-facing front is made of and bounded by. Given to it once, so that tests and the real
// server differ in nothing but these parts.
import type { Consensus, EventSink } from '../contract.ts';
import type { DataTree } from '../tree/data-tree.ts';

export interface FrontConfig {
  sid: number;
  /** Bounds of the session timeouts that clients may have, ms. */
  minSessionTimeoutMs: number;
  maxSessionTimeoutMs: number;
  /** Largest frame taken from a client. */
  frameBytesMax: number;
  /** Requests one connection may have outstanding before its socket is left unread. */
  outstandingMax: number;
  tickTimeMs: number;
}

/** What a front stands on. */
export interface FrontParts {
  tree: DataTree;
  /** May be put in place after the front is made, but before `serve`. */
  consensus: Consensus;
  events: EventSink;
  config: FrontConfig;
  /** Wall clock, ms: request numbers start from it, so that a restarted server does not reuse them. */
  now(): number;
  randomBytes(size: number): Buffer;
}
