// Sends damaged frames to brokers over many connections at once and holds every answer against what the codec
// says of the request: what decodes is answered in its own version, what does not ends the connection, in order.
import { connect, type Socket } from 'node:net';
import { PLAIN_FRAME_BYTES_MAX } from '../../broker/server/front.ts';
import { FrameSplitter } from '../../wire/frames.ts';
import { APIS, type ApiName, apiNameOf, type VersionRanges } from '../../wire/kafka/apis.ts';
import { errorNameOf } from '../../wire/kafka/error-codes.ts';
import { correlationIdOf, decodeRequest, decodeResponse } from '../../wire/kafka/protocol.ts';
import { bend } from './bend.ts';
import * as corpus from './broker-corpus.ts';
import { damageBody, damageLength, half } from './mutate.ts';
import { Random } from './random.ts';

const FRAMES_A_CONNECTION_MAX = 8;
const LARGE_BYTES = 2_000_000;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
/** A broker closes a bad connection at once. */
const CLOSE_MS_MAX = 30_000;
/** How long a request that may wait, as damaged ones do, is waited for before the client leaves. */
const PATIENCE_MS = 1_000;
const FAULTS_MAX = 20;

/** A door of a broker, and what is offered there. */
export interface Door {
  readonly port: number;
  readonly spoken: VersionRanges;
}

export interface StormOptions {
  readonly seed: number;
  readonly frames: number;
  /** Connections at a time. */
  readonly width: number;
  readonly doors: readonly Door[];
}

export interface StormResult {
  frames: number;
  connections: number;
  answered: number;
  /** Ended by the broker for what was sent. */
  endedByBroker: number;
  /** Left by us: in the middle of a frame, or while a request waited. */
  leftHalf: number;
  leftWaiting: number;
  /** Answers to Produce requests by the name of their error. */
  readonly produced: Map<string, number>;
  /** What a broker should not have done. */
  readonly faults: string[];
}

/** What a frame comes to: an answer of an API and version, nothing, or the end of the connection. */
type Fate =
  | {
      readonly kind: 'answer';
      readonly api: ApiName;
      readonly version: number;
      readonly id: number;
    }
  | { readonly kind: 'silence' }
  | { readonly kind: 'end' };

function fateOf(frame: Buffer, spoken: VersionRanges): Fate {
  const plain = frame.length >= 6 && frame.readInt16BE(4) !== APIS.Produce.key;
  if (plain && frame.length - 4 > PLAIN_FRAME_BYTES_MAX) return { kind: 'end' };
  try {
    const request = decodeRequest(frame.subarray(4), spoken);
    if (request.kind === 'request') {
      const { api, version, correlationId: id } = request;
      if (request.api === 'Produce' && request.body.acks === 0) return { kind: 'silence' };
      return { kind: 'answer', api, version, id };
    }
    if (request.kind === 'unsupported-version' && request.api === 'ApiVersions')
      return { kind: 'answer', api: 'ApiVersions', version: 0, id: request.correlationId };
    return { kind: 'end' };
  } catch {
    // It does not decode, which is what most of them are for.
    return { kind: 'end' };
  }
}

/** Most partitions that a topic made on the way may have. */
const MADE_PARTITIONS_MAX = 10;

/**
 * Whether a frame is an order that is rightly obeyed, and so no bad input: it speaks as a broker of the
 * ensemble, or it enlarges or deletes topics.
 */
function isOrder(frame: Buffer): boolean {
  try {
    const request = decodeRequest(frame.subarray(4));
    if (request.kind !== 'request') return false;
    const member = (id: number): boolean => id >= 0 && id < 10;
    const large = (count: number): boolean => count > MADE_PARTITIONS_MAX;
    switch (request.api) {
      case 'Fetch':
        return member(request.body.replicaState?.replicaId ?? request.body.replicaId);
      case 'ControlledShutdown':
        return member(request.body.brokerId);
      case 'DeleteTopics': {
        const { topics, topicNames } = request.body;
        return [...topics.map(({ name }) => name), ...topicNames].includes(corpus.FUZZED_TOPIC);
      }
      case 'CreatePartitions':
        return !request.body.validateOnly && request.body.topics.some(({ count }) => large(count));
      case 'CreateTopics': {
        const { topics, validateOnly } = request.body;
        const largest = ({ numPartitions, assignments }: (typeof topics)[number]): number =>
          Math.max(numPartitions, assignments.length);
        return !validateOnly && topics.some((topic) => large(largest(topic)));
      }
      default:
        return false;
    }
  } catch {
    // It does not decode: nobody will obey it.
    return false;
  }
}

