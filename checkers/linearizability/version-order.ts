// The version-order sweep: linearizability of the `register` workload in O(n log n), from the order
// that zxids and versions claim. The claim is never trusted: values, outcomes and real time must all
// agree with it, and where two operations contradict it they are the proof.
//
// For one key: replies give a chain of versions (version-chain.ts). Walking the zxids upwards places
// every read and every refusal in the version in force at its zxid; where a refusal or a gap between
// versions needs a write that nobody saw, an unanswered one must fit. Then no operation may have been
// invoked after one that comes later in this order had returned (block B of Gibbons and Korach's
// problem with a known version order: "Testing Shared Memories", SIAM J. Comput. 1997).
import type { Op } from '../../history/op.ts';
import type { Anomaly } from '../../history/verdict.ts';
import { anomaly, describeOp, hex, seconds } from './prose.ts';
import type { EffectCall, ObservationCall, ReadCall } from './register-op.ts';
import { registerCall } from './register-op.ts';
import type { KnownVersion, Said, VersionChain } from './version-chain.ts';
import { versionChain } from './version-chain.ts';

/** What the sweep found out about one key. */
export interface KeySweep {
  anomalies: Anomaly[];
  /** Why the key cannot be judged; then there are no anomalies. */
  problems: string[];
  /** The zxid of every effect that is known, also of unanswered writes that a read showed. */
  effectZxids: Map<Op, number>;
  /** Pairs of operations whose order in time was compared. */
  pairs: number;
}

/** Checks the operations of one key. Complexity O(n log n). */
export function sweepKey(ops: readonly Op[]): KeySweep {
  const said = ops.map((op) => ({ op, call: registerCall(op) }));
  const chain = versionChain(said);
  const effectZxids = new Map(chain.versions.map((known) => [known.writer, known.mzxid]));
  if (chain.problems.length > 0) {
    return { anomalies: [], problems: chain.problems, effectZxids, pairs: 0 };
  }
  if (chain.anomalies.length > 0) {
    return { anomalies: chain.anomalies, problems: [], effectZxids, pairs: 0 };
  }
  const placing = new Placing(chain);
  placing.placeAll(said);
  const { anomalies, pairs } = placing.judgeTimes();
  return { anomalies, problems: [], effectZxids, pairs };
}

/** An operation at its place: rank 2v for the effect that made version v, 2v+1 for what saw it. */
interface Place {
  op: Op;
  rank: number;
}
/** A version that must have existed although no reply showed it, and the reply that says so. */
interface Gap {
  version: number;
  because: Op;
  forced: boolean;
}
interface Sighting {
  op: Op;
  call: ReadCall | ObservationCall;
}

class Placing {
  #chain: VersionChain;
  #places: Place[] = [];
  #gaps: Gap[] = [];
  #anomalies: Anomaly[] = [];
  /** Version in force at the zxid reached; −1 before the create. */
  #current = -1;
  /** Index in the chain of the next known version. */
  #next = 0;
  /** The last refusal that proved an unseen version, and the last known version. */
  #forcedBy: Op | undefined;
  #inForce: KnownVersion | undefined;
  #lostAtEnd: boolean | undefined;
  /** Reads that lack a change below their own zxid. */
  #staleByZxid = new Map<Op, Anomaly>();

  constructor(chain: VersionChain) {
    this.#chain = chain;
  }

  placeAll(said: readonly Said[]): void {
    const sightings: Sighting[] = [];
    for (const { op, call } of said) {
      if (call.kind === 'read' || call.kind === 'observation') sightings.push({ op, call });
    }
    sightings.sort((a, b) => a.call.zxid - b.call.zxid);
    for (let start = 0; start < sightings.length; ) {
      const zxid = (sightings[start] as Sighting).call.zxid;
      let end = start;
      while (end < sightings.length && (sightings[end] as Sighting).call.zxid === zxid) end++;
      this.#advanceTo(zxid);
      this.#see(sightings.slice(start, end), zxid);
      start = end;
    }
    this.#advanceTo(Number.POSITIVE_INFINITY);
  }

