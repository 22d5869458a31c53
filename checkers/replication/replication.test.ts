// The judges of brokers' events: a scripted cluster with elections, restarts and lawful truncations stays
// valid, and each rule broken alone is found by its name.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BrokerEvent } from '../../history/broker-event.ts';
import { Random } from '../../history/random.ts';
import type { Checker } from '../../history/run-record.ts';
import type { Verdict } from '../../history/verdict.ts';
import { MessageScript } from '../messages/testing.ts';
import { groupCoordination } from './group-coordination.ts';
import { replication } from './index.ts';
import { producers } from './producers.ts';
import { partitionStates } from './states.ts';
import { ScriptedBrokers, TP, thirtyCommitted } from './testing.ts';

function judge(checker: Checker, brokers: ScriptedBrokers): Verdict {
  return checker.check(brokers.run()) as Verdict;
}

function kindsOf({ anomalies }: Verdict): string[] {
  return [...new Set(anomalies.map(({ kind }) => kind))].sort();
}

/** Brokers 2 and 3 go on without broker 1, which comes back with records that nobody else has. */
function failedOver(): ScriptedBrokers {
  const brokers = thirtyCommitted();
  brokers.append(3);
  brokers.becomeController(2);
  brokers.elect(2, [2, 3]);
  for (let i = 0; i < 5; i++) brokers.produce(2);
  brokers.start(1, false);
  brokers.follow(1);
  brokers.replicate(1);
  brokers.isr = [1, 2, 3];
  brokers.store('leader');
  brokers.produce();
  return brokers;
}

/** Broker 3 left the ISR, and more was committed without it. */
function leftBehind(): ScriptedBrokers {
  const brokers = thirtyCommitted();
  brokers.isr = [1, 2];
  brokers.store('leader');
  brokers.produce(5);
  return brokers;
}

/** Broker 1 leads alone; 2 and 3 left its ISR and are eligible. */
function shrunkToOne(): ScriptedBrokers {
  const brokers = thirtyCommitted();
  brokers.isr = [1];
  brokers.elr = [2, 3];
  brokers.store('leader');
  return brokers;
}

describe('what correct brokers say is valid', () => {
  test('in one epoch', () => {
    expect(judge(replication, thirtyCommitted())).toMatchObject({
      outcome: 'valid',
      evidence: { committed: 30, acks: 15, partitions: 1 },
    });
    expect(judge(producers, thirtyCommitted())).toMatchObject({ outcome: 'valid' });
  });

  test('over a fail-over with a truncation of what was not committed', () => {
    const brokers = failedOver();
    expect(judge(replication, brokers)).toMatchObject({ outcome: 'valid', anomalies: [] });
    expect(judge(replication, brokers).evidence).toMatchObject({
      truncations: 1,
      isrExpansions: 1,
    });
    expect(judge(partitionStates, brokers)).toMatchObject({
      outcome: 'valid',
      evidence: { controllers: 2, statesStored: 3, elections: 1 },
    });
    expect(judge(producers, brokers).anomalies).toEqual([]);
  });

  test('over a leader that stood still and begins an epoch when others have committed in later ones', () => {
    const brokers = thirtyCommitted();
    brokers.leader = 2;
    brokers.leaderEpoch++;
    brokers.store('controller');
    const missed = brokers.leaderEpoch;
    brokers.elect(3, [1, 3]);
    brokers.produce(5);
    brokers.leaderEpoch = missed;
    brokers.lead(2);
    expect(judge(replication, brokers)).toMatchObject({ outcome: 'valid', anomalies: [] });
  });

  test('over a fetch that comes after a later one of the same follower', () => {
    const brokers = leftBehind();
    brokers.replicate(3);
    brokers.fetched(3, 30);
    brokers.isr = [1, 2, 3];
    brokers.store('leader');
    expect(judge(replication, brokers)).toMatchObject({ outcome: 'valid', anomalies: [] });
  });

  test('over an election of a replica that left when nothing could be committed any more (KIP-966)', () => {
    const brokers = shrunkToOne();
    brokers.elr = [];
    brokers.elect(2, [2]);
    brokers.follow(3);
    brokers.replicate(3);
    brokers.isr = [2, 3];
    brokers.store('leader');
    brokers.produce();
    expect(judge(replication, brokers)).toMatchObject({ outcome: 'valid', anomalies: [] });
    expect(judge(partitionStates, brokers)).toMatchObject({
      outcome: 'valid',
      anomalies: [],
      evidence: { elections: 1, eligibleElections: 1 },
    });
  });

  test('over an election of one of many who may all have lost something', () => {
    const brokers = thirtyCommitted();
    for (const id of [1, 2, 3]) brokers.start(id, false, true);
    brokers.becomeController(2);
    brokers.elect(3, [3]);
    // Its controller may say so only when the others have caught up already.
    const told = brokers.events.pop();
    const stored = brokers.events.pop();
    if (told?.ev !== 'becameLeader' || stored?.ev !== 'stateStored') throw new Error('no election');
    brokers.events.push({ ...told, t: stored.t });
    for (const id of [1, 2]) {
      brokers.follow(id);
      brokers.replicate(id);
    }
    brokers.events.push(stored);
    brokers.isr = [1, 2, 3];
    brokers.store('leader');
    brokers.elect(3);
    brokers.produce();
    expect(judge(replication, brokers)).toMatchObject({ outcome: 'valid', anomalies: [] });
  });

  test('over a fetch that comes late, when its follower has cut its log for another leader', () => {
    const late = (offset: number): Verdict => {
      const brokers = thirtyCommitted();
      brokers.append();
      brokers.write(3, { from: 30, to: 30, epoch: 0, hash: 'h0-30' });
      brokers.elect(2, [2, 3]);
      // Broker 1 stood still and has not heard of it.
      brokers.say(1, { ev: 'fetchIn', tp: TP, from: 3, leaderEpoch: 0, offset });
      return judge(replication, brokers);
    };
    expect(late(31)).toMatchObject({
      outcome: 'valid',
      anomalies: [],
      evidence: { truncations: 1 },
    });
    expect(kindsOf(late(32))).toEqual(['fetch-claims-more']);
  });

  test('over a state that was stored by a broker killed before it could tell', () => {
    const brokers = thirtyCommitted();
    brokers.version++;
    brokers.leaderEpoch++;
    brokers.elect(3, [3, 2]);
    brokers.produce();
    expect(judge(replication, brokers)).toMatchObject({ outcome: 'valid', anomalies: [] });
    expect(judge(partitionStates, brokers).anomalies).toEqual([]);
  });
});

