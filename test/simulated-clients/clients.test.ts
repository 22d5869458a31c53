// Kafka clients from npm, unmodified, inside the simulator against the brokers: what is acknowledged while the
// partition's leader is cut off again and again is read by a group, and the same seed does the same.
import { describe, expect, it } from 'vitest';
import { partitionLeader } from '../../nemesis/partition-leader.ts';
import { Stage } from './stage.testing.ts';

const TOPIC = 'orders';
const FAULTS_MS = 20_000;
const CATCH_UP_MS = 60_000;
const LIMIT_MS = 240_000;

interface Ended {
  acked: string[];
  read: string[];
  faults: number;
  /** Of the partition under fault. */
  leaderEpoch: number;
  hash: string;
}

/** A producer and a group of two under faults, and time for the group to read everything. */
async function play(library: string, seed: number): Promise<Ended> {
  const stage = await Stage.build(seed);
  await stage.client('producer', `simulated-clients/${library}-producer.ts`, TOPIC);
  await stage.until('the first message', () => stage.said('acked').length > 0, CATCH_UP_MS);
  for (const member of ['one', 'two']) {
    await stage.client(member, `broker/members/${library}.ts`, 'group', TOPIC);
  }
  await stage.until('a group that reads', () => stage.said('read').length > 0, CATCH_UP_MS);
  await stage.under(partitionLeader, `${TOPIC}-0`, FAULTS_MS);
  stage.sim.process('producer').kill();
  const acked = stage.said('acked');
  const read = () => new Set(stage.said('read').map((line) => line.split(' ')[2] ?? ''));
  const all = () => {
    const seen = read();
    return acked.every((number) => seen.has(number));
  };
  await stage.until(`all ${acked.length} messages`, all, CATCH_UP_MS);
  expect(stage.verifications.every(({ verified }) => verified)).toBe(true);
  return {
    acked,
    read: [...read()],
    faults: stage.verifications.length / 2,
    leaderEpoch: stage.leaderOf(`${TOPIC}-0`)?.leaderEpoch ?? 0,
    hash: stage.sim.summary().hash,
  };
}

describe.each(['kafkajs', 'platformatic'])('%s in the simulator', (library) => {
  it('loses nothing that was acknowledged, and repeats itself from its seed', {
    timeout: LIMIT_MS,
  }, async () => {
    const first = await play(library, 1);
    expect(first.faults).toBeGreaterThanOrEqual(2);
    expect(first.leaderEpoch).toBeGreaterThanOrEqual(first.faults);
    expect(first.acked.length).toBeGreaterThan(200);
    const second = await play(library, 1);
    expect(second).toEqual(first);
    expect((await play(library, 2)).hash).not.toBe(first.hash);
  });
});
