// Writes of all keys together (I-C1): what was answered before an operation was invoked has a lower
// zxid than it, across keys. One history-wide order catches a server that lags or a forked log even
// when every single key looks well.
import type { Op } from '../../history/op.ts';
import type { Anomaly } from '../../history/verdict.ts';
import { anomaly, describeOp, hex, seconds } from './prose.ts';
import { registerCall } from './register-op.ts';

interface Placed {
  op: Op;
  kind: 'effect' | 'read' | 'observation';
  /** The operation must not come before anything answered earlier with a higher zxid than this. */
  zxid: number;
  /** The highest zxid that its reply proves to be committed. */
  shows: number;
}

export interface ZxidOrder {
  anomalies: Anomaly[];
  /** Pairs of operations compared. */
  pairs: number;
}

/**
 * Checks zxids against real time over all keys, and that a zxid names one write. `effectZxids` has
 * the zxid of every effect known, also of unanswered writes that a read showed. O(n log n).
 *
 * Reads are held to the zxid of their quorum sync: it is taken at the leader after the read was
 * invoked, so it cannot be below anything acknowledged before.
 */
export function checkZxidOrder(
  ops: readonly Op[],
  effectZxids: ReadonlyMap<Op, number>,
): ZxidOrder {
  const anomalies: Anomaly[] = [];
  const placed: Placed[] = [];
  const writers = new Map<number, Op>();
  for (const op of ops) {
    const call = registerCall(op);
    if (call.kind === 'effect') {
      const zxid = call.reply?.mzxid ?? effectZxids.get(op);
      if (zxid === undefined) continue;
      const twin = writers.get(zxid);
      if (twin !== undefined && twin.key !== op.key) {
        const why = `${describeOp(op)} and ${describeOp(twin)} of key ${twin.key} have one zxid`;
        anomalies.push(
          anomaly('double-zxid', `${why}, but a zxid names one change only.`, [op, twin]),
        );
      }
      writers.set(zxid, op);
      placed.push({ op, kind: 'effect', zxid, shows: zxid });
    } else if (call.kind === 'observation') {
      placed.push({ op, kind: 'observation', zxid: call.zxid, shows: call.zxid });
    } else if (call.kind === 'read') {
      const { zxid, syncZxid = zxid } = call;
      placed.push({
        op,
        kind: 'read',
        zxid: Math.min(zxid, syncZxid),
        shows: Math.max(zxid, syncZxid),
      });
      if (zxid < syncZxid) {
        const why = `${describeOp(op)} was answered at zxid ${hex(zxid)}`;
        const before = `below the zxid ${hex(syncZxid)} of the sync before it on the same connection`;
        anomalies.push(anomaly('zxid-went-back', `${why}, ${before}.`, [op]));
      }
    }
  }
  const pairs = compareTimes(placed, anomalies);
  return { anomalies, pairs };
}

function compareTimes(placed: Placed[], anomalies: Anomaly[]): number {
  const returned = placed.filter(({ op }) => op.returnTime !== Number.POSITIVE_INFINITY);
  returned.sort((a, b) => a.op.returnTime - b.op.returnTime);
  placed.sort((a, b) => a.op.invokeTime - b.op.invokeTime);
  let highest: Placed | undefined;
  let at = 0;
  let pairs = 0;
  for (const late of placed) {
    for (; at < returned.length; at++) {
      const early = returned[at] as Placed;
      if (early.op.returnTime >= late.op.invokeTime) break;
      if (highest === undefined || early.shows > highest.shows) highest = early;
    }
    if (highest === undefined) continue;
    pairs++;
    const inOrder = late.kind === 'effect' ? late.zxid > highest.shows : late.zxid >= highest.shows;
    if (!inOrder) anomalies.push(contradiction(late, highest));
  }
  return pairs;
}

function contradiction(late: Placed, early: Placed): Anomaly {
  const other = early.op.key === late.op.key ? '' : ` of key ${early.op.key}`;
  const after =
    `${describeOp(late.op)} was invoked at ${seconds(late.op.invokeTime)}, after ` +
    `${describeOp(early.op)}${other} had been answered at ${seconds(early.op.returnTime)}`;
  if (late.kind === 'read') {
    const why = `its sync was answered at zxid ${hex(late.zxid)}, below ${hex(early.shows)} before it`;
    return anomaly('sync-behind', `${after}, yet ${why}.`, [late.op, early.op]);
  }
  const why = `its zxid ${hex(late.zxid)} is not above ${hex(early.shows)}`;
  return anomaly('zxid-order', `${after}, yet ${why}.`, [late.op, early.op]);
}
