// What one operation of the `register` workload says about its key, as a checker may use it.
// Sweep, search model and evidence all read operations through here, so a reply means the same to all.
import type { Op } from '../../history/op.ts';

/** A value of a register: integers in our workload, unique per key. */
export type RegisterValue = number | string;

/** An operation that changes the key if it takes effect: `certain` when acknowledged, else maybe. */
export interface EffectCall {
  kind: 'effect';
  f: 'create' | 'write' | 'cas';
  value: RegisterValue;
  /** cas only: the version it names. */
  expected?: number;
  /** What the reply said; absent when there was none. */
  reply?: { zxid: number; mzxid: number; version: number };
}
/** An acknowledged sync + get. */
export interface ReadCall {
  kind: 'read';
  value: RegisterValue;
  version: number;
  mzxid: number;
  zxid: number;
  syncZxid?: number;
}
/** A refusal that tells what the key was not, at its own zxid. */
export interface ObservationCall {
  kind: 'observation';
  /** NoNode, NodeExists, BadVersion. */
  sees: 'missing' | 'existing' | 'other-version';
  /** other-version only: the version it was not. */
  expected?: number;
  zxid: number;
}
/** It never happened, or it was a read without a reply: it says nothing. */
export interface SilentCall {
  kind: 'silent';
}
/** Something the record must carry is missing: nothing can be concluded. */
export interface MalformedCall {
  kind: 'malformed';
  why: string;
}
export type RegisterCall = EffectCall | ReadCall | ObservationCall | SilentCall | MalformedCall;

/** Reads an operation of the register workload. Never throws: what it cannot use is `malformed`. */
export function registerCall(op: Op): RegisterCall {
  if (op.f === 'read') return readCall(op);
  if (op.f !== 'create' && op.f !== 'write' && op.f !== 'cas') {
    return malformed(op, `f ${JSON.stringify(op.f)}: expected create, write, cas or read`);
  }
  if (op.type === 'fail') return refusal(op);
  const given = op.f === 'cas' ? casValue(op.invoke.value) : { value: op.invoke.value };
  if (given === undefined || !isValue(given.value)) {
    return malformed(op, `value ${JSON.stringify(op.invoke.value)} of a ${op.f}`);
  }
  const call: EffectCall = { kind: 'effect', f: op.f, value: given.value };
  if (given.expected !== undefined) call.expected = given.expected;
  if (op.type === 'info') return call;
  const { zxid, mzxid, version } = op.completion ?? {};
  if (zxid === undefined || mzxid === undefined || version === undefined) {
    return malformed(op, `an acknowledged ${op.f} without zxid, mzxid and version`);
  }
  call.reply = { zxid, mzxid, version };
  return call;
}

function readCall(op: Op): RegisterCall {
  if (op.type === 'fail') return refusal(op);
  if (op.type === 'info') return { kind: 'silent' };
  const { value, version, mzxid, zxid, syncZxid } = op.completion ?? {};
  if (!isValue(value)) return malformed(op, `value ${JSON.stringify(value)} of a read`);
  if (zxid === undefined || mzxid === undefined || version === undefined) {
    return malformed(op, 'an acknowledged read without zxid, mzxid and version');
  }
  const call: ReadCall = { kind: 'read', value, version, mzxid, zxid };
  if (syncZxid !== undefined) call.syncZxid = syncZxid;
  return call;
}

function refusal(op: Op): RegisterCall {
  const { error = '', zxid } = op.completion ?? {};
  if (zxid === undefined) return { kind: 'silent' };
  if (error.startsWith('NoNode') && op.f !== 'create') {
    return { kind: 'observation', sees: 'missing', zxid };
  }
  if (error.startsWith('NodeExists') && op.f === 'create') {
    return { kind: 'observation', sees: 'existing', zxid };
  }
  if (error.startsWith('BadVersion') && op.f === 'cas') {
    const given = casValue(op.invoke.value);
    if (given?.expected === undefined) return malformed(op, 'a cas without an expected version');
    return { kind: 'observation', sees: 'other-version', expected: given.expected, zxid };
  }
  return { kind: 'silent' };
}

function malformed(op: Op, what: string): MalformedCall {
  const event = op.completion?.index ?? op.invoke.index;
  return { kind: 'malformed', why: `event ${event} carries ${what}` };
}

function isValue(value: unknown): value is RegisterValue {
  return typeof value === 'number' || typeof value === 'string';
}

function casValue(value: unknown): { value: unknown; expected?: number } | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { expected, to } = value as { expected?: unknown; to?: unknown };
  if (typeof expected !== 'number') return undefined;
  return { value: to, expected };
}

/** The value an operation tried to put into its key, if it is one that could. */
export function attemptedValue(op: Op): RegisterValue | undefined {
  if (op.f !== 'create' && op.f !== 'write' && op.f !== 'cas') return undefined;
  const value = op.f === 'cas' ? casValue(op.invoke.value)?.value : op.invoke.value;
  return isValue(value) ? value : undefined;
}
