// Histories of messages for tests: a script that is written line by line, and a random model of a correct
// log with crashes, unknown outcomes, rebalances and gaps between offsets.
import type { Event, EventType } from '../../history/event.ts';
import type { Message, Placed, PolledValue, Rebalance } from '../../history/messages.ts';
import { Random } from '../../history/random.ts';
import type { RunRecord } from '../../history/run-record.ts';
import { recordOf, testConfig } from '../testing-record.ts';

/** An operation under way: call it with its outcome. */
export type Pending = (type: Exclude<EventType, 'invoke'>, shown?: Partial<Event>) => void;

/** A history that grows event by event, one millisecond each. */
export class MessageScript {
  readonly history: Event[] = [];

  begin(process: number, f: string, value?: unknown, key?: string): Pending {
    const who = { process, f, ...(key === undefined ? {} : { key }) };
    this.#add({ ...who, type: 'invoke', value });
    return (type, shown = {}) => this.#add({ ...who, type, ...shown });
  }

  /** An operation that returns at once. */
  ok(process: number, f: string, given: unknown, value: unknown, key?: string): void {
    this.begin(process, f, given, key)('ok', { value });
  }

  send(process: number, key: string, offset: number, value: Message): void {
    this.ok(process, 'send', { values: [value] }, { placed: [[offset, value]] }, key);
  }

  poll(process: number, records: Record<string, Placed[]>, rebalanced?: Rebalance[]): void {
    const value: PolledValue = { records, ...(rebalanced === undefined ? {} : { rebalanced }) };
    this.ok(process, 'poll', undefined, value);
  }

  run(): RunRecord {
    const config = { ...testConfig([]), system: 'broker', workload: 'log' };
    return recordOf(config, this.history, []);
  }

  #add(event: Omit<Event, 'index' | 'time'>): void {
    const index = this.history.length;
    this.history.push({ index, time: index * 1e6, ...event });
  }
}

/** What a model's run is made of. */
export interface ModelOptions {
  seed: number;
  steps?: number;
  keys?: number;
  processes?: number;
  /** Some processes read as members of a group. */
  grouped?: boolean;
}

const GROUP = 'g';
const POLL_MAX = 4;

interface Worker {
  /** Where a history's process of this worker stands, and what its operation does next. */
  process: number;
  positions: Map<string, number>;
  member: boolean;
  generation: number;
  /** The effect and the outcome that are still to come. */
  pending: (() => void)[];
}

/** A random correct log and its clients: the same seed gives the same history. */
export class LogModel {
  readonly script = new MessageScript();
  readonly #random: Random;
  readonly #logs = new Map<string, Placed[]>();
  readonly #workers: Worker[] = [];
  readonly #grouped: boolean;
  #nextValue = 1;
  #nextProcess = 0;
  #generation = 0;
  readonly #committed = new Map<string, number>();

  constructor({ seed, steps = 400, keys = 2, processes = 5, grouped = false }: ModelOptions) {
    this.#random = new Random(seed, 'model');
    this.#grouped = grouped;
    for (let i = 0; i < keys; i++) this.#logs.set(`t-${i}`, []);
    for (let i = 0; i < processes; i++) this.#workers.push(this.#fresh(i));
    for (let i = 0; i < steps; i++) this.#step(this.#random.pick(this.#workers));
    for (const worker of this.#workers)
      while (worker.pending.length > 0) worker.pending.shift()?.();
    this.#final();
  }

  run(): RunRecord {
    return this.script.run();
  }

  #fresh(place: number): Worker {
    const worker: Worker = {
      process: this.#nextProcess++,
      positions: new Map(),
      member: this.#grouped && place % 2 === 0,
      generation: -1,
      pending: [],
    };
    if (worker.member) {
      this.script.ok(worker.process, 'subscribe', { topics: ['t'], group: GROUP }, undefined);
      this.#generation++;
    }
    return worker;
  }

  /** A process whose operation ended info is another one afterwards. */
  #replace(worker: Worker): void {
    Object.assign(worker, this.#fresh(this.#workers.indexOf(worker)));
  }

