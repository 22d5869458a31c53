// The log checker against small scripted ensembles with one lawless event at their end.
// Each rule is broken alone, so that the kind of anomaly names the rule.
import { expect, test } from 'vitest';
import type { DiskEffect, Fault } from '../history/fault.ts';
import type { CoordinatorEvent, NodeEvent } from '../history/node-event.ts';
import { electionChecker } from './election.ts';
import { logChecker } from './log.ts';
import { withoutRefusedStarts } from './refused-starts.ts';
import { ScriptedEnsemble } from './testing.ts';
import { recordOf, testConfig } from './testing-record.ts';
import { altered, correctRun, eventsOfKind, kinds } from './testing-run.ts';

const Z = 0x1_0000_0000;
const NODES = ['n1', 'n2', 'n3'];

/** Three servers, n3 leading, twelve committed writes. */
function ensembleWithWrites(): ScriptedEnsemble {
  const ensemble = new ScriptedEnsemble(5, 3);
  for (const server of ensemble.servers) ensemble.start(server);
  ensemble.elect(ensemble.servers);
  for (let i = 0; i < 12; i++) ensemble.replicate(ensemble.propose('/k', i));
  return ensemble;
}

async function judge(ensemble: ScriptedEnsemble) {
  return logChecker.check(recordOf(testConfig(NODES), [], ensemble.nodeEvents));
}

function after(ensemble: ScriptedEnsemble, node: string, ...events: CoordinatorEvent[]): void {
  const server = ensemble.servers.find((s) => s.name === node);
  if (server === undefined) throw new Error(`no ${node}`);
  for (const event of events) ensemble.say(server, event);
}

test('committed writes of one epoch are valid', async () => {
  const verdict = await judge(ensembleWithWrites());
  expect(verdict).toMatchObject({ outcome: 'valid', evidence: { committed: 12, proposals: 12 } });
});

test('a commit on the leader’s own fsync alone is found', async () => {
  const ensemble = ensembleWithWrites();
  const txn = ensemble.propose('/k', 99);
  ensemble.applyUpTo(ensemble.leading, txn.zxid);
  const verdict = await judge(ensemble);
  expect(verdict.outcome).toBe('invalid');
  expect(kinds(verdict)).toEqual(['commit-without-quorum']);
  expect(verdict.anomalies[0]?.why).toMatch(
    /n3 committed \(1,13\).*only 1 of 3 voters \(server 3\)/,
  );
});

test('an ack without an fsync is found even where the commit had a quorum without it', async () => {
  const ensemble = ensembleWithWrites();
  after(ensemble, 'n3', { ev: 'ackReceived', from: 1, zxid: Z + 13 });
  expect(kinds(await judge(ensemble))).toEqual(['ack-before-fsync']);
});

test('a follower that takes for committed what its leader has not committed is found', async () => {
  const ensemble = ensembleWithWrites();
  const txn = ensemble.propose('/k', 99);
  const [follower] = ensemble.followers;
  if (follower === undefined) throw new Error('expected a follower');
  ensemble.append(follower, txn);
  ensemble.fsync(follower);
  ensemble.applyUpTo(follower, txn.zxid);
  expect(kinds(await judge(ensemble))).toEqual(['uncommitted-used']);
});

test.each<[string, CoordinatorEvent[], string]>([
  ['(e,0) as a transaction', [{ ev: 'append', zxid: 2 * Z, hash: 'x' }], 'zero-counter'],
  [
    'a zxid that goes back',
    [{ ev: 'append', zxid: Z + 12, hash: `h${Z + 12}-/k-11` }],
    'log-not-increasing',
  ],
  ['a hole in the log', [{ ev: 'append', zxid: Z + 15, hash: 'x' }], 'log-gap'],
  [
    'a new epoch that does not begin at 1',
    [{ ev: 'append', zxid: 2 * Z + 2, hash: 'x' }],
    'log-gap',
  ],
  [
    'a record that reaches the disk after it was cut off',
    [
      { ev: 'append', zxid: Z + 13, hash: 'x' },
      { ev: 'trunc', to: Z + 12 },
      { ev: 'fsync', upto: Z + 13 },
    ],
    'fsync-of-unlogged',
  ],
  ['a committed transaction truncated', [{ ev: 'trunc', to: Z + 3 }], 'committed-truncated'],
  [
    'an apply twice',
    [{ ev: 'apply', zxid: Z + 12, hash: `h${Z + 12}-/k-11`, digest: 'd' }],
    'apply-order',
  ],
  [
    'an apply of nothing logged',
    [{ ev: 'apply', zxid: Z + 13, hash: 'x', digest: 'd' }],
    'applied-unlogged',
  ],
  [
    'a proposal by a follower',
    [{ ev: 'propose', zxid: Z + 13, hash: 'x' }],
    'proposed-before-established',
  ],
  [
    'an ack of NEWLEADER beyond its disk',
    [{ ev: 'newLeaderAck', epoch: 1, zxid: Z + 14 }],
    'ack-before-durable',
  ],
])('%s is found', async (_, events, kind) => {
  const ensemble = ensembleWithWrites();
  after(ensemble, 'n1', ...events);
  const verdict = await judge(ensemble);
  expect(verdict.outcome).toBe('invalid');
  expect(kinds(verdict)).toContain(kind);
});