/** APIs whose answers may be long in coming: they wait for replicas, records, members or the controller. */
const WAITING: readonly string[] = [
  'Produce',
  'Fetch',
  'JoinGroup',
  'SyncGroup',
  'CreateTopics',
  'DeleteTopics',
  'CreatePartitions',
  'Metadata',
];

function mayWait(frame: Buffer): boolean {
  return frame.length >= 6 && WAITING.includes(apiNameOf(frame.readInt16BE(4)) ?? '');
}

type End = 'closed' | 'last-answered' | 'patience';

/** One connection: what came back, and how it ended. */
class Attempt {
  readonly answers: Buffer[] = [];
  readonly socket: Socket;
  readonly closed: Promise<void>;
  readonly #lastAnswered = Promise.withResolvers<void>();

  constructor(port: number, random: Random) {
    // Many addresses, so that a busy loopback does not run out of ports.
    const localAddress = `127.0.0.${2 + random.below(200)}`;
    this.socket = connect({ port, host: '127.0.0.1', localAddress });
    // How it ended is told by 'close', which follows.
    this.socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
    const splitter = new FrameSplitter(ANSWER_BYTES_MAX);
    this.socket.on('data', (chunk: Buffer) => {
      splitter.feed(chunk, (frame) => {
        this.answers.push(Buffer.from(frame));
        if (frame.length >= 4 && correlationIdOf(frame) === corpus.LAST_CORRELATION_ID)
          this.#lastAnswered.resolve();
        return undefined;
      });
    });
  }

  /** Writes in two pieces, cut anywhere. */
  async write(bytes: Buffer, random: Random): Promise<void> {
    const cut = random.below(bytes.length);
    this.socket.write(bytes.subarray(0, cut));
    if (random.chance(50)) await new Promise(setImmediate);
    this.socket.write(bytes.subarray(cut));
  }

  async outcome(patienceMs: number): Promise<End> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<End>((resolve) => {
      timer = setTimeout(() => resolve('patience'), patienceMs);
    });
    const closed = this.closed.then((): End => 'closed');
    const answered = this.#lastAnswered.promise.then((): End => 'last-answered');
    const end = await Promise.race([answered, closed, patience]);
    clearTimeout(timer);
    return end;
  }
}

class Storm {
  readonly #options: StormOptions;
  readonly result: StormResult = {
    frames: 0,
    connections: 0,
    answered: 0,
    endedByBroker: 0,
    leftHalf: 0,
    leftWaiting: 0,
    produced: new Map(),
    faults: [],
  };

  constructor(options: StormOptions) {
    this.#options = options;
  }

  async worker(random: Random): Promise<void> {
    while (this.result.frames < this.#options.frames && this.result.faults.length < FAULTS_MAX) {
      const door = random.pick(this.#options.doors);
      this.result.connections++;
      if (random.chance(15)) await this.#stranger(door, random);
      else await this.#client(door, random);
    }
  }

  #fault(what: string): void {
    if (this.result.faults.length < FAULTS_MAX) this.result.faults.push(what);
  }

