// Places of unanswered operations by the servers' logs: an applied request has its zxid, one that nobody
// applied has no effect, and with a gap in a log, or silence about a transaction, nothing is told.
import { expect, it } from 'vitest';
import type { RunRecord } from '../history/run-record.ts';
import { placements } from './placements.ts';
import { altered, correctRun, eventsOfKind } from './testing-run.ts';

const SESSION = 'abc';

/** A correct run whose first unanswered operation is known by number, and applied if told so. */
function run(applied: boolean, refused?: true, seed = 3): RunRecord {
  return altered(correctRun(seed), (nodeEvents, history) => {
    const info = history.find(
      ({ type, process }) => type === 'info' && typeof process === 'number',
    );
    if (info === undefined) throw new Error('expected an unanswered operation in the script');
    Object.assign(info, { session: SESSION, cxid: 7 });
    const first = eventsOfKind(nodeEvents, 'apply')[0];
    const all = eventsOfKind(nodeEvents, 'apply').filter(({ zxid }) => zxid === first?.zxid);
    for (const apply of applied ? all : []) {
      Object.assign(apply, { session: SESSION, cxid: 7, ...(refused && { refused }) });
    }
    return undefined;
  });
}

const kindsOf = (record: RunRecord) => [...placements(record).values()].map(({ kind }) => kind);

it('gives an applied request the zxid of its transaction and the time of its first apply', () => {
  const record = run(true);
  const first = eventsOfKind(record.nodeEvents, 'apply')[0];
  const [placed] = placements(record).values();
  expect(placed).toEqual({ kind: 'applied', zxid: first?.zxid, t: first?.t });
});

it('takes a refused request for one without effect', () => {
  expect(kindsOf(run(true, true))).toEqual(['without-effect']);
});

it('takes no silence for an answer where some transaction was told by nobody', () => {
  const record = run(false);
  const last = eventsOfKind(record.nodeEvents, 'apply').at(-1);
  const silent = altered(record, (nodeEvents) =>
    nodeEvents.filter((event) => event.ev !== 'apply' || event.zxid !== last?.zxid),
  );
  expect(kindsOf(silent)).toEqual([]);
});

it('tells nothing from a log with a gap', () => {
  const record = run(true);
  const gaps = [{ node: 'n1', problem: 'it ends in the middle of a line' }];
  expect(kindsOf({ ...record, nodeEventGaps: gaps })).toEqual([]);
});
