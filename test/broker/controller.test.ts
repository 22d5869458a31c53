import { afterEach, describe, expect, it } from 'vitest';
import { MetadataError, NO_LEADER, type PartitionState } from '../../broker/contract.ts';
import { Controller } from '../../broker/controller/controller.ts';
import { DeposedError, standForController } from '../../broker/controller/tenure.ts';
import { storeStates } from '../../broker/controller/writes.ts';
import type { ClusterMetadata } from '../../broker/metadata/metadata.ts';
import {
  CONTROLLER,
  partitionPath,
  settingsPath,
  statePath,
  topicPath,
} from '../../broker/metadata/paths.ts';
import { type StoredState, writeSettings } from '../../broker/metadata/znodes.ts';
import { MetadataBrokers, until } from './metadata-brokers.ts';

const clusters: MetadataBrokers[] = [];
const controllers: Controller[] = [];

afterEach(async () => {
  for (const each of controllers.splice(0)) each.stop();
  for (const each of clusters.splice(0)) await each.close();
});

async function cluster(): Promise<MetadataBrokers> {
  const made = await MetadataBrokers.start();
  clusters.push(made);
  return made;
}

function controllerOf(metadata: ClusterMetadata, options = {}): Controller {
  const made = new Controller(metadata, { autoRebalance: false, ...options });
  controllers.push(made);
  made.start();
  return made;
}

const stateOf = (broker: ClusterMetadata, topic: string, partition = 0) =>
  broker.image.topics.get(topic)?.partitions[partition]?.state;

const untilState = (
  broker: ClusterMetadata,
  topic: string,
  wanted: (state: PartitionState) => boolean,
) =>
  until(broker, () => {
    const state = stateOf(broker, topic);
    return state !== undefined && wanted(state);
  });

/** A topic of one partition with these replicas, led. */
async function led(
  broker: ClusterMetadata,
  name: string,
  replicas: number[],
  settings = {},
): Promise<PartitionState> {
  for (const id of replicas) await until(broker, ({ brokers }) => brokers.has(id));
  await broker.createTopic({ name, placement: { replicas: [replicas] }, settings });
  await untilState(broker, name, ({ leader }) => leader !== NO_LEADER);
  return stateOf(broker, name) as PartitionState;
}

describe('the race', () => {
  it('has one winner, and another one when that is gone, with a higher epoch', async () => {
    const brokers = await cluster();
    const all = [await brokers.add(1), await brokers.add(2), await brokers.add(3)];
    const raced = all.map((each) => controllerOf(each));
    for (const each of all) await until(each, ({ controller }) => controller !== undefined);
    const first = all[0]?.image.controller;
    for (const each of all) expect(each.image.controller).toEqual(first);
    expect(raced.filter(({ epoch }) => epoch !== undefined)).toHaveLength(1);
    const winner = all.find(({ brokerId }) => brokerId === first?.id) as ClusterMetadata;
    brokers.expire(winner);
    for (const each of all) {
      await until(each, ({ controller }) => (controller?.epoch ?? 0) > (first?.epoch ?? 0));
    }
    expect(all[0]?.image.controller?.epoch).toBe((first?.epoch ?? 0) + 1);
    const said = brokers.said.get(winner) ?? [];
    const resigned = said.filter(({ ev }) => ev === 'controllerResigned');
    expect(resigned).toMatchObject([{ controllerEpoch: first?.epoch }]);
    const elected = all.flatMap((each) =>
      (brokers.said.get(each) ?? []).filter(({ ev }) => ev === 'controllerElected'),
    );
    expect(elected.map(({ controllerEpoch }) => controllerEpoch)).toEqual([1, 2]);
  });

  it('is won by who won it, even if the reply never came', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    const { client } = one.session;
    const won = await standForController(client, 1);
    expect(won?.epoch).toBe(1);
    expect(await standForController(client, 1)).toEqual(won);
    expect(await standForController(brokers.client(), 1)).toBeUndefined();
    const controller = controllerOf(one);
    await one.keeper.refresh();
    await led(one, 't', [1]);
    expect(controller.epoch).toBe(1);
  });

  it('begins anew when somebody removes the node', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    controllerOf(one);
    await until(one, ({ controller }) => controller?.epoch === 1);
    await brokers.client().delete(CONTROLLER);
    await until(one, ({ controller }) => controller?.epoch === 2);
  });

  it('leaves a deposed controller unable to write', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    const two = await brokers.add(2);
    const client = brokers.client();
    const old = await standForController(client, 7);
    if (old === undefined) throw new Error('expected to win a race of one');
    await client.delete(CONTROLLER);
    controllerOf(two);
    const state = (await led(two, 't', [1, 2])) as StoredState;
    await one.keeper.refresh();
    const of = { topic: 't', partition: 0 };
    const change = { of, state: { ...state, leaderEpoch: 9 }, version: state.version };
    await expect(storeStates(old, [change], one.stored)).rejects.toThrow(DeposedError);
    const first = { of: { topic: 't', partition: 1 }, state, version: undefined };
    await expect(storeStates(old, [first], one.stored)).rejects.toThrow(DeposedError);
    expect(await one.readState(of)).toEqual(state);
    expect(brokers.names(one)).not.toContain('stateStored');
  });
});

