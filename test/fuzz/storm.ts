// Sends damaged frames to running servers over many connections at once, and keeps count of how each
// connection ended. The servers must end every one of them, and only those.
import { connect, type Socket } from 'node:net';
import { ConnectResponse } from '../../coordinator/protocol/records.ts';
import {
  decodeMessage,
  ELECTION_MESSAGES,
  LEARNER_MESSAGES,
} from '../../coordinator/zab/messages.ts';
import { ByteReader } from '../../wire/bytes.ts';
import { FrameSplitter } from '../../wire/frames.ts';
import type { Ports } from '../coordinator/bare-ensemble.ts';
import * as corpus from './corpus.ts';
import { damageBody, damageLength, half } from './mutate.ts';
import { Random } from './random.ts';

const FRAMES_A_CONNECTION_MAX = 24;
const LARGE_BYTES = 1_000_000;
/** A server closes a bad connection at once; only a stranger that says nothing may stay this long. */
const CLOSE_MS_MAX = 30_000;
const REFUSALS_MAX = 2_000;
const WORDS = ['ruok', 'mntr', 'conf'];

export interface StormOptions {
  seed: number;
  /** Frames to client ports, and to peer and election ports. */
  frames: number;
  peerFrames: number;
  /** Connections at a time. */
  width: number;
  servers: readonly { ports: Ports }[];
  /** Called now and then with how many frames were sent. */
  progress?: (frames: number) => void;
}

export interface StormResult {
  frames: number;
  peerFrames: number;
  connections: number;
  /** Ended by the server, on client ports, for what was sent. */
  endedByServer: number;
  /** Left by us in the middle of a frame. */
  leftHalf: number;
  /** Words answered. */
  words: number;
  sessions: number;
  /** Connections that the server left open. */
  leftOpen: string[];
}

/** What one worker comes back with. */
interface Comeback {
  id: bigint;
  password: Buffer;
}

/** Resolves when the socket is gone; `false` when that takes too long. */
function gone(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      resolve(false);
      socket.destroy();
    }, CLOSE_MS_MAX);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

function dial(port: number, random: Random): Socket {
  // Many addresses, so that a busy loopback does not run out of ports.
  const localAddress = `127.0.0.${2 + random.below(200)}`;
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  // How it ended is told by 'close', which follows.
  socket.on('error', () => undefined);
  return socket;
}

class Storm {
  readonly #options: StormOptions;
  readonly result: StormResult = {
    frames: 0,
    peerFrames: 0,
    connections: 0,
    endedByServer: 0,
    leftHalf: 0,
    words: 0,
    sessions: 0,
    leftOpen: [],
  };

  /** Sessions refused in a row. */
  #refusals = 0;

  constructor(options: StormOptions) {
    this.#options = options;
  }

  async worker(random: Random): Promise<void> {
    let comeback: Comeback | undefined;
    const { frames, peerFrames, servers, progress } = this.#options;
    while (this.result.frames < frames || this.result.peerFrames < peerFrames) {
      const { ports } = random.pick(servers);
      this.result.connections++;
      if (this.result.connections % 1_000 === 0) progress?.(this.result.frames);
      const peersTurn = this.result.peerFrames < peerFrames && random.chance(15);
      if (peersTurn || this.result.frames >= frames) await this.#peer(ports, random);
      else if (random.chance(25)) await this.#stranger(ports.client, random);
      else comeback = await this.#session(ports.client, random, comeback);
    }
  }

