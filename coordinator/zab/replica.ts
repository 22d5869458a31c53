// One server's life in the ensemble: it looks for a leader, leads or follows, and looks again. It owns
// log, state and snapshots; a tenure borrows them and gives them back when it ends.
import type net from 'node:net';
import type {
  ClientRequest,
  Consensus,
  EventSink,
  Front,
  Preparer,
  ServerStatus,
  SessionTracker,
  StateMachine,
} from '../contract.ts';
import { hashHex, type Txn, type TxnBody, type TxnRecord } from '../txn.ts';
import { type Zxid, zxidHex } from '../zxid.ts';
import type {
  DurableEpochs,
  DurableLog,
  DurableSnapshots,
  Peer,
  TenureContext,
  ZabConfig,
} from './context.ts';
import { Election } from './election.ts';
import { ElectionLinks, type ElectionPeer } from './election-links.ts';
import { Leader } from './leader.ts';
import { Learner } from './learner.ts';
import { describeEnsemble, type EnsembleConfig, ensembleIfLater, ensembleIn } from './members.ts';
import { Membership } from './membership.ts';
import { RecentLog } from './recent-log.ts';
import { type PeerTransport, PLAIN_TRANSPORT } from './transport.ts';
import type { Vote } from './vote.ts';

export interface ReplicaOptions {
  config: ZabConfig;
  /** Address to listen on for peers; undefined: all. */
  host: string | undefined;
  events: EventSink;
  tree: StateMachine;
  log: DurableLog;
  snapshots: DurableSnapshots;
  epochs: DurableEpochs;
  /** The newest ensemble known to be committed, as text; empty: that of the file. */
  ensemble: { readonly text: string; keep(text: string): void };
  /** zxid of the snapshot the tree was loaded from, 0 if none. */
  snapshotZxid: Zxid;
  /** Logged records after that snapshot, in order. */
  recovered: Iterable<TxnRecord>;
  /** Everything up to here is known to have been committed. */
  committed: Zxid;
  /** Transactions between snapshots. */
  snapCount: number;
  recentRecordsMax: number;
  recentBytesMax: number;
  nowMs(): number;
  wallMs(): number;
  makePreparer(): Preparer;
  makeSessionTracker(): SessionTracker;
  /** How other servers are reached; default plain TCP. */
  transport?: PeerTransport;
  /** The server cannot go on: say why and end the process. */
  fatal(error: Error): void;
}

/** How long a quorum waits for a better vote from a voter that can be heard, ms. */
const FINALIZE_WAIT_MS = 200;

/** How long a server looks for a leader before it serves without one, ms; at least a tick. */
const READ_ONLY_AFTER_MS = 2000;

type Tenure = { role: 'leading'; leader: Leader } | { role: 'following'; learner: Learner };

export class Replica implements Consensus {
  readonly sid: number;
  readonly #options: ReplicaOptions;
  readonly #transport: PeerTransport;
  readonly #recent: RecentLog;
  readonly #membership: Membership;
  readonly #election: Election;
  readonly #links: ElectionLinks;
  #front: Front | undefined;
  #peerServer: net.Server | undefined;
  #tenure: Tenure | undefined;
  #leaderSid: number | null = null;
  /** The snapshot being saved. */
  #saving: Promise<void> | undefined;
  #sinceSnapshot = 0;
  #durable: Zxid;
  #stopped = false;
  #readOnly: NodeJS.Timeout | undefined;

