// Leaves out of a run the incarnations in which a server only said why it would not start, and tells which of
// them had no lawful reason. Their one word must not make everybody else's logs worthless.

import type { FaultRecord } from '../history/fault.ts';
import type { NodeEvent } from '../history/node-event.ts';
import type { RunRecord } from '../history/run-record.ts';
import type { Findings } from './evidence.ts';
import { nameEvent } from './evidence.ts';

type StopEvent = Extract<NodeEvent, { ev: 'stop' }>;

const judgeable = new WeakMap<RunRecord, RunRecord>();
/** Of each run and of the copy of it that is judged. */
const refusals = new WeakMap<RunRecord, readonly StopEvent[]>();

/** What a server says that takes what its disk holds for damaged; it may have other reasons to end. */
const DAMAGE = /The server does not start on it/;
/** It says this of its epochs, or of a log that contradicts them. */
const EPOCHS = /acceptedEpoch|currentEpoch/;

/** The run as it was, or a copy without refused starts; the same copy for every checker. */
export function withoutRefusedStarts(run: RunRecord): RunRecord {
  const known = judgeable.get(run);
  if (known !== undefined) return known;
  const refused = run.nodeEvents.filter((e) => e.ev === 'stop').filter((e) => e.seq === 0);
  const names = new Set(refused.map(incarnation));
  const cleaned =
    refused.length === 0
      ? run
      : { ...run, nodeEvents: run.nodeEvents.filter((e) => !names.has(incarnation(e))) };
  for (const each of [run, cleaned]) {
    judgeable.set(each, cleaned);
    refusals.set(each, refused);
  }
  return cleaned;
}

/**
 * Reports refusals of what the disk holds while nothing made that disk fail or read wrong: the server had
 * not written what it needs, or not so that it outlives a crash. `run` as it was or the copy.
 */
export function unexplainedRefusals(
  run: RunRecord,
  about: 'epochs' | 'log',
  findings: Findings,
): void {
  withoutRefusedStarts(run);
  for (const event of refusals.get(run) ?? []) {
    const { node, t, reason } = event;
    if (!DAMAGE.test(reason) || EPOCHS.test(reason) !== (about === 'epochs')) continue;
    if (run.faults.some((fault) => spoils(fault, node, t))) continue;
    findings.addNodeAnomaly(
      'unusable-after-crash',
      `${node} refused to start at ${nameEvent(event)} because of its ${about}, although nothing made its ` +
        `disk fail or read wrong then: ${reason}`,
      [event],
    );
  }
}

/** Whether a fault made the node's disk fail or read wrong at time `t`, ns. */
function spoils({ fault, injectStart, healStart }: FaultRecord, node: string, t: number): boolean {
  if (fault.kind !== 'disk' || !fault.nodes.includes(node)) return false;
  if (fault.effect === 'power-loss' || fault.effect === 'slow-fsync') return false;
  return t >= injectStart && t <= (healStart ?? Infinity);
}

function incarnation({ node, inc }: NodeEvent): string {
  return `${node}/${inc}`;
}
