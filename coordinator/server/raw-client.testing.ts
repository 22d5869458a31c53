// A client that speaks the protocol byte by byte and hides nothing: for tests that must see exactly
// which frames a server sent, in which order, and when it hung up.
import { connect, type Socket } from 'node:net';
import { ByteReader, ByteWriter } from '../../wire/bytes.ts';
import { FrameSplitter, frame } from '../../wire/frames.ts';
import type { Codec } from '../protocol/jute.ts';
import {
  ConnectRequest,
  ConnectResponse,
  ReplyHeader,
  RequestHeader,
} from '../protocol/records.ts';

export type RawReply = ReplyHeader & { body: ByteReader };

export class RawClient {
  readonly socket: Socket;
  readonly #splitter = new FrameSplitter(64 * 1024 * 1024);
  readonly #frames: Buffer[] = [];
  #wake: (() => void) | undefined;
  /** What came, as text: for four-letter words. */
  text = '';
  closed = false;
  session = 0n;
  password: Buffer = Buffer.alloc(16);

  constructor(port: number, framed = true) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (chunk: Buffer) => {
      if (!framed) this.text += chunk.toString();
      else {
        this.#splitter.feed(chunk, (body) => {
          this.#frames.push(Buffer.from(body));
          return true;
        });
      }
      this.#wake?.();
    });
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.closed = true;
      this.#wake?.();
    });
  }

  /** Frames that came and were not taken. */
  get waiting(): number {
    return this.#frames.length;
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Resolves once the server hung up. */
  async hangup(): Promise<void> {
    await this.#until(() => this.closed);
  }

  /** The next frame; throws if the server hung up instead. */
  async frame(): Promise<Buffer> {
    await this.#until(() => this.#frames.length > 0 || this.closed);
    const next = this.#frames.shift();
    if (next === undefined) throw new Error('expected a frame, the server hung up');
    return next;
  }

  async reply(): Promise<RawReply> {
    const body = new ByteReader(await this.frame());
    return { ...ReplyHeader.read(body), body };
  }

  /** The next `count` replies. */
  async replies(count: number): Promise<RawReply[]> {
    const all: RawReply[] = [];
    for (let i = 0; i < count; i++) all.push(await this.reply());
    return all;
  }

  /** Says hello; `readOnly: false` leaves the last byte out, as old clients do; `wanted` sets it. */
  hello(request: Partial<ConnectRequest> = {}, readOnly = true, wanted = false): void {
    const w = new ByteWriter();
    ConnectRequest.write(w, {
      protocolVersion: 0,
      lastZxidSeen: 0,
      timeOut: 10_000,
      sessionId: 0n,
      passwd: Buffer.alloc(16),
      ...request,
    });
    if (readOnly) w.bool(wanted);
    this.socket.write(frame(w.view()));
  }

  async welcome(): Promise<ConnectResponse & { bytes: number; readOnly: boolean }> {
    const body = await this.frame();
    const reader = new ByteReader(body);
    const response = ConnectResponse.read(reader);
    const readOnly = reader.remaining > 0 && reader.bool();
    this.session = response.sessionId;
    this.password = Buffer.from(response.passwd ?? []);
    return { ...response, bytes: body.length, readOnly };
  }

  /** Opens a session. */
  async open(): Promise<this> {
    this.hello();
    await this.welcome();
    return this;
  }

  /** Sends requests `[xid, op, codec, body]` in one write. */
  send(...requests: [number, number, Codec<never>?, unknown?][]): void {
    const frames = requests.map(([xid, type, codec, body]) => {
      const w = new ByteWriter();
      RequestHeader.write(w, { xid, type });
      (codec as Codec<unknown> | undefined)?.write(w, body);
      return frame(w.view());
    });
    this.socket.write(Buffer.concat(frames));
  }
}
