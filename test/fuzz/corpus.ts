// Where fuzzing begins: one well-formed frame of every request, and bytes that broke or might break a
// server. Whatever brings one down is added here, so that it is sent for ever after.

import { Op, Xid } from '../../coordinator/protocol/codes.ts';
import type { Codec } from '../../coordinator/protocol/jute.ts';
import { MultiReadRequest, MultiRequest } from '../../coordinator/protocol/multi.ts';
import {
  AddWatchRequest,
  AuthPacket,
  CheckVersionRequest,
  ConnectRequest,
  CreateRequest,
  CreateTtlRequest,
  DeleteRequest,
  OPEN_ACL,
  PathWatchRequest,
  RequestHeader,
  SetAclRequest,
  SetDataRequest,
  SetWatches2Request,
  SetWatchesRequest,
  SyncRequest,
  WatchesRequest,
} from '../../coordinator/protocol/records.ts';
import {
  type Catalogue,
  ELECTION_MESSAGES,
  encodeMessage,
  LEARNER_MESSAGES,
  type Message,
  PEER_PROTOCOL_VERSION,
} from '../../coordinator/zab/messages.ts';
import { ByteWriter } from '../../wire/bytes.ts';
import { frame } from '../../wire/frames.ts';

function request<T>(op: number, codec?: Codec<T>, body?: T, xid = 5): Buffer {
  const w = new ByteWriter();
  RequestHeader.write(w, { xid, type: op });
  if (codec !== undefined) codec.write(w, body as T);
  return frame(w.view());
}

/** A connection request; with a session it comes back to it. */
export function hello(sessionId = 0n, passwd: Buffer = Buffer.alloc(16)): Buffer {
  const w = new ByteWriter();
  ConnectRequest.write(w, {
    protocolVersion: 0,
    lastZxidSeen: 0,
    timeOut: 8_000,
    sessionId,
    passwd,
  });
  w.bool(false);
  return frame(w.view());
}

const data = Buffer.from('some data');
const acl = [...OPEN_ACL];
const watched = { path: '/fuzz/1', watch: true };
const create = { path: '/fuzz/1', data, acl, flags: 0 };
const paths = ['/fuzz/1', '/fuzz/2', '/'];

/** One of every request that changes or reads, well-formed. */
export const REQUESTS: readonly Buffer[] = [
  request(Op.create, CreateRequest, create),
  request(Op.create2, CreateRequest, { ...create, flags: 1 }),
  request(Op.create, CreateRequest, { ...create, path: '/fuzz/s-', flags: 3 }),
  request(Op.delete, DeleteRequest, { path: '/fuzz/1', version: -1 }),
  request(Op.delete, DeleteRequest, { path: '/', version: 0 }),
  request(Op.setData, SetDataRequest, { path: '/fuzz/1', data, version: -1 }),
  request(Op.setData, SetDataRequest, { path: '/fuzz', data: null, version: 2 }),
  request(Op.exists, PathWatchRequest, watched),
  request(Op.getData, PathWatchRequest, watched),
  request(Op.getChildren, PathWatchRequest, watched),
  request(Op.getChildren2, PathWatchRequest, { path: '/fuzz', watch: false }),
  request(Op.sync, SyncRequest, { path: '/' }),
  request(Op.check, CheckVersionRequest, { path: '/fuzz', version: 0 }),
  request(Op.multi, MultiRequest, [
    { type: Op.create, ...create, path: '/fuzz/m' },
    { type: Op.check, path: '/fuzz', version: -1 },
    { type: Op.setData, path: '/fuzz/m', data, version: -1 },
    { type: Op.delete, path: '/fuzz/m', version: -1 },
  ]),
  request(Op.setWatches, SetWatchesRequest, {
    relativeZxid: 0,
    dataWatches: paths,
    existWatches: paths,
    childWatches: paths,
  }),
  request(Op.auth, AuthPacket, { type: 0, scheme: 'digest', auth: Buffer.from('a:b') }, Xid.auth),
  request(Op.ping, undefined, undefined, Xid.ping),
  request(Op.getACL, SyncRequest, { path: '/fuzz' }),
  request(Op.getEphemerals, SyncRequest, { path: '/' }),
  request(Op.getAllChildrenNumber, SyncRequest, { path: '/' }),
  request(Op.whoAmI),
  request(Op.reconfig),
  request(Op.multiRead, MultiReadRequest, [
    { type: Op.getData, path: '/fuzz' },
    { type: Op.getChildren, path: '/' },
  ]),
  request(Op.checkWatches, WatchesRequest, { path: '/fuzz', type: 2 }),
  request(Op.removeWatches, WatchesRequest, { path: '/fuzz', type: 3 }),
  request(Op.addWatch, AddWatchRequest, { path: '/fuzz', mode: 1 }),
  request(Op.setWatches2, SetWatches2Request, {
    relativeZxid: 0,
    dataWatches: paths,
    existWatches: paths,
    childWatches: paths,
    persistentWatches: paths,
    persistentRecursiveWatches: paths,
  }),
  request(Op.setACL, SetAclRequest, { path: '/fuzz/2', acl, version: -1 }),
  request(Op.createTTL, CreateTtlRequest, { ...create, flags: 5, ttl: 1_000 }),
  request(Op.createContainer, CreateRequest, { ...create, path: '/fuzz/c', flags: 4 }),
];