describe('too little, or a gap, is unknown', () => {
  test.each([replication, partitionStates, producers, groupCoordination])('$name', (checker) => {
    expect(checker.check({ ...thirtyCommitted().run(), brokerEvents: [] })).toMatchObject({
      outcome: 'unknown',
    });
    const run = thirtyCommitted().run();
    const gapped = run.brokerEvents?.filter((_, i) => i !== 20) ?? [];
    expect(checker.check({ ...run, brokerEvents: gapped })).toMatchObject({
      outcome: 'unknown',
      reason: expect.stringMatching(/gap/),
    });
  });
});

type Case = [string, string[], (brokers: ScriptedBrokers) => void];

describe('replication: each rule broken alone', () => {
  const cases: Case[] = [
    ['a high watermark that falls', ['hw-fell'], (b) => b.advance(20)],
    [
      'a high watermark ahead of a member of the ISR',
      ['hw-ahead-of-isr'],
      (b) => {
        b.append();
        b.replicate(2);
        b.advance();
      },
    ],
    [
      'a high watermark beyond what is durable',
      ['hw-undurable'],
      (b) => {
        b.say(1, { ev: 'logAppend', tp: TP, from: 30, to: 30, epoch: 0, hash: 'x' });
        b.write(2, { from: 30, to: 30, epoch: 0, hash: 'x' });
        b.fetched(2);
        b.isr = [1, 2];
        b.store('leader');
        b.advance(31);
      },
    ],
    [
      'a high watermark without a member of the stored ISR',
      ['hw-without-isr'],
      (b) => {
        b.append();
        b.replicate(2);
        b.isr = [1, 2];
        b.advance();
      },
    ],
    [
      'a high watermark without a member of the ISR, told before that was',
      ['hw-without-isr'],
      (b) => {
        b.append();
        b.replicate(2);
        b.version++;
        b.isr = [1, 2];
        b.advance();
        b.version--;
        b.isr = [1, 2, 3];
        b.store('leader');
      },
    ],
    [
      'a high watermark that rises on fewer than min.insync.replicas',
      ['hw-below-min-isr'],
      (b) => {
        b.isr = [1];
        b.store('leader');
        b.append();
        b.advance();
      },
    ],
    [
      'a high watermark without leading',
      ['hw-without-office'],
      (b) =>
        b.say(2, {
          ev: 'highWatermark',
          tp: TP,
          hw: 30,
          leaderEpoch: 0,
          isr: [1, 2, 3],
          version: 0,
        }),
    ],
    ['a fetch that claims more than is durable', ['fetch-claims-more'], (b) => b.fetched(2, 31)],
    [
      'an ack of what is not committed',
      ['ack-above-hw'],
      (b) => {
        b.append();
        b.replicate(2);
        b.ack(31);
      },
    ],
    [
      'an ack of what one replica has',
      ['ack-above-hw', 'ack-by-few'],
      (b) => {
        b.append();
        b.ack(31);
      },
    ],
    [
      'an ack to acks=1 before the disk has it',
      ['ack-undurable'],
      (b) => {
        b.say(1, { ev: 'logAppend', tp: TP, from: 30, to: 30, epoch: 0, hash: 'x' });
        b.ack(31, 1);
      },
    ],
    [
      'a leader without what is committed',
      ['isr-incomplete', 'leader-incomplete'],
      (b) => {
        b.isr = [1, 2];
        b.store('leader');
        b.produce();
        b.elect(3, [3]);
      },
    ],
    [
      'an eligible replica without what is committed',
      ['isr-incomplete'],
      (b) => {
        b.isr = [1, 2];
        b.store('leader');
        b.produce();
        b.elr = [3];
        b.elect(2, [2]);
      },
    ],
    [
      'a leader that has other records in their place',
      ['leader-incomplete'],
      (b) => {
        b.isr = [1, 2];
        b.store('leader');
        b.produce();
        b.write(3, { from: 30, to: 30, epoch: 4, hash: 'other' });
        b.leaderEpoch = 5;
        b.lead(3);
      },
    ],
    ['a second leader of an epoch', ['two-leaders'], (b) => b.lead(2)],
    [
      'a truncation of what is committed',
      ['committed-truncated'],
      (b) => b.say(3, { ev: 'logTruncated', tp: TP, to: 20, leaderEpoch: 0 }),
    ],
    [
      'one batch with two contents',
      ['log-mismatch'],
      (b) => {
        b.append();
        b.write(2, { from: 30, to: 30, epoch: 0, hash: 'other' });
      },
    ],
    [
      'a hole in a log',
      ['log-gap'],
      (b) => b.say(2, { ev: 'logAppend', tp: TP, from: 32, to: 32, epoch: 0, hash: 'x' }),
    ],
    [
      'an offset written twice',
      ['log-overlap'],
      (b) => b.say(2, { ev: 'logAppend', tp: TP, from: 28, to: 29, epoch: 0, hash: 'h0-28' }),
    ],
    [
      'a restart that lost what was durable',
      ['durable-lost'],
      (b) => {
        b.isr = [1, 2];
        b.store('leader');
        b.start(3, false);
        b.replica(3).end = 20;
        b.replica(3).batches.length = 10;
        b.follow(3);
      },
    ],
    [
      'a member taken into the ISR that lags',
      ['expanded-behind'],
      (b) => {
        b.isr = [1, 2];
        b.store('leader');
        b.produce();
        b.isr = [1, 2, 3];
        b.store('leader');
      },
    ],
    [
      'a member taken into the ISR that had caught up once, and began again with less',
      ['expanded-behind'],
      (b) => {
        b.isr = [1, 2];
        b.store('leader');
        b.produce();
        b.replicate(3);
        b.say(3, { ev: 'leftPartition', tp: TP, reason: 'its log is damaged' });
        b.fetched(3, 0);
        b.isr = [1, 2, 3];
        b.store('leader');
      },
    ],
    [
      'a member taken into the ISR before it came to where the epoch began',
      ['expanded-behind'],
      (b) => {
        b.isr = [1, 2];
        b.store('leader');
        b.produce();
        // The new leader has not heard of the last high watermark.
        b.hw = 30;
        b.elect(2, [2]);
        b.fetched(3);
        b.isr = [2, 3];
        b.store('leader');
      },
    ],
    [
      'a lossy broker that leads before it caught up',
      ['lossy-leader'],
      (b) => {
        b.start(3, false, true);
        b.elect(3, [3]);
      },
    ],
    [
      'a lossy broker that leads while an eligible one is not lossy',
      ['lossy-leader'],
      (b) => {
        b.isr = [1];
        b.elr = [2, 3];
        b.store('leader');
        for (const id of [1, 2]) b.start(id, false, true);
        b.becomeController(2);
        b.elr = [];
        b.elect(1, [1]);
      },
    ],
  ];
  test.each(cases)('%s', (_, kinds, act) => {
    const brokers = thirtyCommitted();
    act(brokers);
    const verdict = judge(replication, brokers);
    expect(kindsOf(verdict)).toEqual(kinds);
    expect(verdict.outcome).toBe('invalid');
    expect(verdict.anomalies[0]?.why).toContain(TP);
  });

  test('where all in sync may have lost records, one of them leads', () => {
    const brokers = thirtyCommitted();
    for (const id of [1, 2, 3]) brokers.start(id, false, true);
    brokers.becomeController(2);
    brokers.elect(2, [2]);
    expect(judge(replication, brokers)).toMatchObject({ outcome: 'valid', anomalies: [] });
    // A start in order does not bring back what was lost.
    brokers.start(3);
    brokers.elect(3, [3]);
    expect(kindsOf(judge(replication, brokers))).toEqual(['lossy-leader']);
  });

  test('a late high watermark of an old leader counts against the leader after it', () => {
    const brokers = thirtyCommitted();
    brokers.append();
    brokers.replicate(2);
    brokers.replicate(3);
    const late = { hw: 31, leaderEpoch: 0, isr: [1, 2, 3], version: 0 };
    brokers.replica(3).end = 30;
    brokers.replica(3).batches.pop();
    brokers.say(3, { ev: 'logTruncated', tp: TP, to: 30, leaderEpoch: 1 });
    brokers.elect(3, [3, 2]);
    brokers.say(1, { ev: 'highWatermark', tp: TP, ...late });
    expect(kindsOf(judge(replication, brokers))).toContain('leader-incomplete');
  });

  test('what a client was shown was committed by then', () => {
    const brokers = thirtyCommitted();
    const script = new MessageScript();
    // The history's clock runs in the same time, and this is long before anything was committed.
    script.poll(1, { [TP]: [[29, 1]] });
    script.send(2, TP, 29, 2);
    const verdict = replication.check(brokers.run({}, script.history)) as Verdict;
    expect(kindsOf(verdict)).toEqual(['acknowledged-above-hw', 'read-above-hw']);
    const later = script.history.map((event) => ({ ...event, time: event.time + 1e12 }));
    expect(replication.check(brokers.run({}, later))).toMatchObject({
      outcome: 'valid',
      evidence: { shown: 2 },
    });
  });
});

