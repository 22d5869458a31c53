// Consumer groups over logs in memory: rebalances, fences, durability before answers, and another coordinator
// that takes over from the log alone. Timeouts are real and short; nothing is asserted of when.
import { afterEach, describe, expect, it } from 'vitest';
import { encodeAssignment } from '../../wire/kafka/consumer-protocol.ts';
import { OFFSETS_TOPIC } from '../contract.ts';
import { MemoryLogs, MemoryMetadata, MemoryReplicas } from '../testing.ts';
import type { JoinAnswer, JoinAsk } from './answers.ts';
import { GroupCoordinator } from './coordinator.ts';
import { javaHashCode, partitionOfGroup } from './partition-of.ts';

const GROUP = 'readers';
const BROKER = 1;
let ids = 0;
const closing: GroupCoordinator[] = [];

afterEach(() => {
  for (const coordinator of closing.splice(0)) coordinator.close();
});

interface Fixture {
  readonly groups: GroupCoordinator;
  readonly replicas: MemoryReplicas;
  readonly metadata: MemoryMetadata;
  readonly events: Record<string, unknown>[];
  readonly of: { topic: string; partition: number };
}

async function fixture(logs = new MemoryLogs(), recordsKept = 100_000): Promise<Fixture> {
  const replicas = new MemoryReplicas(logs);
  const metadata = new MemoryMetadata(BROKER, replicas, new Map());
  const events: Record<string, unknown>[] = [];
  const groups = new GroupCoordinator({
    brokerId: BROKER,
    replicas,
    metadata,
    events: { detailed: true, emit: (event) => void events.push(event), flush: () => {} },
    config: {
      minSessionTimeoutMs: 10,
      maxSessionTimeoutMs: 60_000,
      initialRebalanceDelayMs: 0,
      membersMax: 3,
      offsetMetadataBytesMax: 4096,
      storeTimeoutMs: 1_000,
    },
    recordsKept,
    wallMs: () => 1_700_000_000_000,
    newId: () => `m${++ids}`,
    log: (line) => void events.push({ ev: 'log', line }),
  });
  closing.push(groups);
  const placement = { partitions: 4, replicationFactor: 1 };
  await metadata.createTopic({ name: OFFSETS_TOPIC, placement, settings: {} });
  const of = groups.partitionOf(GROUP);
  if (of === undefined) throw new Error('the offsets topic is not there');
  return { groups, replicas, metadata, events, of };
}

function ask(overrides: Partial<JoinAsk> = {}): JoinAsk {
  return {
    group: GROUP,
    memberId: '',
    instanceId: null,
    needsKnownId: false,
    canSkipAssignment: true,
    clientId: 'c',
    clientHost: '127.0.0.1',
    sessionTimeoutMs: 20_000,
    rebalanceTimeoutMs: 20_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.from('subscription') }],
    ...overrides,
  };
}

