// A scripted ensemble that writes the node events and the client history of a correct run, step by step.
// Tests of the checkers draw runs from it: unaltered they are valid, and one alteration is a known crime.
import type { Event } from '../history/event.ts';
import type { Fault } from '../history/fault.ts';
import type { CoordinatorEvent, NodeEvent } from '../history/node-event.ts';
import { zxidEpoch } from '../history/node-event.ts';
import { Random } from '../history/random.ts';

interface Txn {
  zxid: number;
  hash: string;
  key: string;
  value: number;
}

interface Cell {
  value: number;
  version: number;
  mzxid: number;
}

/** A server of the script: what its disk and memory hold. */
export interface ScriptedServer {
  name: string;
  sid: number;
  inc: number;
  seq: number;
  acceptedEpoch: number;
  currentEpoch: number;
  log: Txn[];
  /** Records of the log that are fsynced. */
  synced: number;
  applied: number;
  snapshot: number;
  digest: string;
  cells: Map<string, Cell>;
}

function lastOf(server: ScriptedServer): number {
  return server.log.at(-1)?.zxid ?? 0;
}

/** Servers and clients that do as told, correctly, and write down all of it. */
export class ScriptedEnsemble {
  readonly servers: ScriptedServer[];
  readonly nodeEvents: NodeEvent[] = [];
  readonly history: Event[] = [];
  readonly random: Random;
  leader: ScriptedServer | undefined;
  followers: ScriptedServer[] = [];
  #now = 0;
  #epoch = 0;
  #counter = 0;
  #faults = 0;

  constructor(seed: number, count: number) {
    this.random = new Random(seed, 'script');
    this.servers = Array.from({ length: count }, (_, i) => ({
      name: `n${i + 1}`,
      sid: i + 1,
      inc: -1,
      seq: 0,
      acceptedEpoch: 0,
      currentEpoch: 0,
      log: [],
      synced: 0,
      applied: 0,
      snapshot: 0,
      digest: 'd',
      cells: new Map(),
    }));
  }

  get quorum(): number {
    return Math.floor(this.servers.length / 2) + 1;
  }

  /** The leader, where the script knows that there is one. */
  get leading(): ScriptedServer {
    if (this.leader === undefined)
      throw new Error('expected an established leader; elect one first');
    return this.leader;
  }

  tick(): number {
    this.#now += this.random.int(1_000, 200_000);
    return this.#now;
  }

  say(server: ScriptedServer, event: CoordinatorEvent): void {
    const header = { t: this.tick(), node: server.name, inc: server.inc, seq: server.seq++ };
    this.nodeEvents.push({ ...header, ...event });
  }

  record(event: Omit<Event, 'index' | 'time'>): Event {
    const line = { ...event, index: this.history.length, time: this.tick() };
    this.history.push(line);
    return line;
  }

  phase(value: string): void {
    this.record({ process: 'harness', type: 'info', f: 'phase', value });
  }

  inject(fault: Fault): number {
    const id = this.#faults++;
    const verification = { verified: true, evidence: 'probed' };
    this.record({ process: 'nemesis', type: 'invoke', f: 'inject', value: { id, fault } });
    this.record({
      process: 'nemesis',
      type: 'info',
      f: 'inject',
      value: { id, fault, verification },
    });
    return id;
  }

  heal(id: number, fault: Fault): void {
    const verification = { verified: true, evidence: 'probed' };
    this.record({ process: 'nemesis', type: 'invoke', f: 'heal', value: { id, fault } });
    this.record({
      process: 'nemesis',
      type: 'info',
      f: 'heal',
      value: { id, fault, verification },
    });
  }

  /** Starts a server on what its disk holds; recovery may know less as committed than it had. */
  start(server: ScriptedServer): void {
    server.inc++;
    server.seq = 0;
    // Each record that was not fsynced may have been lost with all after it.
    server.log.length = this.random.int(server.synced, server.log.length);
    server.synced = server.log.length;
    // A kill between synchronised records and currentEpoch: recovery takes the log's epoch for it.
    server.currentEpoch = Math.max(server.currentEpoch, zxidEpoch(lastOf(server)));
    const known = server.log.filter((t) => t.zxid >= server.snapshot && t.zxid <= server.applied);
    const applied = known.length === 0 ? server.applied : this.random.pick(known).zxid;
    server.applied = 0;
    server.digest = 'd';
    server.cells = new Map();
    for (const txn of server.log) if (txn.zxid <= applied) this.#put(server, txn);
    this.say(server, {
      ev: 'start',
      sid: server.sid,
      voters: this.servers.map((s) => s.sid),
      acceptedEpoch: server.acceptedEpoch,
      currentEpoch: server.currentEpoch,
      lastLogged: lastOf(server),
      applied: server.applied,
      digest: server.digest,
      level: 'all',
    });
    this.say(server, { ev: 'role', role: 'looking' });
  }

