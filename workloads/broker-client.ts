// The brokers' client as the workloads on the broker need it: one process' sends, polls and membership, each an
// operation whose outcome says whether it may have happened. What it retries is retried in the open.
import {
  BrokerClient,
  BrokerError,
  type ClusterImage,
  EARLIEST,
  type Endpoint,
  type Fetched,
  LATEST,
  type PartitionView,
} from '../broker/client/index.ts';
import type {
  AssignValue,
  EndsValue,
  Placed,
  PolledValue,
  SendValue,
  SubscribeValue,
  TopicValue,
} from '../history/messages.ts';
import type { OpStep } from '../history/plan.ts';
import type { OpResult, WorkloadClient } from '../history/plugin.ts';
import { Deadline, failed, messageOf, partitionOf } from './broker-calls.ts';
import { BrokerMember } from './broker-member.ts';
import type { BrokerClientOptions, ConnectBroker } from './messaging.ts';

/** Between two attempts at the same batch, and between two looks for leaders, ms. */
const AGAIN_MS = 50;
/** A fetch that waits for a message is given so much longer to answer, ms. */
const ANSWER_MS = 1_000;
const LEAVE_MS = 500;

const pause = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms));

interface Leading extends PartitionView {
  readonly endpoint: Endpoint;
}

/** What a poll did not get, and of whom, if it came so far as to ask. */
interface Failure {
  why: string;
  node: string | undefined;
}

/** A client of one process. */
class BrokerProcess implements WorkloadClient {
  readonly #options: BrokerClientOptions;
  readonly #client: BrokerClient;
  #image: ClusterImage | undefined;
  /** The next offset of what is read; undefined until it is known where its log begins. */
  #positions = new Map<string, number | undefined>();
  #member: BrokerMember | undefined;
  #producer: { producerId: number; producerEpoch: number } | undefined;
  readonly #sequences = new Map<string, number>();