describe('partition states: each rule broken alone', () => {
  const cases: Case[] = [
    [
      'an election outside the ISR',
      ['elected-outside-isr'],
      (b) => {
        b.isr = [1, 2];
        b.store('leader');
        b.elect(3, [3]);
      },
    ],
    [
      'an election outside of ISR and eligible replicas',
      ['elected-outside-isr'],
      (b) => {
        b.isr = [1, 2];
        b.store('leader');
        b.isr = [1];
        b.elr = [2];
        b.store('leader');
        b.elr = [];
        b.elect(3, [3]);
      },
    ],
    [
      'an election of one who was eligible once',
      ['elected-outside-isr'],
      (b) => {
        b.isr = [1];
        b.elr = [2, 3];
        b.store('leader');
        b.isr = [1, 2];
        b.elr = [];
        b.store('leader');
        b.elect(3, [3]);
      },
    ],
    [
      'an eligible replica beside enough in sync',
      ['eligible-beside-enough'],
      (b) => {
        b.isr = [1, 2];
        b.elr = [3];
        b.store('leader');
      },
    ],
    [
      'an eligible replica that was no candidate before',
      ['eligible-from-nowhere'],
      (b) => {
        b.isr = [1, 2];
        b.store('leader');
        b.isr = [1];
        b.elr = [2, 3];
        b.store('leader');
      },
    ],
    [
      'an ISR that an elected eligible replica brings others into',
      ['isr-grown-by-controller'],
      (b) => {
        b.isr = [1];
        b.elr = [2, 3];
        b.store('leader');
        b.elr = [];
        b.elect(2, [2, 3]);
      },
    ],
    ['an unclean election', ['unclean-election'], (b) => b.elect(3, [3], { unclean: true })],
    ['a leader outside its ISR', ['leader-outside-isr'], (b) => b.elect(3, [1, 2])],
    [
      'an epoch used again',
      ['epoch-reused', 'two-leaders-of-epoch'],
      (b) => {
        b.leaderEpoch--;
        b.elect(2);
      },
    ],
    [
      'a version stored twice',
      ['version-stored-twice'],
      (b) => {
        b.store('leader');
        b.version--;
        b.store('leader');
      },
    ],
    [
      'an unanswered write that finds another state standing',
      ['version-stored-twice'],
      (b) => {
        b.store('leader');
        b.version--;
        b.isr = [1, 2];
        b.store('leader', { inferred: true });
      },
    ],
    [
      'a leader that changes the leader epoch',
      ['leader-overstepped', 'stored-without-office'],
      (b) => {
        b.leaderEpoch++;
        b.store('leader');
      },
    ],
    [
      'an ISR that the controller lets grow',
      ['isr-grown-by-controller'],
      (b) => {
        b.isr = [1, 2];
        b.store('leader');
        b.elect(2, [1, 2, 3]);
      },
    ],
    [
      'a deposed controller that stores',
      ['controller-epoch-fell'],
      (b) => {
        b.becomeController(2);
        b.elect(2);
        b.controller = 1;
        b.controllerEpoch = 1;
        b.elect(3);
      },
    ],
    [
      'a registration that another session made',
      ['registration-of-another-session'],
      (b) => {
        b.say(3, { ev: 'registered', broker: 3, epoch: 7, session: 'a1' });
        b.start(3, false);
        b.say(3, { ev: 'registered', broker: 3, epoch: 7, session: 'a2' });
      },
    ],
    [
      'two controllers of an epoch',
      ['two-controllers'],
      (b) => {
        b.say(2, { ev: 'controllerElected', controllerEpoch: 1 });
      },
    ],
  ];
  test.each(cases)('%s', (_, kinds, act) => {
    const brokers = thirtyCommitted();
    act(brokers);
    expect(kindsOf(judge(partitionStates, brokers))).toEqual(kinds);
  });

  test('lets two want the same, where one was not answered and found it standing', () => {
    const brokers = thirtyCommitted();
    brokers.store('controller');
    brokers.version--;
    brokers.store('leader', { inferred: true });
    expect(judge(partitionStates, brokers).anomalies).toEqual([]);
  });

  test('an unclean election that is allowed is counted, and the partition’s records are not judged', () => {
    const brokers = thirtyCommitted();
    brokers.elect(3, [3], { unclean: true });
    const config = { systemOptions: { 'unclean.leader.election.enable': true } };
    expect(partitionStates.check(brokers.run(config))).toMatchObject({
      anomalies: [],
      evidence: { uncleanElections: 1 },
    });
    expect(replication.check(brokers.run(config))).toMatchObject({
      outcome: 'unknown',
      evidence: { partitionsUnjudged: 1 },
    });
  });
});

