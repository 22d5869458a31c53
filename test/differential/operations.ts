// The operations that both servers are sent, as a table: how each is drawn, put on the wire, and how its
// reply is read. A new request of the protocol is one more row.
import { Op } from '../../coordinator/protocol/codes.ts';
import { type Codec, int, long, record, ustring } from '../../coordinator/protocol/jute.ts';
import {
  MultiReadRequest,
  MultiReadResponse,
  MultiRequest,
  MultiResponse,
} from '../../coordinator/protocol/multi.ts';
import {
  AddWatchRequest,
  AddWatchResponse,
  AuthPacket,
  Create2Response,
  CreateRequest,
  CreateResponse,
  CreateTtlRequest,
  DeleteRequest,
  ExistsResponse,
  GetAclRequest,
  GetAclResponse,
  GetAllChildrenNumberRequest,
  GetAllChildrenNumberResponse,
  GetChildren2Response,
  GetChildrenResponse,
  GetDataResponse,
  GetEphemeralsRequest,
  GetEphemeralsResponse,
  PathWatchRequest,
  SetAclRequest,
  SetAclResponse,
  SetDataRequest,
  SetDataResponse,
  SetWatches2Request,
  SetWatchesRequest,
  SyncRequest,
  SyncResponse,
  WatchesRequest,
  WhoAmIResponse,
} from '../../coordinator/protocol/records.ts';
import { type Drawing, LONG_TTL_MS } from './drawing.ts';

/** One request, the same bytes for both servers. */
export interface Operation {
  name: string;
  type: number;
  request: Codec<unknown> | undefined;
  body: unknown;
  /** Absent: the reply has no body. */
  response: Codec<unknown> | undefined;
  /** auth goes by a reserved xid. */
  xid?: number;
}

interface Row {
  name: string;
  weight: number;
  type: number;
  // biome-ignore lint/suspicious/noExplicitAny: each row's body fits its own codec.
  request?: Codec<any>;
  body?(draw: Drawing): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: a reply is compared field by field, whatever it is.
  response?: Codec<any>;
  xid?: number;
}

const pathWatch = (draw: Drawing) => ({ path: draw.path(), watch: draw.watch() });
const paths = (draw: Drawing) => Array.from({ length: draw.random.int(0, 2) }, () => draw.path());

