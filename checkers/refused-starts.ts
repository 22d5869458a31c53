// Leaves out of a run the incarnations in which a server only said why it would not start. Such a server
// has lawful reasons, and its one word must not make everybody else's logs worthless.
import type { NodeEvent } from '../history/node-event.ts';
import type { RunRecord } from '../history/run-record.ts';

const judgeable = new WeakMap<RunRecord, RunRecord>();

/** The run as it was, or a copy without refused starts; the same copy for every checker. */
export function withoutRefusedStarts(run: RunRecord): RunRecord {
  const known = judgeable.get(run);
  if (known !== undefined) return known;
  const refused = run.nodeEvents.filter((e) => e.ev === 'stop' && e.seq === 0);
  const names = new Set(refused.map(incarnation));
  const cleaned =
    refused.length === 0
      ? run
      : { ...run, nodeEvents: run.nodeEvents.filter((e) => !names.has(incarnation(e))) };
  judgeable.set(run, cleaned);
  return cleaned;
}

function incarnation({ node, inc }: NodeEvent): string {
  return `${node}/${inc}`;
}