describe('producers: each rule broken alone', () => {
  const cases: [string, string[], { pid?: number; pepoch?: number; pseq?: number }][] = [
    ['a gap', ['sequence-gap'], { pid: 7, pepoch: 0, pseq: 31 }],
    ['a batch stored twice', ['batch-stored-twice'], { pid: 7, pepoch: 0, pseq: 28 }],
    ['a new epoch that does not begin at 0', ['sequence-gap'], { pid: 7, pepoch: 1, pseq: 30 }],
    ['a first batch that does not begin at 0', ['sequence-gap'], { pid: 8, pepoch: 0, pseq: 3 }],
  ];
  test.each(cases)('%s', (_, kinds, producer) => {
    const brokers = thirtyCommitted();
    brokers.produce(2, producer);
    expect(kindsOf(judge(producers, brokers))).toEqual(kinds);
  });

  test('an old epoch that writes on', () => {
    const brokers = thirtyCommitted();
    brokers.produce(1, { pid: 7, pepoch: 1, pseq: 0 });
    brokers.produce(1, { pid: 7, pepoch: 0, pseq: 30 });
    expect(kindsOf(judge(producers, brokers))).toEqual(['producer-epoch-fell']);
  });

  test('a batch sent again after its first copy was truncated is lawful', () => {
    const brokers = thirtyCommitted();
    brokers.append(2, { pid: 7, pepoch: 0, pseq: 30 });
    brokers.elect(2, [2, 3]);
    brokers.produce(2, { pid: 7, pepoch: 0, pseq: 30 });
    brokers.follow(1);
    brokers.replicate(1);
    expect(judge(producers, brokers)).toMatchObject({ outcome: 'valid', anomalies: [] });
  });

  test('sequence numbers begin anew after the last', () => {
    const brokers = thirtyCommitted();
    brokers.produce(2 ** 31 - 1, { pid: 9, pepoch: 0, pseq: 0 });
    brokers.produce(2, { pid: 9, pepoch: 0, pseq: 2 ** 31 - 1 });
    brokers.produce(1, { pid: 9, pepoch: 0, pseq: 1 });
    expect(judge(producers, brokers)).toMatchObject({ outcome: 'valid', anomalies: [] });
    brokers.produce(1, { pid: 9, pepoch: 0, pseq: 3 });
    expect(kindsOf(judge(producers, brokers))).toEqual(['sequence-gap']);
  });
});

