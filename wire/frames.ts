// Splits a byte stream into length-prefixed frames. TCP keeps order but no boundaries, so every
// connection of both servers and their clients starts with one of these.
import { WireError } from './bytes.ts';

const PREFIX_BYTES = 4;

/** Cuts a stream of 4-byte big-endian length prefixed frames; refuses frames over `frameBytesMax`. */
export class FrameSplitter {
  readonly frameBytesMax: number;
  #pending: Buffer | null = null;

  constructor(frameBytesMax: number) {
    this.frameBytesMax = frameBytesMax;
  }

  /** Bytes held back because their frame is not complete. */
  get pendingBytes(): number {
    return this.#pending?.length ?? 0;
  }

  /**
   * Feeds one chunk and hands every complete frame's body, in order, to `onFrame`. The body shares
   * memory with the chunk: copy what must outlive the call. Throws WireError on an impossible length.
   * `onFrame` may return false to stop early (the connection is being closed); the rest is dropped.
   */
  feed(chunk: Buffer, onFrame: (body: Buffer) => boolean | undefined): void {
    const data = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pending = null;
    let at = 0;
    while (data.length - at >= PREFIX_BYTES) {
      const size = data.readInt32BE(at);
      if (size < 0 || size > this.frameBytesMax) {
        throw new WireError(`expected a frame of 0 to ${this.frameBytesMax} bytes, got ${size}`);
      }
      const end = at + PREFIX_BYTES + size;
      if (end > data.length) break;
      const body = data.subarray(at + PREFIX_BYTES, end);
      at = end;
      if (onFrame(body) === false) return;
    }
    if (at < data.length) this.#pending = at === 0 ? data : data.subarray(at);
  }
}

/** Puts the 4-byte length before a body. */
export function frame(body: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(PREFIX_BYTES + body.length);
  framed.writeInt32BE(body.length, 0);
  framed.set(body, PREFIX_BYTES);
  return framed;
}
