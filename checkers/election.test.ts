// The election checker against small scripted ensembles, lawful and not.
// What looks like a crime but is lawful (offers of one epoch, an abdication) stands beside the crimes.
import { expect, test } from 'vitest';
import type { CoordinatorEvent } from '../history/node-event.ts';
import { electionChecker } from './election.ts';
import { ScriptedEnsemble } from './testing.ts';
import { recordOf, testConfig } from './testing-record.ts';
import { altered, correctRun, eventsOfKind, kinds } from './testing-run.ts';

const Z = 0x1_0000_0000;

function elected(count = 3): ScriptedEnsemble {
  const ensemble = new ScriptedEnsemble(9, count);
  for (const server of ensemble.servers) ensemble.start(server);
  ensemble.elect(ensemble.servers);
  return ensemble;
}

async function judge(ensemble: ScriptedEnsemble) {
  const nodes = ensemble.servers.map((s) => s.name);
  return electionChecker.check(recordOf(testConfig(nodes), [], ensemble.nodeEvents));
}

function say(ensemble: ScriptedEnsemble, node: string, ...events: CoordinatorEvent[]): void {
  const server = ensemble.servers.find((s) => s.name === node);
  if (server === undefined) throw new Error(`no ${node}`);
  for (const event of events) ensemble.say(server, event);
}

test('one election is valid and counted', async () => {
  const verdict = await judge(elected());
  expect(verdict).toMatchObject({ outcome: 'valid', evidence: { established: 1, epochs: 1 } });
});

test('two servers that offer one epoch are no crime: only one can gather its quorum', async () => {
  const ensemble = elected();
  say(ensemble, 'n1', { ev: 'newEpoch', epoch: 1, acceptedEpochs: { '1': 0, '2': 0 } });
  const verdict = await judge(ensemble);
  expect(verdict).toMatchObject({ outcome: 'valid', evidence: { epochsOfferedTwice: 1 } });
});

test('two servers that act on one epoch are two leaders', async () => {
  const ensemble = elected();
  say(ensemble, 'n1', { ev: 'propose', zxid: Z + 1, hash: 'h' });
  const verdict = await judge(ensemble);
  expect(kinds(verdict)).toEqual(['two-leaders']);
  expect(verdict.anomalies[0]?.nodeEvents?.map((e) => e.node)).toEqual(['n3', 'n1']);
});

test('half of four servers is no quorum', async () => {
  const ensemble = new ScriptedEnsemble(9, 4);
  for (const server of ensemble.servers) ensemble.start(server);
  ensemble.elect(ensemble.servers.slice(0, 2));
  const verdict = await judge(ensemble);
  expect(kinds(verdict).sort()).toEqual(['epoch-without-quorum', 'established-without-quorum']);
});

test('an epoch acked twice by one server is found, across a restart too', async () => {
  const ensemble = elected();
  const [n1] = ensemble.servers;
  if (n1 === undefined) throw new Error('expected n1');
  ensemble.kill(n1);
  ensemble.start(n1);
  say(ensemble, 'n1', { ev: 'ackEpoch', epoch: 1, currentEpoch: 1, zxid: 0, counting: true });
  expect(kinds(await judge(ensemble))).toEqual(['epoch-acked-twice']);
});

test('a leader that counts an ack given as not counting is found', async () => {
  const run = altered(correctRun(4), (events) => {
    const ack = eventsOfKind(events, 'ackEpoch').find((e) => e.counting);
    if (ack !== undefined) ack.counting = false;
    return undefined;
  });
  expect(kinds(await electionChecker.check(run))).toEqual(['ack-not-given']);
});

