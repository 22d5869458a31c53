// The sequential objects that histories are judged against, coded for the search. States that no
// outcome in the history can tell apart share one code, which is exact and keeps the search small.
import type { Op } from '../../history/op.ts';
import type { Call, CompiledModel, Model } from './model.ts';
import { Interner } from './model.ts';
import type { RegisterCall, RegisterValue } from './register-op.ts';
import { registerCall } from './register-op.ts';

/** The two readings of a compare-and-set register that recorded histories need. */
export interface CasRegisterOptions {
  /** Value before the first write; null is a value of its own. */
  initial: number | string | null;
  /**
   * `observation`: a compare-and-set that failed without an error saw another value (etcd's reply).
   * `dropped`: whatever failed never happened and says nothing (Knossos).
   */
  failedCas: 'observation' | 'dropped';
  /** What a completed read of nil means: the value null, or that any value may have been there. */
  nilRead: 'value' | 'wildcard';
}

type Scalar = number | string | null;

/** One operation on a compare-and-set register, as recorded; undefined if it says nothing. */
export interface CasRegisterCall {
  f: 'read' | 'write' | 'cas' | 'refused-cas';
  required: boolean;
  /** read: value; write: value; cas: from. */
  a: Scalar;
  /** cas: to. */
  b: Scalar;
}

/** Reads an operation with f `read`, `write` or `cas` (value `[from, to]`). Throws on any other. */
export function casRegisterCall(op: Op, options: CasRegisterOptions): CasRegisterCall | undefined {
  if (op.f !== 'read' && op.f !== 'write' && op.f !== 'cas') {
    throw new Error(`event ${op.invoke.index}: f ${op.f}: expected read, write or cas`);
  }
  const completed = op.type === 'ok' ? op.completion?.value : undefined;
  const value = completed ?? op.invoke.value;
  const required = op.type === 'ok';
  if (op.f === 'read') {
    if (!required) return undefined;
    const seen = completed ?? null;
    if (seen === null && options.nilRead === 'wildcard') return undefined;
    return { f: 'read', required, a: scalar(op, seen), b: null };
  }
  if (op.f === 'write') {
    return op.type === 'fail' ? undefined : { f: 'write', required, a: scalar(op, value), b: null };
  }
  const saw = op.type === 'fail' && op.completion?.error === undefined;
  if (op.type === 'fail' && !(saw && options.failedCas === 'observation')) return undefined;
  if (!Array.isArray(value) || value.length !== 2) {
    throw new Error(
      `event ${op.invoke.index}: cas of ${JSON.stringify(value)}: expected a pair [from, to]`,
    );
  }
  const [from, to] = value as [unknown, unknown];
  const f = op.type === 'fail' ? 'refused-cas' : 'cas';
  return { f, required: op.type !== 'info', a: scalar(op, from), b: scalar(op, to) };
}

function scalar(op: Op, value: unknown): Scalar {
  if (typeof value === 'number' || typeof value === 'string' || value === null) return value;
  throw new Error(
    `event ${op.invoke.index}: ${op.f} of ${JSON.stringify(value)}: expected a number, a string or nil`,
  );
}

/** A register with read, write and compare-and-set on its value. */
export function casRegister(options: CasRegisterOptions): Model {
  return { name: 'cas-register', compile: (ops) => compileCasRegister(ops, options) };
}

function compileCasRegister(ops: readonly Op[], options: CasRegisterOptions): CompiledModel {
  const parsed: { op: Op; call: CasRegisterCall }[] = [];
  const observed = new Interner<Scalar>();
  for (const op of ops) {
    const call = casRegisterCall(op, options);
    if (call === undefined) continue;
    parsed.push({ op, call });
    if (call.f !== 'write') observed.code(call.a);
  }
  // Every value that nothing tests is one state.
  const unseen = observed.items.length;
  const code = (value: Scalar): number => (observed.has(value) ? observed.code(value) : unseen);
  const a = Int32Array.from(parsed, ({ call }) => code(call.a));
  const b = Int32Array.from(parsed, ({ call }) => code(call.b));
  const effects = new Interner<string>();
  const calls = parsed.map(({ op, call }, i): Call => {
    const pure =
      call.f === 'read' || call.f === 'refused-cas' || (call.f === 'cas' && a[i] === b[i]);
    return { op, required: call.required, pure, effect: effects.code(`${call.f} ${a[i]} ${b[i]}`) };
  });
  return {
    calls,
    initial: code(options.initial),
    step(state, index) {
      const from = a[index] as number;
      switch (parsed[index]?.call.f) {
        case 'write':
          return from;
        case 'cas':
          return state === from ? (b[index] as number) : -1;
        case 'refused-cas':
          return state === from ? -1 : state;
        default:
          return state === from ? state : -1;
      }
    },
    describe: (state) =>
      state === unseen ? 'a value that nothing reads' : `value ${observed.items[state] ?? 'nil'}`,
  };
}