describe('leaders', () => {
  it('move to another member of the ISR when their broker is gone, and stay there', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    const two = await brokers.add(2);
    await brokers.add(3);
    controllerOf(one);
    const first = await led(one, 't', [2, 3, 1]);
    expect(first).toMatchObject({ leader: 2, leaderEpoch: 0, isr: [2, 3, 1], controllerEpoch: 1 });
    await two.close();
    await untilState(one, 't', ({ leader }) => leader === 3);
    const moved = { leader: 3, leaderEpoch: 1, isr: [3, 1], version: 1 };
    expect(stateOf(one, 't')).toMatchObject(moved);
    const again = await brokers.add(2);
    await again.keeper.refresh();
    await until(one, ({ brokers: live }) => live.has(2));
    await one.createTopic({ name: 'later', placement: { replicas: [[2]] }, settings: {} });
    await untilState(one, 'later', ({ leader }) => leader === 2);
    expect(stateOf(one, 't')).toMatchObject(moved);
    const stored = brokers.said
      .get(one)
      ?.filter(({ ev, tp }) => ev === 'stateStored' && tp === 't-0');
    expect(stored).toMatchObject([{ version: 0 }, { ...moved, by: 'controller' }]);
  });

  it('wait for the ISR, or for anybody where that is allowed', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    const two = await brokers.add(2);
    controllerOf(one);
    const settings = { 'min.insync.replicas': '1' };
    const kept = await led(one, 'kept', [2, 1], settings);
    const unclean = { ...settings, 'unclean.leader.election.enable': 'true' };
    const lost = await led(one, 'lost', [2, 1], unclean);
    for (const [topic, state] of [
      ['kept', kept],
      ['lost', lost],
    ] as const) {
      expect(await two.changeIsr({ topic, partition: 0 }, state, [2])).toMatchObject({ isr: [2] });
    }
    await two.close();
    await untilState(one, 'kept', ({ leader }) => leader === NO_LEADER);
    await untilState(one, 'lost', ({ leader }) => leader === 1);
    expect(stateOf(one, 'kept')).toMatchObject({ leaderEpoch: 1, isr: [2] });
    const elected = brokers.said.get(one)?.filter(({ unclean: marked }) => marked === true);
    expect(elected).toMatchObject([{ tp: 'lost-0', leader: 1, leaderEpoch: 1, isr: [1] }]);
    await brokers.add(2);
    await untilState(one, 'kept', ({ leader }) => leader === 2);
    expect(stateOf(one, 'kept')).toMatchObject({ leaderEpoch: 2, isr: [2] });
  });

  it('come from those who left a too small ISR, and not from one that may have lost records', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    const two = await brokers.add(2);
    controllerOf(one);
    const first = await led(one, 't', [2, 1]);
    expect(await two.changeIsr({ topic: 't', partition: 0 }, first, [2])).toMatchObject({
      eligible: [1],
    });
    await two.close();
    await untilState(one, 't', ({ leader }) => leader === 1);
    expect(stateOf(one, 't')).toMatchObject({ isr: [1], eligible: [2] });
    await brokers.add(2, { lossy: true });
    await untilState(one, 't', (state) => (state as StoredState).eligible.length === 0);
    expect(stateOf(one, 't')).toMatchObject({ leader: 1, leaderEpoch: 1, isr: [1] });
  });

  it('are found again by the next controller, whatever the last one left undone', async () => {
    const brokers = await cluster();
    const [one, two, three] = [await brokers.add(1), await brokers.add(2), await brokers.add(3)];
    const first = controllerOf(one);
    await until(one, ({ controller }) => controller?.id === 1);
    await led(one, 't', [1, 2, 3]);
    controllerOf(three);
    first.stop();
    // Nobody's work now: a new topic, enlarged, one deleted, and a leader that dies.
    const settings = {};
    await two.createTopic({ name: 'new', placement: { replicas: [[2], [3]] }, settings });
    await two.createTopic({ name: 'old', placement: { replicas: [[2]] }, settings });
    const deleted = two.deleteTopic('old');
    await until(two, ({ topics }) => topics.get('old')?.deleting === true);
    await one.close();
    await untilState(three, 't', ({ leader }) => leader === 2);
    await deleted;
    await until(three, () => stateOf(three, 'new', 1) !== undefined);
    expect(stateOf(three, 't')).toMatchObject({ leaderEpoch: 1, isr: [2, 3], controllerEpoch: 2 });
    expect(stateOf(three, 'new', 0)).toMatchObject({ leader: 2 });
  });

  it('pass by a broker that says its log is damaged, until it has another', async () => {
    const brokers = await cluster();
    const offline: string[] = [];
    const one = await brokers.add(1);
    const two = await brokers.add(2, { offline });
    controllerOf(one);
    await led(one, 't', [2, 1]);
    offline.push('t-0');
    two.announce();
    await untilState(one, 't', ({ leader }) => leader === 1);
    expect(stateOf(one, 't')).toMatchObject({ isr: [1], leaderEpoch: 1 });
    // It is registered as before: other partitions keep their leader.
    const epoch = one.image.brokers.get(2)?.epoch;
    offline.pop();
    two.announce();
    await until(one, (image) => image.brokers.get(2)?.offline === undefined);
    expect(one.image.brokers.get(2)?.epoch).toBe(epoch);
    const state = stateOf(one, 't') as PartitionState;
    await one.changeIsr({ topic: 't', partition: 0 }, state, [1, 2]);
    await one.close();
    controllerOf(two);
    await untilState(two, 't', ({ leader }) => leader === 2);
  });

  it('return to the preferred ones in time, if these are in sync', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    const two = await brokers.add(2);
    controllerOf(one, { autoRebalance: true, rebalanceIntervalMs: 5 });
    await led(one, 't', [2, 1]);
    await two.close();
    await untilState(one, 't', ({ leader }) => leader === 1);
    await brokers.add(2);
    await until(one, ({ brokers: live }) => live.has(2));
    const state = stateOf(one, 't') as PartitionState;
    expect(state).toMatchObject({ leader: 1, isr: [1] });
    await one.changeIsr({ topic: 't', partition: 0 }, state, [1, 2]);
    await untilState(one, 't', ({ leader }) => leader === 2);
    expect(stateOf(one, 't')).toMatchObject({ isr: [1, 2], leaderEpoch: 2 });
  });
});

