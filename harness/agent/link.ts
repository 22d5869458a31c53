// One TCP connection to or from a peer node or from a client, with a cut's effects on it. While its link is
// cut, reads stop, writes wait, and its end stays unseen; after the heal everything goes on in order.
import type { CutListener, Cuts } from './cuts.ts';
import type { ConnectRequest, Done, InnerSocket, TcpHandle } from './internals.ts';

/** What a peer takes in whose acknowledgements no longer arrive: bytes since the cut. */
export const WINDOW_BYTES = 64 * 1024;

type OriginalWrite = InnerSocket['_writeGeneric'];

interface Held {
  /** Goes on; may be held again. */
  run(): void;
  /** The socket was destroyed: completes with an error. */
  cancel(): void;
}

function asBuffer(vector: boolean, data: unknown, encoding: BufferEncoding): Buffer {
  const one = (chunk: unknown, code: BufferEncoding): Buffer =>
    typeof chunk === 'string' ? Buffer.from(chunk, code) : Buffer.from(chunk as Uint8Array);
  if (!vector) return one(data, encoding);
  const chunks = data as { chunk: unknown; encoding: BufferEncoding }[] & { allBuffers?: boolean };
  if (chunks.allBuffers === true) return Buffer.concat(chunks as unknown as Uint8Array[]);
  return Buffer.concat(chunks.map((entry) => one(entry.chunk, entry.encoding)));
}

function destroyedError(): Error {
  return Object.assign(new Error('the socket was destroyed before its data left'), {
    code: 'ECANCELED',
  });
}

/**
 * A connection with a peer node or a client. Takes over some methods of its handle. A client has no agent:
 * where only replies are cut its requests still arrive, whatever it has sent without acknowledgement.
 */
export class Link implements CutListener {
  readonly peer: string;
  readonly #cuts: Cuts;
  readonly #handle: TcpHandle;
  readonly #original: Pick<TcpHandle, 'readStart' | 'readStop' | 'close' | 'reset' | 'connect'>;
  readonly #released: () => void;
  #wantsRead = false;
  #incomingCut = false;
  /** Bytes written since acknowledgements were cut off. */
  #windowUsed = 0;
  #held: Held[] = [];
  /** What happens once in a connection's life and waits for the heal. */
  readonly #waiting: { connect?: () => void; accept?: () => void; close?: () => void } = {};
  #established: boolean;

