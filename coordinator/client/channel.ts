// One TCP connection of a client to one server: handshake, frames, one write a turn, keep-alive. It
// knows nothing of requests; when it is lost it says so once and is never used again.
import { connect, type Socket } from 'node:net';
import { ByteReader, ByteWriter, WireError } from '../../wire/bytes.ts';
import { FrameSplitter } from '../../wire/frames.ts';
import { Op, Xid } from '../protocol/codes.ts';
import { bool } from '../protocol/jute.ts';
import { ConnectRequest, ConnectResponse, RequestHeader } from '../protocol/records.ts';
import type { ServerAddress } from './address.ts';

const PREFIX_BYTES = 4;
/** The session's timeout is cut in this many ticks: a ping every second one … */
const TICKS = 6;
const TICKS_PER_PING = 2;
/** … and a server silent for this many is given up, in time to reach another one. */
const SILENT_TICKS_MAX = 4;

export interface ChannelHandlers {
  /** The server answered the handshake; a session id of 0 says that the session is over. */
  opened(response: ConnectResponse): void;
  /** A whole frame after the handshake. A WireError loses the connection with its message. */
  frame(body: Buffer): void;
  /** The connection is gone or was never made; called once, never after `end`. */
  lost(why: string): void;
}

export class Channel {
  readonly address: ServerAddress;
  readonly #socket: Socket;
  readonly #handlers: ChannelHandlers;
  readonly #splitter: FrameSplitter;
  #out = new ByteWriter();
  #flushing = false;
  #open = false;
  #over = false;
  #ticks = 0;
  #silentTicks = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Connects and says hello. `connectTimeoutMs` bounds the time until the handshake is answered. */
  constructor(
    address: ServerAddress,
    hello: ConnectRequest,
    limits: { connectTimeoutMs: number; frameBytesMax: number },
    handlers: ChannelHandlers,
  ) {
    this.address = address;
    this.#handlers = handlers;
    this.#splitter = new FrameSplitter(limits.frameBytesMax);
    this.#socket = connect(address);
    this.#socket.setNoDelay(true);
    this.#socket.on('connect', () => {
      this.#put((w) => {
        ConnectRequest.write(w, hello);
        bool.write(w, false);
      });
    });
    this.#socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    this.#socket.on('error', (error) => this.lose(error.message));
    this.#socket.on('close', () => this.lose('the server closed the connection'));
    this.#timer = setTimeout(() => {
      this.lose(`no session within ${limits.connectTimeoutMs} ms`);
    }, limits.connectTimeoutMs);
  }

  /** Queues one request; everything queued in one turn leaves in one write. */
  send(xid: number, type: number, encode?: (w: ByteWriter) => void): void {
    this.#put((w) => {
      RequestHeader.write(w, { xid, type });
      encode?.(w);
    });
  }

  /** Gives the connection up. */
  lose(why: string): void {
    if (this.#over) return;
    this.#stop();
    this.#socket.destroy();
    this.#handlers.lost(why);
  }

  /** Ends the connection after what was sent; nothing is reported any more. */
  end(): void {
    if (this.#over) return;
    this.#flush();
    this.#stop();
    if (this.#open) this.#socket.end(() => this.#socket.destroy());
    else this.#socket.destroy();
  }

  #stop(): void {
    this.#over = true;
    clearTimeout(this.#timer);
  }

  #put(encode: (w: ByteWriter) => void): void {
    if (this.#over) return;
    const at = this.#out.length;
    this.#out.i32(0);
    encode(this.#out);
    this.#out.patchI32(at, this.#out.length - at - PREFIX_BYTES);
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#over || this.#out.length === 0) return;
    this.#socket.write(this.#out.view());
    this.#out = new ByteWriter();
  }

  #onData(chunk: Buffer): void {
    this.#silentTicks = 0;
    try {
      this.#splitter.feed(chunk, (body) => {
        if (this.#over) return false;
        if (this.#open) this.#handlers.frame(body);
        else this.#welcome(body);
        return undefined;
      });
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.lose(error.message);
    }
  }

  #welcome(body: Buffer): void {
    const response = ConnectResponse.read(new ByteReader(body));
    this.#open = true;
    clearTimeout(this.#timer);
    if (response.sessionId !== 0n && response.timeOut > 0) this.#tick(response.timeOut / TICKS);
    this.#handlers.opened(response);
  }

  #tick(tickMs: number): void {
    this.#timer = setTimeout(() => {
      this.#silentTicks++;
      this.#ticks++;
      if (this.#silentTicks > SILENT_TICKS_MAX) {
        this.lose(`the server said nothing for ${Math.round(tickMs * SILENT_TICKS_MAX)} ms`);
        return;
      }
      if (this.#ticks % TICKS_PER_PING === 0) this.send(Xid.ping, Op.ping);
      this.#tick(tickMs);
    }, tickMs);
  }
}
