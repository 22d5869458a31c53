// The exhaustive twin of the checkers, for tests: it tries every order of a handful of operations.
// Written from the specifications in plain values and without any of the checkers' shortcuts.
import type { Op } from '../../history/op.ts';
import type { CasRegisterOptions } from './models.ts';
import { casRegisterCall } from './models.ts';
import type { RegisterCall, RegisterValue } from './register-op.ts';
import { registerCall } from './register-op.ts';

const OPS_MAX = 10;

/** A sequential specification in plain values. */
export interface Spec<State> {
  initial: State;
  /** May the operation be left out of the order, must it be in it, or has it no part in it? */
  role(op: Op): 'must' | 'may' | 'none';
  /** The state after it, or undefined if its outcome is impossible. */
  apply(state: State, op: Op): State | undefined;
}

/** Is there a linearization? Throws on more than ten operations. */
export function bruteForce<State>(ops: readonly Op[], spec: Spec<State>): boolean {
  const involved = ops.filter((op) => spec.role(op) !== 'none');
  if (involved.length > OPS_MAX) {
    throw new Error(
      `expected at most ${OPS_MAX} operations to try every order of, got ${ops.length}`,
    );
  }
  const extend = (state: State, left: readonly Op[]): boolean => {
    const must = left.filter((op) => spec.role(op) === 'must');
    if (must.length === 0) return true;
    for (const op of left) {
      if (must.some((other) => other !== op && other.returnTime < op.invokeTime)) continue;
      const after = spec.apply(state, op);
      if (after === undefined) continue;
      if (
        extend(
          after,
          left.filter((other) => other !== op),
        )
      ) {
        return true;
      }
    }
    return false;
  };
  return extend(spec.initial, involved);
}

/** The compare-and-set register of models.ts. */
export function casRegisterSpec(options: CasRegisterOptions): Spec<{ value: unknown }> {
  return {
    initial: { value: options.initial },
    role(op) {
      const call = casRegisterCall(op, options);
      if (call === undefined) return 'none';
      return call.required ? 'must' : 'may';
    },
    apply(state, op) {
      const call = casRegisterCall(op, options);
      if (call?.f === 'write') return { value: call.a };
      if (call?.f === 'cas') return state.value === call.a ? { value: call.b } : undefined;
      if (call?.f === 'refused-cas') return state.value === call.a ? undefined : state;
      return state.value === call?.a ? state : undefined;
    },
  };
}

export interface VersionedState {
  value: RegisterValue | undefined;
  version: number;
}

function versionedRole(op: Op): 'must' | 'may' | 'none' {
  const { kind } = registerCall(op);
  if (kind === 'silent' || kind === 'malformed') return 'none';
  return kind === 'effect' && op.type === 'info' ? 'may' : 'must';
}

/** A key of the register workload. `versions`: replies' versions must be right as well. */
export function versionedSpec(options: { versions: boolean }): Spec<VersionedState> {
  return {
    initial: { value: undefined, version: -1 },
    role: versionedRole,
    apply: (state, op) => applyVersioned(state, op, options.versions),
  };
}

function applyVersioned(
  state: VersionedState,
  op: Op,
  versions: boolean,
): VersionedState | undefined {
  const call = registerCall(op);
  const exists = state.version >= 0;
  if (call.kind === 'effect') {
    if (call.f === 'create' ? exists : !exists) return undefined;
    if (call.f === 'cas' && state.version !== call.expected) return undefined;
    const version = state.version + 1;
    if (versions && call.reply !== undefined && call.reply.version !== version) return undefined;
    return { value: call.value, version };
  }
  if (call.kind === 'read') {
    if (!exists || call.value !== state.value) return undefined;
    return versions && call.version !== state.version ? undefined : state;
  }
  if (call.kind !== 'observation')
    throw new Error(`${op.f} of event ${op.invoke.index} has no part`);
  if (call.sees === 'missing') return exists ? undefined : state;
  if (!exists) return undefined;
  return call.sees === 'other-version' && state.version === call.expected ? undefined : state;
}

export interface WitnessState extends VersionedState {
  /** Zxid of the last change; of one that no reply shows, a bit above all that came before. */
  changed: number;
  /** Highest zxid placed so far. */
  reached: number;
}

const BIT = 1 / 1024;

function shownZxids(ops: readonly Op[]): Map<RegisterValue, number> {
  const shown = new Map<RegisterValue, number>();
  for (const op of ops) {
    const call = registerCall(op);
    if (call.kind === 'read') shown.set(call.value, call.mzxid);
  }
  return shown;
}

/**
 * A key of the register workload whose changes must also have the order of their zxids, with every
 * read and refusal between those that its zxid is between. Together with `zxidsFollowTime` this is
 * what the sweep decides. The operations tell which unanswered write was read.
 */
export function witnessSpec(ops: readonly Op[]): Spec<WitnessState> {
  const shown = shownZxids(ops);
  return {
    initial: { value: undefined, version: -1, changed: -1, reached: -1 },
    role: versionedRole,
    apply(state, op) {
      const after = applyVersioned(state, op, true);
      if (after === undefined) return undefined;
      const call = registerCall(op);
      if (call.kind === 'effect') {
        if (call.reply !== undefined && call.reply.zxid !== call.reply.mzxid) return undefined;
        const changed = call.reply?.mzxid ?? shown.get(call.value) ?? state.reached + BIT;
        return changed > state.reached ? { ...after, changed, reached: changed } : undefined;
      }
      if (call.kind !== 'read' && call.kind !== 'observation') return undefined;
      if (call.zxid < state.changed) return undefined;
      if (call.kind === 'read' && call.mzxid !== state.changed) return undefined;
      return { ...after, changed: state.changed, reached: Math.max(state.reached, call.zxid) };
    },
  };
}

interface Placed {
  op: Op;
  call: RegisterCall;
  /** Lowest and highest zxid at which it can have been, by its reply. */
  first: number;
  last: number;
}

/** Has every pair of operations, of which one returned before the other was invoked, its zxids so? */
export function zxidsFollowTime(ops: readonly Op[]): boolean {
  const shown = shownZxids(ops);
  const placed = ops.flatMap((op): Placed[] => {
    const call = registerCall(op);
    if (call.kind === 'observation') return [{ op, call, first: call.zxid, last: call.zxid }];
    if (call.kind === 'read') {
      return [{ op, call, first: call.syncZxid ?? call.zxid, last: call.zxid }];
    }
    if (call.kind !== 'effect') return [];
    const zxid = call.reply?.mzxid ?? shown.get(call.value);
    return zxid === undefined ? [] : [{ op, call, first: zxid, last: zxid }];
  });
  return placed.every(
    (late) =>
      late.first <= late.last &&
      placed.every((early) => {
        if (early.op.returnTime >= late.op.invokeTime) return true;
        return late.call.kind === 'effect' ? early.last < late.first : early.last <= late.first;
      }),
  );
}