  /** SIGKILL: the last words may be missing, so a record may be on disk that no event shows. */
  kill(server: ScriptedServer, silently?: Txn): void {
    this.followers = this.followers.filter((s) => s !== server);
    if (this.leader === server) this.leader = undefined;
    if (silently !== undefined) server.log.push(silently);
  }

  /** A whole election among `members` (a quorum at least), up to serving. */
  elect(members: readonly ScriptedServer[]): void {
    const rank = (s: ScriptedServer): number[] => [s.currentEpoch, lastOf(s), s.sid];
    const [leader] = [...members].sort((a, b) => compare(rank(b), rank(a)));
    if (leader === undefined) throw new Error('expected members to elect from, got none');
    const epoch = 1 + Math.max(...members.map((s) => s.acceptedEpoch));
    const zxid = lastOf(leader);
    for (const s of members) {
      const vote = { round: epoch, leader: leader.sid, epoch: leader.currentEpoch, zxid };
      this.say(s, { ev: 'role', role: 'looking' });
      this.say(s, { ev: 'vote', ...vote });
      this.say(s, { ev: 'elected', ...vote });
    }
    const acceptedEpochs = Object.fromEntries(members.map((s) => [String(s.sid), s.acceptedEpoch]));
    this.say(leader, { ev: 'newEpoch', epoch, acceptedEpochs });
    this.#epoch = epoch;
    const others = members.filter((s) => s !== leader);
    for (const s of [leader, ...this.random.shuffle(others)]) this.#ackEpoch(s, leader, epoch);
    leader.currentEpoch = epoch;
    this.say(leader, { ev: 'currentEpoch', epoch });
    this.say(leader, { ev: 'newLeaderAcked', from: leader.sid, epoch, zxid });
    for (const s of others) this.#synchronise(s, leader, epoch);
    this.say(leader, { ev: 'established', epoch, zxid });
    this.say(leader, { ev: 'role', role: 'leading', leader: leader.sid, epoch });
    this.#counter = 0;
    this.leader = leader;
    this.followers = [...others];
    this.applyUpTo(leader, zxid);
    for (const s of others) this.#serve(s);
  }

  /** A server that comes back joins the established leader. */
  join(server: ScriptedServer): void {
    const leader = this.leading;
    this.say(server, { ev: 'role', role: 'looking' });
    this.#ackEpoch(server, leader, this.#epoch);
    this.#synchronise(server, leader, this.#epoch);
    this.followers.push(server);
    this.#serve(server);
  }

  /** It begins to join, its log is changed on disk, and it is killed before it could say so. */
  joinCutShort(server: ScriptedServer): void {
    const leader = this.leading;
    this.#ackEpoch(server, leader, this.#epoch);
    const { kept, mode } = this.#syncMode(server, leader, false);
    this.#saySync(server, leader, mode, kept);
    server.log = leader.log.slice(0, this.random.int(kept, leader.log.length));
    server.synced = server.log.length;
    this.kill(server);
  }