  /** `released` is called when the operating system's socket is closed. */
  constructor(
    cuts: Cuts,
    peer: string,
    handle: TcpHandle,
    established: boolean,
    released: () => void,
  ) {
    this.peer = peer;
    this.#cuts = cuts;
    this.#handle = handle;
    this.#established = established;
    this.#released = released;
    const { readStart, readStop, close, reset, connect } = handle;
    this.#original = {
      readStart: readStart.bind(handle),
      readStop: readStop.bind(handle),
      close: close.bind(handle),
      reset: reset.bind(handle),
      connect: connect.bind(handle),
    };
    handle.readStart = () => this.#readStart();
    handle.readStop = () => this.#readStop();
    handle.close = (done) => this.#end('close', done);
    handle.reset = (done) => this.#end('reset', done);
    this.#incomingCut = cuts.incoming(peer);
    cuts.add(this);
  }

  #readStart(): number {
    this.#wantsRead = true;
    if (!this.#incomingCut) return this.#original.readStart();
    this.#cuts.countIncoming(this.peer);
    return 0;
  }

  #readStop(): number {
    this.#wantsRead = false;
    return this.#original.readStop();
  }

  /** Whether bytes may not leave: the way is cut, or the window of unacknowledged ones is full. */
  #stalled(): boolean {
    if (this.#cuts.outgoing(this.peer)) return true;
    return this.#incomingCut && this.#windowUsed >= WINDOW_BYTES;
  }

  #hold(run: () => void, done: Done): void {
    if (this.#cuts.outgoing(this.peer)) this.#cuts.countOutgoing(this.peer);
    else this.#cuts.countIncoming(this.peer);
    this.#held.push({ run, cancel: () => done(destroyedError()) });
  }

  /** A failure tells of the peer's FIN or RST, so it stays unseen while the peer's way is cut. */
  #shielded(done: Done): Done {
    return (error) => {
      if (error != null && this.#incomingCut && this.#waiting.close === undefined) {
        this.#hold(() => this.#shielded(done)(error), done);
      } else done(error);
    };
  }

  /** Stands in for the socket's write: now, in part, or later. */
  write(
    socket: InnerSocket,
    original: OriginalWrite,
    vector: boolean,
    data: unknown,
    encoding: BufferEncoding,
    done: Done,
  ): void {
    if (this.#stalled()) {
      this.#hold(() => this.write(socket, original, vector, data, encoding, done), done);
      return;
    }
    if (!this.#incomingCut) {
      original.call(socket, vector, data, encoding, this.#shielded(done));
      return;
    }
    const bytes = asBuffer(vector, data, encoding);
    const room = WINDOW_BYTES - this.#windowUsed;
    const head = bytes.subarray(0, room);
    const rest = bytes.subarray(room);
    this.#windowUsed += head.length;
    const next: Done =
      rest.length === 0
        ? done
        : (error) => {
            if (error != null) done(error);
            else this.write(socket, original, false, rest, 'buffer' as BufferEncoding, done);
          };
    original.call(socket, false, head, 'buffer' as BufferEncoding, this.#shielded(next));
  }

  /** Stands in for the socket's shutdown: its FIN leaves when bytes may. */
  finish(socket: InnerSocket, original: (done: Done) => void, done: Done): void {
    if (this.#stalled()) this.#hold(() => this.finish(socket, original, done), done);
    else original.call(socket, this.#shielded(done));
  }

  /** Prepares the handle for a connect that waits for the link; `bind` picks the local port. */
  deferConnect(bind: (handle: TcpHandle) => number): void {
    this.#handle.connect = (request, address, port) => {
      if (!this.#cuts.either(this.peer)) return this.#connect(bind, request, address, port);
      this.#countBoth();
      this.#waiting.connect = () => {
        const status = this.#connect(bind, request, address, port);
        if (status !== 0) request.oncomplete(status, this.#handle, request, false, false);
      };
      return 0;
    };
  }

  #connect(
    bind: (handle: TcpHandle) => number,
    request: ConnectRequest,
    address: string,
    port: number,
  ): number {
    const status = bind(this.#handle);
    if (status !== 0) return status;
    this.#established = true;
    return this.#original.connect(request, address, port);
  }

  /** Announces an accepted connection, once the link is whole. `stillOpen` asks for the listener. */
  accept(announce: () => void, stillOpen: () => boolean): void {
    if (!this.#cuts.either(this.peer)) {
      announce();
      return;
    }
    this.#countBoth();
    this.#waiting.accept = () => {
      if (stillOpen()) announce();
      else this.#handle.close();
    };
  }

  #countBoth(): void {
    this.#cuts.countOutgoing(this.peer);
    this.#cuts.countIncoming(this.peer);
  }

  /** Closes for the program at once, for the peer only when a FIN or RST could travel. */
  #end(how: 'close' | 'reset', done: (() => void) | undefined): number {
    delete this.#waiting.connect;
    const held = this.#held;
    this.#held = [];
    process.nextTick(() => {
      for (const { cancel } of held) cancel();
    });
    if (!this.#established || !this.#stalled()) {
      this.#release();
      if (how === 'reset') return this.#original.reset(done);
      this.#original.close(done);
      return 0;
    }
    this.#original.readStop();
    this.#wantsRead = false;
    this.#handle.unref();
    this.#cuts.countOutgoing(this.peer);
    this.#waiting.close = () => {
      this.#release();
      this.#original[how]();
    };
    if (done !== undefined) setImmediate(done);
    return 0;
  }

  #release(): void {
    this.#cuts.remove(this);
    this.#released();
  }

  /** The cuts changed: stops or goes on with whatever that concerns. */
  refresh(): void {
    const incoming = this.#cuts.incoming(this.peer);
    const changed = incoming !== this.#incomingCut;
    this.#incomingCut = incoming;
    if (changed && incoming) {
      this.#windowUsed = 0;
      if (this.#wantsRead) {
        this.#cuts.countIncoming(this.peer);
        this.#original.readStop();
      }
    }
    if (this.#waiting.close !== undefined) {
      if (!this.#stalled()) this.#take('close');
      return;
    }
    if (!this.#cuts.either(this.peer)) {
      this.#take('connect');
      this.#take('accept');
    }
    const held = this.#held;
    this.#held = [];
    for (const { run } of held) run();
    if (changed && !incoming && this.#wantsRead) this.#original.readStart();
  }

  #take(which: 'connect' | 'accept' | 'close'): void {
    const action = this.#waiting[which];
    delete this.#waiting[which];
    action?.();
  }
}
