// Splits a byte stream into length-prefixed frames. TCP keeps order but no boundaries, so every
// connection of both servers and their clients starts with one of these.
import { WireError } from './bytes.ts';

const PREFIX_BYTES = 4;
const NOTHING = Buffer.alloc(0);

/** Cuts a stream of 4-byte big-endian length prefixed frames; refuses frames over `frameBytesMax`. */
export class FrameSplitter {
  readonly frameBytesMax: number;
  /** Memory of a frame that is not complete; it doubles, so that tiny chunks cost no copy each. */
  #held: Buffer = NOTHING;
  #heldBytes = 0;
  /** How many bytes must be held before there is anything to look at. */
  #wantedBytes = 0;

  constructor(frameBytesMax: number) {
    this.frameBytesMax = frameBytesMax;
  }

  /** Bytes held back because their frame is not complete. */
  get pendingBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Feeds one chunk and hands every complete frame's body, in order, to `onFrame`. The body shares
   * memory with the chunk: copy what must outlive the call. Throws WireError on an impossible length.
   * `onFrame` may return false to stop early (the connection is being closed); the rest is dropped.
   */
  feed(chunk: Buffer, onFrame: (body: Buffer) => boolean | undefined): void {
    let data = chunk;
    if (this.#heldBytes > 0) {
      this.#append(chunk);
      if (this.#heldBytes < this.#wantedBytes) return;
      data = this.#held.subarray(0, this.#heldBytes);
      this.#held = NOTHING;
      this.#heldBytes = 0;
    }
    let at = 0;
    let wanted = PREFIX_BYTES;
    while (data.length - at >= PREFIX_BYTES) {
      const size = data.readInt32BE(at);
      if (size < 0 || size > this.frameBytesMax) {
        throw new WireError(`expected a frame of 0 to ${this.frameBytesMax} bytes, got ${size}`);
      }
      const end = at + PREFIX_BYTES + size;
      if (end > data.length) {
        wanted = PREFIX_BYTES + size;
        break;
      }
      const body = data.subarray(at + PREFIX_BYTES, end);
      at = end;
      if (onFrame(body) === false) return;
    }
    if (at === data.length) return;
    this.#held = data.subarray(at);
    this.#heldBytes = data.length - at;
    this.#wantedBytes = wanted;
  }

  #append(chunk: Buffer): void {
    const bytes = this.#heldBytes + chunk.length;
    if (bytes > this.#held.length) {
      const grown = Buffer.allocUnsafe(Math.max(bytes, this.#held.length * 2));
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    chunk.copy(this.#held, this.#heldBytes);
    this.#heldBytes = bytes;
  }
}

/** Puts the 4-byte length before a body. */
export function frame(body: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(PREFIX_BYTES + body.length);
  framed.writeInt32BE(body.length, 0);
  framed.set(body, PREFIX_BYTES);
  return framed;
}
