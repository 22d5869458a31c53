// The sessions of a server that has no quorum and serves reads all the same, to those who asked for it.
// Nobody else knows of them: a session opened here is gone when the quorum is back, and one that was open
// before is only looked after until then. Source: ReadOnlyZooKeeperServer of ZooKeeper 3.8.
import type { Session } from '../contract.ts';

/** Sessions at a time; who is silent for its timeout makes room. */
const SESSIONS_MAX = 100_000;
/** The ids of sessions that only this server knows are below 0, where no zxid is. */
const ID_BYTES = 6;

interface Kept extends Session {
  heardMs: number;
}

export class ReadOnlySessions {
  readonly #randomBytes: (size: number) => Buffer;
  readonly #kept = new Map<number, Kept>();

  constructor(randomBytes: (size: number) => Buffer) {
    this.#randomBytes = randomBytes;
  }

  /** Opens a session; undefined when there are too many. */
  open(timeoutMs: number, password: Buffer, nowMs: number): Session | undefined {
    let id: number;
    do id = -1 - this.#randomBytes(ID_BYTES).readUIntBE(0, ID_BYTES);
    while (this.#kept.has(id));
    return this.keep({ id, timeoutMs, password }, nowMs);
  }

  /** Looks after a session of the ensemble; undefined when there are too many. */
  keep(session: Session, nowMs: number): Session | undefined {
    if (this.#kept.size >= SESSIONS_MAX && !this.#kept.has(session.id)) return undefined;
    this.#kept.set(session.id, { ...session, heardMs: nowMs });
    return session;
  }

  get(id: number): Session | undefined {
    return this.#kept.get(id);
  }

  touch(id: number, nowMs: number): void {
    const kept = this.#kept.get(id);
    if (kept !== undefined) kept.heardMs = nowMs;
  }

  /** Forgets the sessions that were silent for their timeout, and tells them. */
  expired(nowMs: number): number[] {
    const over = [...this.#kept.values()].filter((each) => nowMs - each.heardMs > each.timeoutMs);
    for (const { id } of over) this.#kept.delete(id);
    return over.map(({ id }) => id);
  }

  /** The client closed it. */
  close(id: number): void {
    this.#kept.delete(id);
  }
}

/** Whether a session was opened by a server without a quorum. */
export function isLocal(session: number): boolean {
  return session < 0;
}
