// What the client-facing front is made of and bounded by. Given to it once, so that tests and the real
// server differ in nothing but these parts.
import type { Consensus, EventSink } from '../contract.ts';
import type { DataTree } from '../tree/data-tree.ts';
import type { ClientLimits } from './limits.ts';
import type { OperatorView } from './server-facts.ts';

export interface FrontConfig {
  sid: number;
  /** Bounds of the session timeouts that clients may have, ms. */
  minSessionTimeoutMs: number;
  maxSessionTimeoutMs: number;
  limits: ClientLimits;
  /** Four-letter words that are answered. */
  words: ReadonlySet<string>;
  tickTimeMs: number;
  /**
   * `super:` and the digest of `super:password`: who shows that password may do everything. Absent:
   * nobody may.
   */
  superDigest?: string;
}

/** What a front stands on. */
export interface FrontParts {
  tree: DataTree;
  /** May be put in place after the front is made, but before `serve`. */
  consensus: Consensus;
  events: EventSink;
  config: FrontConfig;
  operator: OperatorView;
  /** Wall clock, ms: for what is told to people; it may jump. */
  now(): number;
  randomBytes(size: number): Buffer;
}
