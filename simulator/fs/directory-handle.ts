// The Dir of `opendir`: hands out the entries that were there when it was opened, one by one.
import type { Dirent } from './stats.ts';

type Later = (done: () => void) => void;

export class Dir {
  readonly path: string;
  readonly #entries: Dirent[];
  readonly #later: Later;
  #closed = false;

  constructor(path: string, entries: Dirent[], later: Later) {
    this.path = path;
    this.#entries = [...entries];
    this.#later = later;
  }

  readSync(): Dirent | null {
    this.#check();
    return this.#entries.shift() ?? null;
  }

  closeSync(): void {
    this.#check();
    this.#closed = true;
  }

  /** With a callback as Node has it, or as a promise. */
  read(callback?: (error: Error | null, entry?: Dirent | null) => void): Promise<Dirent | null> {
    const promise = this.#after(() => this.readSync());
    if (callback === undefined) return promise;
    promise.then((entry) => callback(null, entry), callback);
    return promise;
  }

  close(callback?: (error: Error | null) => void): Promise<void> {
    const promise = this.#after(() => this.closeSync());
    if (callback === undefined) return promise;
    promise.then(() => callback(null), callback);
    return promise;
  }

  async *entries(): AsyncGenerator<Dirent> {
    try {
      for (let entry = await this.read(); entry !== null; entry = await this.read()) yield entry;
    } finally {
      await this.close();
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<Dirent> {
    return this.entries();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) await this.close();
  }

  #check(): void {
    if (!this.#closed) return;
    throw Object.assign(new Error('Directory handle was closed'), { code: 'ERR_DIR_CLOSED' });
  }

  #after<T>(run: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#later(() => {
      try {
        resolve(run());
      } catch (error) {
        reject(error);
      }
    });
    return promise;
  }
}
