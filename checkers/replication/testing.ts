// A scripted cluster of brokers for tests: it says what correct brokers would say of one partition, so that a
// test breaks one rule by saying one thing more.
import type { BrokerEvent, BrokerNodeEvent } from '../../history/broker-event.ts';
import type { Event } from '../../history/event.ts';
import type { RunConfig, RunRecord } from '../../history/run-record.ts';
import { recordOf, testConfig } from '../testing-record.ts';

export const TP = 'chaos-log-0';
const NODES = ['b1', 'b2', 'b3'];

/** One replica as the script knows it: batches by their first offset. */
interface Replica {
  end: number;
  batches: { from: number; to: number; epoch: number; hash: string }[];
}

export class ScriptedBrokers {
  readonly events: BrokerNodeEvent[] = [];
  readonly replicas = new Map<number, Replica>();
  #t = 0;
  readonly #inc = new Map<number, number>();
  readonly #seq = new Map<number, number>();
  controllerEpoch = 0;
  controller = 1;
  version = -1;
  leader = -1;
  leaderEpoch = -1;
  isr: number[] = [];
  /** Eligible besides the ISR. */
  elr: number[] = [];
  hw = 0;
  /** Of the controller that chose the leader: a leader's own change keeps it. */
  #chosenIn = 0;

  /** Brokers 1 to 3 start; broker 1 is controller and makes `leader` the first leader of all three. */
  constructor(leader = 1) {
    for (const id of [1, 2, 3]) {
      this.replicas.set(id, { end: 0, batches: [] });
      this.start(id);
    }
    this.becomeController(1);
    this.isr = [1, 2, 3];
    this.elect(leader);
  }

  get now(): number {
    return this.#t;
  }

  say(broker: number, event: BrokerEvent): void {
    const seq = this.#seq.get(broker) ?? 0;
    this.#seq.set(broker, seq + 1);
    const header = { t: ++this.#t * 1e6, node: `b${broker}`, inc: this.#inc.get(broker) ?? 0, seq };
    this.events.push({ ...header, ...event } as BrokerNodeEvent);
  }

  start(broker: number, clean = true, lossy = false): void {
    const inc = this.#inc.get(broker);
    this.#inc.set(broker, inc === undefined ? 0 : inc + 1);
    this.#seq.set(broker, 0);
    this.say(broker, { ev: 'brokerStart', broker, clean, lossy, level: 'all' });
  }

  becomeController(broker: number): void {
    this.controller = broker;
    this.controllerEpoch++;
    this.say(broker, { ev: 'controllerElected', controllerEpoch: this.controllerEpoch });
  }

  store(by: 'controller' | 'leader', more: { unclean?: true; inferred?: true } = {}): void {
    const { leader, leaderEpoch, isr, elr } = this;
    if (by === 'controller') this.#chosenIn = this.controllerEpoch;
    const controllerEpoch = this.#chosenIn;
    const version = ++this.version;
    const stored = { leader, leaderEpoch, isr: [...isr], controllerEpoch, version, ...more };
    const state = elr.length === 0 ? stored : { ...stored, elr: [...elr] };
    this.say(by === 'leader' ? leader : this.controller, {
      ev: 'stateStored',
      tp: TP,
      by,
      ...state,
    });
  }

  /** The controller makes a broker leader of the next epoch; the others follow, truncating what differs. */
  elect(leader: number, isr = this.isr, more: { unclean?: true } = {}): void {
    this.leader = leader;
    this.leaderEpoch++;
    this.isr = isr;
    this.store('controller', more);
    this.lead(leader);
    for (const id of isr) if (id !== leader) this.follow(id);
  }

  lead(broker: number): void {
    const { leaderEpoch, hw, isr } = this;
    const leo = this.replica(broker).end;
    const ev = 'becameLeader' as const;
    this.say(broker, { ev, tp: TP, leaderEpoch, leo, hw: Math.min(hw, leo), isr });
  }

  follow(broker: number): void {
    const { leader, leaderEpoch } = this;
    const own = this.replica(broker);
    const hw = Math.min(this.hw, own.end);
    const ev = 'becameFollower' as const;
    this.say(broker, { ev, tp: TP, leaderEpoch, leader, leo: own.end, hw });
    const theirs = this.replica(leader).batches;
    const parts = own.batches.findIndex((batch, i) => {
      return theirs[i]?.epoch !== batch.epoch || theirs[i]?.from !== batch.from;
    });
    if (parts === -1) return;
    const to = own.batches[parts]?.from ?? 0;
    own.batches.length = parts;
    own.end = to;
    this.say(broker, { ev: 'logTruncated', tp: TP, to, leaderEpoch });
  }

  replica(broker: number): Replica {
    const replica = this.replicas.get(broker);
    if (replica === undefined) throw new Error(`expected broker 1, 2 or 3, got ${broker}`);
    return replica;
  }

  /** The leader appends `count` records as one batch and syncs them. */
  append(count = 1, producer: { pid?: number; pepoch?: number; pseq?: number } = {}): void {
    const from = this.replica(this.leader).end;
    const hash = `h${this.leaderEpoch}-${from}`;
    const batch = { from, to: from + count - 1, epoch: this.leaderEpoch, hash };
    this.write(this.leader, { ...batch, ...producer });
  }

  write(broker: number, batch: Replica['batches'][number]): void {
    const replica = this.replica(broker);
    replica.batches.push(batch);
    replica.end = batch.to + 1;
    this.say(broker, { ev: 'logAppend', tp: TP, ...batch });
    this.say(broker, { ev: 'logFlushed', tp: TP, upto: replica.end });
  }

  /** A follower gets all it lacks, and its next fetch says so. */
  replicate(follower: number): void {
    const own = this.replica(follower);
    const missing = this.replica(this.leader).batches.filter(({ from }) => from >= own.end);
    for (const batch of missing) this.write(follower, batch);
    this.fetched(follower);
  }

  fetched(follower: number, offset = this.replica(follower).end): void {
    const { leaderEpoch } = this;
    this.say(this.leader, { ev: 'fetchIn', tp: TP, from: follower, leaderEpoch, offset });
  }

  /** The leader's high watermark rises to its log's end. */
  advance(hw = this.replica(this.leader).end): void {
    this.hw = hw;
    const { leader, leaderEpoch, isr, version } = this;
    this.say(leader, { ev: 'highWatermark', tp: TP, hw, leaderEpoch, isr: [...isr], version });
  }

  ack(offset = this.hw, acks = -1): void {
    const { leader, leaderEpoch } = this;
    this.say(leader, { ev: 'acked', tp: TP, acks, from: offset - 1, offset, leaderEpoch });
  }

  /** One batch all the way: appended, fetched by the ISR, committed, acknowledged. */
  produce(count = 1, producer: { pid?: number; pepoch?: number; pseq?: number } = {}): void {
    this.append(count, producer);
    for (const id of this.isr) if (id !== this.leader) this.replicate(id);
    this.advance();
    this.ack();
  }

  run(config: Partial<RunConfig> = {}, history: Event[] = []): RunRecord {
    const workloadOptions = { minInsyncReplicas: 2 };
    const base = { ...testConfig(NODES), system: 'broker', workload: 'log', workloadOptions };
    return { ...recordOf({ ...base, ...config }, history, []), brokerEvents: this.events };
  }
}

/** Three brokers, thirty records committed in epoch 0. */
export function thirtyCommitted(): ScriptedBrokers {
  const brokers = new ScriptedBrokers();
  for (let i = 0; i < 15; i++) brokers.produce(2, { pid: 7, pepoch: 0, pseq: i * 2 });
  return brokers;
}