/** Ends a session, so it is sent apart from the others. */
export const GOODBYE = request(Op.closeSession);

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

/** First bytes of a connection that no client of ours sends. */
export const STRANGERS: readonly Buffer[] = [
  Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
  Buffer.from('SSH-2.0-OpenSSH_9.2\r\n'),
  Buffer.from('ruokruokruok'),
  Buffer.from('mntr'),
  Buffer.from('conf\n'),
  Buffer.from('RUOK'),
  hex('16030100c8010000c40303'),
  hex('00000000'),
  hex('ffffffff'),
  hex('80000000'),
  hex('7fffffff 00'),
  hex('000fffff 0000000000'),
  hex('00100000'),
  hex('0000002c 00000000'),
  // A password of −1 and of 2^31 − 1 bytes.
  hex('0000001c 00000000 0000000000000000 00001f40 0000000000000000 ffffffff'),
  hex('0000001c 00000000 0000000000000000 00001f40 0000000000000000 7fffffff'),
  // A session and a last zxid that never were.
  hex('0000001c 00000000 7fffffffffffffff 00001f40 ffffffffffffffff ffffffff'),
  // A timeout of −1 and of 2^31 − 1.
  hex('0000001c 00000000 0000000000000000 ffffffff 0000000000000000 ffffffff'),
  hex('0000001c 00000000 0000000000000000 7fffffff 0000000000000000 ffffffff'),
];

/** Request frames that name impossible lengths and counts. */
export const MALFORMED: readonly Buffer[] = [
  hex('00000000'),
  hex('00000004 00000001'),
  hex('00000008 00000001 7fffffff'),
  hex('0000000c 00000001 00000004 7fffffff'),
  hex('0000000c 00000001 00000004 ffffffff'),
  hex('0000000c 00000001 00000004 80000000'),
  hex('00000010 00000001 0000000e ffffffff ffffffff'),
  hex('00000018 fffffff8 00000065 0000000000000000 7fffffff 00000000'),
  hex('00000018 fffffff8 00000065 0000000000000000 ffffffff ffffffff'),
  // A path that is not UTF-8, and one with a zero byte.
  hex('00000011 00000001 00000004 00000004 2fff fe80 01'),
  hex('00000011 00000001 00000004 00000004 2f61 0062 01'),
];

/** Certainly the end of a connection. */
export const END = hex('ffffffff');

/** Whose place nobody in an ensemble under test has. */
const STRANGE_SID = 77;

function all<C extends Catalogue>(catalogue: C, messages: Message<C>[]): Buffer[] {
  return messages.map((message) => Buffer.from(encodeMessage(catalogue, message)));
}

/** What a learner says to a leader, from a server that is not of the ensemble. */
export const LEARNER_FRAMES = all(LEARNER_MESSAGES, [
  {
    type: 'followerInfo',
    sid: STRANGE_SID,
    version: PEER_PROTOCOL_VERSION,
    acceptedEpoch: 1,
    observer: true,
  },
  { type: 'ackEpoch', counting: true, currentEpoch: 1, zxid: 5 },
  { type: 'newLeaderAck', epoch: 1, zxid: 5 },
  { type: 'ack', zxid: 2 ** 40 },
  {
    type: 'request',
    request: 1,
    session: 1,
    cxid: 1,
    op: 1,
    body: Buffer.from('x'),
    identities: [],
  },
  { type: 'sync', request: 1, session: 1 },
  { type: 'attach', request: 1, session: 1 },
  { type: 'confirmAck', round: 9 },
  { type: 'pong', touched: [1, 2, 3] },
]);

/** What a server says on an election link, from one that is not of the ensemble. */
export const ELECTION_FRAMES = all(ELECTION_MESSAGES, [
  { type: 'hello', sid: STRANGE_SID, version: PEER_PROTOCOL_VERSION },
  {
    type: 'notification',
    state: 0,
    round: 99,
    leader: STRANGE_SID,
    epoch: 99,
    zxid: 2 ** 45,
    ensemble: 'server.77=127.0.0.1:1:2:participant;127.0.0.1:3\nversion=200000001',
  },
  { type: 'ping', number: 1 },
  { type: 'pong', number: 1 },
]);

/** A ping whose number no double can hold: it was taken in, and could not be said back. */
export const UNSAFE_PING = hex('00000009 02 1000000000000001');