  #step(worker: Worker): void {
    const next = worker.pending.shift();
    if (next !== undefined) {
      next();
      return;
    }
    const point = this.#random.float();
    if (worker.member) {
      if (point < 0.7) this.#poll(worker);
      else this.#commit(worker);
    } else if (point < 0.4) this.#send(worker);
    else if (worker.positions.size === 0 || point < 0.5) this.#assign(worker);
    else if (point < 0.75) this.#send(worker);
    else this.#poll(worker);
  }

  #append(key: string, values: readonly Message[]): Placed[] {
    const log = this.#logs.get(key) as Placed[];
    let offset = (log.at(-1)?.[0] ?? -1) + 1;
    if (this.#random.bool(0.1)) offset++;
    const placed = values.map((value): Placed => [offset++, value]);
    log.push(...placed);
    return placed;
  }

  #send(worker: Worker): void {
    const key = this.#random.pick([...this.#logs.keys()]);
    const count = this.#random.int(1, 3);
    const values = Array.from({ length: count }, () => this.#nextValue++);
    const done = this.script.begin(worker.process, 'send', { values }, key);
    const fate = this.#random.float();
    let placed: Placed[] = [];
    const takesEffect = fate > 0.2;
    if (takesEffect) worker.pending.push(() => (placed = this.#append(key, values)));
    worker.pending.push(() => {
      if (fate > 0.3) return done('ok', { value: { placed } });
      if (fate < 0.1) return done('fail', { error: 'NOT_ENOUGH_REPLICAS' });
      done('info', { error: 'Timeout' });
      return this.#replace(worker);
    });
  }

  #assign(worker: Worker): void {
    const keys = this.#random.shuffle([...this.#logs.keys()]).slice(0, this.#random.int(1, 2));
    const from = this.#random.bool(0.2) ? 'beginning' : 'position';
    this.script.ok(worker.process, 'assign', { keys, from }, undefined);
    for (const key of worker.positions.keys()) {
      if (!keys.includes(key)) worker.positions.delete(key);
    }
    for (const key of keys) {
      if (from === 'beginning' || !worker.positions.has(key)) worker.positions.set(key, 0);
    }
  }

  #poll(worker: Worker): void {
    const done = this.script.begin(worker.process, 'poll');
    const value: PolledValue = { records: {} };
    const fate = this.#random.float();
    worker.pending.push(() => {
      if (worker.member) this.#join(worker, value);
      for (const [key, from] of worker.positions) {
        const log = this.#logs.get(key) as Placed[];
        const start = log.findIndex(([offset]) => offset >= from);
        if (start === -1) continue;
        const got = log.slice(start, start + this.#random.int(1, POLL_MAX));
        value.records[key] = got;
        worker.positions.set(key, (got.at(-1)?.[0] ?? 0) + 1);
      }
    });
    worker.pending.push(() => {
      if (fate > 0.05) return done('ok', { value });
      done('info', { error: 'Timeout', value });
      return this.#replace(worker);
    });
  }

  /** A member that is behind takes its share of the present generation first. */
  #join(worker: Worker, value: PolledValue): void {
    if (worker.generation === this.#generation) return;
    const members = this.#workers.filter(({ member }) => member);
    const own = members.indexOf(worker);
    const assigned = [...this.#logs.keys()].filter((_, i) => i % members.length === own);
    const revoked = [...worker.positions.keys()].filter((key) => !assigned.includes(key));
    const committed = Object.fromEntries(
      assigned.flatMap((key) => {
        const offset = this.#committed.get(key);
        return offset === undefined ? [] : [[key, offset]];
      }),
    );
    worker.generation = this.#generation;
    worker.positions = new Map(assigned.map((key) => [key, committed[key] ?? 0]));
    const { generation } = worker;
    const member = `m${worker.process}`;
    value.rebalanced = [{ group: GROUP, generation, member, assigned, revoked, committed }];
  }

  #commit(worker: Worker): void {
    const done = this.script.begin(worker.process, 'commit');
    const { generation } = worker;
    const offsets = Object.fromEntries(worker.positions);
    const fate = this.#random.float();
    let accepted = false;
    worker.pending.push(() => {
      accepted = generation === this.#generation && fate > 0.1;
      if (!accepted) return;
      for (const [key, offset] of Object.entries(offsets)) this.#committed.set(key, offset);
    });
    worker.pending.push(() => {
      if (!accepted) return done('fail', { error: 'ILLEGAL_GENERATION' });
      if (fate < 0.15) {
        done('info', { error: 'Timeout' });
        return this.#replace(worker);
      }
      const member = `m${worker.process}`;
      return done('ok', { value: { group: GROUP, generation, member, offsets } });
    });
  }

  /** Everything is read once more, by one process a partition. */
  #final(): void {
    for (const [key, log] of this.#logs) {
      const process = this.#nextProcess++;
      const keys = [key];
      this.script.ok(process, 'assign', { keys, from: 'beginning' }, undefined);
      const end = (log.at(-1)?.[0] ?? -1) + 1;
      this.script.ok(process, 'ends', { keys }, { [key]: end });
      for (let at = 0; at < log.length; at += 7) {
        this.script.poll(process, { [key]: log.slice(at, at + 7) });
      }
    }
  }
}
