// Pairs invocations with their outcomes. Every checker and report sees operations only through this
// file, so what an open operation means is decided in one place.
import type { Event, EventType } from './event.ts';
import type { Fault, FaultRecord, Verification } from './fault.ts';

/** An invocation paired with its outcome. */
export interface Op {
  /** Number of this operation in order of invocation, from 0. */
  id: number;
  process: number;
  f: string;
  key?: string;
  /** The outcome; an invocation that never returned counts as info. */
  type: Exclude<EventType, 'invoke'>;
  invoke: Event;
  /** Absent when the history ends before the outcome. */
  completion?: Event;
  /** ns since run start. */
  invokeTime: number;
  /** ns since run start; Infinity for info, since such an operation may still take effect. */
  returnTime: number;
}

/** Pairs the client events of a history, in order of invocation. Throws on an impossible history. */
export function pairOps(history: readonly Event[]): Op[] {
  const ops: Op[] = [];
  const open = new Map<number, Op>();
  for (const event of history) {
    if (typeof event.process !== 'number') continue;
    if (event.type === 'invoke') {
      const earlier = open.get(event.process);
      if (earlier !== undefined) {
        throw new Error(
          `event ${event.index}: process ${event.process} invokes ${event.f} while its operation ` +
            `of event ${earlier.invoke.index} is still open; expected one operation at a time`,
        );
      }
      const op: Op = {
        id: ops.length,
        process: event.process,
        f: event.f,
        type: 'info',
        invoke: event,
        invokeTime: event.time,
        returnTime: Number.POSITIVE_INFINITY,
      };
      if (event.key !== undefined) op.key = event.key;
      ops.push(op);
      open.set(event.process, op);
      continue;
    }
    const op = open.get(event.process);
    if (op === undefined) {
      throw new Error(
        `event ${event.index}: process ${event.process} completes ${event.f} but invoked nothing`,
      );
    }
    open.delete(event.process);
    op.completion = event;
    op.type = event.type;
    if (event.type !== 'info') op.returnTime = event.time;
  }
  return ops;
}

/** What the nemesis records as the value of its `inject` and `heal` events. */
export interface FaultEventValue {
  id: number;
  fault: Fault;
  verification?: Verification;
}

/**
 * Reads the faults' lives from the nemesis' events: `inject` and `heal`, each an invoke and an ok or
 * info, with a FaultEventValue.
 */
export function faultRecords(history: readonly Event[]): FaultRecord[] {
  const records = new Map<number, FaultRecord>();
  const unverified: Verification = { verified: false, evidence: 'no verification recorded' };
  for (const event of history) {
    if (event.process !== 'nemesis' || (event.f !== 'inject' && event.f !== 'heal')) continue;
    const value = event.value as FaultEventValue;
    const record = records.get(value.id);
    if (event.f === 'inject') {
      if (event.type === 'invoke') {
        records.set(value.id, {
          id: value.id,
          fault: value.fault,
          injectStart: event.time,
          injected: event.time,
          injection: unverified,
        });
      } else if (record !== undefined) {
        record.injected = event.time;
        record.injection = value.verification ?? unverified;
      }
    } else if (record !== undefined) {
      if (event.type === 'invoke') record.healStart = event.time;
      else {
        record.healed = event.time;
        record.heal = value.verification ?? unverified;
      }
    }
  }
  return [...records.values()];
}
