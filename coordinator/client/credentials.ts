// Who a client says it is, for as long as it lives: shown at once, and again on every new connection,
// since a server knows only what was shown on the connection it has.
import { CoordinatorError, replyError } from './errors.ts';

/** What was shown and is not yet answered. */
interface Credential {
  readonly scheme: string;
  readonly auth: Buffer;
  /** Absent once the caller knows the outcome. */
  caller: { accept(): void; reject(error: Error): void; timer: NodeJS.Timeout } | undefined;
}

export class Credentials {
  #all: Credential[] = [];
  /** Sent on this connection and unanswered, oldest first. */
  #sent: Credential[] = [];

  /** Adds one, to be shown from now on; settles by its first answer. */
  add(
    scheme: string,
    auth: Buffer,
    timeoutMs: number,
  ): { shown: Promise<void>; added: Credential } {
    const added: Credential = { scheme, auth, caller: undefined };
    this.#all.push(added);
    const shown = new Promise<void>((accept, reject) => {
      const timer = setTimeout(() => {
        const why = `addAuth ${scheme}: no reply within ${timeoutMs} ms`;
        const sent = this.#sent.includes(added);
        this.#refuse(added, new CoordinatorError('OperationTimeout', why, { sent }));
      }, timeoutMs);
      added.caller = { accept, reject, timer };
    });
    return { shown, added };
  }

  /** All there are, to be sent on a new connection. */
  all(): readonly Credential[] {
    return this.#all;
  }

  /** Notes that one was sent on this connection. */
  sent(credential: Credential): void {
    this.#sent.push(credential);
  }

  /** The server answered the oldest one sent. One it refuses is not shown again. */
  answered(err: number): void {
    const credential = this.#sent.shift();
    if (credential === undefined) return;
    if (err !== 0) {
      this.#refuse(credential, replyError(err, `addAuth ${credential.scheme}`, 0));
      return;
    }
    clearTimeout(credential.caller?.timer);
    credential.caller?.accept();
    credential.caller = undefined;
  }

  /** The connection is gone. `final`: callers that still wait are told so. */
  lost(why: string, final: boolean): void {
    this.#sent = [];
    if (!final) return;
    for (const each of this.#all.filter(({ caller }) => caller !== undefined)) {
      const message = `addAuth ${each.scheme}: ${why}`;
      this.#refuse(each, new CoordinatorError('ConnectionLoss', message, { sent: true }));
    }
  }

  #refuse(credential: Credential, error: Error): void {
    this.#all = this.#all.filter((each) => each !== credential);
    clearTimeout(credential.caller?.timer);
    credential.caller?.reject(error);
    credential.caller = undefined;
  }
}