test('a leader that counts a better server and abdicates is right to do so', async () => {
  const ensemble = elected();
  say(
    ensemble,
    'n2',
    { ev: 'acceptedEpoch', epoch: 2 },
    { ev: 'ackEpoch', epoch: 2, currentEpoch: 1, zxid: Z + 9, counting: true },
  );
  const counted: CoordinatorEvent[] = [
    { ev: 'newEpoch', epoch: 2, acceptedEpochs: { '1': 1, '2': 1 } },
    { ev: 'acceptedEpoch', epoch: 2 },
    { ev: 'ackEpochCounted', from: 1, epoch: 2, currentEpoch: 1, zxid: 0 },
    { ev: 'ackEpochCounted', from: 2, epoch: 2, currentEpoch: 1, zxid: Z + 9 },
  ];
  say(ensemble, 'n1', ...counted, { ev: 'role', role: 'looking' });
  expect(await judge(ensemble)).toMatchObject({ outcome: 'valid' });
  const sync = { peer: 2, epoch: 2, mode: 'diff' as const, peerZxid: 0, from: 0, to: 0 };
  say(ensemble, 'n1', { ev: 'syncStart', ...sync });
  expect(kinds(await judge(ensemble))).toEqual(['leader-behind']);
});

test('a start with epochs out of order is found', async () => {
  const run = altered(correctRun(4), (events) => {
    const start = eventsOfKind(events, 'start').findLast((e) => e.inc === 1);
    if (start !== undefined) start.lastLogged = 9 * Z + 1;
    return undefined;
  });
  expect(kinds(await electionChecker.check(run))).toContain('epochs-disordered');
});

test('a record of an epoch that its server never accepted is found', async () => {
  const ensemble = elected();
  say(ensemble, 'n1', { ev: 'append', zxid: 2 * Z + 1, hash: 'h' });
  expect(kinds(await judge(ensemble))).toEqual(['epochs-disordered']);
});

test('a kill between synchronised records and currentEpoch must be mended by the restart', async () => {
  const killedWhileJoining = (mend: boolean): ScriptedEnsemble => {
    const ensemble = elected();
    const [n1, ...rest] = ensemble.servers;
    if (n1 === undefined) throw new Error('expected n1');
    ensemble.kill(n1);
    ensemble.elect(rest);
    ensemble.replicate(ensemble.propose('/k', 1));
    ensemble.elect(rest);
    ensemble.start(n1);
    n1.acceptedEpoch = 3;
    say(ensemble, 'n1', { ev: 'acceptedEpoch', epoch: 3 });
    say(ensemble, 'n1', { ev: 'ackEpoch', epoch: 3, currentEpoch: 1, zxid: 0, counting: true });
    for (const txn of ensemble.leading.log) ensemble.append(n1, txn);
    ensemble.fsync(n1);
    ensemble.kill(n1);
    ensemble.start(n1);
    const start = eventsOfKind(ensemble.nodeEvents, 'start').at(-1);
    if (start !== undefined && !mend) start.currentEpoch = 1;
    ensemble.join(n1);
    return ensemble;
  };
  expect(await judge(killedWhileJoining(true))).toMatchObject({ outcome: 'valid' });
  expect(kinds(await judge(killedWhileJoining(false)))).toEqual(['epochs-disordered']);
});

test('level state still proves two leaders, but not that there are none', async () => {
  const run = correctRun(6);
  run.config.eventLevel = 'state';
  expect(await electionChecker.check(run)).toMatchObject({ outcome: 'unknown' });
  const two = altered(run, (events) => {
    const led = eventsOfKind(events, 'established')[0];
    const last = events.findLast((e) => e.node !== led?.node);
    if (led === undefined || last === undefined) throw new Error('expected a leader');
    return [...events, { ...led, node: last.node, inc: last.inc, t: last.t + 1 }];
  });
  expect(await electionChecker.check(two)).toMatchObject({ outcome: 'invalid' });
});

test('a run without a leader is unknown', async () => {
  const ensemble = new ScriptedEnsemble(9, 3);
  for (const server of ensemble.servers) ensemble.start(server);
  expect(await judge(ensemble)).toMatchObject({
    outcome: 'unknown',
    reason: 'no leader was established',
  });
});
