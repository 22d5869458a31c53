// The synchronisation checker against scripted ensembles: correct joins of every mode are valid, and each
// rule broken alone is found under its own name.
import { describe, expect, test } from 'vitest';
import type { CoordinatorEvent, NodeEvent } from '../history/node-event.ts';
import type { RunRecord } from '../history/run-record.ts';
import { synchronisation } from './synchronisation.ts';
import { ScriptedEnsemble } from './testing.ts';
import { recordOf, testConfig } from './testing-record.ts';
import { altered, correctRun, eventsOfKind, kinds } from './testing-run.ts';

const Z = 0x1_0000_0000;
const NODES = ['n1', 'n2', 'n3'];

/** n3 led epoch 1 and was left behind with two records of its own; n2 leads epoch 2. */
function divided(): ScriptedEnsemble {
  const ensemble = new ScriptedEnsemble(5, 3);
  for (const server of ensemble.servers) ensemble.start(server);
  ensemble.elect(ensemble.servers);
  for (let i = 0; i < 5; i++) ensemble.replicate(ensemble.propose('/k', i));
  ensemble.propose('/k', 5);
  ensemble.propose('/k', 6);
  const [one, two, old] = ensemble.servers;
  if (one === undefined || two === undefined || old === undefined) throw new Error('no servers');
  ensemble.elect([one, two]);
  ensemble.say(old, { ev: 'role', role: 'looking' });
  for (let i = 7; i < 12; i++) ensemble.replicate(ensemble.propose('/k', i));
  return ensemble;
}

function server(ensemble: ScriptedEnsemble, node: string) {
  const found = ensemble.servers.find(({ name }) => name === node);
  if (found === undefined) throw new Error(`no ${node}`);
  return found;
}

function say(ensemble: ScriptedEnsemble, node: string, ...events: CoordinatorEvent[]): void {
  for (const event of events) ensemble.say(server(ensemble, node), event);
}

const recordFor = (ensemble: ScriptedEnsemble): RunRecord =>
  recordOf(testConfig(NODES), [], ensemble.nodeEvents);

const judge = async (ensemble: ScriptedEnsemble) => synchronisation.check(recordFor(ensemble));

/** n2, which leads epoch 2, begins to synchronise n3 in the way given. */
function begin(ensemble: ScriptedEnsemble, mode: 'diff' | 'trunc', from: number, to = 2 * Z + 5) {
  const sync = { ev: 'syncStart' as const, peer: 3, epoch: 2, peerZxid: Z + 7 };
  say(ensemble, 'n3', { ev: 'acceptedEpoch', epoch: 2 });
  say(ensemble, 'n3', { ev: 'ackEpoch', epoch: 2, currentEpoch: 1, zxid: Z + 7, counting: true });
  say(ensemble, 'n2', { ...sync, mode, from, to });
}

/** n3 logs records of epoch 2, as its leader has them. */
function log(ensemble: ScriptedEnsemble, ...counters: number[]): void {
  const leaders = server(ensemble, 'n2').log;
  for (const counter of counters) {
    const zxid = 2 * Z + counter;
    const hash = leaders.find((txn) => txn.zxid === zxid)?.hash ?? 'unknown';
    say(ensemble, 'n3', { ev: 'append', zxid, hash });
  }
  say(ensemble, 'n3', { ev: 'fsync', upto: 2 * Z + (counters.at(-1) ?? 0) });
}

const ACKED: CoordinatorEvent[] = [
  { ev: 'currentEpoch', epoch: 2 },
  { ev: 'newLeaderAck', epoch: 2, zxid: 2 * Z + 5 },
];

/** Everything up to the ack of a lawful truncation and what follows it. */
function truncated(ensemble: ScriptedEnsemble): void {
  begin(ensemble, 'trunc', Z + 5);
  say(ensemble, 'n3', { ev: 'trunc', to: Z + 5 });
  log(ensemble, 1, 2, 3, 4, 5);
  say(ensemble, 'n3', ...ACKED);
}

