// Anomalies as the page links them: to the rows of their operations, to faults, and to moments of the nodes'
// events. A checker names events by index and sequence number, the timeline needs rows and times.
import type { BrokerNodeEvent } from '../../history/broker-event.ts';
import type { NodeEvent } from '../../history/node-event.ts';
import type { Op } from '../../history/op.ts';
import type { RunRecord } from '../../history/run-record.ts';
import { type JudgedAnomaly, verdictName } from '../figures.ts';
import { describeEvent } from './node-lanes.ts';

/** An anomaly: rows of the operations concerned, faults, and moments of node events. */
export interface PageAnomaly {
  title: string;
  rows: number[];
  faults: number[];
  moments: { node: string; t: number; text: string }[];
  /** The object concerned: a partition, a register's path. */
  key?: string;
}

/** Links each anomaly, in the order given; of each at most `eventsMax` events of either kind. */
export function pageAnomalies(
  record: RunRecord,
  anomalies: readonly JudgedAnomaly[],
  opOfEvent: ReadonlyMap<number, Op>,
  rowOfOp: ReadonlyMap<Op, number>,
  eventsMax: number,
): PageAnomaly[] {
  const identity = (node: string, inc: number, seq: number): string => `${node}/${inc}/${seq}`;
  const wanted = new Map<string, NodeEvent | BrokerNodeEvent | undefined>();
  for (const { anomaly } of anomalies) {
    for (const e of anomaly.nodeEvents ?? [])
      wanted.set(identity(e.node, e.incarnation, e.seq), undefined);
  }
  // One after the other: a copy of both would double what a long run holds.
  const note = (event: NodeEvent | BrokerNodeEvent): void => {
    const id = identity(event.node, event.inc, event.seq);
    if (wanted.has(id)) wanted.set(id, event);
  };
  for (const event of record.nodeEvents) note(event);
  for (const event of record.brokerEvents ?? []) note(event);
  return anomalies.map(({ verdict, anomaly }) => {
    const rows = new Set<number>();
    const faults = new Set<number>();
    for (const index of anomaly.events.slice(0, eventsMax)) {
      const op = opOfEvent.get(index);
      const row = op === undefined ? undefined : rowOfOp.get(op);
      if (row !== undefined) rows.add(row);
      const event = record.history[index];
      const id = event?.process === 'nemesis' ? (event.value as { id?: unknown })?.id : undefined;
      if (typeof id === 'number') faults.add(id);
    }
    const moments = (anomaly.nodeEvents ?? [])
      .slice(0, eventsMax)
      .map((e) => wanted.get(identity(e.node, e.incarnation, e.seq)))
      .filter((event) => event !== undefined)
      .map((event) => ({ node: event.node, t: event.t, text: describeEvent(event) }));
    const title = `${anomaly.kind} (${verdictName(verdict)})`;
    const page: PageAnomaly = {
      title,
      rows: [...rows].sort((a, b) => a - b),
      faults: [...faults],
      moments,
    };
    if (anomaly.key !== undefined) page.key = anomaly.key;
    return page;
  });
}