const ROWS: readonly Row[] = [
  {
    ...{ name: 'create', weight: 14, type: Op.create },
    ...{ request: CreateRequest, response: CreateResponse },
    body: (d) => ({ path: d.below(), data: d.data(), acl: d.acl(), flags: d.flags() }),
  },
  {
    ...{ name: 'create2', weight: 6, type: Op.create2 },
    ...{ request: CreateRequest, response: Create2Response },
    body: (d) => ({ path: d.below(), data: d.data(), acl: d.acl(), flags: d.flags() }),
  },
  {
    ...{ name: 'createContainer', weight: 2, type: Op.createContainer },
    ...{ request: CreateRequest, response: Create2Response },
    body: (d) => ({
      ...{ path: d.below(), data: d.data(), acl: d.acl() },
      flags: d.random.pick([4, 4, 4, 0, 1]),
    }),
  },
  {
    ...{ name: 'createTTL', weight: 2, type: Op.createTTL },
    ...{ request: CreateTtlRequest, response: Create2Response },
    body: (d) => ({
      ...{ path: d.below(), data: d.data(), acl: d.acl() },
      // Other flags end the server that takes them, in 3.8.0.
      ...{ flags: d.random.pick([5, 5, 6]) },
      ttl: d.random.pick([LONG_TTL_MS, LONG_TTL_MS, 0, -1, 2 ** 40, 2 ** 41]),
    }),
  },
  {
    ...{ name: 'delete', weight: 10, type: Op.delete, request: DeleteRequest },
    body: (d) => ({ path: d.below(), version: d.version() }),
  },
  {
    ...{ name: 'exists', weight: 8, type: Op.exists },
    ...{ request: PathWatchRequest, response: ExistsResponse, body: pathWatch },
  },
  {
    ...{ name: 'getData', weight: 10, type: Op.getData },
    ...{ request: PathWatchRequest, response: GetDataResponse, body: pathWatch },
  },
  {
    ...{ name: 'setData', weight: 12, type: Op.setData },
    ...{ request: SetDataRequest, response: SetDataResponse },
    body: (d) => ({ path: d.below(), data: d.data(), version: d.version() }),
  },
  {
    ...{ name: 'getChildren', weight: 5, type: Op.getChildren },
    ...{ request: PathWatchRequest, response: GetChildrenResponse, body: pathWatch },
  },
  {
    ...{ name: 'getChildren2', weight: 5, type: Op.getChildren2 },
    ...{ request: PathWatchRequest, response: GetChildren2Response, body: pathWatch },
  },
  {
    ...{ name: 'multi', weight: 12, type: Op.multi },
    ...{ request: MultiRequest, response: MultiResponse },
    body: (d) => Array.from({ length: d.random.pick([0, 1, 2, 2, 3, 4]) }, () => d.multiOp()),
  },
  {
    ...{ name: 'sync', weight: 2, type: Op.sync, request: SyncRequest, response: SyncResponse },
    body: (d) => ({ path: d.path() }),
  },
  {
    ...{ name: 'getACL', weight: 3, type: Op.getACL },
    ...{ request: GetAclRequest, response: GetAclResponse },
    body: (d) => ({ path: d.path() }),
  },
  {
    ...{ name: 'setACL', weight: 3, type: Op.setACL },
    ...{ request: SetAclRequest, response: SetAclResponse },
    body: (d) => ({ path: d.below(), acl: d.acl(), version: d.version() }),
  },
  {
    ...{ name: 'multiRead', weight: 3, type: Op.multiRead },
    ...{ request: MultiReadRequest, response: MultiReadResponse },
    body: (d) =>
      Array.from({ length: d.random.int(0, 3) }, () => ({
        type: d.random.pick([Op.getData, Op.getChildren]),
        path: d.path(),
      })),
  },
  {
    ...{ name: 'addWatch', weight: 3, type: Op.addWatch },
    ...{ request: AddWatchRequest, response: AddWatchResponse },
    body: (d) => ({ path: d.path(), mode: d.watchMode() }),
  },
  {
    ...{ name: 'removeWatches', weight: 3, type: Op.removeWatches, request: WatchesRequest },
    body: (d) => ({ path: d.path(), type: d.random.pick([1, 2, 3, 3, 0, 4]) }),
  },
  {
    ...{ name: 'checkWatches', weight: 3, type: Op.checkWatches, request: WatchesRequest },
    body: (d) => ({ path: d.path(), type: d.random.pick([1, 2, 3, 3, 0, 4]) }),
  },
  {
    ...{ name: 'setWatches', weight: 1, type: Op.setWatches, request: SetWatchesRequest, xid: -8 },
    body: (d) => ({
      ...{ relativeZxid: d.random.pick([0, 2 ** 52]) },
      ...{ dataWatches: paths(d), existWatches: paths(d), childWatches: paths(d) },
    }),
  },
  {
    ...{
      name: 'setWatches2',
      weight: 1,
      type: Op.setWatches2,
      request: SetWatches2Request,
      xid: -8,
    },
    body: (d) => ({
      ...{ relativeZxid: d.random.pick([0, 2 ** 52]) },
      ...{ dataWatches: paths(d), existWatches: paths(d), childWatches: paths(d) },
      ...{ persistentWatches: [], persistentRecursiveWatches: [] },
    }),
  },
  {
    ...{ name: 'getEphemerals', weight: 2, type: Op.getEphemerals },
    ...{ request: GetEphemeralsRequest, response: GetEphemeralsResponse },
    // Without a prefix it would tell what earlier rounds left to a session; there is nothing left.
    body: (d) => ({ prefixPath: d.random.pick([null, '', d.base, d.path()]) }),
  },
  {
    ...{ name: 'getAllChildrenNumber', weight: 2, type: Op.getAllChildrenNumber },
    ...{ request: GetAllChildrenNumberRequest, response: GetAllChildrenNumberResponse },
    // 3.8.0 counts the root among what is below the nameless path.
    body: (d) => ({ path: d.below() || d.base }),
  },
  { name: 'whoAmI', weight: 1, type: Op.whoAmI, response: WhoAmIResponse },
  {
    ...{ name: 'auth', weight: 0.3, type: Op.auth, request: AuthPacket, xid: -4 },
    body: (d) => ({
      ...{ type: 0, scheme: 'digest' },
      auth: Buffer.from(d.random.pick(['u:p', 'v:q', 'w:'])),
    }),
  },
  { name: 'ping', weight: 0.5, type: Op.ping, xid: -2 },
  {
    name: 'unknown',
    weight: 0.1,
    type: 999,
    request: record({ x: int, y: long, z: ustring }),
    body: () => ({ x: 1, y: 2, z: 'z' }),
  },
];

/** Names of all operations in the table. */
export const OPERATIONS: readonly string[] = ROWS.map(({ name }) => name);

/** Whether an operation belongs to the round's kind of watches. */
function fits({ name }: Row, { watches }: Drawing): boolean {
  return watches === 'once' ? name !== 'addWatch' : !name.startsWith('setWatches');
}

/** Draws the next operation of a round. */
export function nextOperation(draw: Drawing): Operation {
  const rows = ROWS.filter((row) => fits(row, draw));
  const total = rows.reduce((sum, { weight }) => sum + weight, 0);
  let point = draw.random.float() * total;
  for (const row of rows) {
    point -= row.weight;
    if (point < 0) return make(row, draw);
  }
  return make(rows[0] as Row, draw);
}

function make(row: Row, draw: Drawing): Operation {
  const { name, type, request, response, xid } = row;
  const body = row.body?.(draw);
  return { name, type, request, body, response, ...(xid === undefined ? {} : { xid }) };
}

/** An operation in one line, for people. */
export function describe({ name, body }: Operation): string {
  const text = JSON.stringify(body, (_, value) =>
    value?.type === 'Buffer' ? `<${value.data.length} bytes>` : value,
  );
  return `${name} ${(text ?? '').slice(0, 400)}`;
}