/** Waits for loading alone: everything else is answered at once. */
async function joined(groups: GroupCoordinator, what: JoinAsk): Promise<JoinAnswer> {
  for (;;) {
    const answer = await groups.join(what);
    if (answer.error !== 'COORDINATOR_LOAD_IN_PROGRESS') return answer;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const assignment = (partition: number) =>
  encodeAssignment(0, {
    assignedPartitions: [{ topic: 't', partitions: [partition] }],
    userData: null,
  });

function sync(groups: GroupCoordinator, of: JoinAnswer, assigned: Record<string, number> = {}) {
  return groups.sync({
    group: GROUP,
    memberId: of.memberId,
    instanceId: null,
    generation: of.generation,
    protocolType: 'consumer',
    protocol: 'range',
    assignments: Object.entries(assigned).map(([memberId, partition]) => ({
      memberId,
      assignment: assignment(partition),
    })),
  });
}

function commit(groups: GroupCoordinator, of: Partial<JoinAnswer>, offset: number) {
  return groups.commit({
    group: GROUP,
    memberId: of.memberId ?? '',
    instanceId: null,
    generation: of.generation ?? -1,
    offsets: [{ topic: 't', partition: 0, offset, leaderEpoch: 0, metadata: '' }],
  });
}

async function committed(groups: GroupCoordinator): Promise<number | string> {
  const { error, topics } = await groups.fetchOffsets(GROUP);
  return error === 'NONE' ? (topics.get('t')?.get(0)?.offset ?? -1) : error;
}

/** A group of one, stable. */
async function stable(groups: GroupCoordinator, what = ask()): Promise<JoinAnswer> {
  const member = await joined(groups, what);
  expect(member.error).toBe('NONE');
  expect((await sync(groups, member, { [member.memberId]: 0 })).error).toBe('NONE');
  return member;
}

function beat(groups: GroupCoordinator, of: JoinAnswer) {
  const { memberId, generation } = of;
  return groups.heartbeat({ group: GROUP, memberId, instanceId: null, generation });
}

describe('the partition of a group', () => {
  it("follows Java's hash", () => {
    expect(javaHashCode('consumer-group-1')).toBe(javaHashCode('consumer-group-1') | 0);
    expect(javaHashCode('abc')).toBe(96_354);
    expect(javaHashCode('polygenelubricants')).toBe(-(2 ** 31));
    expect(partitionOfGroup('polygenelubricants', 50)).toBe(0);
    expect(partitionOfGroup('abc', 50)).toBe(4);
  });
});

describe('membership', () => {
  it('gives a new member its id first where the version asks for it', async () => {
    const { groups } = await fixture();
    const first = await joined(groups, ask({ needsKnownId: true }));
    expect(first.error).toBe('MEMBER_ID_REQUIRED');
    const again = await groups.join(ask({ needsKnownId: true, memberId: first.memberId }));
    expect(again).toMatchObject({ error: 'NONE', memberId: first.memberId, generation: 1 });
    expect((await groups.join(ask({ memberId: 'stranger' }))).error).toBe('UNKNOWN_MEMBER_ID');
  });

  it('rebalances when a second member comes, and each gets what the leader gave it', async () => {
    const { groups, events } = await fixture();
    const one = await stable(groups);
    const coming = groups.join(ask());
    expect(beat(groups, one)).toBe('REBALANCE_IN_PROGRESS');
    const back = await groups.join(ask({ memberId: one.memberId }));
    const two = await coming;
    expect([back.generation, two.generation]).toEqual([2, 2]);
    expect(back.leader).toBe(one.memberId);
    expect(back.members.map(({ memberId }) => memberId)).toEqual([one.memberId, two.memberId]);
    expect(two.members).toEqual([]);
    const waiting = sync(groups, two);
    const shares = { [one.memberId]: 0, [two.memberId]: 1 };
    expect((await sync(groups, back, shares)).assignment).toEqual(assignment(0));
    expect((await waiting).assignment).toEqual(assignment(1));
    expect(beat(groups, one)).toBe('ILLEGAL_GENERATION');
    expect(beat(groups, two)).toBe('NONE');
    const assigned = events.filter(({ ev }) => ev === 'groupAssigned');
    expect(assigned.at(-1)).toMatchObject({
      generation: 2,
      assignment: { [one.memberId]: ['t-0'], [two.memberId]: ['t-1'] },
    });
  });

  it('takes out a member that is silent for its session timeout', async () => {
    const { groups } = await fixture();
    const one = await joined(groups, ask({ sessionTimeoutMs: 30 }));
    await sync(groups, one, { [one.memberId]: 0 });
    while (groups.describe(GROUP).state !== 'Empty')
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(beat(groups, one)).toBe('UNKNOWN_MEMBER_ID');
    expect((await groups.join(ask())).generation).toBe(3);
  });

  it('ends a rebalance without those who do not come back in time', async () => {
    const { groups } = await fixture();
    const one = await joined(groups, ask({ rebalanceTimeoutMs: 40 }));
    await sync(groups, one, { [one.memberId]: 0 });
    const two = await groups.join(ask({ rebalanceTimeoutMs: 40 }));
    expect(two).toMatchObject({ error: 'NONE', generation: 2, leader: two.memberId });
    expect(two.members).toHaveLength(1);
    expect(beat(groups, one)).toBe('UNKNOWN_MEMBER_ID');
  });

  it('refuses wrong session timeouts, foreign protocols and members over the limit', async () => {
    const { groups } = await fixture();
    const refusal = async (what: Partial<JoinAsk>) => (await joined(groups, ask(what))).error;
    expect(await refusal({ sessionTimeoutMs: 5 })).toBe('INVALID_SESSION_TIMEOUT');
    expect(await refusal({ group: '' })).toBe('INVALID_GROUP_ID');
    expect(await refusal({ protocols: [] })).toBe('INCONSISTENT_GROUP_PROTOCOL');
    await stable(groups);
    const other = [{ name: 'sticky', metadata: Buffer.alloc(0) }];
    expect(await refusal({ protocols: other })).toBe('INCONSISTENT_GROUP_PROTOCOL');
    void groups.join(ask());
    void groups.join(ask());
    expect(await refusal({})).toBe('GROUP_MAX_SIZE_REACHED');
  });

  it('keeps the assignment of a static member that comes back, and fences its former self', async () => {
    const { groups } = await fixture();
    const one = await joined(groups, ask({ instanceId: 'i' }));
    const { memberId, generation } = one;
    const mine = { group: GROUP, memberId, instanceId: 'i', generation };
    const assignments = [{ memberId, assignment: assignment(0) }];
    await groups.sync({ ...mine, protocolType: null, protocol: null, assignments });
    const back = await groups.join(ask({ instanceId: 'i' }));
    expect(back).toMatchObject({ error: 'NONE', generation, skipAssignment: true });
    expect(back.memberId).not.toBe(memberId);
    expect(groups.heartbeat(mine)).toBe('FENCED_INSTANCE_ID');
    const now = { ...mine, memberId: back.memberId };
    expect(groups.heartbeat(now)).toBe('NONE');
    const synced = await groups.sync({
      ...now,
      protocolType: null,
      protocol: null,
      assignments: [],
    });
    expect(synced.assignment).toEqual(assignment(0));
    const stale = { ...mine, offsets: [] };
    expect(await groups.commit(stale)).toBe('FENCED_INSTANCE_ID');
    expect(groups.leave({ group: GROUP, members: [{ memberId: '', instanceId: 'i' }] })).toEqual([
      'NONE',
    ]);
    expect(groups.describe(GROUP).state).toBe('Empty');
  });

  it('starts over when a member leaves between joining and syncing', async () => {
    const { groups } = await fixture();
    const one = await stable(groups);
    const coming = groups.join(ask());
    const back = await groups.join(ask({ memberId: one.memberId }));
    const two = await coming;
    const waiting = sync(groups, two);
    const left = groups.leave({
      group: GROUP,
      members: [{ memberId: back.memberId, instanceId: null }],
    });
    expect(left).toEqual(['NONE']);
    expect((await waiting).error).toBe('REBALANCE_IN_PROGRESS');
    const again = await groups.join(ask({ memberId: two.memberId }));
    expect(again).toMatchObject({ error: 'NONE', generation: 3, leader: two.memberId });
  });
});

describe('durability', () => {
  it('answers neither joins nor syncs before they are stored', async () => {
    const { groups, replicas } = await fixture();
    await joined(groups, ask({ group: 'other' }));
    replicas.holding = true;
    let answered = 0;
    const counted = <T>(answer: T): T => {
      answered++;
      return answer;
    };
    const joining = joined(groups, ask()).then(counted);
    while (replicas.held.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(answered).toBe(0);
    replicas.release();
    const one = await joining;
    const syncing = sync(groups, one, { [one.memberId]: 0 }).then(counted);
    await new Promise((resolve) => setImmediate(resolve));
    expect(answered).toBe(1);
    replicas.release();
    expect((await syncing).error).toBe('NONE');
  });

  it('lets a commit be fetched only once it is replicated, in the order of the log', async () => {
    const { groups, replicas } = await fixture();
    const one = await stable(groups);
    replicas.holding = true;
    const both = [commit(groups, one, 10), commit(groups, one, 20)];
    expect(await committed(groups)).toBe(-1);
    replicas.release([1, 0]);
    expect(await Promise.all(both)).toEqual(['NONE', 'NONE']);
    expect(await committed(groups)).toBe(20);
  });

  it('names what became of a commit that could not be stored', async () => {
    const { groups, replicas } = await fixture();
    const one = await stable(groups);
    replicas.refusal = 'NOT_ENOUGH_REPLICAS';
    expect(await commit(groups, one, 5)).toBe('COORDINATOR_NOT_AVAILABLE');
    replicas.refusal = 'NOT_LEADER_OR_FOLLOWER';
    expect(await commit(groups, one, 5)).toBe('NOT_COORDINATOR');
    expect(await committed(groups)).toBe(-1);
  });

  it('takes commits of current members alone, or of nobody while the group is empty', async () => {
    const { groups } = await fixture();
    expect(await joined(groups, ask({ group: 'x' }))).toMatchObject({ error: 'NONE' });
    while ((await commit(groups, {}, 1)) === 'COORDINATOR_LOAD_IN_PROGRESS')
      await new Promise((resolve) => setImmediate(resolve));
    expect(await commit(groups, {}, 1)).toBe('NONE');
    const one = await stable(groups);
    expect(await commit(groups, {}, 2)).toBe('UNKNOWN_MEMBER_ID');
    expect(await commit(groups, { ...one, generation: 7 }, 2)).toBe('ILLEGAL_GENERATION');
    expect(await commit(groups, { ...one, memberId: 'x' }, 2)).toBe('UNKNOWN_MEMBER_ID');
    expect(await commit(groups, one, 3)).toBe('NONE');
    expect(await committed(groups)).toBe(3);
  });
});

describe('another coordinator', () => {
  it('goes on from the log: generations ascend, assignments and offsets are there', async () => {
    const logs = new MemoryLogs();
    const before = await fixture(logs);
    const one = await stable(before.groups);
    await commit(before.groups, one, 42);
    before.replicas.lead(before.of, undefined);
    expect(beat(before.groups, one)).toBe('NOT_COORDINATOR');
    const after = await fixture(logs);
    while ((await committed(after.groups)) === 'COORDINATOR_LOAD_IN_PROGRESS')
      await new Promise((resolve) => setImmediate(resolve));
    expect(await committed(after.groups)).toBe(42);
    expect(beat(after.groups, one)).toBe('NONE');
    expect((await sync(after.groups, one)).assignment).toEqual(assignment(0));
    const coming = after.groups.join(ask());
    const back = await after.groups.join(ask({ memberId: one.memberId }));
    expect([back.generation, (await coming).generation]).toEqual([2, 2]);
  });

  it.each([
    ['their rebalance timeout', { rebalanceTimeoutMs: 40 }],
    ['their session timeout', { sessionTimeoutMs: 40 }],
  ])('waits for members that died with the one before no longer than %s', async (_, timeout) => {
    const logs = new MemoryLogs();
    const before = await fixture(logs);
    const dead = await stable(before.groups, ask(timeout));
    before.replicas.lead(before.of, undefined);
    const after = await fixture(logs);
    // Nothing but the log tells of the dead; who comes says the same timeout of itself, but waits in its join.
    const fresh = await joined(after.groups, ask(timeout));
    expect(fresh).toMatchObject({ error: 'NONE', leader: fresh.memberId });
    expect(fresh.generation).toBeGreaterThan(dead.generation);
    expect(fresh.members.map(({ memberId }) => memberId)).toEqual([fresh.memberId]);
    expect(beat(after.groups, dead)).toBe('UNKNOWN_MEMBER_ID');
  });

  it('is this one again, with the log cut short, when that says far more than is in force', async () => {
    const logs = new MemoryLogs();
    const { groups, replicas, of } = await fixture(logs, 20);
    const one = await stable(groups);
    const log = logs.of(of);
    let starts = 0;
    for (let offset = 1; offset <= 200; offset++) {
      const before = log.start;
      let outcome = await commit(groups, one, offset);
      while (outcome !== 'NONE') {
        expect(outcome).toMatch(/^(COORDINATOR_LOAD_IN_PROGRESS|NOT_COORDINATOR)$/);
        await new Promise((resolve) => setImmediate(resolve));
        outcome = await commit(groups, one, offset);
      }
      await new Promise((resolve) => setImmediate(resolve));
      if (log.start > before) starts++;
      expect(log.end - log.start).toBeLessThan(60);
    }
    expect(starts).toBeGreaterThan(3);
    expect(await committed(groups)).toBe(200);
    expect(beat(groups, one)).toBe('NONE');
    expect((await sync(groups, one)).assignment).toEqual(assignment(0));
    replicas.lead(of, undefined);
    const after = await fixture(logs);
    while ((await committed(after.groups)) === 'COORDINATOR_LOAD_IN_PROGRESS')
      await new Promise((resolve) => setImmediate(resolve));
    expect(await committed(after.groups)).toBe(200);
    expect(beat(after.groups, one)).toBe('NONE');
    expect((await sync(after.groups, one)).assignment).toEqual(assignment(0));
  });

  it('keeps all of a log that it cannot say again, and serves', async () => {
    const logs = new MemoryLogs();
    const before = await fixture(logs);
    const one = await stable(before.groups);
    for (let offset = 1; offset <= 50; offset++) await commit(before.groups, one, offset);
    before.replicas.lead(before.of, undefined);
    const after = await fixture(logs, 20);
    after.replicas.refusal = 'NOT_ENOUGH_REPLICAS';
    while ((await committed(after.groups)) === 'COORDINATOR_LOAD_IN_PROGRESS')
      await new Promise((resolve) => setImmediate(resolve));
    expect(await committed(after.groups)).toBe(50);
    expect(logs.of(after.of).start).toBe(0);
    after.replicas.refusal = undefined;
    expect(await commit(after.groups, one, 51)).toBe('NONE');
    expect(await committed(after.groups)).toBe(51);
  });

  it('does not give out again a generation that was told but never assigned', async () => {
    const logs = new MemoryLogs();
    const before = await fixture(logs);
    const one = await joined(before.groups, ask());
    expect(one.generation).toBe(1);
    before.replicas.lead(before.of, undefined);
    const after = await fixture(logs);
    const back = await joined(after.groups, ask({ memberId: one.memberId }));
    expect(back).toMatchObject({ error: 'NONE', generation: 2 });
    const late = await sync(after.groups, one, { [one.memberId]: 3 });
    expect(late.error).toBe('ILLEGAL_GENERATION');
  });

  it('waits for what is not committed yet before it serves', async () => {
    const logs = new MemoryLogs();
    const before = await fixture(logs);
    const one = await stable(before.groups);
    before.replicas.holding = true;
    const commitUnderWay = commit(before.groups, one, 9);
    const after = await fixture(logs);
    expect(await committed(after.groups)).toBe('COORDINATOR_LOAD_IN_PROGRESS');
    before.replicas.release();
    expect(await commitUnderWay).toBe('NONE');
    while ((await committed(after.groups)) === 'COORDINATOR_LOAD_IN_PROGRESS')
      await new Promise((resolve) => setImmediate(resolve));
    expect(await committed(after.groups)).toBe(9);
  });

  it('is not contradicted by one that was deposed and does not know it', async () => {
    const { groups, metadata, of } = await fixture();
    const one = await stable(groups);
    await commit(groups, one, 4);
    expect(await committed(groups)).toBe(4);
    metadata.elect(of, 2, 5);
    expect(await committed(groups)).toBe('NOT_COORDINATOR');
  });

  it('tells those who wait that it is no coordinator any more', async () => {
    const { groups, replicas, of } = await fixture();
    const one = await stable(groups);
    const waiting = groups.join(ask());
    replicas.lead(of, undefined);
    expect((await waiting).error).toBe('NOT_COORDINATOR');
    expect(await commit(groups, one, 1)).toBe('NOT_COORDINATOR');
  });

  it('forgets the offsets of a topic that was deleted', async () => {
    const logs = new MemoryLogs();
    const { groups, metadata } = await fixture(logs);
    const placement = { partitions: 1, replicationFactor: 1 };
    await metadata.createTopic({ name: 't', placement, settings: {} });
    await commit(groups, await stable(groups), 8);
    await metadata.deleteTopic('t');
    expect(await committed(groups)).toBe(-1);
    const after = await fixture(logs);
    while ((await committed(after.groups)) === 'COORDINATOR_LOAD_IN_PROGRESS')
      await new Promise((resolve) => setImmediate(resolve));
    expect(await committed(after.groups)).toBe(-1);
  });
});