  /** Passes every known version up to a zxid, included. */
  #advanceTo(zxid: number): void {
    for (;;) {
      const known = this.#chain.versions[this.#next];
      if (known === undefined || known.mzxid > zxid) return;
      this.#next++;
      const missing = known.version - this.#current - 1;
      if (missing > this.#chain.unresolved.length) {
        this.#found('version-gap', [known.shownBy], gapText(known, missing, this.#current));
      } else {
        for (let version = this.#current + 1; version < known.version; version++) {
          this.#gaps.push({ version, because: known.shownBy, forced: false });
        }
      }
      this.#current = known.version;
      this.#forcedBy = undefined;
      this.#inForce = known;
      this.#places.push({ op: known.writer, rank: 2 * known.version });
    }
  }

  /** Places all that was seen at one zxid: it must fit one version. */
  #see(sightings: readonly Sighting[], zxid: number): void {
    const reads = sightings.filter(({ call }) => call.kind === 'read');
    for (const { op, call } of reads) {
      const read = call as ReadCall;
      if (read.version === this.#current) this.#place(op);
      else this.#misplacedRead(op, read);
    }
    const refusals = sightings.filter(({ call }) => call.kind === 'observation');
    const fixed =
      reads.length > 0 ||
      this.#inForce?.mzxid === zxid ||
      refusals.some(({ call }) => wants(call, -1));
    const limit = fixed ? this.#current : this.#limit();
    let version = this.#current;
    const others = refusals.filter(({ call }) => !wants(call, -1));
    while (version < limit && others.some(({ call }) => excludes(call, version))) {
      version++;
    }
    const because = others.find(({ call }) => excludes(call, this.#current));
    for (let gap = this.#current + 1; gap <= version && because !== undefined; gap++) {
      this.#gaps.push({ version: gap, because: because.op, forced: true });
      this.#forcedBy = because.op;
    }
    this.#current = version;
    for (const { op, call } of refusals) {
      if (excludes(call, version)) this.#wrongRefusal(op, call as ObservationCall, zxid);
      else this.#place(op);
    }
  }

  /** The highest version that can be in force before the next known one. */
  #limit(): number {
    const next = this.#chain.versions[this.#next];
    const spare = this.#current + this.#chain.unresolved.length;
    return next === undefined ? spare : Math.min(next.version - 1, spare);
  }

  #place(op: Op): void {
    this.#places.push({ op, rank: 2 * this.#current + 1 });
  }

  #misplacedRead(op: Op, read: ReadCall): void {
    if (read.mzxid > read.zxid) {
      const why = `shows a change that its own reply, of zxid ${hex(read.zxid)}, cannot contain`;
      this.#found('future-read', [op], `${describeOp(op)} ${why}`);
      return;
    }
    const other = this.#forcedBy ?? this.#inForce?.shownBy;
    if (other === undefined) throw new Error('a read at a version before any: the chain is broken');
    // Real time is the better proof, so this one is only given when there is no other.
    this.#places.push({ op, rank: 2 * read.version + 1 });
    const why = `its reply, of zxid ${hex(read.zxid)}, must contain the later version that`;
    const stale = `${describeOp(op)} is stale: ${why} ${describeOp(other)} shows.`;
    this.#staleByZxid.set(op, anomaly('stale-read', stale, [op, other]));
  }

  #wrongRefusal(op: Op, call: ObservationCall, zxid: number): void {
    const known = this.#inForce;
    const next = this.#chain.versions[this.#next];
    const ops = [op, known?.shownBy, next?.shownBy].filter((o) => o !== undefined);
    const state =
      known === undefined
        ? 'the key had not been created at that zxid'
        : `version ${known.version} was in force at that zxid, by ${describeOp(known.shownBy)}`;
    const until = next === undefined ? '' : `; the next change is ${describeOp(next.shownBy)}`;
    const kind = call.sees === 'missing' ? 'lost-node' : 'wrong-refusal';
    this.#found(
      kind,
      ops,
      `${describeOp(op)} was refused at zxid ${hex(zxid)}, but ${state}${until}`,
    );
  }

  /** Compares the order of places with the order in time and finds writes for the gaps. */
  judgeTimes(): { anomalies: Anomaly[]; pairs: number } {
    const places = this.#places.sort((a, b) => b.rank - a.rank);
    // For every rank, downwards: the operation placed above it that returned first.
    let earliest: Op | undefined;
    let at = 0;
    let pairs = 0;
    const pass = (aboveRank: number): void => {
      for (; at < places.length && (places[at] as Place).rank > aboveRank; at++) {
        const { op } = places[at] as Place;
        if (earliest === undefined || op.returnTime < earliest.returnTime) earliest = op;
      }
    };
    for (const { op, rank } of places) {
      pass(rank);
      if (earliest === undefined) continue;
      pairs++;
      if (op.invokeTime <= earliest.returnTime) continue;
      this.#contradiction(op, earliest);
      this.#staleByZxid.delete(op);
    }
    this.#anomalies.push(...this.#staleByZxid.values());
    this.#fillGaps(places);
    return { anomalies: this.#anomalies, pairs };
  }

  #contradiction(late: Op, early: Op): void {
    const lateCall = registerCall(late);
    const earlyCall = registerCall(early);
    const invoked = `invoked at ${seconds(late.invokeTime)}`;
    const returned = `had been answered at ${seconds(early.returnTime)}`;
    if (lateCall.kind === 'read') {
      const lost = earlyCall.kind === 'effect' && this.#neverSeenAgain(early);
      const after = `${describeOp(late)} was ${invoked}, after ${describeOp(early)} ${returned}`;
      const promise = 'a read must return the latest written value';
      const never = lost ? ', and no operation ever saw that write' : '';
      this.#found(
        lost ? 'lost-write' : 'stale-read',
        [late, early],
        `${after}; ${promise}${never}`,
      );
      return;
    }
    const when = `although ${describeOp(late)} was only ${invoked}, after it ${returned}`;
    if (lateCall.kind === 'effect' && earlyCall.kind === 'read') {
      this.#found(
        'future-read',
        [late, early],
        `${describeOp(early)} saw what came later, ${when}`,
      );
      return;
    }
    const kind = lateCall.kind === 'effect' ? 'write-order' : 'stale-observation';
    this.#found(
      kind,
      [late, early],
      `${describeOp(early)} has the later place by version and zxid, ${when}`,
    );
  }

  #neverSeenAgain(write: Op): boolean {
    const last = this.#chain.versions.at(-1);
    if (last?.writer !== write) return false;
    this.#lostAtEnd ??= !this.#places.some((p) => p.op !== write && p.rank >= 2 * last.version);
    return this.#lostAtEnd;
  }

  /**
   * Gives every unseen version an unanswered write invoked early enough. All that comes after a gap
   * must return after that write was invoked, so a gap's deadline is the first return above it;
   * deadlines rise with versions, so taking the earliest invoked write first is exact (Hall).
   */
  #fillGaps(placesDescending: readonly Place[]): void {
    const gaps = this.#gaps.sort((a, b) => b.version - a.version);
    const deadlines = new Map<Gap, number>();
    let deadline = Number.POSITIVE_INFINITY;
    let at = 0;
    for (const gap of gaps) {
      for (; at < placesDescending.length; at++) {
        const { op, rank } = placesDescending[at] as Place;
        if (rank < 2 * gap.version) break;
        deadline = Math.min(deadline, op.returnTime);
      }
      deadlines.set(gap, deadline);
    }
    const supply = new UnansweredWrites(this.#chain.unresolved);
    for (const gap of gaps.reverse()) {
      if (supply.take(gap.version, deadlines.get(gap) as number)) continue;
      const needs = `needs a version ${gap.version} that no reply showed`;
      const none = 'no unanswered operation invoked in time can have made it';
      const kind = gap.forced ? 'wrong-refusal' : 'version-gap';
      this.#found(kind, [gap.because], `${describeOp(gap.because)} ${needs}, and ${none}`);
    }
  }

  #found(kind: string, ops: Op[], why: string): void {
    this.#anomalies.push(anomaly(kind, `${why}.`, ops));
  }
}

