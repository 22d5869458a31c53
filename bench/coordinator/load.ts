// A load generator for any server of ZooKeeper's client protocol, as a process of its own: raw frames, a
// fixed number of requests outstanding on each connection. It is the same for both sides of a comparison.
import { connect, type Socket } from 'node:net';
import { build } from 'hdr-histogram-js';
import { CreateFlag, Op, Xid } from '../../coordinator/protocol/codes.ts';
import { bool } from '../../coordinator/protocol/jute.ts';
import {
  ConnectRequest,
  CreateRequest,
  OPEN_ACL,
  PathWatchRequest,
  RequestHeader,
  SetDataRequest,
} from '../../coordinator/protocol/records.ts';
import { ByteReader, ByteWriter } from '../../wire/bytes.ts';
import { FrameSplitter } from '../../wire/frames.ts';

export type LoadOp = 'create' | 'set' | 'get';

/** What to do; passed as JSON in the first argument. */
export interface LoadOrder {
  ports: number[];
  op: LoadOp;
  connections: number;
  depth: number;
  bytes: number;
  keys: number;
  seconds: number;
  /** Seconds before measuring begins. */
  warmupSeconds: number;
  /** Names what this run creates. */
  root: string;
  /** Connections are made again when they are lost, and gaps are measured. */
  survive?: boolean;
}

/** What came of it; printed as one line of JSON. */
export interface LoadResult {
  perSecond: number;
  operations: number;
  errors: number;
  p50Us: number;
  p99Us: number;
  p999Us: number;
  /** Longest time without any acknowledged operation while measuring, ms, and when it began. */
  gapMsMax: number;
  gapStartedMs: number;
  /** Wall clock of the first acknowledged write, ms since 1970. */
  firstAckMs: number;
}

const SESSION_MS = 10_000;
const PING_MS = 2_000;
const RETRY_MS = 20;
const SILENT_MS_MAX = 3_000;
/** A server that takes a connection and says nothing is left for the next one: it may be stopped. */
const GREETING_MS_MAX = 500;

type Encode = (w: ByteWriter) => void;

class Connection {
  readonly #order: LoadOrder;
  readonly #index: number;
  readonly #onReply: (xid: number, err: number, sentNs: bigint) => Encode | undefined;
  readonly #sent = new Map<number, bigint>();
  #out = new ByteWriter();
  #socket: Socket;
  #attempts = 0;
  #xid = 0;
  #open = false;
  #heardMs = 0;
  #over = false;
  readonly opened: Promise<void>;
  #resolve: () => void = () => undefined;
  next: () => Encode | undefined = () => undefined;
  /** Whatever was under way on an earlier connection is lost. */
  begin: () => void = () => undefined;

