// An ensemble inside one process, for tests: real sockets on loopback, the real tree and the real
// storage in folders of their own, and a front that only remembers what it was told.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePorts } from '../../wire/free-ports.testing.ts';
import type { ApplyResult, Front, Identity } from '../contract.ts';
import { recover } from '../storage/recovery.ts';
import { DataTree } from '../tree/data-tree.ts';
import { TxnPreparer } from '../tree/preparer.ts';
import { HeapSessionTracker } from '../tree/session-tracker.ts';
import type { TxnRecord } from '../txn.ts';
import type { Zxid } from '../zxid.ts';
import type { Peer } from './context.ts';
import { Replica } from './replica.ts';

export const TICK_MS = 50;

/** Remembers outcomes by request number and lets tests wait for them. */
export class RecordingFront implements Front {
  serving = false;
  readOnly = false;
  readonly outcomes = new Map<number, { zxid: Zxid; result: ApplyResult }>();
  readonly syncs = new Map<number, Zxid>();
  readonly attachments = new Map<number, number>();

  serve(): void {
    this.serving = true;
  }
  serveReadOnly(): void {
    this.readOnly = true;
  }
  stopServing(): void {
    this.readOnly = false;
    this.serving = false;
  }
  applied({ txn }: TxnRecord, result: ApplyResult): void {
    this.outcomes.set(txn.request, { zxid: txn.zxid, result });
  }
  synced(request: number, zxid: Zxid): void {
    this.syncs.set(request, zxid);
  }
  attached(request: number, timeoutMs: number): void {
    this.attachments.set(request, timeoutMs);
  }
}

export interface TestServer {
  sid: number;
  replica: Replica;
  front: RecordingFront;
  tree: DataTree;
  events: Record<string, unknown>[];
}

export interface TestLimits {
  snapCount: number;
  recentRecordsMax: number;
  transactionsPerEpochMax?: number;
}

