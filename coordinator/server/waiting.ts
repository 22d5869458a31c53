// What was handed to consensus and who waits for the outcome. Consensus answers by number, long after the
// call, and the one who asked may be gone by then.
import type { Hello } from '../protocol/records.ts';
import type { ClientConnection } from './connection.ts';
import type { Outstanding } from './pipeline.ts';

/** Who waits for the outcome of a request handed to consensus. */
export type Waiting =
  | { kind: 'open'; connection: ClientConnection; password: Buffer }
  | { kind: 'locate'; connection: ClientConnection; hello: Hello }
  | { kind: 'attach'; connection: ClientConnection; session: number; lastZxidSeen: number }
  | { kind: 'request'; connection: ClientConnection; entry: Outstanding };

/** One kind of those who wait. */
export type WaitingFor<Kind extends Waiting['kind']> = Waiting & { kind: Kind };

/** Request numbers start anywhere below 2^48, and stay whole numbers for as long as a server runs. */
const REQUEST_BYTES = 6;

export class WaitingRequests {
  readonly #waiting = new Map<number, Waiting>();
  #next: number;

  constructor(randomBytes: (size: number) => Buffer) {
    // Drawn, so that a restarted server takes no request of an earlier life for its own: a clock may have
    // been set back meanwhile.
    this.#next = randomBytes(REQUEST_BYTES).readUIntBE(0, REQUEST_BYTES);
  }

  /** Numbers a request to consensus. */
  add(waiting: Waiting): number {
    const request = this.#next++;
    this.#waiting.set(request, waiting);
    return request;
  }

  /** Who waits for this outcome, once; undefined: nobody, or nobody any more. */
  take(request: number): Waiting | undefined {
    const waiting = this.#waiting.get(request);
    if (waiting !== undefined) this.#waiting.delete(request);
    return waiting;
  }

  /** Nobody waits any more for what was handed over of these. */
  forget(dropped: readonly Outstanding[]): void {
    for (const { request } of dropped) if (request !== undefined) this.#waiting.delete(request);
  }

  clear(): void {
    this.#waiting.clear();
  }
}