  #ackEpoch(server: ScriptedServer, leader: ScriptedServer, epoch: number): void {
    const counting = server.acceptedEpoch < epoch;
    if (counting) {
      server.acceptedEpoch = epoch;
      this.say(server, { ev: 'acceptedEpoch', epoch });
    }
    const ack = { epoch, currentEpoch: server.currentEpoch, zxid: lastOf(server) };
    if (server !== leader) this.say(server, { ev: 'ackEpoch', ...ack, counting });
    if (counting) this.say(leader, { ev: 'ackEpochCounted', from: server.sid, ...ack });
  }

  #syncMode(server: ScriptedServer, leader: ScriptedServer, maySnap: boolean) {
    let kept = 0;
    while (kept < server.log.length && server.log[kept]?.zxid === leader.log[kept]?.zxid) kept++;
    const snap = maySnap && leader.applied > lastOf(server) && this.random.bool();
    const mode: 'snap' | 'diff' | 'trunc' = snap
      ? 'snap'
      : kept < server.log.length
        ? 'trunc'
        : 'diff';
    return { kept, mode };
  }

  #saySync(
    server: ScriptedServer,
    leader: ScriptedServer,
    mode: 'diff' | 'trunc' | 'snap',
    kept: number,
  ): void {
    const from = mode === 'snap' ? leader.applied : (server.log[kept - 1]?.zxid ?? 0);
    const sync = { peer: server.sid, epoch: this.#epoch, mode, peerZxid: lastOf(server) };
    this.say(leader, { ev: 'syncStart', ...sync, from, to: lastOf(leader) });
  }

  #synchronise(server: ScriptedServer, leader: ScriptedServer, epoch: number): void {
    const { kept, mode } = this.#syncMode(server, leader, true);
    this.#saySync(server, leader, mode, kept);
    if (mode === 'snap') {
      server.log = leader.log.filter((t) => t.zxid <= leader.applied);
      server.applied = leader.applied;
      server.snapshot = leader.applied;
      server.digest = leader.digest;
      server.cells = new Map(leader.cells);
      this.say(server, { ev: 'snapSaved', zxid: server.applied, digest: server.digest });
      this.say(server, { ev: 'snapLoaded', zxid: server.applied, digest: server.digest });
    } else if (mode === 'trunc') {
      server.log.length = kept;
      this.say(server, { ev: 'trunc', to: lastOf(server) });
    }
    for (const txn of leader.log.slice(server.log.length)) this.append(server, txn);
    this.fsync(server);
    if (server.currentEpoch !== epoch) {
      server.currentEpoch = epoch;
      this.say(server, { ev: 'currentEpoch', epoch });
    }
    this.say(server, { ev: 'newLeaderAck', epoch, zxid: lastOf(server) });
    this.say(leader, { ev: 'newLeaderAcked', from: server.sid, epoch, zxid: lastOf(server) });
  }

  #serve(server: ScriptedServer): void {
    this.applyUpTo(server, this.leading.applied);
    this.say(server, { ev: 'upToDate', epoch: this.#epoch, zxid: server.applied });
    this.say(server, {
      ev: 'role',
      role: 'following',
      leader: this.leading.sid,
      epoch: this.#epoch,
    });
  }

  append(server: ScriptedServer, txn: Txn): void {
    server.log.push(txn);
    this.say(server, { ev: 'append', zxid: txn.zxid, hash: txn.hash });
  }

  fsync(server: ScriptedServer): void {
    server.synced = server.log.length;
    this.say(server, { ev: 'fsync', upto: lastOf(server) });
  }

  applyUpTo(server: ScriptedServer, zxid: number): void {
    if (zxid > server.applied) this.say(server, { ev: 'commit', zxid });
    for (const txn of server.log) {
      if (txn.zxid <= server.applied || txn.zxid > zxid) continue;
      this.#put(server, txn);
      this.say(server, { ev: 'apply', zxid: txn.zxid, hash: txn.hash, digest: server.digest });
    }
  }

  #put(server: ScriptedServer, txn: Txn): void {
    const version = (server.cells.get(txn.key)?.version ?? -1) + 1;
    server.cells.set(txn.key, { value: txn.value, version, mzxid: txn.zxid });
    server.applied = txn.zxid;
    server.digest = `d${new Random(txn.zxid, `${server.digest}/${txn.hash}`).u32().toString(16)}`;
  }

  snapshot(server: ScriptedServer): void {
    server.snapshot = server.applied;
    this.say(server, { ev: 'snapSaved', zxid: server.applied, digest: server.digest });
  }

  /** The leader proposes and logs; nobody else has it yet. */
  propose(key: string, value: number): Txn {
    const zxid = this.#epoch * 0x1_0000_0000 + ++this.#counter;
    const txn = { zxid, hash: `h${zxid}-${key}-${value}`, key, value };
    this.say(this.leading, { ev: 'propose', zxid, hash: txn.hash });
    this.append(this.leading, txn);
    this.fsync(this.leading);
    this.say(this.leading, { ev: 'ackReceived', from: this.leading.sid, zxid });
    return txn;
  }

  /** Replicates and commits; a follower beyond the quorum may be late with its log. */
  replicate(txn: Txn): void {
    const followers = this.random.shuffle(this.followers);
    const prompt = this.random.int(this.quorum - 1, followers.length);
    for (const [i, f] of followers.entries()) {
      if (i === prompt) this.applyUpTo(this.leading, txn.zxid);
      this.append(f, txn);
      this.fsync(f);
      this.say(this.leading, { ev: 'ackReceived', from: f.sid, zxid: txn.zxid });
    }
    this.applyUpTo(this.leading, txn.zxid);
    for (const f of followers) this.applyUpTo(f, txn.zxid);
  }
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [i, x] of a.entries()) {
    const y = b[i] as number;
    if (x !== y) return x - y;
  }
  return 0;
}
