// Reads the nodes' own event logs and says what is missing from them. A checker trusts a log only if
// it is whole: every incarnation's sequence from 0 without a gap, save the torn end of a killed one.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type BrokerNodeEvent, isBrokersOwn } from '../history/broker-event.ts';
import type { EventLevel, NodeEvent } from '../history/node-event.ts';
import type { RunRecord } from '../history/run-record.ts';
import { readLines } from './lines.ts';

type NodeLogs = Required<Pick<RunRecord, 'nodeEvents' | 'brokerEvents' | 'nodeEventGaps'>>;
type LoggedEvent = NodeEvent | BrokerNodeEvent;

const NODE_LOG = 'events.jsonl';
const GAPS_NAMED_MAX = 5;
/** How an event line begins, for finding one that was appended to a torn line. */
const LINE_START = '{"t":';

/** All events below `<nodesDir>/<node>/events.jsonl`, by time, and the gaps found. */
export function readNodeEvents(
  nodesDir: string,
  nodes: readonly string[],
  level: EventLevel,
): NodeLogs {
  const logs: NodeLogs = { nodeEvents: [], brokerEvents: [], nodeEventGaps: [] };
  if (level === 'off') return logs;
  for (const node of nodes) {
    const path = join(nodesDir, node, NODE_LOG);
    if (!existsSync(path)) {
      logs.nodeEventGaps.push({ node, problem: `there is no ${NODE_LOG}` });
      continue;
    }
    const { events, problems } = readNodeLog(path, node);
    if (isBrokersLog(events)) for (const event of events) logs.brokerEvents.push(event);
    else for (const event of events) logs.nodeEvents.push(event as NodeEvent);
    for (const problem of problems) logs.nodeEventGaps.push({ node, problem });
  }
  logs.nodeEvents.sort((a, b) => a.t - b.t);
  logs.brokerEvents.sort((a, b) => a.t - b.t);
  return logs;
}

/** A node is a broker or a coordinator: one event that only brokers know decides for its whole log. */
function isBrokersLog(events: readonly LoggedEvent[]): events is BrokerNodeEvent[] {
  return events.some(({ ev }) => isBrokersOwn(ev));
}

/** One node's log: what could be read, and what is wrong with it. */
export function readNodeLog(
  path: string,
  node: string,
): { events: LoggedEvent[]; problems: string[] } {
  const events: LoggedEvent[] = [];
  const problems: string[] = [];
  let last: LoggedEvent | undefined;
  let torn: number | undefined;
  let ended = true;
  for (const { number, text, ended: endedHere } of readLines(path)) {
    ended = endedHere;
    const { event, tornBefore } = parseEvent(text);
    if (event === undefined) {
      if (torn !== undefined) problems.push(`line ${torn} is garbled`);
      torn = number;
      continue;
    }
    const fresh = last === undefined || event.inc > last.inc;
    // A kill tears the line being written; what follows it then is the next incarnation's start.
    if ((torn !== undefined || tornBefore) && !fresh) {
      problems.push(`line ${torn ?? number} is garbled`);
    }
    torn = undefined;
    const expected = fresh ? 0 : last!.seq + 1;
    if (event.node !== node) problems.push(`line ${number} is of node ${event.node}`);
    else if (last !== undefined && event.inc < last.inc) {
      problems.push(`line ${number}: incarnation ${event.inc} after ${last.inc}`);
    } else if (event.seq !== expected) {
      problems.push(
        `line ${number}: incarnation ${event.inc} has seq ${event.seq}, expected ${expected}`,
      );
    }
    events.push(event);
    last = event;
  }
  if (torn !== undefined && ended) problems.push(`line ${torn} is garbled`);
  if (events.length === 0) problems.push('no event in it');
  const more = problems.length - GAPS_NAMED_MAX;
  return {
    events,
    problems: more > 0 ? [...problems.slice(0, GAPS_NAMED_MAX), `and ${more} more`] : problems,
  };
}

/** An event of a line; a line that a torn one runs into gives its readable end. */
function parseEvent(text: string): { event?: LoggedEvent; tornBefore: boolean } {
  const whole = tryParse(text);
  if (whole !== undefined) return { event: whole, tornBefore: false };
  const at = text.lastIndexOf(LINE_START);
  const end = at > 0 ? tryParse(text.slice(at)) : undefined;
  return end === undefined ? { tornBefore: false } : { event: end, tornBefore: true };
}

function tryParse(text: string): LoggedEvent | undefined {
  try {
    const event = JSON.parse(text) as Partial<LoggedEvent> | null;
    const whole =
      typeof event?.t === 'number' &&
      typeof event.node === 'string' &&
      Number.isInteger(event.inc) &&
      Number.isInteger(event.seq) &&
      typeof event.ev === 'string';
    return whole ? (event as LoggedEvent) : undefined;
  } catch {
    // Not JSON: the caller decides whether a torn line is allowed here.
    return undefined;
  }
}
