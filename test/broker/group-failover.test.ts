// Members of a consumer group while the broker that coordinates it is killed: the next coordinator knows them from
// the log, so that nobody who lives loses his share, and nobody who died with it holds the others up for good.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BrokerClient, GroupClient } from '../../broker/client/index.ts';
import type { CommittedValue, PolledValue, Rebalance } from '../../history/messages.ts';
import type { OpResult, WorkloadClient } from '../../history/plugin.ts';
import { connectBroker } from '../../workloads/broker-client.ts';
import { until } from '../coordinator/ensemble.ts';
import { BrokerProcesses } from './brokers.testing.ts';

const TOPIC = 'shared';
const KEYS = [`${TOPIC}-0`, `${TOPIC}-1`];
const GROUP = 'readers';
const BROKERS = 3;
const LIMIT_MS = 120_000;
const OP_TIMEOUT_MS = 8_000;
let brokers: BrokerProcesses;
const open: { close(): Promise<void> | void }[] = [];

beforeAll(async () => {
  brokers = await new BrokerProcesses({ 'offsets.topic.replication.factor': '3' }).start(BROKERS);
  const value = { partitions: KEYS.length, replicas: BROKERS, minInsyncReplicas: 2 };
  const maker = clientOf();
  expect(await maker.invoke({ kind: 'op', f: 'create-topic', key: TOPIC, value })).toEqual({
    type: 'ok',
  });
}, LIMIT_MS);
afterAll(async () => {
  await Promise.all(open.map((each) => each.close()));
  await brokers.stop();
});

const endpointOf = (address: string): { host: string; port: number } => {
  const [host = '', port] = address.split(':');
  return { host, port: Number(port) };
};

function clientOf(): WorkloadClient {
  const nodes = brokers.addresses;
  const client = connectBroker({
    nodes,
    address: endpointOf,
    opTimeoutMs: OP_TIMEOUT_MS,
    pollMs: 10,
    idempotent: false,
  });
  open.push(client);
  return client;
}

/** A member that polls until it is told to stop. */
class Poller {
  readonly #client = clientOf();
  readonly rebalances: Rebalance[] = [];
  /** Of its polls, by outcome. */
  readonly polls = { ok: 0, fail: 0 };
  #polling = true;
  #done: Promise<void> | undefined;

  async start(): Promise<this> {
    await this.#client.invoke({
      kind: 'op',
      f: 'subscribe',
      value: { topics: [TOPIC], group: GROUP },
    });
    this.#done = this.#poll();
    return this;
  }

  async #poll(): Promise<void> {
    while (this.#polling) {
      const { type, value } = await this.#client.invoke({ kind: 'op', f: 'poll' });
      if (type === 'ok') this.polls.ok++;
      else this.polls.fail++;
      this.rebalances.push(...((value as PolledValue | undefined)?.rebalanced ?? []));
    }
  }

  get share(): readonly string[] {
    return this.rebalances.at(-1)?.assigned ?? [];
  }

  get member(): string | undefined {
    return this.rebalances.at(-1)?.member;
  }

  /** Polls no more, and the group does not hear of it. */
  async crash(): Promise<void> {
    this.#polling = false;
    await this.#done;
  }

  commit(): Promise<OpResult> {
    return this.#client.invoke({ kind: 'op', f: 'commit' });
  }
}

/** Waits until each of these two has one of the two partitions. */
const shared = (members: readonly Poller[]): Promise<string> =>
  until(
    'each member has a partition of its own',
    () =>
      members
        .map(({ share }) => share.join())
        .sort()
        .join(' '),
    (shares) => shares === KEYS.join(' '),
  );

/** Kills the broker that coordinates the group; gives its id. */
async function killCoordinator(): Promise<number> {
  const client = new BrokerClient({ bootstrap: brokers.addresses.map(endpointOf), clientId: 't' });
  const { port } = await new GroupClient(client).coordinator(GROUP, OP_TIMEOUT_MS);
  client.close();
  const id = [1, 2, 3].find((each) => brokers.portsOf(each).external === port);
  if (id === undefined) throw new Error(`expected the port of one of 3 brokers, got ${port}`);
  await brokers.end(id, 'SIGKILL');
  return id;
}

it(
  'members keep their shares through the death of their coordinator; one who died with it is replaced',
  async () => {
    const members = await Promise.all([new Poller().start(), new Poller().start()]);
    const [stayer, crashed] = members as [Poller, Poller];
    await shared(members);
    const generations = members.map(({ rebalances }) => rebalances.at(-1)?.generation);
    const before = members.map(({ rebalances }) => rebalances.length);

    const first = await killCoordinator();
    const failed = members.map(({ polls }) => polls.fail);
    await until(
      'both see that nobody coordinates them',
      () => members.every(({ polls }, at) => polls.fail > (failed[at] ?? 0)),
      (all) => all,
    );
    const served = members.map(({ polls }) => polls.ok);
    await until(
      'both are served again',
      () => members.every(({ polls }, at) => polls.ok > (served[at] ?? 0)),
      (all) => all,
    );
    expect(members.map(({ rebalances }) => rebalances.length)).toEqual(before);
    const committed = await stayer.commit();
    expect(committed).toMatchObject({ type: 'ok' });
    expect((committed.value as CommittedValue).generation).toBe(generations[0]);

    await brokers.startBroker(first);
    await crashed.crash();
    await killCoordinator();
    const fresh = await new Poller().start();
    await shared([stayer, fresh]);
    expect(stayer.rebalances.at(-1)?.generation).toBeGreaterThan(generations[0] ?? 0);
    const names = [stayer.member, fresh.member];
    expect(new Set([...names, crashed.member]).size).toBe(3);
    await Promise.all([stayer.crash(), fresh.crash()]);
  },
  LIMIT_MS,
);