  constructor(
    order: LoadOrder,
    index: number,
    onReply: (xid: number, err: number, sentNs: bigint) => Encode | undefined,
  ) {
    this.#order = order;
    this.#index = index;
    this.#onReply = onReply;
    this.opened = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#socket = this.#connect();
    setInterval(() => this.#keepAlive(), PING_MS / 4).unref();
  }

  #connect(): Socket {
    const { ports } = this.#order;
    const port = ports[(this.#index + this.#attempts++) % ports.length] as number;
    const splitter = new FrameSplitter(1 << 24);
    const socket = connect(port, '127.0.0.1');
    this.#open = false;
    this.#heardMs = performance.now();
    socket.setNoDelay(true);
    socket.on('connect', () => {
      const w = new ByteWriter();
      w.i32(0);
      ConnectRequest.write(w, {
        protocolVersion: 0,
        lastZxidSeen: 0,
        timeOut: SESSION_MS,
        sessionId: 0n,
        passwd: Buffer.alloc(16),
      });
      bool.write(w, false);
      w.patchI32(0, w.length - 4);
      socket.write(w.view());
    });
    socket.on('data', (chunk: Buffer) => {
      this.#heardMs = performance.now();
      splitter.feed(chunk, (body) => {
        if (this.#open) this.#reply(body);
        else this.#begin();
        return undefined;
      });
      this.#flush();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => this.#lost(socket));
    return socket;
  }

  #begin(): void {
    this.#open = true;
    this.#resolve();
    this.begin();
    for (let i = 0; i < this.#order.depth; i++) this.#send(this.next());
  }

  #lost(socket: Socket): void {
    if (this.#over || socket !== this.#socket) return;
    if (this.#order.survive !== true) throw new Error('a connection was lost');
    this.#open = false;
    this.#sent.clear();
    this.#out = new ByteWriter();
    setTimeout(() => {
      this.#socket = this.#connect();
    }, RETRY_MS);
  }

  /** Starts, or goes on, with requests from `next`. */
  start(): void {
    for (let i = this.#sent.size; i < this.#order.depth; i++) this.#send(this.next());
    this.#flush();
  }

  #send(encode: Encode | undefined): void {
    if (encode === undefined || !this.#open) return;
    const w = this.#out;
    const at = w.length;
    w.i32(0);
    this.#xid = (this.#xid % 1_000_000_000) + 1;
    w.i32(this.#xid);
    encode(w);
    w.patchI32(at, w.length - at - 4);
    this.#sent.set(this.#xid, process.hrtime.bigint());
  }

  #flush(): void {
    if (this.#out.length === 0) return;
    this.#socket.write(this.#out.view());
    this.#out = new ByteWriter();
  }

  #reply(body: Buffer): void {
    const r = new ByteReader(body);
    const xid = r.i32();
    r.i64();
    const err = r.i32();
    const sentNs = this.#sent.get(xid);
    if (sentNs === undefined) return;
    this.#sent.delete(xid);
    this.#send(this.#onReply(xid, err, sentNs));
  }

  #keepAlive(): void {
    if (this.#over) return;
    const silentMs = performance.now() - this.#heardMs;
    const silentMsMax = this.#open ? SILENT_MS_MAX : GREETING_MS_MAX;
    if (this.#order.survive === true && silentMs > silentMsMax) {
      this.#socket.destroy();
      return;
    }
    if (!this.#open) return;
    const w = new ByteWriter();
    w.i32(8);
    RequestHeader.write(w, { xid: Xid.ping, type: Op.ping });
    this.#socket.write(w.view());
  }

  close(): void {
    this.#over = true;
    this.#socket.destroy();
  }
}

function pad(number: number): string {
  return String(number).padStart(9, '0');
}

/** Encoders of the wanted operation, one after another. */
function requests(order: LoadOrder, salt: number): () => Encode {
  const { op, root, keys } = order;
  const data = Buffer.alloc(order.bytes, 0x61);
  const create = (path: string): Encode => {
    return (w) => {
      w.i32(Op.create);
      CreateRequest.write(w, { path, data, acl: OPEN_ACL, flags: CreateFlag.persistent });
    };
  };
  let n = 0;
  if (op === 'create') return () => create(`${root}/c${salt}-${pad(n++)}`);
  const path = () => `${root}/k${pad((salt * 7919 + n++) % keys)}`;
  if (op === 'get') {
    return () => (w) => {
      w.i32(Op.getData);
      PathWatchRequest.write(w, { path: path(), watch: false });
    };
  }
  return () => (w) => {
    w.i32(Op.setData);
    SetDataRequest.write(w, { path: path(), data, version: -1 });
  };
}

/** Makes the root and the keys, by one connection. */
async function prepare(order: LoadOrder): Promise<number> {
  const data = Buffer.alloc(order.bytes, 0x61);
  const paths = [order.root, ...Array.from({ length: order.keys }, (_, i) => `k${pad(i)}`)];
  let sent = 0;
  let answered = 0;
  let firstAckMs = 0;
  const total = order.op === 'create' ? 1 : paths.length;
  await new Promise<void>((resolve, reject) => {
    const one = { ...order, connections: 1, depth: 64 };
    const next = (): Encode | undefined => {
      if (sent >= total) return undefined;
      const i = sent++;
      const path = i === 0 ? order.root : `${order.root}/${paths[i]}`;
      return (w) => {
        w.i32(Op.create);
        CreateRequest.write(w, { path, data, acl: OPEN_ACL, flags: CreateFlag.persistent });
      };
    };
    const connection = new Connection(one, 0, (_xid, err) => {
      if (err !== 0 && err !== -110) reject(new Error(`create answered ${err}`));
      answered += 1;
      if (firstAckMs === 0) firstAckMs = Date.now();
      if (answered < total) return next();
      connection.close();
      resolve();
      return undefined;
    });
    connection.next = next;
    connection.begin = () => {
      sent = answered;
    };
  });
  return firstAckMs;
}

async function main(): Promise<void> {
  const order = JSON.parse(process.argv[2] ?? '{}') as LoadOrder;
  const firstAckMs = await prepare(order);
  const histogram = build({ lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000 });
  const salt = process.pid;
  let measuring = false;
  let operations = 0;
  let errors = 0;
  let lastNs = 0n;
  const gap = { ns: 0n, fromNs: 0n };
  const connections: Connection[] = [];
  let over = false;
  for (let i = 0; i < order.connections; i++) {
    const next = requests(order, salt + i * 131);
    const connection = new Connection(order, i, (_xid, err, sentNs) => {
      const now = process.hrtime.bigint();
      if (err !== 0) errors += 1;
      else if (measuring) {
        operations += 1;
        histogram.recordValue(Number((now - sentNs) / 1000n));
        if (now - lastNs > gap.ns) Object.assign(gap, { ns: now - lastNs, fromNs: lastNs });
        lastNs = now;
      }
      return over ? undefined : next();
    });
    connection.next = next;
    connections.push(connection);
  }
  await Promise.all(connections.map((each) => each.opened));
  await new Promise((resolve) => setTimeout(resolve, order.warmupSeconds * 1000));
  const fromNs = process.hrtime.bigint();
  lastNs = fromNs;
  measuring = true;
  process.stderr.write('measuring\n');
  await new Promise((resolve) => setTimeout(resolve, order.seconds * 1000));
  measuring = false;
  over = true;
  const toNs = process.hrtime.bigint();
  if (toNs - lastNs > gap.ns) Object.assign(gap, { ns: toNs - lastNs, fromNs: lastNs });
  const result: LoadResult = {
    perSecond: Math.round(operations / (Number(toNs - fromNs) / 1e9)),
    operations,
    errors,
    p50Us: histogram.getValueAtPercentile(50),
    p99Us: histogram.getValueAtPercentile(99),
    p999Us: histogram.getValueAtPercentile(99.9),
    gapMsMax: Math.round(Number(gap.ns) / 1e6),
    gapStartedMs: Math.round(Number(gap.fromNs - fromNs) / 1e6),
    firstAckMs,
  };
  console.log(JSON.stringify(result));
  for (const connection of connections) connection.close();
  process.exit(0);
}

await main();
