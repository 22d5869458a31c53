// The versions of one key as all replies together describe them: which zxid, version and value belong
// to each other, and who wrote them. Every contradiction here is between two replies, whatever the
// time they came at; the sweep over time (version-order.ts) starts from a chain without any.
import type { Op } from '../../history/op.ts';
import type { Anomaly } from '../../history/verdict.ts';
import { anomaly, describeOp, hex } from './prose.ts';
import type { EffectCall, ReadCall, RegisterCall, RegisterValue } from './register-op.ts';
import { attemptedValue } from './register-op.ts';

/** One version of a key that some reply showed. */
export interface KnownVersion {
  version: number;
  mzxid: number;
  value: RegisterValue;
  writer: Op;
  /** The operation whose reply showed it first: its writer, or a read of an unanswered write. */
  shownBy: Op;
}

export interface VersionChain {
  /** Ascending in zxid and, when there is no anomaly, in version. */
  versions: KnownVersion[];
  /** Writes without a reply that no read showed. */
  unresolved: { op: Op; call: EffectCall }[];
  anomalies: Anomaly[];
  /** Why the chain cannot be judged (a fault of the record, not of the system). */
  problems: string[];
}

/** An operation with what it says. */
export interface Said {
  op: Op;
  call: RegisterCall;
}

/** Collects the versions of one key. */
export function versionChain(said: readonly Said[]): VersionChain {
  const chain = new ChainBuilder();
  for (const { op, call } of said) chain.addWriter(op, call);
  for (const { op, call } of said) {
    if (call.kind === 'effect' && call.reply !== undefined) chain.addWrite(op, call, call.reply);
  }
  for (const { op, call } of said) if (call.kind === 'read') chain.addRead(op, call);
  return chain.finish(said);
}

class ChainBuilder {
  #writers = new Map<RegisterValue, Op>();
  #calls = new Map<Op, EffectCall>();
  #byVersion = new Map<number, KnownVersion>();
  #byZxid = new Map<number, KnownVersion>();
  #byWriter = new Map<Op, KnownVersion>();
  #anomalies: Anomaly[] = [];
  #problems: string[] = [];