describe('lawful synchronisations', () => {
  test('of a divided ensemble are valid and counted by mode', async () => {
    const ensemble = divided();
    truncated(ensemble);
    const verdict = await judge(ensemble);
    expect(verdict.anomalies).toEqual([]);
    expect(verdict).toMatchObject({
      outcome: 'valid',
      evidence: {
        'syncs.diff': 3,
        'syncs.trunc': 1,
        'syncs.snap': 0,
        truncations: 1,
        recordsTruncated: 2,
        syncsAfterFirstElection: 2,
      },
    });
  });

  test('of drawn runs are valid, with every mode among them', async () => {
    const modes = { 'syncs.diff': 0, 'syncs.trunc': 0, 'syncs.snap': 0 };
    for (let seed = 1; seed <= 20; seed++) {
      const { outcome, evidence, anomalies } = await synchronisation.check(correctRun(seed));
      expect({ seed, outcome, anomalies }).toEqual({ seed, outcome: 'valid', anomalies: [] });
      for (const mode of ['syncs.diff', 'syncs.trunc', 'syncs.snap'] as const) {
        modes[mode] += evidence[mode] ?? 0;
      }
    }
    for (const count of Object.values(modes)) expect(count).toBeGreaterThan(0);
  });

  test('of a record cut away and logged again is no return of it', async () => {
    const ensemble = divided();
    begin(ensemble, 'trunc', Z + 5);
    say(ensemble, 'n3', { ev: 'trunc', to: Z + 5 }, { ev: 'append', zxid: Z + 6, hash: 'h' });
    say(ensemble, 'n3', { ev: 'fsync', upto: Z + 6 });
    const old = server(ensemble, 'n3');
    ensemble.kill(old);
    ensemble.start(old);
    const start = eventsOfKind(ensemble.nodeEvents, 'start').at(-1);
    if (start !== undefined) Object.assign(start, { lastLogged: Z + 6, applied: Z + 5 });
    expect(await judge(ensemble)).toMatchObject({ outcome: 'valid', anomalies: [] });
  });
});

describe('evidence', () => {
  test('without anybody falling away, the first election is all there is', async () => {
    const ensemble = new ScriptedEnsemble(5, 3);
    for (const each of ensemble.servers) ensemble.start(each);
    ensemble.elect(ensemble.servers);
    const verdict = await judge(ensemble);
    expect(verdict).toMatchObject({ outcome: 'valid', evidence: { fellAway: 0 } });
    expect(verdict.reason).toMatch(/nothing to judge after the first election/);
    say(ensemble, 'n1', { ev: 'left', reason: 'leader silent' });
    expect(await judge(ensemble)).toMatchObject({
      outcome: 'unknown',
      reason: 'servers fell away 1 times, but none was synchronised again',
    });
  });

  test('without synchronisations, with gaps or without transactions it is unknown', async () => {
    const idle = new ScriptedEnsemble(5, 3);
    for (const each of idle.servers) idle.start(each);
    expect(await judge(idle)).toMatchObject({ outcome: 'unknown', reason: /no leader/ });
    const gap = recordFor(divided());
    gap.nodeEvents.splice(20, 1);
    expect((await synchronisation.check(gap)).reason).toMatch(/has a gap/);
    const state = recordFor(divided());
    state.config.eventLevel = 'state';
    expect((await synchronisation.check(state)).reason).toMatch(/level state/);
  });
});

describe('the leader’s choice', () => {
  test.each<[string, (ensemble: ScriptedEnsemble) => void, RegExp]>([
    [
      'a diff to a server with records that the leader has not (Z21)',
      (ensemble) => begin(ensemble, 'diff', Z + 7),
      /the last zxid common to both was \(1,5\)/,
    ],
    [
      'a diff without the cut that it needs',
      (ensemble) => begin(ensemble, 'diff', Z + 5),
      /must cut its log to \(1,5\) first/,
    ],
    [
      'a cut of more than is needed',
      (ensemble) => begin(ensemble, 'trunc', Z + 3),
      /the last zxid common to both was \(1,5\)/,
    ],
    [
      'a synchronisation that ends before the leader’s log does',
      (ensemble) => begin(ensemble, 'trunc', Z + 5, 2 * Z + 4),
      /announced \(2,4\).*ended at \(2,5\)/,
    ],
    [
      'a snapshot of another state than its own',
      (ensemble) => {
        const sync = { ev: 'syncStart' as const, peer: 3, epoch: 2, peerZxid: Z + 7 };
        say(ensemble, 'n2', { ...sync, mode: 'snap', from: 2 * Z + 3, to: 2 * Z + 5 });
      },
      /snapshot for \(2,3\), but had applied \(2,5\)/,
    ],
    [
      'a cut where nothing was to cut',
      (ensemble) => {
        const sync = { ev: 'syncStart' as const, peer: 3, epoch: 2, peerZxid: Z + 5 };
        say(ensemble, 'n2', { ...sync, mode: 'trunc', from: Z + 5, to: 2 * Z + 5 });
      },
      /nothing to cut/,
    ],
  ])('%s is found', async (_, act, why) => {
    const ensemble = divided();
    act(ensemble);
    const verdict = await judge(ensemble);
    expect(kinds(verdict)).toEqual(['wrong-sync']);
    expect(verdict.anomalies[0]?.why).toMatch(why);
  });
});