  constructor(options: ReplicaOptions) {
    const { config, tree, recovered, events } = options;
    this.#options = options;
    this.#transport = options.transport ?? PLAIN_TRANSPORT;
    this.sid = config.sid;
    this.#recent = new RecentLog({
      recordsMax: options.recentRecordsMax,
      bytesMax: options.recentBytesMax,
    });
    this.#recent.reset(options.snapshotZxid);
    const { ensemble } = options;
    const keep = (text: string): void => ensemble.keep(text);
    this.#membership = new Membership({ peers: config.peers, kept: ensemble.text, keep });
    this.#membership.committed(ensembleIfLater(tree.configuration()));
    for (const record of recovered) {
      this.#recent.add(record);
      this.#membership.logged(record);
      if (record.txn.zxid <= options.committed) tree.apply(record);
    }
    this.#membership.committed(ensembleIfLater(tree.configuration()));
    this.#durable = this.#recent.last;
    const membership = this.#membership;
    this.#election = new Election({
      sid: config.sid,
      isVoter: (sid) => membership.isVoter(sid),
      hasQuorum: (has) => membership.hasQuorum(has),
      events,
      finalizeWaitMs: FINALIZE_WAIT_MS,
      repeatMs: config.tickMs * 2,
      broadcast: () => this.#links.broadcast(),
      tell: (sid) => this.#links.tell(sid),
      reachable: () => this.#links.reachable(),
      decided: (vote) => this.#decided(vote),
    });
    this.#links = new ElectionLinks({
      sid: config.sid,
      peers: this.#electionPeers(),
      port: this.#self?.electionPort ?? 0,
      host: options.host,
      events,
      transport: this.#transport,
      silenceMsMax: Math.max(config.tickMs * 4, 400),
      notification: () => this.#election.notification,
      ensemble: () => {
        const { members, version } = membership.current;
        return version === 0 ? '' : describeEnsemble(members, version);
      },
      onNotification: (n, ensemble) => {
        this.#guard(() => {
          this.#hearOf(n.sid, ensemble);
          this.#election.receive(n);
        });
      },
      onReachabilityChanged: () => this.#guard(() => this.#election.reachabilityChanged()),
    });
    membership.onChange = () => this.#membershipChanged();
    options.log.onDurable = (zxid) => this.#guard(() => this.#onDurable(zxid));
    options.log.onFailure = (error) => options.fatal(error);
  }

  /** Listens for peers and looks for a leader. `front` is told when clients may be served. */
  async start(front: Front): Promise<void> {
    this.#front = front;
    const { host, events, tree, epochs, log } = this.#options;
    events.emit({
      ev: 'start',
      sid: this.sid,
      voters: this.#membership.current.voters,
      acceptedEpoch: epochs.accepted,
      currentEpoch: epochs.current,
      lastLogged: log.lastLogged,
      applied: tree.lastApplied,
      digest: tree.digest(),
      level: events.detailed ? 'all' : 'state',
    });
    if (this.#mayHavePeers) {
      const port = this.#self?.peerPort ?? 0;
      const server = this.#transport.listener((socket) => this.#acceptPeer(socket));
      this.#peerServer = server;
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => resolve());
      });
      await this.#links.start();
    }
    this.#look();
  }

  /** Ends tenure, links and listeners; drains the log. */
  async stop(reason: string): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#readOnly);
    this.#front?.stopServing(reason);
    this.#endTenure(reason);
    this.#election.stop();
    this.#links.stop();
    this.#peerServer?.close();
    // It ends in the log, too, and what comes after us may find half of it otherwise.
    await this.#saving;
    await this.#options.log.close();
  }

  /** How the others find this server. */
  get #self(): Peer | undefined {
    const own = ({ sid }: Peer): boolean => sid === this.sid;
    return this.#membership.peers.find(own) ?? this.#options.config.peers.find(own);
  }

  /** A server alone has peers only where it may be given some. */
  get #mayHavePeers(): boolean {
    const alone = this.#membership.peers.length < 2;
    return !alone || (this.#options.config.reconfigEnabled === true && this.#self?.peerPort !== 0);
  }

  #electionPeers(): ElectionPeer[] {
    const others = this.#membership.peers.filter(({ sid }) => sid !== this.sid);
    return others.map(({ sid, host, electionPort }) => ({ sid, host, port: electionPort }));
  }

  #membershipChanged(): void {
    const { current, pending } = this.#membership;
    this.#options.events.emit({
      ev: 'ensemble',
      version: current.version,
      voters: current.voters,
      ...(pending === undefined ? {} : { pending: pending.version, nextVoters: pending.voters }),
    });
    this.#links.setPeers(this.#electionPeers());
  }

  /** While it looks for a leader, a server that was away learns of the ensemble there is now. */
  #hearOf(from: number, ensemble: EnsembleConfig | undefined): void {
    if (!this.#election.looking || ensemble === undefined) return;
    if (!this.#membership.peers.some(({ sid }) => sid === from)) return;
    if (!this.#membership.committed(ensemble)) return;
    const { epochs, log } = this.#options;
    this.#election.look(epochs.current, log.lastLogged);
  }

  /** A broken invariant ends the process: going on could lose what was promised. */
  #guard(step: () => void): void {
    if (this.#stopped) return;
    try {
      step();
    } catch (error) {
      this.#options.fatal(error as Error);
    }
  }

  #acceptPeer(socket: net.Socket): void {
    const tenure = this.#tenure;
    if (tenure?.role === 'leading') tenure.leader.accept(socket);
    else socket.destroy();
  }

  #endTenure(reason: string): void {
    const tenure = this.#tenure;
    this.#tenure = undefined;
    this.#leaderSid = null;
    if (tenure?.role === 'leading') tenure.leader.stop(reason);
    else tenure?.learner.stop(reason);
  }

  /** Votes again, once nothing is on its way to the disk any more (I-Z4, I-Z17). */
  #look(): void {
    const { events, log, epochs, fatal } = this.#options;
    events.emit({ ev: 'role', role: 'looking' });
    this.#beginReadOnly();
    log.drained().then(
      () =>
        this.#guard(() => {
          if (this.#tenure !== undefined) return;
          // What a leader had ordered but not yet handed to its log was promised to nobody.
          this.#recent.truncate(log.lastLogged);
          this.#membership.truncated(log.lastLogged);
          this.#election.look(epochs.current, log.lastLogged);
        }),
      (error: Error) => fatal(error),
    );
  }

  /** Reads are served without a leader when none was found for a while, if they may be. */
  #beginReadOnly(): void {
    const { readOnlyMode, tickMs } = this.#options.config;
    if (readOnlyMode !== true) return;
    const afterMs = Math.max(READ_ONLY_AFTER_MS, tickMs);
    this.#readOnly = setTimeout(() => this.#front?.serveReadOnly(), afterMs);
  }

  #endReadOnly(): void {
    if (this.#readOnly === undefined) return;
    clearTimeout(this.#readOnly);
    this.#readOnly = undefined;
    this.#front?.stopServing('there may be a quorum again');
  }

  #decided(vote: Vote): void {
    this.#endReadOnly();
    const { events } = this.#options;
    const peer = this.#membership.peers.find((each) => each.sid === vote.leader);
    if (peer === undefined) throw new Error(`elected server ${vote.leader} is no member`);
    this.#leaderSid = vote.leader;
    const role = vote.leader === this.sid ? 'leading' : 'following';
    events.emit({ ev: 'role', role, leader: vote.leader });
    // The election calls us from within; a tenure must not begin inside its stack.
    setImmediate(() =>
      this.#guard(() => {
        if (role === 'leading') this.#lead();
        else this.#follow(peer);
      }),
    );
  }

  #lead(): void {
    const tenure: Tenure = { role: 'leading', leader: new Leader(this.#context()) };
    this.#tenure = tenure;
    tenure.leader.begin();
  }

  #follow(peer: ZabConfig['peers'][number]): void {
    this.#tenure = { role: 'following', learner: new Learner(this.#context(), peer) };
  }

  #context(): TenureContext {
    const { config, events, tree, log, snapshots, epochs, nowMs, wallMs } = this.#options;
    const { makePreparer, makeSessionTracker } = this.#options;
    let left = false;
    return {
      config,
      events,
      front: this.#front as Front,
      tree,
      log,
      snapshots,
      epochs,
      recent: this.#recent,
      membership: this.#membership,
      nowMs,
      wallMs,
      makePreparer,
      makeSessionTracker,
      transport: this.#transport,
      commitUpTo: (zxid, each) => this.#commitUpTo(zxid, each),
      leaderRefuted: () => this.#election.refuted,
      guard: (step) => {
        if (!left) this.#guard(step);
      },
      leave: (reason) => {
        if (left || this.#stopped) return;
        left = true;
        this.#leave(reason);
      },
    };
  }

  #leave(reason: string): void {
    this.#options.events.emit({ ev: 'left', reason });
    this.#front?.stopServing(reason);
    this.#endTenure(reason);
    this.#look();
  }

  #commitUpTo(zxid: Zxid, each?: (record: TxnRecord) => void): void {
    const { tree, events } = this.#options;
    const recent = this.#recent;
    if (zxid <= tree.lastApplied) return;
    if (zxid > recent.last) {
      throw new Error(`told to commit ${zxidHex(zxid)}, logged only up to ${zxidHex(recent.last)}`);
    }
    if (events.detailed) events.emit({ ev: 'commit', zxid });
    for (const record of recent.after(tree.lastApplied)) {
      if (record.txn.zxid > zxid) break;
      this.#apply(record);
      each?.(record);
    }
    recent.trim(tree.lastApplied);
    this.#maybeSnapshot();
  }

  #apply(record: TxnRecord): void {
    const { tree, events } = this.#options;
    const { txn, hash } = record;
    const result = tree.apply(record);
    if (events.detailed) {
      const digest = tree.digest();
      const applied = { ev: 'apply', zxid: txn.zxid, hash: hashHex(hash), digest };
      events.emit({ ...applied, ...requestOf(txn) });
    }
    this.#membership.committed(ensembleIn(record));
    this.#report(txn.zxid, txn.body);
    this.#sinceSnapshot += 1;
    this.#front?.applied(record, result);
  }

  /** Tells of sessions, and of the nodes that live and die with them. */
  #report(zxid: Zxid, body: TxnBody): void {
    const { events } = this.#options;
    if (body.type === 'createSession') {
      const session = zxid.toString(16);
      events.emit({ ev: 'sessionOpened', session, timeoutMs: body.timeoutMs, zxid });
    } else if (body.type === 'closeSession') {
      events.emit({ ev: 'sessionClosed', session: body.session.toString(16), zxid });
      for (const each of body.deletes) this.#report(zxid, { type: 'delete', ...each });
    } else if (!events.detailed) return;
    else if (body.type === 'delete') events.emit({ ev: 'deleted', path: body.path, zxid });
    else if (body.type === 'multi') for (const part of body.parts) this.#report(zxid, part);
    else if (body.type === 'create' && body.ephemeralOwner > 0) {
      const session = body.ephemeralOwner.toString(16);
      events.emit({ ev: 'ephemeralCreated', session, path: body.path, zxid });
    }
  }

  #onDurable(zxid: Zxid): void {
    const { events } = this.#options;
    this.#durable = zxid;
    if (events.detailed) events.emit({ ev: 'fsync', upto: zxid });
    const tenure = this.#tenure;
    if (tenure?.role === 'leading') tenure.leader.durable(zxid);
    else tenure?.learner.durable(zxid);
    this.#maybeSnapshot();
  }

  /** Saves the applied state now and then; never one that is ahead of the log on disk. */
  #maybeSnapshot(): void {
    const { snapCount, tree, snapshots, log, events, fatal } = this.#options;
    if (this.#saving !== undefined || this.#sinceSnapshot < snapCount) return;
    if (this.#durable < tree.lastApplied) return;
    this.#sinceSnapshot = 0;
    const zxid = tree.lastApplied;
    const digest = tree.digest();
    const saved = snapshots.save(zxid, tree.capture(), digest).then(async () => {
      events.emit({ ev: 'snapSaved', zxid, digest });
      log.roll();
      log.purge(await snapshots.purge());
      this.#saving = undefined;
    });
    this.#saving = saved.catch((error: Error) => fatal(error));
  }

  submit(request: ClientRequest): void {
    const tenure = this.#tenure;
    if (tenure?.role === 'leading') this.#guard(() => tenure.leader.submit(request));
    else tenure?.learner.submit(request);
  }

  sync(request: number, session: number): void {
    const tenure = this.#tenure;
    if (tenure?.role === 'leading') tenure.leader.sync(request);
    else tenure?.learner.sync(request, session);
  }

  attach(request: number, session: number): void {
    const tenure = this.#tenure;
    if (tenure?.role === 'leading') tenure.leader.attach(request, session);
    else tenure?.learner.attach(request, session);
  }

  touch(session: number): void {
    const tenure = this.#tenure;
    if (tenure?.role === 'leading') tenure.leader.touch(session);
    else tenure?.learner.touch(session);
  }

  /** The servers of the ensemble, as far as this one knows it to be committed. */
  get members(): readonly Peer[] {
    return this.#membership.current.members;
  }

  status(): ServerStatus {
    const { epochs, log, tree } = this.#options;
    const leader = this.#tenure?.role === 'leading' ? this.#tenure.leader : undefined;
    const tenure = this.#tenure;
    return {
      sid: this.sid,
      role: this.#role,
      leader: this.#leaderSid,
      epoch: tenure === undefined ? epochs.current : this.#epochOf(tenure),
      lastLogged: log.lastLogged,
      lastCommitted: tree.lastApplied,
      syncedFollowers: leader?.synced(true) ?? 0,
      syncedObservers: leader?.synced(false) ?? 0,
      voters: this.#membership.current.voters.length,
    };
  }

  get #role(): ServerStatus['role'] {
    if (this.#tenure === undefined) return 'looking';
    if (this.#tenure.role === 'leading') return 'leading';
    return this.#membership.isObserver(this.sid) ? 'observing' : 'following';
  }

  #epochOf(tenure: Tenure): number {
    return tenure.role === 'leading' ? tenure.leader.epoch : tenure.learner.epoch;
  }
}

/** Whose request a transaction answers, and whether in vain; empty when no client asked. */
function requestOf({ session, cxid, body }: Txn): Record<string, unknown> {
  if (session === 0) return {};
  const request = { session: session.toString(16), cxid };
  const refused =
    body.type === 'error' ||
    (body.type === 'multi' && body.parts.some(({ type }) => type === 'error'));
  return refused ? { ...request, refused } : request;
}