describe("the leader's own changes", () => {
  it('fail when the state is another one, also one of a topic made again', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    const two = await brokers.add(2);
    controllerOf(one);
    const of = { topic: 't', partition: 0 };
    const first = await led(two, 't', [2, 1]);
    expect(await two.changeIsr(of, first, [2])).toMatchObject({ version: 1, leaderEpoch: 0 });
    expect(await two.changeIsr(of, first, [2])).toBeUndefined();
    await two.deleteTopic('t');
    const again = await led(two, 't', [2, 1]);
    expect(again.version).toBe(first.version);
    expect(await two.changeIsr(of, first, [2])).toBeUndefined();
    expect(await two.readState(of)).toEqual(again);
    await expect(two.changeIsr(of, again, [2, 1, 9])).rejects.toThrow(MetadataError);
  });

  it('are told once they show, when the reply never came', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    const two = await brokers.add(2);
    controllerOf(one);
    const of = { topic: 't', partition: 0 };
    const first = await led(two, 't', [2, 1]);
    brokers.server.hold();
    const change = two.changeIsr(of, first, [2]);
    while (brokers.server.held.length === 0) await new Promise((resolve) => setImmediate(resolve));
    two.session.client.drop();
    await expect(change).rejects.toThrow('dropped');
    expect(brokers.names(two)).not.toContain('stateStored');
    brokers.server.release();
    expect(await two.readState(of)).toMatchObject({ isr: [2], version: 1 });
    const stored = brokers.said.get(two)?.filter(({ ev }) => ev === 'stateStored');
    expect(stored).toMatchObject([{ by: 'leader', isr: [2], elr: [1], version: 1 }]);
  });
});