test.each<[string, CoordinatorEvent[], string]>([
  ['a commit that goes back', [{ ev: 'commit', zxid: Z + 5 }], 'commit-order'],
  ['a commit of what it has not logged', [{ ev: 'commit', zxid: Z + 13 }], 'commit-of-unlogged'],
  ['a skipped proposal', [{ ev: 'propose', zxid: Z + 14, hash: 'x' }], 'proposal-gap'],
])('%s by the leader is found', async (_, events, kind) => {
  const ensemble = ensembleWithWrites();
  after(ensemble, 'n3', ...events);
  expect(kinds(await judge(ensemble))).toContain(kind);
});

test('two servers that applied different transactions after the same one are found', async () => {
  const ensemble = ensembleWithWrites();
  const hash = 'other';
  const zxid = 2 * Z + 1;
  for (const node of ['n1', 'n2']) {
    after(ensemble, node, { ev: 'append', zxid, hash }, { ev: 'fsync', upto: zxid });
  }
  after(ensemble, 'n1', { ev: 'apply', zxid, hash, digest: 'x' });
  const next = ensemble.propose('/k', 99);
  ensemble.applyUpTo(ensemble.leading, next.zxid);
  expect(kinds(await judge(ensemble))).toContain('histories-diverge');
});

test('a leader that proposes before it has applied what it inherited is found', async () => {
  const run = altered(correctRun(11), (events) => {
    const led = eventsOfKind(events, 'established').find((e) => e.epoch === 2);
    const first = eventsOfKind(events, 'propose').find((e) => e.zxid === 2 * Z + 1);
    if (led === undefined || first === undefined) throw new Error('expected a second epoch');
    const inherited = (e: NodeEvent) =>
      e.ev === 'apply' && e.node === led.node && e.inc === led.inc;
    return events.filter((e) => !inherited(e));
  });
  expect(kinds(await logChecker.check(run))).toContain('proposed-before-applied');
});

test('thin evidence and missing levels are unknown', async () => {
  const few = new ScriptedEnsemble(5, 3);
  for (const server of few.servers) few.start(server);
  few.elect(few.servers);
  few.replicate(few.propose('/k', 1));
  expect(await judge(few)).toMatchObject({
    outcome: 'unknown',
    reason: 'only 1 transactions were committed; at least 10 are needed',
  });
  const run = correctRun(2);
  run.config.eventLevel = 'state';
  expect(await logChecker.check(run)).toMatchObject({ outcome: 'unknown' });
});

test('a leader that recovers a commit which a kill kept from its event log is lawful, with a quorum', async () => {
  const restarted = (followers: number): ScriptedEnsemble => {
    const ensemble = ensembleWithWrites();
    const { leading } = ensemble;
    const txn = ensemble.propose('/k', 99);
    for (const f of ensemble.followers.slice(0, followers)) {
      ensemble.append(f, txn);
      ensemble.fsync(f);
    }
    ensemble.kill(leading);
    ensemble.start(leading);
    const start = eventsOfKind(ensemble.nodeEvents, 'start').at(-1);
    if (start !== undefined) start.applied = txn.zxid;
    return ensemble;
  };
  expect(await judge(restarted(1))).toMatchObject({ outcome: 'valid' });
  expect(kinds(await judge(restarted(0)))).toEqual(['uncommitted-used']);
});

test('a server that cannot start from its own disk is found, unless that disk read wrong then', async () => {
  const reason = 'log.1, offset 9: a hole. The server does not start on it. What to do: nothing';
  const judged = (effect: DiskEffect, healStart: number, why = reason, checker = logChecker) => {
    const { nodeEvents } = ensembleWithWrites();
    const t = (nodeEvents.at(-1)?.t ?? 0) + 1_000;
    const refused: NodeEvent = { t, node: 'n1', inc: 9, seq: 0, ev: 'stop', reason: why };
    const record = recordOf(testConfig(NODES), [], [...nodeEvents, refused]);
    const fault: Fault = { kind: 'disk', nodes: ['n1'], effect };
    const injection = { verified: true, evidence: '' };
    const life = { injectStart: t - 10, injected: t - 9, injection, healStart: t + healStart };
    record.faults.push({ id: 0, fault, ...life });
    return checker.check(withoutRefusedStarts(record));
  };
  expect(kinds(await judged('power-loss', 5))).toEqual(['unusable-after-crash']);
  expect(kinds(await judged('rotten-read', -5))).toEqual(['unusable-after-crash']);
  expect(await judged('rotten-read', 5)).toMatchObject({ outcome: 'valid' });
  expect(await judged('power-loss', 5, 'the port is taken')).toMatchObject({ outcome: 'valid' });
  const epochs = `the epoch files say currentEpoch 1. ${reason}`;
  expect(await judged('power-loss', 5, epochs)).toMatchObject({ outcome: 'valid' });
  expect(kinds(await judged('power-loss', 5, epochs, electionChecker))).toEqual([
    'unusable-after-crash',
  ]);
});