/** Does the sighting demand exactly this version? Only −1, the missing node, can be demanded. */
function wants(call: Sighting['call'], version: number): boolean {
  return version === -1 && call.kind === 'observation' && call.sees === 'missing';
}

function excludes(call: Sighting['call'], version: number): boolean {
  if (call.kind !== 'observation') return false;
  if (call.sees === 'missing') return version !== -1;
  return version === -1 || (call.sees === 'other-version' && version === call.expected);
}

function gapText(known: KnownVersion, missing: number, last: number): string {
  const before = last < 0 ? 'the key did not exist' : `version ${last} was in force`;
  return (
    `${describeOp(known.shownBy)} shows version ${known.version} where ${before}; ${missing} ` +
    `versions between were never shown, more than there are unanswered operations`
  );
}

class UnansweredWrites {
  #creates: number[] = [];
  #writes: number[] = [];
  #cas = new Map<number, number>();
  #taken = 0;

  constructor(unresolved: readonly { op: Op; call: EffectCall }[]) {
    for (const { op, call } of unresolved) {
      if (call.f === 'create') this.#creates.push(op.invokeTime);
      else if (call.f === 'write') this.#writes.push(op.invokeTime);
      else {
        const version = (call.expected as number) + 1;
        const earliest = this.#cas.get(version) ?? Number.POSITIVE_INFINITY;
        this.#cas.set(version, Math.min(earliest, op.invokeTime));
      }
    }
    this.#writes.sort((a, b) => a - b);
  }

  /** A compare-and-set fits one version only, so it goes first; then the earliest write. */
  take(version: number, deadline: number): boolean {
    if (version === 0) return this.#creates.some((invoked) => invoked <= deadline);
    if ((this.#cas.get(version) ?? Number.POSITIVE_INFINITY) <= deadline) return true;
    const invoked = this.#writes[this.#taken];
    if (invoked === undefined || invoked > deadline) return false;
    this.#taken++;
    return true;
  }
}