/** Waits until `condition` holds; throws with `what` after `limitMs`. */
export async function until(
  what: string,
  condition: () => boolean,
  limitMs = 20_000,
): Promise<void> {
  const end = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export class TestEnsemble {
  readonly servers = new Map<number, TestServer>();
  readonly failures: Error[] = [];
  /** Servers that may serve without a quorum. */
  readOnly: ReadonlySet<number> = new Set();
  /** Hears what a server tells, before anything follows from it. */
  onEvent: (sid: number, event: Record<string, unknown>) => void = () => {};
  readonly #dir = mkdtempSync(path.join(tmpdir(), 'zab-test-'));
  readonly #peers: Peer[];
  readonly #limits: TestLimits;
  /** The servers that the files of all name; of the others each adds itself. */
  readonly #founders: number;
  #requests = 1;

  private constructor(peers: Peer[], limits: TestLimits, founders: number) {
    this.#founders = founders;
    this.#peers = peers;
    this.#limits = limits;
  }

  static async create(
    size: number,
    limits: TestLimits = { snapCount: 1_000_000, recentRecordsMax: 1_000 },
    { observers = 0, founders = size + observers }: { observers?: number; founders?: number } = {},
  ): Promise<TestEnsemble> {
    const ports = await freePorts((size + observers) * 2);
    const peers = Array.from({ length: size + observers }, (_, i) => ({
      sid: i + 1,
      host: '127.0.0.1',
      peerPort: ports[2 * i] as number,
      electionPort: ports[2 * i + 1] as number,
      ...(i < size ? {} : { observer: true as const }),
    }));
    return new TestEnsemble(peers, limits, founders);
  }

  /** How a server is written in a reconfig request. */
  line(sid: number, role = 'participant'): string {
    const peer = this.#peers.find((each) => each.sid === sid) as Peer;
    return `server.${sid}=${peer.host}:${peer.peerPort}:${peer.electionPort}:${role};2181`;
  }

  /** Starts a server on the disk it left. */
  async start(sid: number): Promise<TestServer> {
    const events: Record<string, unknown>[] = [];
    const emit = (event: Record<string, unknown>) => {
      events.push(event);
      this.onEvent(sid, event);
    };
    const tree = new DataTree();
    const disk = recover(path.join(this.#dir, `${sid}`), { preAllocBytes: 64 * 1024 });
    if (disk.snapshot !== null) tree.load(disk.snapshot.chunks);
    const snapshotZxid = disk.snapshot?.zxid ?? 0;
    const { transactionsPerEpochMax, ...limits } = this.#limits;
    const replica = new Replica({
      config: {
        sid,
        peers: this.#peers.filter((peer) => peer.sid <= this.#founders || peer.sid === sid),
        readOnlyMode: this.readOnly.has(sid),
        reconfigEnabled: this.#founders < this.#peers.length,
        tickMs: TICK_MS,
        // Who stops is noticed at once; only a busy machine makes servers silent here.
        initLimit: 100,
        silenceMsMax: TICK_MS * 60,
        reaping: { checkMs: TICK_MS, perMinuteMax: 100_000, unusedMsMax: 0 },
        ...(transactionsPerEpochMax === undefined ? {} : { transactionsPerEpochMax }),
      },
      host: '127.0.0.1',
      events: { detailed: true, emit, flush() {} },
      tree,
      log: disk.log,
      snapshots: disk.snapshots,
      epochs: disk.epochs,
      ensemble: disk.ensemble,
      snapshotZxid,
      recovered: disk.records(snapshotZxid),
      committed: disk.committed,
      ...limits,
      recentBytesMax: 1_000_000,
      nowMs: () => performance.now(),
      wallMs: () => Date.now(),
      makePreparer: () => new TxnPreparer(tree),
      makeSessionTracker: () => new HeapSessionTracker(),
      fatal: (error) => this.failures.push(error),
    });
    const front = new RecordingFront();
    const server = { sid, replica, front, tree, events };
    this.servers.set(sid, server);
    await replica.start(front);
    return server;
  }

  async stop(sid: number): Promise<void> {
    const server = this.servers.get(sid);
    this.servers.delete(sid);
    await server?.replica.stop('test');
  }

  /** Adds to the log of a stopped server, as a leader would that nobody else heard. */
  async logBehindItsBack(sid: number, record: TxnRecord): Promise<void> {
    const { log } = recover(path.join(this.#dir, `${sid}`), { preAllocBytes: 64 * 1024 });
    log.append([record], 0);
    await log.close();
  }

  get leader(): TestServer | undefined {
    return [...this.servers.values()].find(
      ({ replica, front }) => replica.status().role === 'leading' && front.serving,
    );
  }

  /** Waits until all running servers serve and follow one leader. */
  async settled(): Promise<TestServer> {
    await until('all serve one leader', () => {
      const all = [...this.servers.values()];
      const leaders = new Set(all.map(({ replica }) => replica.status().leader));
      return all.every(({ front }) => front.serving) && leaders.size === 1 && !!this.leader;
    });
    return this.leader as TestServer;
  }

  /** Submits through a server and waits for the outcome there. */
  async submit(
    server: TestServer,
    op: number,
    body: Buffer,
    session = 0,
    identities: readonly Identity[] = [],
    limitMs?: number,
  ) {
    const request = this.#requests++;
    const { sid: origin } = server;
    server.replica.submit({ origin, request, session, cxid: 1, op, body, identities });
    await until(`request ${request}`, () => server.front.outcomes.has(request), limitMs);
    return server.front.outcomes.get(request) as { zxid: Zxid; result: ApplyResult };
  }

  /** Submits and does not wait. */
  submitOnly(server: TestServer, op: number, body: Buffer, session = 0): number {
    const request = this.#requests++;
    server.replica.submit({ origin: server.sid, request, session, cxid: 1, op, body });
    return request;
  }

  async close(): Promise<void> {
    for (const sid of [...this.servers.keys()]) await this.stop(sid);
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