  /** A connection that is no frame, or half of one, or whose frame has a wrong length. */
  async #stranger(door: Door, random: Random): Promise<void> {
    const attempt = new Attempt(door.port, random);
    this.result.frames++;
    const whole = random.pick(random.pick(corpus.REQUEST_FRAMES));
    const kind = random.below(10);
    if (kind < 2) return this.#leave(attempt, half(random, whole), 'leftHalf');
    const first =
      kind < 5
        ? random.pick(corpus.STRANGERS)
        : kind < 8
          ? damageLength(random, whole)
          : random.bytes(1 + random.below(60));
    // With so long a length what follows would be its body, and the connection would wait for more.
    if (first.length < 4 || first.readInt32BE(0) >= first.length)
      return this.#leave(attempt, first, 'leftHalf');
    await attempt.write(Buffer.concat([first, corpus.END]), random);
    await this.#endsByItself(attempt, `stranger ${first.toString('hex')}`);
  }

  async #client(door: Door, random: Random): Promise<void> {
    const frames: Buffer[] = [];
    // Whatever follows one that ends the connection is not looked at.
    for (let left = 1 + random.below(FRAMES_A_CONNECTION_MAX); left > 0; left--) {
      const frame = drawn(random, door);
      if (isOrder(frame)) continue;
      frames.push(frame);
      if (fateOf(frame, door.spoken).kind === 'end') break;
    }
    this.result.frames += Math.max(1, frames.length);
    const attempt = new Attempt(door.port, random);
    await attempt.write(Buffer.concat([...frames, corpus.LAST]), random);
    const patienceMs = frames.some(mayWait) ? PATIENCE_MS : CLOSE_MS_MAX;
    const end = await attempt.outcome(patienceMs);
    this.#judge([...frames, corpus.LAST], door, attempt, end);
    if (end === 'closed') this.result.endedByBroker++;
    else if (end === 'patience') await this.#leave(attempt, undefined, 'leftWaiting');
    else if (random.chance(50)) {
      attempt.socket.write(corpus.END);
      await this.#endsByItself(attempt, 'a length of −1 after good requests');
    } else {
      attempt.socket.end();
      await attempt.closed;
    }
  }

  /** Answers come in the order of the requests, up to the first that ends the connection. */
  #judge(frames: readonly Buffer[], { spoken }: Door, attempt: Attempt, end: End): void {
    const answers = [...attempt.answers];
    for (const frame of frames) {
      const fate = fateOf(frame, spoken);
      const shown = frame.toString('hex', 0, 400);
      if (fate.kind === 'end') {
        // Those before it may wait still.
        const waits = end === 'patience' && frames.some(mayWait);
        if (end !== 'closed' && !waits) this.#fault(`not closed (${end}) over ${shown}`);
        break;
      }
      // What cannot be appended without an answer may end the connection.
      if (fate.kind === 'silence') {
        if (answers.length === 0) return;
        continue;
      }
      const answer = answers.shift();
      if (answer === undefined) {
        // What ends the connection may have come before an earlier request was answered.
        const ends = frames.some((each) => fateOf(each, spoken).kind !== 'answer');
        const waits = end === 'patience' && frames.some(mayWait);
        if (!ends && !waits) this.#fault(`no answer (${end}) to ${shown}`);
        return;
      }
      this.result.answered++;
      this.#judgeAnswer(fate, answer, shown);
    }
    if (answers.length > 0) this.#fault(`${answers.length} answers too many`);
  }

  #judgeAnswer(fate: Fate & { kind: 'answer' }, answer: Buffer, shown: string): void {
    try {
      if (correlationIdOf(answer) !== fate.id)
        this.#fault(`expected the answer to ${fate.id}, got ${correlationIdOf(answer)}: ${shown}`);
      const body = decodeResponse(fate.api, fate.version, answer);
      if (fate.api !== 'Produce') return;
      const { responses } = body as ReturnType<typeof decodeResponse<'Produce'>>;
      for (const { errorCode } of responses.flatMap((each) => each.partitionResponses)) {
        const name = errorNameOf(errorCode);
        this.result.produced.set(name, (this.result.produced.get(name) ?? 0) + 1);
      }
    } catch (error) {
      this.#fault(`${(error as Error).message} in the answer to ${shown}`);
    }
  }

  async #leave(
    attempt: Attempt,
    bytes: Buffer | undefined,
    count: 'leftHalf' | 'leftWaiting',
  ): Promise<void> {
    this.result[count]++;
    if (bytes === undefined) attempt.socket.resetAndDestroy();
    else attempt.socket.write(bytes, () => attempt.socket.resetAndDestroy());
    await attempt.closed;
  }

  async #endsByItself(attempt: Attempt, what: string): Promise<void> {
    const timer = setTimeout(() => {
      this.#fault(`left open: ${what}`);
      attempt.socket.destroy();
    }, CLOSE_MS_MAX);
    await attempt.closed;
    clearTimeout(timer);
    this.result.endedByBroker++;
  }
}

/** A frame whose length is right; most are bent or damaged inside. */
function drawn(random: Random, { spoken }: Door): Buffer {
  const kind = random.below(100);
  if (kind < 4) return random.pick(corpus.MALFORMED);
  if (kind < 20) return corpus.oddBatch(random);
  if (random.below(1_000) === 0) return largeProduce(random);
  const alter = (): Buffer => {
    const whole = random.pick(random.pick(corpus.REQUEST_FRAMES));
    if (kind < 35) return whole;
    return kind < 70 ? bend(random, whole) : damageBody(random, whole);
  };
  let frame = alter();
  // Most are to get as far as the handlers.
  for (let tries = 0; tries < 4 && random.chance(80); tries++) {
    if (fateOf(frame, spoken).kind !== 'end') break;
    frame = alter();
  }
  return frame;
}

/** A Produce request above message.max.bytes. */
function largeProduce(random: Random): Buffer {
  return damageBody(random, corpus.produceFrame(Buffer.alloc(LARGE_BYTES, random.below(256))));
}

/** Runs until all frames are sent and every connection has ended. */
export async function runBrokerStorm(options: StormOptions): Promise<StormResult> {
  const storm = new Storm(options);
  const workers = Array.from({ length: options.width }, (_, at) =>
    storm.worker(new Random(options.seed * 1_000 + at)),
  );
  await Promise.all(workers);
  return storm.result;
}
