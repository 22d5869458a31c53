// A server of one for tests: the real tree, preparer and front over a consensus that commits at once
// or when it is told to. What it lacks is everything that needs a second server or a disk.
import { randomBytes } from 'node:crypto';
import type { ClientRequest, Consensus, EventSink, ServerStatus } from '../contract.ts';
import { FRAME_BYTES_MAX, Op } from '../protocol/codes.ts';
import { DataTree } from '../tree/data-tree.ts';
import { TxnPreparer } from '../tree/preparer.ts';
import { sealTxn } from '../txn.ts';
import { makeZxid, type Zxid } from '../zxid.ts';
import { FOUR_LETTER_WORDS } from './four-letter-words.ts';
import { ClientFront } from './front.ts';
import type { FrontConfig } from './front-parts.ts';
import { type ClientLimits, DEFAULT_LIMITS } from './limits.ts';

const EPOCH = 1;

/** What a test sets; the rest has its default. */
export type LoneConfig = Partial<Omit<FrontConfig, 'limits'> & { limits: Partial<ClientLimits> }>;
type Emitted = { ev: string } & Record<string, unknown>;

export class LoneServer implements Consensus {
  readonly sid = 1;
  readonly tree = new DataTree();
  readonly front: ClientFront;
  readonly events: Emitted[] = [];
  /** Lines for the server's log. */
  readonly log: string[] = [];
  /** Requests not yet committed, syncs not yet confirmed, attaches not yet answered, in order. */
  readonly held: (() => void)[] = [];
  readonly touched: number[] = [];
  /** What `attach` answers, ms; undefined: the session's own timeout. */
  attachAnswer: number | undefined;
  /** Number of the sync last asked for. */
  lastSync = 0;
  port = 0;
  #holding = false;
  #counter = 0;
  readonly #preparer = new TxnPreparer(this.tree);

  constructor({ limits, ...config }: LoneConfig = {}) {
    const events: EventSink = {
      detailed: true,
      emit: (event) => void this.events.push(event),
      flush: () => void this.events.push({ ev: 'flush' }),
    };
    this.front = new ClientFront({
      tree: this.tree,
      consensus: this,
      events,
      config: {
        sid: this.sid,
        minSessionTimeoutMs: 400,
        maxSessionTimeoutMs: 40_000,
        limits: { ...DEFAULT_LIMITS, frameBytesMax: FRAME_BYTES_MAX, ...limits },
        words: FOUR_LETTER_WORDS,
        tickTimeMs: 200,
        ...config,
      },
      operator: {
        configuration: () => `serverId=${this.sid}\n`,
        diskBytes: () => ({ snapshots: 0, logs: 0 }),
        log: (line) => void this.log.push(line),
      },
      now: () => Date.now(),
      randomBytes,
    });
  }

  /** Listens on a free port of loopback (or on `port`) and serves. */
  async start(port = 0): Promise<this> {
    this.port = await this.front.listen(port, '127.0.0.1');
    this.front.serve();
    return this;
  }

  get address(): { host: string; port: number } {
    return { host: '127.0.0.1', port: this.port };
  }

  /** From now on nothing is committed or confirmed before `release`. */
  hold(): void {
    this.#holding = true;
  }

  /** Does what is held, the first `count` of it; all of it ends the holding. */
  release(count?: number): void {
    if (count === undefined) this.#holding = false;
    for (const work of this.held.splice(0, count ?? this.held.length)) work();
  }

  submit(request: ClientRequest): void {
    this.#later(() => this.commit(request));
  }

  /** Commits a request as if the leader had decided it now. */
  commit(request: ClientRequest): Zxid {
    const zxid = makeZxid(EPOCH, ++this.#counter);
    const timeMs = Date.now();
    const { session, cxid, origin, request: number, op } = request;
    const body = this.#preparer.prepare(request, zxid, timeMs);
    const record = sealTxn({ zxid, session, cxid, origin, request: number, op, timeMs, body });
    const result = this.tree.apply(record);
    this.#preparer.applied(zxid);
    this.front.applied(record, result);
    return zxid;
  }

  /** Ends a session as the leader's clock would. */
  expire(session: number): void {
    const body = Buffer.alloc(0);
    const op = Op.closeSession;
    this.commit({ origin: 0, request: 0, session, cxid: 0, op, body });
  }

  sync(request: number): void {
    this.lastSync = request;
    this.#later(() => this.front.synced(request, this.tree.lastApplied));
  }

  attach(request: number, session: number): void {
    const timeoutMs = this.attachAnswer ?? this.tree.session(session)?.timeoutMs ?? 0;
    this.#later(() => this.front.attached(request, timeoutMs));
  }

  touch(session: number): void {
    this.touched.push(session);
  }

  status(): ServerStatus {
    const { lastApplied } = this.tree;
    return {
      sid: this.sid,
      role: 'leading',
      leader: this.sid,
      epoch: EPOCH,
      lastLogged: lastApplied,
      lastCommitted: lastApplied,
      syncedFollowers: 0,
      syncedObservers: 0,
      voters: 1,
    };
  }

  /** Names of the events so far, flushes left out. */
  get eventNames(): string[] {
    return this.events.map(({ ev }) => ev).filter((ev) => ev !== 'flush');
  }

  #later(work: () => void): void {
    if (this.#holding) this.held.push(work);
    else setImmediate(work);
  }
}