describe('controlled shutdown', () => {
  it('hands leaderships over and leaves ISRs, but where nobody else is in sync', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    const two = await brokers.add(2);
    const controller = controllerOf(one);
    const lone = await led(one, 'lone', [2, 1], { 'min.insync.replicas': '1' });
    await two.changeIsr({ topic: 'lone', partition: 0 }, lone, [2]);
    await led(one, 'leads', [2, 1]);
    await led(one, 'follows', [1, 2]);
    await led(one, 'single', [2]);
    const epoch = two.registration.epoch as number;
    const stale = controller.controlledShutdown(2, epoch - 1);
    await expect(stale).rejects.toMatchObject({ error: 'STALE_BROKER_EPOCH' });
    const left = await controller.controlledShutdown(2, epoch);
    expect(left).toEqual([{ topic: 'lone', partition: 0 }]);
    await one.keeper.refresh();
    expect(stateOf(one, 'leads')).toMatchObject({ leader: 1, leaderEpoch: 1, isr: [1] });
    expect(stateOf(one, 'follows')).toMatchObject({ leader: 1, leaderEpoch: 0, isr: [1] });
    const other = controllerOf(two);
    await expect(other.controlledShutdown(1, -1)).rejects.toMatchObject({
      error: 'NOT_CONTROLLER',
    });
  });
});

describe('topics', () => {
  it('are deleted to the last node and can be made again as others', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    controllerOf(one);
    const settings = { 'retention.ms': '1' };
    const placement = { partitions: 120, replicationFactor: 1 };
    const nodes = () => brokers.server.tree.counts().nodes;
    await until(one, ({ controller }) => controller !== undefined);
    await one.keeper.refresh();
    const before = nodes();
    const first = await one.createTopic({ name: 't', placement, settings });
    await until(one, () => stateOf(one, 't', 119) !== undefined);
    await one.deleteTopic('t');
    await one.keeper.refresh();
    expect(nodes()).toBe(before);
    const second = await one.createTopic({ name: 't', placement, settings: {} });
    expect(second.id).not.toBe(first.id);
    await until(one, () => stateOf(one, 't', 119) !== undefined);
    expect(one.image.topics.get('t')?.settings).toEqual({});
  });

  it('get leaders for the partitions that are added', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    controllerOf(one);
    await led(one, 't', [1]);
    await one.createPartitions('t', 3);
    await until(one, () => stateOf(one, 't', 2)?.leader === 1);
    expect(one.image.topics.get('t')?.partitions).toHaveLength(3);
  });

  it('with settings that a controller never could read wait, and are elected once it can', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    const two = await brokers.add(2);
    const first = controllerOf(one);
    const settings = { 'min.insync.replicas': '1' };
    await led(one, 't', [2], settings);
    first.stop();
    const client = brokers.client();
    await client.setData(settingsPath('t'), Buffer.from('damaged'));
    brokers.expire(one);
    const defaults = { minInsyncReplicas: 1, uncleanElection: true };
    const three = await brokers.add(3, { defaults });
    await until(three, ({ controller }) => controller === undefined);
    controllerOf(three);
    await until(three, ({ controller }) => controller?.id === 3);
    const before = await client.getData(statePath('t', 0));
    brokers.expire(two);
    // Elected after it by the same controller: that had its look at the other one too.
    await led(three, 'other', [3]);
    expect((await client.getData(statePath('t', 0))).stat.version).toBe(before.stat.version);
    await client.setData(settingsPath('t'), writeSettings(settings));
    await untilState(three, 't', ({ leaderEpoch }) => leaderEpoch > 0);
    expect(stateOf(three, 't')?.isr).toEqual([2]);
  });

  it('with a damaged state wait, and all others are served', async () => {
    const brokers = await cluster();
    const one = await brokers.add(1);
    const client = brokers.client();
    controllerOf(one);
    await one.createTopic({ name: 'good', placement: { replicas: [[1]] }, settings: {} });
    await until(one, () => stateOf(one, 'good') !== undefined);
    await client.setData(statePath('good', 0), Buffer.from('damaged'));
    await one.keeper.refresh();
    expect(stateOf(one, 'good')).toBeUndefined();
    await led(one, 'other', [1]);
    expect(brokers.names(one)).toContain('znodeRefused');
    expect((await client.getData(statePath('good', 0))).data?.toString()).toBe('damaged');
    expect((await client.exists(topicPath('good'))).stat).not.toBeNull();
    expect((await client.exists(partitionPath('good', 0))).stat).not.toBeNull();
  });
});