  addWriter(op: Op, call: RegisterCall): void {
    const value = attemptedValue(op);
    if (value === undefined) return;
    const earlier = this.#writers.get(value);
    if (earlier !== undefined) {
      this.#problems.push(
        `value ${value} of key ${op.key} is written by event ${earlier.invoke.index} and by event ` +
          `${op.invoke.index}; expected every value once, so that a read names its write`,
      );
    }
    this.#writers.set(value, op);
    if (call.kind === 'effect') this.#calls.set(op, call);
  }

  addWrite(op: Op, call: EffectCall, reply: NonNullable<EffectCall['reply']>): void {
    if (reply.zxid !== reply.mzxid) {
      this.#found(
        'wrong-zxid',
        `${describeOp(op)} was acknowledged in a reply of zxid ${hex(reply.zxid)}, which is not the ` +
          `zxid of the change it made`,
        [op],
      );
    }
    this.#checkOutcome(op, call, reply.version, op);
    const twin = this.#byZxid.get(reply.mzxid);
    if (twin !== undefined) {
      this.#found(
        'double-zxid',
        `${describeOp(op)} and ${describeOp(twin.writer)} were both acknowledged with one zxid, but ` +
          `a zxid names one change only`,
        [op, twin.writer],
      );
      return;
    }
    const rival = this.#byVersion.get(reply.version);
    if (rival !== undefined) {
      this.#found(
        'lost-write',
        `${describeOp(op)} and ${describeOp(rival.writer)} were both acknowledged as version ` +
          `${reply.version}, so one of the two was lost`,
        [op, rival.writer],
      );
      return;
    }
    this.#add({ ...reply, value: call.value, writer: op, shownBy: op });
  }

  addRead(op: Op, call: ReadCall): void {
    const writer = this.#writers.get(call.value);
    if (writer === undefined) {
      this.#found('thin-air-read', `${describeOp(op)} shows a value that nobody ever wrote`, [op]);
      return;
    }
    if (writer.type === 'fail') {
      this.#found(
        'read-of-failed-write',
        `${describeOp(op)} shows the value of ${describeOp(writer)}, which certainly did not happen`,
        [op, writer],
      );
      return;
    }
    const shown = this.#byWriter.get(writer);
    if (shown !== undefined) {
      if (shown.version === call.version && shown.mzxid === call.mzxid) return;
      this.#found(
        'forked-version',
        `${describeOp(op)} and ${describeOp(shown.shownBy)} show one value with different versions ` +
          `or zxids`,
        [op, shown.shownBy],
      );
      return;
    }
    this.#resolve(op, call, writer);
  }

  /** A read that shows the value of an unanswered write tells where that write took effect. */
  #resolve(op: Op, read: ReadCall, writer: Op): void {
    const rival = this.#byVersion.get(read.version) ?? this.#byZxid.get(read.mzxid);
    if (rival !== undefined) {
      this.#found(
        rival.shownBy === rival.writer ? 'lost-write' : 'forked-version',
        `${describeOp(op)} contradicts ${describeOp(rival.shownBy)}: one version or zxid of one key, ` +
          `but two values`,
        [op, rival.shownBy],
      );
      return;
    }
    const call = this.#calls.get(writer);
    if (call === undefined) return;
    this.#checkOutcome(writer, call, read.version, op);
    const { version, mzxid, value } = read;
    this.#add({ version, mzxid, value, writer, shownBy: op });
  }

  #checkOutcome(op: Op, call: EffectCall, version: number, shownBy: Op): void {
    const ops = op === shownBy ? [op] : [op, shownBy];
    const shown = op === shownBy ? 'its reply' : describeOp(shownBy);
    if (call.f === 'cas' && call.expected !== undefined && version !== call.expected + 1) {
      this.#found(
        'wrong-cas',
        `${describeOp(op)} took effect as version ${version}, as ${shown} says, although it may only ` +
          `succeed on version ${call.expected} and make version ${call.expected + 1}`,
        ops,
      );
    } else if (call.f === 'create' ? version !== 0 : version < 1) {
      this.#found(
        'wrong-version',
        `${describeOp(op)} took effect as version ${version}, as ${shown} says; a create makes ` +
          `version 0 and nothing else does`,
        ops,
      );
    }
  }

  #add(known: KnownVersion): void {
    this.#byVersion.set(known.version, known);
    this.#byZxid.set(known.mzxid, known);
    this.#byWriter.set(known.writer, known);
  }

  #found(kind: string, why: string, ops: Op[]): void {
    this.#anomalies.push(anomaly(kind, `${why}.`, ops));
  }

  finish(said: readonly Said[]): VersionChain {
    const versions = [...this.#byZxid.values()].sort((a, b) => a.mzxid - b.mzxid);
    for (const [i, later] of versions.entries()) {
      const earlier = versions[i - 1];
      if (earlier === undefined || earlier.version < later.version) continue;
      this.#found(
        'version-order',
        `${describeOp(earlier.shownBy)} comes before ${describeOp(later.shownBy)} by zxid but after ` +
          `it by version`,
        [earlier.shownBy, later.shownBy],
      );
    }
    const unresolved: VersionChain['unresolved'] = [];
    for (const { op, call } of said) {
      if (call.kind === 'malformed') this.#problems.push(call.why);
      if (call.kind !== 'effect' || call.reply !== undefined || this.#byWriter.has(op)) continue;
      unresolved.push({ op, call });
    }
    if (said.length > 0 && ![...this.#calls.values()].some((call) => call.f === 'create')) {
      const key = said[0]?.op.key;
      this.#problems.push(
        `key ${key} has no create that may have taken effect; expected one in setup`,
      );
    }
    return { versions, unresolved, anomalies: this.#anomalies, problems: this.#problems };
  }
}