  /** A connection whose first bytes are wrong. */
  async #stranger(port: number, random: Random): Promise<void> {
    const socket = dial(port, random);
    const first = random.chance(50)
      ? random.pick(corpus.STRANGERS)
      : random.chance(50)
        ? damageBody(random, corpus.hello())
        : random.bytes(1 + random.below(60));
    const isWord = WORDS.includes(first.toString('latin1', 0, 4));
    this.result.frames++;
    socket.resume();
    if (random.chance(10)) return this.#leaveHalf(socket, half(random, corpus.hello()));
    // A few say nothing more, and the server's patience must end.
    const silent = random.chance(1);
    socket.write(silent ? half(random, corpus.hello()) : Buffer.concat([first, corpus.END]));
    await this.#ended(socket, isWord && !silent, `stranger ${first.toString('hex')}`);
  }

  /** A connection with a session that then sends what it should not. */
  async #session(port: number, random: Random, old?: Comeback): Promise<Comeback | undefined> {
    const socket = dial(port, random);
    const splitter = new FrameSplitter(64 * 1024 * 1024);
    const welcome = new Promise<Comeback | undefined>((resolve) => {
      let welcomed = false;
      socket.once('close', () => resolve(undefined));
      socket.on('data', (chunk: Buffer) => {
        if (welcomed) return;
        splitter.feed(chunk, (body) => {
          const { sessionId, passwd, timeOut } = ConnectResponse.read(new ByteReader(body));
          welcomed = true;
          const password = Buffer.from(passwd ?? []);
          resolve(timeOut > 0 ? { id: sessionId, password } : undefined);
          return false;
        });
      });
    });
    socket.write(old === undefined ? corpus.hello() : corpus.hello(old.id, old.password));
    const comeback = await welcome;
    if (comeback === undefined) {
      this.#refusals++;
      if (this.#refusals > REFUSALS_MAX) throw new Error('no server opens a session any more');
      await this.#ended(socket, true, 'refused session');
      return undefined;
    }
    this.#refusals = 0;
    if (old === undefined) this.result.sessions++;
    const frames = this.#damaged(random);
    this.result.frames += frames.length;
    if (random.chance(10)) {
      await this.#leaveHalf(
        socket,
        Buffer.concat([...frames, half(random, random.pick(corpus.REQUESTS))]),
      );
      return comeback;
    }
    const goodbye = random.chance(2);
    const bytes = Buffer.concat([...frames, ...(goodbye ? [corpus.GOODBYE] : []), corpus.END]);
    const cut = random.below(bytes.length);
    socket.write(bytes.subarray(0, cut));
    if (random.chance(50)) await new Promise(setImmediate);
    socket.write(bytes.subarray(cut));
    await this.#ended(socket, false, `session with ${frames.length} frames`);
    return goodbye ? undefined : comeback;
  }

  #damaged(random: Random): Buffer[] {
    const count = 1 + random.below(FRAMES_A_CONNECTION_MAX);
    return Array.from({ length: count }, () => {
      const kind = random.below(100);
      if (kind < 2) return random.pick(corpus.MALFORMED);
      if (kind < 4) return damageLength(random, random.pick(corpus.REQUESTS));
      if (kind < 10) return random.pick(corpus.REQUESTS);
      if (random.below(2_000) === 0) return damageBody(random, Buffer.alloc(LARGE_BYTES, 1));
      return damageBody(random, random.pick(corpus.REQUESTS));
    });
  }

  /** The ports that servers speak on. What names a member well-formed is no damage, and left out. */
  async #peer(ports: Ports, random: Random): Promise<void> {
    const election = random.chance(50);
    const catalogue = election ? ELECTION_MESSAGES : LEARNER_MESSAGES;
    const all = election ? corpus.ELECTION_FRAMES : corpus.LEARNER_FRAMES;
    const frames = Array.from({ length: 1 + random.below(4) }, () =>
      damagedPeerFrame(random, all),
    ).filter((frame) => !namesMember(catalogue, frame));
    this.result.peerFrames += Math.max(1, frames.length);
    const socket = dial(election ? ports.election : ports.peer, random);
    socket.resume();
    if (random.chance(10)) return this.#leaveHalf(socket, half(random, random.pick(all)));
    socket.write(Buffer.concat([...frames, corpus.END]));
    if (!(await gone(socket))) this.result.leftOpen.push('a peer connection');
  }

  async #leaveHalf(socket: Socket, bytes: Buffer): Promise<void> {
    this.result.leftHalf++;
    const closed = gone(socket);
    socket.write(bytes, () => socket.resetAndDestroy());
    await closed;
  }

  async #ended(socket: Socket, quietly: boolean, what: string): Promise<void> {
    if (socket.destroyed || (await gone(socket))) {
      if (quietly) this.result.words++;
      else this.result.endedByServer++;
    } else this.result.leftOpen.push(what);
  }
}

function damagedPeerFrame(random: Random, all: readonly Buffer[]): Buffer {
  if (random.chance(5)) return corpus.UNSAFE_PING;
  const whole = random.pick(all);
  return random.chance(10) ? damageLength(random, whole) : damageBody(random, whole);
}

function namesMember(
  catalogue: typeof ELECTION_MESSAGES | typeof LEARNER_MESSAGES,
  frame: Buffer,
): boolean {
  try {
    const message = decodeMessage(catalogue, frame.subarray(4));
    return 'sid' in message && Number(message.sid) < 10;
  } catch {
    // It does not decode, which is what it is for.
    return false;
  }
}

/** Runs until all frames are sent and every connection has ended. */
export async function runStorm(options: StormOptions): Promise<StormResult> {
  const storm = new Storm(options);
  const workers = Array.from({ length: options.width }, (_, at) =>
    storm.worker(new Random(options.seed * 1_000 + at)),
  );
  await Promise.all(workers);
  return storm.result;
}
