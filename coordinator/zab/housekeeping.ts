// What a leader changes of its own accord, through the log as everybody else: it deletes containers and
// nodes whose time is over, and writes down which servers the ensemble has. Source: ContainerManager of
// ZooKeeper 3.8.
import type { ClientRequest, Preparer } from '../contract.ts';
import { Op } from '../protocol/codes.ts';
import { encodeBody, text } from '../protocol/jute.ts';
import { describeEnsemble, type EnsembleConfig } from './members.ts';

export interface ReapLimits {
  /** How often to look, ms (znode.container.checkIntervalMs). */
  checkMs: number;
  /** Deletions a minute (znode.container.maxPerMinute). */
  perMinuteMax: number;
  /** How long a container may never have had a child, ms; 0: for ever. */
  unusedMsMax: number;
}

/** ZooKeeper's. */
export const DEFAULT_REAP_LIMITS: ReapLimits = {
  checkMs: 60_000,
  perMinuteMax: 10_000,
  unusedMsMax: 0,
};

const MINUTE_MS = 60_000;

/** A request of the leader itself: of no session and no client. */
type OwnRequest = Pick<ClientRequest, 'op' | 'body'>;

/** When to look for nodes whose time is over, and the requests that end them. */
export class Reaper {
  readonly #limits: ReapLimits;
  readonly #preparer: Preparer;
  #lookedMs: number;

  constructor(limits: ReapLimits, preparer: Preparer, nowMs: number) {
    this.#limits = limits;
    this.#preparer = preparer;
    this.#lookedMs = nowMs;
  }

  /** `nowMs` is monotonic and says when to look; `wallMs` is what nodes were stamped by. */
  due(nowMs: number, wallMs: number): OwnRequest[] {
    const { checkMs, perMinuteMax, unusedMsMax } = this.#limits;
    if (nowMs - this.#lookedMs < checkMs) return [];
    this.#lookedMs = nowMs;
    const most = Math.max(1, Math.floor((perMinuteMax * checkMs) / MINUTE_MS));
    const paths = this.#preparer.overdue(wallMs, unusedMsMax).slice(0, most);
    return paths.map((path) => ({ op: Op.deleteContainer, body: encodeBody(text, path) }));
  }
}

/**
 * Writes down the ensemble of the configuration files where what is written differs; a server alone
 * writes nothing, and an ensemble that was changed through the log is written down already.
 */
export function describing(
  { members, version }: EnsembleConfig,
  preparer: Preparer,
): OwnRequest | undefined {
  if (members.length < 2 || version > 0) return undefined;
  const wanted = describeEnsemble(members, 0);
  if (preparer.configuration() === wanted) return undefined;
  return { op: Op.reconfig, body: encodeBody(text, wanted) };
}