describe('group coordination', () => {
  const generation = (n: number, members = ['a', 'b']): BrokerEvent => {
    return { ev: 'groupGeneration', group: 'g', generation: n, members };
  };
  const assigned = (n: number, assignment: Record<string, string[]>): BrokerEvent => {
    return { ev: 'groupAssigned', group: 'g', generation: n, assignment };
  };
  const committed = (n: number, member = 'a'): BrokerEvent => {
    return { ev: 'offsetCommitted', group: 'g', generation: n, member, tp: TP, offset: 5 };
  };
  const split = { a: ['t-0'], b: ['t-1'] };
  const twoGenerations = (): ScriptedBrokers => {
    const brokers = new ScriptedBrokers();
    for (const event of [generation(1), assigned(1, split), committed(1), generation(2)]) {
      brokers.say(1, event);
    }
    brokers.say(1, assigned(2, split));
    brokers.say(1, committed(2));
    return brokers;
  };

  test('two generations, the second at another coordinator, are valid', () => {
    const brokers = twoGenerations();
    brokers.say(2, generation(3));
    brokers.say(2, assigned(3, split));
    expect(judge(groupCoordination, brokers)).toMatchObject({
      outcome: 'valid',
      evidence: { generations: 3, assignments: 3, commits: 2 },
    });
  });

  test.each<[string, string, number, BrokerEvent[]]>([
    ['two owners', 'two-owners', 1, [generation(3), assigned(3, { a: ['t-0'], b: ['t-0'] })]],
    ['two assignments', 'two-assignments', 2, [assigned(2, { a: ['t-1'], b: ['t-0'] })]],
    ['a generation that fell', 'generation-fell', 2, [generation(0), assigned(0, split)]],
    ['a commit of an old generation', 'commit-of-old-generation', 1, [committed(1)]],
    ['a commit by a stranger', 'commit-by-stranger', 1, [committed(2, 'x')]],
  ])('%s', (_, kind, broker, events) => {
    const brokers = twoGenerations();
    for (const event of events) brokers.say(broker, event);
    expect(kindsOf(judge(groupCoordination, brokers))).toEqual([kind]);
  });
});