describe('the learner', () => {
  test.each<[string, (ensemble: ScriptedEnsemble) => void, string]>([
    [
      'currentEpoch before the records (Z13)',
      (ensemble) => {
        begin(ensemble, 'trunc', Z + 5);
        say(ensemble, 'n3', { ev: 'trunc', to: Z + 5 }, { ev: 'currentEpoch', epoch: 2 });
      },
      'epoch-before-records',
    ],
    [
      'an ack before all is logged (Z11)',
      (ensemble) => {
        begin(ensemble, 'trunc', Z + 5);
        say(ensemble, 'n3', { ev: 'trunc', to: Z + 5 });
        log(ensemble, 1, 2, 3, 4);
        say(ensemble, 'n3', ...ACKED);
      },
      'log-not-leaders',
    ],
    [
      'records kept that the leader has not',
      (ensemble) => {
        begin(ensemble, 'diff', Z + 7);
        log(ensemble, 1, 2, 3, 4, 5);
        say(ensemble, 'n3', ...ACKED);
      },
      'log-not-leaders',
    ],
    [
      'another transaction than the leader’s',
      (ensemble) => {
        begin(ensemble, 'trunc', Z + 5);
        say(ensemble, 'n3', { ev: 'trunc', to: Z + 5 });
        log(ensemble, 1, 2, 3, 4);
        say(ensemble, 'n3', { ev: 'append', zxid: 2 * Z + 5, hash: 'x' });
        say(ensemble, 'n3', { ev: 'fsync', upto: 2 * Z + 5 }, ...ACKED);
      },
      'log-not-leaders',
    ],
    [
      'an ack of another zxid',
      (ensemble) => {
        begin(ensemble, 'trunc', Z + 5);
        say(ensemble, 'n3', { ev: 'trunc', to: Z + 5 });
        log(ensemble, 1, 2, 3, 4, 5);
        say(ensemble, 'n3', { ev: 'currentEpoch', epoch: 2 });
        say(ensemble, 'n3', { ev: 'newLeaderAck', epoch: 2, zxid: 2 * Z + 4 });
      },
      'log-not-leaders',
    ],
    [
      'an ack without a synchronisation',
      (ensemble) => say(ensemble, 'n3', { ev: 'newLeaderAck', epoch: 3, zxid: Z + 7 }),
      'ack-without-sync',
    ],
    [
      'a proposal logged before the ack',
      (ensemble) => {
        begin(ensemble, 'trunc', Z + 5);
        say(ensemble, 'n3', { ev: 'trunc', to: Z + 5 });
        log(ensemble, 1, 2, 3, 4, 5, 6);
      },
      'proposal-before-ack',
    ],
    [
      'a proposal lost between the cut and the forwarding (Z25)',
      (ensemble) => {
        truncated(ensemble);
        log(ensemble, 7);
      },
      'forwarding-gap',
    ],
    [
      'service before the ack',
      (ensemble) => {
        begin(ensemble, 'trunc', Z + 5);
        say(ensemble, 'n3', { ev: 'upToDate', epoch: 2, zxid: 2 * Z + 5 });
      },
      'served-before-ack',
    ],
    [
      'a session taken before the service',
      (ensemble) => {
        begin(ensemble, 'trunc', Z + 5);
        const seen = { lastZxidSeen: 0, applied: Z + 5 };
        say(ensemble, 'n3', { ev: 'sessionAttached', session: '1', ...seen });
      },
      'served-before-synchronised',
    ],
    [
      'UPTODATE with less than was committed (Z27)',
      (ensemble) => {
        truncated(ensemble);
        say(ensemble, 'n2', { ev: 'newLeaderAcked', from: 3, epoch: 2, zxid: 2 * Z + 5 });
        say(ensemble, 'n3', { ev: 'upToDate', epoch: 2, zxid: 2 * Z + 4 });
      },
      'uptodate-behind',
    ],
    [
      'a learner that ends itself over what its leader sends',
      (ensemble) => {
        begin(ensemble, 'diff', Z + 7);
        say(ensemble, 'n3', { ev: 'stop', reason: 'log order broken' });
      },
      'learner-stopped',
    ],
    [
      'committed transactions cut away',
      (ensemble) => say(ensemble, 'n3', { ev: 'trunc', to: Z + 4 }),
      'truncated-committed',
    ],
  ])('%s is found', async (_, act, kind) => {
    const ensemble = divided();
    act(ensemble);
    const verdict = await judge(ensemble);
    expect(verdict.outcome).toBe('invalid');
    expect(kinds(verdict)).toContain(kind);
    for (const { why } of verdict.anomalies) expect(why).toMatch(/^n\d.*\.$/);
  });

  test('a server that is asked to stop, or whose disk was damaged, may end', async () => {
    const asked = divided();
    begin(asked, 'trunc', Z + 5);
    say(asked, 'n3', { ev: 'stop', reason: 'SIGTERM' });
    expect((await judge(asked)).outcome).toBe('valid');
    const damaged = divided();
    begin(damaged, 'trunc', Z + 5);
    say(damaged, 'n3', { ev: 'stop', reason: 'ENOSPC' });
    const run = recordFor(damaged);
    const verification = { verified: true, evidence: 'probed' };
    const fault = { kind: 'disk' as const, nodes: ['n3'], effect: 'enospc' as const };
    run.faults.push({ id: 0, fault, injectStart: 0, injected: 0, injection: verification });
    expect((await synchronisation.check(run)).outcome).toBe('valid');
  });

  test.each<[string, CoordinatorEvent | { lastLogged: number; applied: number }]>([
    ['a log that ends in what was cut', { lastLogged: Z + 7, applied: Z + 5 }],
    ['a state of what was cut (Z24)', { lastLogged: 2 * Z + 5, applied: Z + 6 }],
    ['a snapshot of what was cut', { ev: 'snapSaved', zxid: Z + 6, digest: 'd' }],
  ])('%s is found', async (_, shown) => {
    const ensemble = divided();
    truncated(ensemble);
    if ('ev' in shown) say(ensemble, 'n3', shown);
    else {
      const old = server(ensemble, 'n3');
      ensemble.kill(old);
      ensemble.start(old);
      const start = eventsOfKind(ensemble.nodeEvents, 'start').at(-1);
      if (start !== undefined) Object.assign(start, shown);
    }
    expect(kinds(await judge(ensemble))).toEqual(['truncated-came-back']);
  });
});

