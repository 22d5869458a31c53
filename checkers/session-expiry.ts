// Judges expiry: by the established leader alone, and never before the whole timeout has passed since
// the leader could have heard of the session, or began to lead (I-C7).
import type { NodeEvent } from '../history/node-event.ts';
import { zxidEpoch } from '../history/node-event.ts';
import type { Op } from '../history/op.ts';
import type { RunRecord } from '../history/run-record.ts';
import { eventsByNode, type Findings, formatMs, nameEvent } from './evidence.ts';
import { eventsOf, nameOp } from './observations.ts';
import type { Ledger } from './session-ledger.ts';

type Expiry = Extract<NodeEvent, { ev: 'sessionExpired' }>;

/** Operations that a server must hand to its leader as writes, which hears of the session by that. */
const TOUCHES: ReadonlySet<string> = new Set([
  'write',
  'cas',
  'create',
  'add',
  'create-ephemeral',
  'create-sequential',
  'multi',
  'burst',
  'delete',
]);

/** Events and operations are stamped by clocks of one machine, but rounded apart, ns. */
const ROUNDING_NS = 1e6;
/**
 * Reads and pings reach the leader with their server's next answer to its ping, twice a tick; this much
 * longer than a tick, without any fault in place, nothing keeps them from it, ms.
 */
const HEARSAY_MS = 500;

/** Judges every expiry; returns the first of each session, by session. */
export function judgeExpiries(
  run: RunRecord,
  ledger: Ledger,
  findings: Findings,
): Map<string, Expiry> {
  findings.count('sessionsExpired', 0);
  const first = new Map<string, Expiry>();
  const bySession = opsBySession(run.ops);
  const skewed = new Set(
    run.faults.flatMap(({ fault }) => (fault.kind === 'skew' ? fault.nodes : [])),
  );
  for (const [node, events] of eventsByNode(run.nodeEvents)) {
    let led: Extract<NodeEvent, { ev: 'established' }> | undefined;
    for (const event of events) {
      if (event.ev === 'established') led = event;
      else if (event.ev === 'start' || event.ev === 'left' || event.ev === 'stop') led = undefined;
      else if (event.ev === 'role' && event.role !== 'leading') led = undefined;
      if (event.ev !== 'sessionExpired') continue;
      findings.count('sessionsExpired');
      const known = first.get(event.session);
      if (known === undefined || event.t < known.t) first.set(event.session, event);
      byLeader(event, led, ledger, skewed.has(node), findings);
      if (skewed.has(node) || led === undefined) continue;
      // What belongs to another epoch was said to another leader, and a deposed one expires nobody.
      const { epoch } = led;
      const ops = (bySession.get(event.session) ?? []).filter(
        (op) => zxidEpoch(op.completion?.zxid ?? 0) === epoch,
      );
      afterTouches(event, ops, findings);
      afterReads(run, event, ops, findings);
    }
  }
  return first;
}

function opsBySession(ops: readonly Op[]): Map<string, Op[]> {
  const bySession = new Map<string, Op[]>();
  for (const op of ops) {
    const session = op.completion?.session;
    if (session === undefined || op.type !== 'ok') continue;
    const own = bySession.get(session);
    if (own === undefined) bySession.set(session, [op]);
    else own.push(op);
  }
  return bySession;
}

function byLeader(
  event: Expiry,
  led: NodeEvent | undefined,
  ledger: Ledger,
  skewed: boolean,
  findings: Findings,
): void {
  const { session, silentMs, timeoutMs } = event;
  const name = `${event.node} let session ${session} expire at ${nameEvent(event)}`;
  if (led === undefined) {
    findings.addNodeAnomaly(
      'expired-by-other',
      `${name} without being an established leader; only the leader may.`,
      [event],
    );
    return;
  }
  const opened = ledger.sessions.get(session)?.opened;
  if (opened !== undefined && opened.timeoutMs !== timeoutMs) {
    findings.addNodeAnomaly(
      'wrong-timeout',
      `${name} after a timeout of ${timeoutMs} ms, but it was opened with ${opened.timeoutMs} ms.`,
      [opened, event],
    );
  }
  if (silentMs < timeoutMs) {
    findings.addNodeAnomaly(
      'expired-early',
      `${name} after ${silentMs} ms of silence; its timeout is ${timeoutMs} ms.`,
      [event],
    );
  }
  if (skewed || event.t - led.t >= timeoutMs * 1e6 - ROUNDING_NS) return;
  findings.addNodeAnomaly(
    'expired-early',
    `${name} only ${formatMs(event.t - led.t)} after it was established as leader (${nameEvent(led)}); a new ` +
      `leader gives every session its whole timeout of ${timeoutMs} ms.`,
    [led, event],
  );
}

/** The leader got the write after it was invoked, so its silence cannot have begun before that. */
function afterTouches(event: Expiry, ops: readonly Op[], findings: Findings): void {
  const earliest = event.t - event.timeoutMs * 1e6 + ROUNDING_NS;
  const touch = ops.find(
    (op) => TOUCHES.has(op.f) && op.invokeTime > earliest && op.invokeTime < event.t,
  );
  findings.count('expiriesAgainstWrites');
  if (touch !== undefined) early(event, touch, findings);
}

/** A read in a quiet cluster touches its session too, only a little later. */
function afterReads(run: RunRecord, event: Expiry, ops: readonly Op[], findings: Findings): void {
  const tickMs = Number(run.config.systemOptions.tickTime ?? 0);
  const earliest = event.t - (event.timeoutMs - tickMs - HEARSAY_MS) * 1e6;
  const read = ops.find((op) => op.invokeTime > earliest && op.returnTime < event.t);
  if (read === undefined || TOUCHES.has(read.f) || !quiet(run, read.invokeTime, event.t)) return;
  early(event, read, findings);
}

/** Whether no fault was near and no server changed its role in the time. */
function quiet(run: RunRecord, from: number, to: number): boolean {
  const disturbed = run.faults.some(
    ({ injectStart, healed }) =>
      injectStart <= to && (healed ?? Number.POSITIVE_INFINITY) >= from - 1e9,
  );
  if (disturbed) return false;
  return !run.nodeEvents.some(
    (e) => e.t >= from && e.t <= to && (e.ev === 'left' || e.ev === 'start' || e.ev === 'role'),
  );
}

function early(event: Expiry, op: Op, findings: Findings): void {
  findings.add({
    kind: 'expired-early',
    why:
      `${event.node} let session ${event.session} expire at ${nameEvent(event)}, ${formatMs(event.t - op.invokeTime)} ` +
      `after the ${nameOp(op)} had been invoked in it; its timeout is ${event.timeoutMs} ms.`,
    events: eventsOf(op),
    nodeEvents: [{ node: event.node, incarnation: event.inc, seq: event.seq }],
  });
}
