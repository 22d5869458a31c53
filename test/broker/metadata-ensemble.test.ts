// Brokers' metadata on three coordinators that die under it: leaders change ISRs, the controller moves
// leaderships, sessions end; afterwards all brokers see what stands in the znodes, and no version was stored
// twice.
import { afterEach, describe, expect, it } from 'vitest';
import { NO_LEADER, type PartitionState } from '../../broker/contract.ts';
import { Controller } from '../../broker/controller/controller.ts';
import { ClusterMetadata } from '../../broker/metadata/metadata.ts';
import { Ensemble, PATIENT, until } from '../coordinator/ensemble.ts';
import type { Said } from './metadata-brokers.ts';

const TOPIC = 't';
const PARTITIONS = 6;
const ROUNDS = 3;

let ensemble: Ensemble;
const brokers: ClusterMetadata[] = [];
const controllers: Controller[] = [];

afterEach(async () => {
  for (const each of controllers.splice(0)) each.stop();
  await Promise.all(brokers.splice(0).map((each) => each.close()));
  await ensemble.close();
});

async function join(id: number, said: Said[]): Promise<ClusterMetadata> {
  const broker = new ClusterMetadata({
    coordinator: ensemble.connectString(),
    broker: { id, endpoints: { INTERNAL: { host: `b${id}`, port: 9092 } }, lossy: false },
    events: { detailed: true, emit: (event) => void said.push(event), flush: () => undefined },
    defaults: { minInsyncReplicas: 2, uncleanElection: false },
  });
  brokers.push(broker);
  await broker.start();
  const controller = new Controller(broker, { autoRebalance: false });
  controllers.push(controller);
  controller.start();
  return broker;
}

const states = (broker: ClusterMetadata) =>
  broker.image.topics.get(TOPIC)?.partitions.map(({ state }) => state) ?? [];

/** A broker changes the ISRs of what it leads, to and fro, until it is told to end. */
async function changing(broker: ClusterMetadata, ended: () => boolean): Promise<number> {
  let unknown = 0;
  while (!ended()) {
    for (const [partition, state] of states(broker).entries()) {
      if (state?.leader !== broker.brokerId) continue;
      const of = { topic: TOPIC, partition };
      const all = [...broker.image.brokers.keys()];
      const isr = state.isr.length > 1 ? [broker.brokerId] : all;
      if (!isr.includes(broker.brokerId)) continue;
      await broker.changeIsr(of, state, isr).catch(() => unknown++);
    }
    await broker.keeper.refresh().catch(() => unknown++);
  }
  return unknown;
}

describe('on an ensemble whose servers die', () => {
  it('all brokers come to see the same, and every version has one writer', async () => {
    ensemble = await Ensemble.serving({ size: 3, systemOptions: PATIENT });
    const said: Said[] = [];
    const all = [await join(1, said), await join(2, said), await join(3, said)];
    const [one] = all as [ClusterMetadata];
    await until(
      'three brokers',
      () => one.image.brokers.size,
      (size) => size === 3,
    );
    const placement = { partitions: PARTITIONS, replicationFactor: 3 };
    await one.createTopic({ name: TOPIC, placement, settings: {} });
    const led = (state: PartitionState | undefined) =>
      state !== undefined && state.leader !== NO_LEADER;
    await until(
      'all led',
      () => states(one),
      (each) => each.length > 0 && each.every(led),
    );
    let over = false;
    const changers = all.map((each) => changing(each, () => over));
    for (let round = 0; round < ROUNDS; round++) {
      const leader = await ensemble.leader();
      await ensemble.kill(leader);
      await ensemble.start(leader);
      await ensemble.ready();
      const seen = said.length;
      await until(
        'writes go on',
        () => said.length,
        (count) => count > seen + PARTITIONS,
      );
    }
    over = true;
    await Promise.all(changers);
    for (const each of all) await each.keeper.refresh();
    const last = all.map((each) => each.keeper.topic(TOPIC));
    expect(last[1]).toEqual(last[0]);
    expect(last[2]).toEqual(last[0]);
    const stored = said.filter(({ ev }) => ev === 'stateStored');
    const versions = stored.map(({ tp, version }) => `${tp} ${version}`);
    expect(new Set(versions).size).toBe(versions.length);
    for (const [partition, state] of (last[0]?.states ?? []).entries()) {
      if (typeof state !== 'object') throw new Error(`expected a state, got ${state}`);
      const own = stored.filter(({ tp }) => tp === `${TOPIC}-${partition}`);
      const newest = Math.max(...own.map(({ version }) => version as number));
      expect(newest).toBe(state.version);
      expect(own.find(({ version }) => version === newest)).toMatchObject({
        isr: state.isr,
        leaderEpoch: state.leaderEpoch,
      });
    }
  });
});