  constructor(options: BrokerClientOptions) {
    this.#options = options;
    this.#client = new BrokerClient({
      bootstrap: options.nodes.map((node) => options.address(node)),
      clientId: 'chaos',
    });
  }

  /** The node that advertises an endpoint; what nobody is known to advertise keeps its address as name. */
  #nodeAt({ host, port }: Endpoint): string {
    const { nodes, address } = this.#options;
    const found = nodes.find((node) => {
      const at = address(node);
      return at.host === host && at.port === port;
    });
    return found ?? `${host}:${port}`;
  }

  #failed(error: unknown, certain: boolean): OpResult {
    return failed(error, certain, this.#options);
  }

  invoke({ f, key = '', value }: OpStep): Promise<OpResult> {
    const deadline = new Deadline(this.#options.opTimeoutMs);
    switch (f) {
      case 'create-topic':
        return this.#create(key, value as TopicValue, deadline);
      case 'send':
        return this.#send(key, value as SendValue, deadline);
      case 'poll':
        return this.#poll(deadline);
      case 'ends':
        return this.#ends(value as EndsValue, deadline);
      case 'assign':
        return this.#assign(value as AssignValue, deadline);
      case 'subscribe':
        return this.#subscribe(value as SubscribeValue, deadline);
      case 'leave':
        return this.#leave(deadline);
      case 'commit':
        return this.#commit(deadline);
      default:
        throw new Error(
          'expected create-topic, send, poll, ends, assign, subscribe, leave or commit, ' +
            `got ${f}`,
        );
    }
  }

  /** The partition's leader as last seen; asks when there is none. Rejects with BrokerError. */
  async #leader(key: string, deadline: Deadline): Promise<Leading> {
    let found = this.#known(key);
    if (found === undefined) {
      this.#image = await this.#client.metadata(null, deadline.leftMs);
      found = this.#known(key);
    }
    if (found !== undefined) return found;
    throw new BrokerError('LEADER_NOT_AVAILABLE', `nobody is said to lead ${key}`, {
      sent: false,
      answered: false,
    });
  }

  #known(key: string): Leading | undefined {
    const view = this.#image?.partitions.get(key);
    const endpoint = this.#image?.brokers.get(view?.leader ?? -1);
    return view === undefined || endpoint === undefined ? undefined : { ...view, endpoint };
  }

  async #create(
    topic: string,
    { partitions, replicas, minInsyncReplicas }: TopicValue,
    deadline: Deadline,
  ): Promise<OpResult> {
    const settings = {
      'min.insync.replicas': String(minInsyncReplicas),
      'unclean.leader.election.enable': 'false',
    };
    try {
      await this.#client.createTopic(topic, partitions, replicas, settings, deadline.leftMs);
    } catch (error) {
      // It was asked for before, and the answer was lost: there is nobody else to make it.
      const exists = error instanceof BrokerError && error.name === 'TOPIC_ALREADY_EXISTS';
      if (!exists) return this.#failed(error, error instanceof BrokerError && error.certain);
    }
    const keys = Array.from({ length: partitions }, (_, i) => `${topic}-${i}`);
    while (keys.some((key) => this.#known(key) === undefined) && !deadline.over) {
      await pause(AGAIN_MS);
      this.#image = await this.#client.metadata(null, deadline.leftMs).catch(() => undefined);
    }
    return { type: 'ok' };
  }

  async #send(
    key: string,
    { values, dropReplies = 0 }: SendValue,
    deadline: Deadline,
  ): Promise<OpResult> {
    const { idempotent } = this.#options;
    const timestampMs = Date.now();
    const records = values.map((value) => ({ timestampMs, value: Buffer.from(String(value)) }));
    let doubt = false;
    let attempts = 0;
    for (;;) {
      let leading: Leading | undefined;
      try {
        leading = await this.#leader(key, deadline);
        const sequenced = idempotent ? await this.#sequenced(key, deadline) : undefined;
        const { endpoint, leaderEpoch } = leading;
        const sending = this.#client.produce(
          endpoint,
          partitionOf(key),
          records,
          deadline.leftMs,
          sequenced,
        );
        attempts++;
        const offset = await sending;
        if (offset < 0) return { type: 'info', error: 'a batch known before, at no known offset' };
        if (attempts > dropReplies) {
          this.#sequences.set(key, (sequenced?.baseSequence ?? 0) + values.length);
          const placed = values.map((value, i): Placed => [offset + i, value]);
          const node = this.#nodeAt(endpoint);
          return { type: 'ok', value: { placed, attempts }, offset, leaderEpoch, node };
        }
        // As if the answer had been lost with its connection.
        doubt = true;
        this.#client.disconnect(endpoint);
      } catch (error) {
        this.#image = undefined;
        const certain = leading === undefined || (error instanceof BrokerError && error.certain);
        doubt ||= !certain;
        const asked = leading === undefined ? {} : { node: this.#nodeAt(leading.endpoint) };
        if (!idempotent || deadline.over) return { ...this.#failed(error, !doubt), ...asked };
        if (error instanceof BrokerError && error.answered && error.certain && !doubt)
          return this.#failed(error, true);
        await pause(AGAIN_MS);
      }
    }
  }

  async #sequenced(key: string, deadline: Deadline) {
    this.#producer ??= await this.#client.initProducerId(deadline.leftMs);
    return { ...this.#producer, baseSequence: this.#sequences.get(key) ?? 0 };
  }

  async #assign({ keys, from }: AssignValue, deadline: Deadline): Promise<OpResult> {
    await this.#quit(deadline);
    const kept = from === 'beginning' ? undefined : this.#positions;
    this.#positions = new Map(keys.map((key) => [key, kept?.get(key)]));
    return { type: 'ok' };
  }

  async #subscribe({ group, topics }: SubscribeValue, deadline: Deadline): Promise<OpResult> {
    await this.#quit(deadline);
    this.#positions = new Map();
    const { opTimeoutMs } = this.#options;
    this.#member = new BrokerMember(this.#client, group, topics, opTimeoutMs);
    return { type: 'ok' };
  }

  /** Ends a membership; if the group does not hear of it, it finds out by itself. */
  async #quit(deadline: Deadline): Promise<OpResult> {
    const member = this.#member;
    this.#member = undefined;
    if (member === undefined) return { type: 'ok' };
    this.#positions = new Map();
    try {
      await member.leave(deadline);
      return { type: 'ok' };
    } catch (error) {
      return this.#failed(error, error instanceof BrokerError && error.certain);
    }
  }

  #leave(deadline: Deadline): Promise<OpResult> {
    return this.#quit(deadline);
  }

  async #poll(deadline: Deadline): Promise<OpResult> {
    const polled: PolledValue = { records: {} };
    const member = this.#member;
    try {
      if (member !== undefined) {
        const rebalanced = await member.attend(deadline);
        if (rebalanced !== undefined) {
          polled.rebalanced = [rebalanced];
          const { assigned, committed } = rebalanced;
          this.#positions = new Map(assigned.map((key) => [key, committed[key]]));
        }
      }
    } catch (error) {
      // A member that is not sure of its share reads nothing; if it has it still, it goes on later.
      if (member?.belongs !== true) this.#positions = new Map();
      return this.#failed(error, true);
    }
    const { failures, asked } = await this.#read(polled, deadline);
    // Of several that were asked, the one that did not serve tells most.
    const node = failures.find((failure) => failure.node !== undefined)?.node ?? asked[0];
    const at = node === undefined ? {} : { node };
    if (Object.keys(polled.records).length > 0 || polled.rebalanced !== undefined)
      return { type: 'ok', value: polled, ...at };
    if (failures[0] !== undefined) return { type: 'fail', error: failures[0].why, ...at };
    if (this.#positions.size === 0) await pause(this.#options.pollMs);
    return { type: 'ok', value: polled, ...at };
  }

  /** Reads from every leader at once; what one of them refuses is told, and which nodes were asked. */
  async #read(
    polled: PolledValue,
    deadline: Deadline,
  ): Promise<{ failures: Failure[]; asked: string[] }> {
    const failures: Failure[] = [];
    const failing = (error: unknown, endpoint?: Endpoint): void => {
      if (!(error instanceof BrokerError)) throw error;
      this.#image = undefined;
      const node = endpoint === undefined ? this.#failed(error, true).node : this.#nodeAt(endpoint);
      failures.push({ why: `${error.name}: ${error.message}`, node });
    };
    const wanted = new Map<string, { endpoint: Endpoint; from: Map<string, number> }>();
    for (const [key, known] of this.#positions) {
      let endpoint: Endpoint | undefined;
      try {
        endpoint = (await this.#leader(key, deadline)).endpoint;
        const at = partitionOf(key);
        const offset =
          known ?? (await this.#client.listOffset(endpoint, at, EARLIEST, deadline.leftMs));
        this.#positions.set(key, offset);
        const name = `${endpoint.host}:${endpoint.port}`;
        const each = wanted.get(name) ?? { endpoint, from: new Map<string, number>() };
        wanted.set(name, each);
        each.from.set(key, offset);
      } catch (error) {
        failing(error, endpoint);
        if (deadline.over) return { failures, asked: [] };
      }
    }
    const { pollMs } = this.#options;
    await Promise.all(
      [...wanted.values()].map(async ({ endpoint, from }) => {
        const asked = [...from].map(([key, offset]) => ({ ...partitionOf(key), offset }));
        const timeoutMs = Math.min(deadline.leftMs, pollMs + ANSWER_MS);
        try {
          const all = await this.#client.fetch(endpoint, asked, pollMs, timeoutMs);
          for (const fetched of all) {
            const why = this.#take(fetched, polled);
            if (why !== undefined) failures.push({ why, node: this.#nodeAt(endpoint) });
          }
        } catch (error) {
          failing(error, endpoint);
        }
      }),
    );
    return { failures, asked: [...wanted.values()].map(({ endpoint }) => this.#nodeAt(endpoint)) };
  }

  /** Takes what was fetched of one partition; gives why there is nothing to take. */
  #take({ topic, partition, error, records }: Fetched, polled: PolledValue): string | undefined {
    const key = `${topic}-${partition}`;
    if (error !== undefined) {
      this.#image = undefined;
      return `${error}: Fetch of ${key}`;
    }
    const last = records.at(-1);
    if (last === undefined) return undefined;
    polled.records[key] = records.map(({ offset, value }): Placed => [offset, messageOf(value)]);
    this.#positions.set(key, last.offset + 1);
    return undefined;
  }

  async #ends({ keys }: EndsValue, deadline: Deadline): Promise<OpResult> {
    const ends: Record<string, number> = {};
    try {
      for (const key of keys) {
        const { endpoint } = await this.#leader(key, deadline);
        const at = partitionOf(key);
        ends[key] = await this.#client.listOffset(endpoint, at, LATEST, deadline.leftMs);
      }
    } catch (error) {
      this.#image = undefined;
      return this.#failed(error, true);
    }
    return { type: 'ok', value: ends };
  }

  async #commit(deadline: Deadline): Promise<OpResult> {
    const member = this.#member;
    const known = [...this.#positions].filter(
      (each): each is [string, number] => each[1] !== undefined,
    );
    if (member === undefined) return { type: 'fail', error: 'it is no member of a group' };
    const offsets = Object.fromEntries(known);
    try {
      const membership = await member.commit(offsets, deadline);
      if (membership === undefined) return { type: 'fail', error: 'it has no share now' };
      return { type: 'ok', value: { ...membership, offsets } };
    } catch (error) {
      return this.#failed(error, error instanceof BrokerError && error.certain);
    }
  }

  async close(): Promise<void> {
    const member = this.#member;
    this.#member = undefined;
    // Who crashes is found out by the group; leaving only spares it the wait.
    await member?.leave(new Deadline(LEAVE_MS)).catch(() => undefined);
    this.#client.close();
  }
}

/** Our own client for the workloads on the broker. */
export const connectBroker: ConnectBroker = (options) => new BrokerProcess(options);