/** A change of a drawn run; undefined where the run has no place for it. */
type Alteration = (events: NodeEvent[]) => NodeEvent[] | undefined;

/** Records logged between a sync and its ack, by the learner. */
function syncedAppends(events: readonly NodeEvent[]): NodeEvent[] {
  const acks = eventsOfKind(events, 'newLeaderAck');
  return acks.flatMap((ack) => {
    const sid = Number(ack.node.slice(1));
    const sync = eventsOfKind(events, 'syncStart').findLast(
      (s) => s.peer === sid && s.t < ack.t && s.epoch === ack.epoch,
    );
    const [from, to] = [sync?.t ?? 0, ack.t];
    return eventsOfKind(events, 'append').filter(
      (a) => a.node === ack.node && a.t > from && a.t < to,
    );
  });
}

test.each<[string, string, Alteration]>([
  [
    'a record left out of a synchronisation',
    'log-not-leaders',
    (events) => {
      const [first] = syncedAppends(events);
      return first === undefined ? undefined : events.filter((e) => e !== first);
    },
  ],
  [
    'an ack of NEWLEADER left out',
    'served-before-ack',
    (events) => {
      const served = eventsOfKind(events, 'upToDate')[0];
      const ack = eventsOfKind(events, 'newLeaderAck').findLast(
        (e) => e.node === served?.node && e.t < served.t,
      );
      return ack === undefined ? undefined : events.filter((e) => e !== ack);
    },
  ],
  [
    'an UPTODATE of an older state',
    'uptodate-behind',
    (events) => {
      const late = eventsOfKind(events, 'upToDate').findLast((e) => e.zxid > Z);
      if (late !== undefined) late.zxid = 1;
      return late === undefined ? undefined : events;
    },
  ],
  [
    'a synchronisation announced as longer than the leader’s log',
    'wrong-sync',
    (events) => {
      const sync = eventsOfKind(events, 'syncStart').at(-1);
      if (sync !== undefined) sync.to += 1;
      return events;
    },
  ],
])('in drawn runs, %s is found as %s', async (_, kind, alter) => {
  let judged = 0;
  for (let seed = 1; seed <= 15; seed++) {
    let possible = false;
    const run = altered(correctRun(seed, seed % 2 === 0 ? 3 : 5), (events) => {
      const changed = alter(events);
      possible = changed !== undefined;
      return changed;
    });
    if (!possible) continue;
    judged++;
    expect(kinds(await synchronisation.check(run))).toContain(kind);
  }
  expect(judged).toBeGreaterThanOrEqual(10);
});