/** A register with read and write only. */
export function register(initial: number | string | null): Model {
  const model = casRegister({ initial, failedCas: 'dropped', nilRead: 'value' });
  return { name: 'register', compile: model.compile };
}

export interface VersionedRegisterOptions {
  /** Also compare the versions in the replies; otherwise only values and outcomes count. */
  versions: boolean;
}

/** A key of our register workload: absent, or a value with a version that counts its changes. */
export function versionedRegister(options: VersionedRegisterOptions): Model {
  return { name: 'versioned-register', compile: (ops) => compileVersioned(ops, options) };
}

type Judged = Exclude<RegisterCall, { kind: 'silent' | 'malformed' }>;

function compileVersioned(ops: readonly Op[], options: VersionedRegisterOptions): CompiledModel {
  const parsed: { op: Op; call: Judged }[] = [];
  const observed = new Interner<RegisterValue>();
  let versionsMax = -1;
  for (const op of ops) {
    const call = registerCall(op);
    if (call.kind === 'malformed') throw new Error(call.why);
    if (call.kind === 'silent') continue;
    parsed.push({ op, call });
    if (call.kind === 'read') observed.code(call.value);
    if (call.kind !== 'read') versionsMax = Math.max(versionsMax, call.expected ?? -1);
    if (options.versions) versionsMax = Math.max(versionsMax, shownVersion(call) ?? -1);
  }
  const unseen = observed.items.length;
  const code = (value: RegisterValue): number =>
    observed.has(value) ? observed.code(value) : unseen;
  // Versions above all that are tested are one; states are pairs, interned as they appear.
  const versions = versionsMax + 2;
  const states = new Interner<number>();
  const absent = states.code(-1);
  const present = (value: number, version: number): number =>
    states.code(value * versions + Math.min(version, versions - 1));
  const values = Int32Array.from(parsed, ({ call }) =>
    call.kind === 'observation' ? unseen : code(call.value),
  );
  const effects = new Interner<string>();
  const calls = parsed.map(({ op, call }, i): Call => {
    const required = call.kind !== 'effect' || op.type === 'ok';
    const what = call.kind === 'effect' ? `${call.f} ${call.expected ?? ''}` : call.kind;
    const effect = effects.code(`${what} ${values[i]}`);
    return { op, required, pure: call.kind !== 'effect', effect };
  });
  return {
    calls,
    initial: absent,
    step(state, index) {
      const { call } = parsed[index] as { call: Judged };
      const value = values[index] as number;
      const pair = states.items[state] as number;
      const version = pair < 0 ? -1 : pair % versions;
      const shown = options.versions ? shownVersion(call) : undefined;
      if (call.kind === 'observation') return refuses(call, version) ? state : -1;
      if (call.kind === 'effect') {
        if (shown !== undefined && shown !== version + 1) return -1;
        if (call.f === 'create') return version < 0 ? present(value, 0) : -1;
        if (version < 0 || (call.f === 'cas' && version !== call.expected)) return -1;
        return present(value, version + 1);
      }
      if (version < 0 || Math.floor(pair / versions) !== value) return -1;
      return shown !== undefined && version !== shown ? -1 : state;
    },
    describe(state) {
      const pair = states.items[state] as number;
      if (pair < 0) return 'no node';
      const value = observed.items[Math.floor(pair / versions)] ?? '(one that nothing reads)';
      const version = pair % versions;
      return `value ${value}, version ${version === versions - 1 ? `${version} or more` : version}`;
    },
  };
}

function shownVersion(call: Judged): number | undefined {
  if (call.kind === 'read') return call.version;
  return call.kind === 'effect' ? call.reply?.version : undefined;
}

function refuses(call: Extract<Judged, { kind: 'observation' }>, version: number): boolean {
  if (call.sees === 'missing') return version < 0;
  return version >= 0 && (call.sees === 'existing' || version !== call.expected);
}

/** A lock that anyone may release; `acquire` and `release`, free at first. */
export function mutex(): Model {
  return { name: 'mutex', compile: compileMutex };
}

function compileMutex(ops: readonly Op[]): CompiledModel {
  const calls: Call[] = [];
  for (const op of ops) {
    if (op.f !== 'acquire' && op.f !== 'release') {
      throw new Error(`event ${op.invoke.index}: f ${op.f}: expected acquire or release`);
    }
    if (op.type === 'fail') continue;
    const effect = op.f === 'acquire' ? 1 : 0;
    calls.push({ op, required: op.type === 'ok', pure: false, effect });
  }
  return {
    calls,
    initial: 0,
    step: (state, index) => {
      const effect = calls[index]?.effect as number;
      return state === effect ? -1 : effect;
    },
    describe: (state) => (state === 1 ? 'held' : 'free'),
  };
}
