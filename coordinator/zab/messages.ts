// The messages servers exchange: notifications of the election, and the talk between a leader and its
// learners. Each is a schema; its number on the wire is its place in the catalogue.
import { ByteReader, ByteWriter, WireError } from '../../wire/bytes.ts';
import {
  bool,
  buffer,
  type Codec,
  type Infer,
  int,
  long,
  record,
  text,
  vector,
} from '../protocol/jute.ts';

/** Bytes that must be there. */
const bytes: Codec<Buffer> = {
  write: (w, v) => buffer.write(w, v),
  read(r) {
    const value = buffer.read(r);
    if (value === null) throw new WireError('expected bytes, got null');
    return value;
  },
};

/** First message of an election link: who speaks. */
const Hello = record({ sid: int, version: int });

/** States of a server as they travel in notifications. */
export const PEER_STATES = ['looking', 'following', 'leading'] as const;
export type PeerState = (typeof PEER_STATES)[number];

const Notification = record({
  /** Index into PEER_STATES. */
  state: int,
  round: long,
  leader: int,
  zxid: long,
  epoch: int,
  /** The newest ensemble that the sender knows to be committed; empty: that of its file. */
  ensemble: text,
});

export const ELECTION_MESSAGES = {
  hello: Hello,
  notification: Notification,
  ping: record({ number: long }),
  pong: record({ number: long }),
};

/** `observer`: it wants committed transactions alone. */
const FollowerInfo = record({ sid: int, version: int, acceptedEpoch: int, observer: bool });
/** `counting` is false when the learner had accepted this epoch before. */
const AckEpoch = record({ counting: bool, currentEpoch: int, zxid: long });
const ForwardedRequest = record({
  request: long,
  session: long,
  cxid: int,
  op: int,
  body: bytes,
  identities: vector(record({ scheme: text, id: text })),
});

/** Learner → leader. */
export const LEARNER_MESSAGES = {
  followerInfo: FollowerInfo,
  ackEpoch: AckEpoch,
  newLeaderAck: record({ epoch: int, zxid: long }),
  /** Cumulative: everything up to zxid is durable here. */
  ack: record({ zxid: long }),
  request: ForwardedRequest,
  sync: record({ request: long, session: long }),
  attach: record({ request: long, session: long }),
  confirmAck: record({ round: long }),
  pong: record({ touched: vector(long) }),
};

/** In place of a transaction's hash when the leader does not keep that transaction in memory. */
export const UNKNOWN_HASH = -1;

/** Leader → learner. */
export const LEADER_MESSAGES = {
  leaderInfo: record({ epoch: int }),
  /** The learner's log is a prefix of the leader's; what it lacks follows as records. */
  diff: record({ from: long }),
  /** Drop everything above `to`; what is lacking after it follows as records. */
  trunc: record({ to: long, hash: long }),
  snapBegin: record({ zxid: long, digest: text, chunks: int }),
  snapChunk: record({ chunk: bytes }),
  /** Transactions in log order: of the synchronisation, or proposals. */
  records: record({ records: vector(bytes) }),
  newLeader: record({ epoch: int, zxid: long }),
  upToDate: record({ zxid: long }),
  /** Cumulative. */
  commit: record({ zxid: long }),
  synced: record({ request: long, zxid: long }),
  attached: record({ request: long, timeoutMs: int }),
  confirm: record({ round: long }),
  ping: record({ sentMs: long }),
};

/** Version of the talk between servers; peers of another one are refused. */
export const PEER_PROTOCOL_VERSION = 3;

// biome-ignore lint/suspicious/noExplicitAny: a catalogue holds codecs of any type, narrowed by name.
export type Catalogue = Record<string, Codec<any>>;

/** One message of a catalogue: its type and its fields. */
export type Message<C extends Catalogue> = {
  [K in keyof C & string]: { type: K } & Infer<C[K]>;
}[keyof C & string];

/** Encodes a whole frame: length, number of the type, fields. */
export function encodeMessage<C extends Catalogue>(catalogue: C, message: Message<C>): Buffer {
  const code = Object.keys(catalogue).indexOf(message.type);
  const writer = new ByteWriter(64);
  writer.i32(0).u8(code);
  (catalogue[message.type] as Codec<unknown>).write(writer, message);
  writer.patchI32(0, writer.length - 4);
  return writer.view();
}

/** Decodes a frame's body. Throws WireError on an unknown type or a malformed body. */
export function decodeMessage<C extends Catalogue>(catalogue: C, body: Buffer): Message<C> {
  const reader = new ByteReader(body);
  const code = reader.u8();
  const type = Object.keys(catalogue)[code];
  if (type === undefined) {
    throw new WireError(`expected a message of ${Object.keys(catalogue).join(', ')}; got ${code}`);
  }
  const fields = (catalogue[type] as Codec<object>).read(reader);
  if (reader.remaining > 0) {
    throw new WireError(`${type}: ${reader.remaining} bytes too many at the end`);
  }
  return { type, ...fields } as Message<C>;
}