/** A random correct life of three brokers: batches, slow followers, shrunk ISRs, elections, restarts. */
function randomLife(seed: number): ScriptedBrokers {
  const random = new Random(seed, 'brokers');
  const brokers = thirtyCommitted();
  const lagging = new Set<number>();
  for (let i = 0; i < 60; i++) {
    const others = brokers.isr.filter((id) => id !== brokers.leader);
    const point = random.float();
    if (point < 0.5) {
      brokers.produce(random.int(1, 3));
    } else if (point < 0.6) brokers.append(random.int(1, 2));
    else if (point < 0.7 && others.length > 1) {
      const out = random.pick(others);
      brokers.isr = brokers.isr.filter((id) => id !== out);
      lagging.add(out);
      brokers.store('leader');
    } else if (point < 0.8 && lagging.size > 0) {
      const [back] = lagging;
      if (back === undefined) continue;
      if (random.bool()) {
        brokers.start(back, random.bool());
        if (brokers.controller === back) brokers.becomeController(brokers.leader);
      }
      brokers.follow(back);
      brokers.replicate(back);
      lagging.delete(back);
      brokers.isr = [...brokers.isr, back];
      brokers.store('leader');
    } else if (point < 0.9 && others.length > 0) {
      const old = brokers.leader;
      if (random.bool()) brokers.becomeController(random.int(1, 3));
      const dies = brokers.isr.length > 2 && random.bool();
      if (dies) lagging.add(old);
      brokers.elect(random.pick(others), dies ? others : brokers.isr);
    }
  }
  return brokers;
}

test('a correct cluster is never accused', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => {
      const brokers = randomLife(seed);
      for (const checker of [replication, partitionStates, producers]) {
        expect(judge(checker, brokers).anomalies).toEqual([]);
      }
    }),
    { numRuns: 60 },
  );
});
