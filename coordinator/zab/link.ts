// One TCP connection between two servers, carrying typed messages. It gathers what is sent in one
// turn of the event loop into one write, and puts the event log on disk before that write leaves.
import type net from 'node:net';
import { FrameSplitter } from '../../wire/frames.ts';
import type { EventSink } from '../contract.ts';
import { atTurnEnd } from '../turn.ts';
import { type Catalogue, decodeMessage, encodeMessage, type Message } from './messages.ts';

/** Largest frame between servers: a batch of proposals or a chunk of a snapshot. */
const FRAME_BYTES_MAX = 64 * 1024 * 1024;

/** A peer that lets this much pile up unsent is too slow to follow and is let go. */
const UNSENT_BYTES_MAX = 256 * 1024 * 1024;

/** How long an ended connection may take to send its last bytes, ms. */
const LINGER_MS = 500;

export interface LinkOptions<In extends Catalogue, Out extends Catalogue> {
  socket: net.Socket;
  incoming: In;
  outgoing: Out;
  events: EventSink;
  onMessage(message: Message<In>): void;
  /** Called once, with why, when the link is over; also after `close`. */
  onClose(reason: string): void;
}

/** A link; create it on a connected or connecting socket. */
export class Link<In extends Catalogue, Out extends Catalogue> {
  readonly #options: LinkOptions<In, Out>;
  readonly #splitter = new FrameSplitter(FRAME_BYTES_MAX);
  #unsent: Buffer[] = [];
  #scheduled = false;
  #closed = false;

  constructor(options: LinkOptions<In, Out>) {
    this.#options = options;
    const { socket } = options;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('end', () => this.close('peer closed the connection'));
    socket.on('error', (error) => this.close(error.message));
    socket.on('close', () => this.close('connection closed'));
  }

  get closed(): boolean {
    return this.#closed;
  }

  send(message: Message<Out>): void {
    this.sendEncoded(encodeMessage(this.#options.outgoing, message));
  }

  /** Sends a frame encoded before, for one that goes to many. */
  sendEncoded(frame: Buffer): void {
    if (this.#closed) return;
    this.#unsent.push(frame);
    if (!this.#scheduled) {
      this.#scheduled = true;
      atTurnEnd(() => this.#flush());
    }
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#closed || this.#unsent.length === 0) return;
    const { socket, events } = this.#options;
    events.flush();
    const frames = this.#unsent;
    this.#unsent = [];
    socket.write(frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames));
    if (socket.writableLength > UNSENT_BYTES_MAX) {
      this.close(`${socket.writableLength} bytes unsent; expected at most ${UNSENT_BYTES_MAX}`);
    }
  }

  #receive(chunk: Buffer): void {
    try {
      this.#splitter.feed(chunk, (body) => {
        this.#options.onMessage(decodeMessage(this.#options.incoming, body));
        return !this.#closed;
      });
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'WireError') throw error;
      this.close(`malformed message: ${error.message}`);
    }
  }

  /** Sends what is queued and ends the connection. */
  close(reason: string): void {
    if (this.#closed) return;
    this.#flush();
    this.#closed = true;
    const { socket, onClose } = this.#options;
    socket.destroySoon();
    // Behind a cut the last bytes never leave, and a connection must not wait for them for ever.
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
    onClose(reason);
  }

  /** Ends the connection at once; for a peer that does not answer. */
  abort(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.socket.destroy();
    this.#options.onClose(reason);
  }
}
