// The plans of the workloads on the broker, run thread by thread on a log in memory: their steps and values
// are what the checkers read, every partition is read to its end, and all plans end by themselves.
import { expect, test } from 'vitest';
import type { Event } from '../history/event.ts';
import type {
  AssignValue,
  CommittedValue,
  EndsValue,
  Placed,
  PolledValue,
  SendValue,
  SubscribeValue,
} from '../history/messages.ts';
import { pairOps } from '../history/op.ts';
import type { OpStep, Plan } from '../history/plan.ts';
import type { OpResult, Workload, WorkloadClient, WorkloadContext } from '../history/plugin.ts';
import { Random } from '../history/random.ts';
import type { RunConfig, RunRecord } from '../history/run-record.ts';
import { groupWorkload } from './group.ts';
import { idempotentWorkload } from './idempotent.ts';
import { logWorkload } from './log.ts';
import type { ConnectBroker } from './messaging.ts';

/** One log in memory for all clients; some operations get no answer. */
class MemoryBroker {
  readonly logs = new Map<string, Placed[]>();
  readonly #groups = new Map<
    string,
    { generation: number; members: MemoryClient[]; committed: Map<string, number> }
  >();
  readonly random = new Random(7, 'broker');

  log(key: string): Placed[] {
    let log = this.logs.get(key);
    if (log === undefined) this.logs.set(key, (log = []));
    return log;
  }

  group(name: string) {
    let group = this.#groups.get(name);
    if (group === undefined) {
      this.#groups.set(name, (group = { generation: 0, members: [], committed: new Map() }));
    }
    return group;
  }

  leave(client: MemoryClient): void {
    for (const group of this.#groups.values()) {
      if (!group.members.includes(client)) continue;
      group.members.splice(group.members.indexOf(client), 1);
      group.generation++;
    }
  }
}

let clients = 0;

class MemoryClient implements WorkloadClient {
  readonly #broker: MemoryBroker;
  readonly #name = `m${clients++}`;
  #positions = new Map<string, number>();
  #group: string | undefined;
  #generation = -1;

  constructor(broker: MemoryBroker) {
    this.#broker = broker;
  }

  invoke(step: OpStep): Promise<OpResult> {
    const lost = step.f !== 'create-topic' && this.#broker.random.bool(0.02);
    const value = this.#do(step);
    return Promise.resolve(lost ? { type: 'info', error: 'Timeout' } : { type: 'ok', value });
  }

  close(): Promise<void> {
    this.#broker.leave(this);
    return Promise.resolve();
  }

  #do({ f, key = '', value }: OpStep): unknown {
    if (f === 'send') {
      const { values, dropReplies = 0 } = value as SendValue;
      const log = this.#broker.log(key);
      const placed = values.map((each, i): Placed => [log.length + i, each]);
      log.push(...placed);
      return { placed, attempts: 1 + dropReplies };
    }
    if (f === 'assign') {
      const { keys, from } = value as AssignValue;
      const kept = from === 'beginning' ? new Map<string, number>() : this.#positions;
      this.#positions = new Map(keys.map((each) => [each, kept.get(each) ?? 0]));
      this.#group = undefined;
    } else if (f === 'ends') {
      const { keys } = value as EndsValue;
      return Object.fromEntries(keys.map((each) => [each, this.#broker.log(each).length]));
    } else if (f === 'subscribe') {
      this.#group = (value as SubscribeValue).group;
      const group = this.#broker.group(this.#group);
      this.#broker.leave(this);
      group.members.push(this);
      group.generation++;
    } else if (f === 'leave') this.#broker.leave(this);
    else if (f === 'poll') return this.#poll();
    else if (f === 'commit') return this.#commit();
    return undefined;
  }

  #poll(): PolledValue {
    const polled: PolledValue = { records: {} };
    if (this.#group !== undefined) {
      const { generation, members, committed } = this.#broker.group(this.#group);
      if (generation !== this.#generation) {
        const all = [...this.#broker.logs.keys()].sort();
        const own = members.indexOf(this);
        const assigned = all.filter((_, i) => i % members.length === own);
        const found = assigned.flatMap((key): [string, number][] => {
          const offset = committed.get(key);
          return offset === undefined ? [] : [[key, offset]];
        });
        this.#generation = generation;
        this.#positions = new Map(assigned.map((key) => [key, committed.get(key) ?? 0]));
        const who = { group: this.#group, generation, member: this.#name };
        const share = { assigned, revoked: [], committed: Object.fromEntries(found) };
        polled.rebalanced = [{ ...who, ...share }];
      }
    }
    for (const [key, from] of this.#positions) {
      const got = this.#broker.log(key).slice(from, from + 10);
      if (got.length === 0) continue;
      polled.records[key] = got;
      this.#positions.set(key, from + got.length);
    }
    return polled;
  }

  #commit(): CommittedValue {
    const group = this.#group ?? '';
    const { generation, committed } = this.#broker.group(group);
    const offsets = generation === this.#generation ? Object.fromEntries(this.#positions) : {};
    for (const [key, offset] of Object.entries(offsets)) committed.set(key, offset);
    // A refused commit is shown as one of nothing: this log in memory has no other answer.
    return { group, generation: this.#generation, member: this.#name, offsets };
  }
}

/** Runs a workload to its end, one operation after the other, threads in turn. */
async function play(make: (connect: ConnectBroker) => Workload): Promise<RunRecord> {
  const broker = new MemoryBroker();
  const workload = make(() => new MemoryClient(broker));
  const context: WorkloadContext = {
    nodes: ['b1', 'b2', 'b3'],
    address: () => ({ host: '127.0.0.1', port: 1 }),
    concurrency: 6,
    ratePerSecond: 200,
    timeLimitMs: 20_000,
    seed: 1,
    options: workload.defaultOptions,
  };
  const history: Event[] = [];
  let processes = 0;
  const record = (event: Omit<Event, 'index' | 'time'>): Event => {
    const whole = { index: history.length, time: history.length * 1e6, ...event };
    history.push(whole);
    return whole;
  };
  const phase = async (threads: number, planOf: (thread: number) => Plan): Promise<void> => {
    const running = Array.from({ length: threads }, (_, thread) => {
      const client = workload.client(context, thread);
      return { thread, client, process: processes++, plan: planOf(thread) };
    });
    const next = new Map(running.map((each) => [each, each.plan.next()]));
    while (next.size > 0) {
      for (const [each, { value: step, done }] of next) {
        if (done === true) {
          next.delete(each);
          await each.client.close();
        } else if (step?.kind === 'op') {
          const { f, key, value } = step;
          const who = { process: each.process, f, ...(key === undefined ? {} : { key }) };
          record({ ...who, type: 'invoke', value });
          const event = record({ ...who, ...(await each.client.invoke(step)) });
          if (event.type === 'info') {
            await each.client.close();
            each.client = workload.client(context, each.thread);
            each.process = processes++;
          }
          next.set(each, each.plan.next({ kind: 'op', event }));
        } else next.set(each, each.plan.next({ kind: 'slept' }));
      }
    }
  };
  await phase(3, (thread) => workload.setup(context, thread));
  await phase(6, (thread) => workload.load(context, thread, new Random(thread, 'load')));
  await phase(6, (thread) => workload.final(context, thread));
  const config = { nodes: context.nodes, workloadOptions: {} } as unknown as RunConfig;
  const ops = pairOps(history);
  return { config, history, ops, nodeEvents: [], nodeEventGaps: [], faults: [] };
}

test.each<[string, (connect: ConnectBroker) => Workload]>([
  ['log', logWorkload],
  ['idempotent', idempotentWorkload],
  ['group', groupWorkload],
])(
  '%s: what its plans do on a correct log is judged valid by its own checkers',
  async (_, make) => {
    const run = await play(make);
    const { checkers, systems } = make(() => new MemoryClient(new MemoryBroker()));
    expect(systems).toContain('broker');
    for (const checker of checkers) {
      const verdict = await checker.check(run);
      expect(verdict).toMatchObject({ anomalies: [], outcome: 'valid' });
    }
    const kinds = new Set(run.ops.map(({ f }) => f));
    expect([...kinds]).toEqual(expect.arrayContaining(['send', 'poll', 'assign', 'ends']));
  },
);

test('group: a member that is away for longer than its session commits when it is back', () => {
  const workload = groupWorkload(() => new MemoryClient(new MemoryBroker()));
  const context: WorkloadContext = {
    nodes: ['b1'],
    address: () => ({ host: '127.0.0.1', port: 1 }),
    concurrency: 6,
    ratePerSecond: 200,
    timeLimitMs: 600_000,
    seed: 1,
    options: workload.defaultOptions,
  };
  const plan = workload.load(context, 1, new Random(1, 'load'));
  let away = 0;
  let dueMs = 0;
  const got = { records: { 'chaos-group-0': [[0, 1]] } };
  for (let step = plan.next(); step.done !== true; ) {
    if (step.value.kind === 'sleep') {
      const backMs = dueMs + step.value.ms;
      expect(step.value.ms).toBeGreaterThan(6_000);
      step = plan.next({ kind: 'slept' });
      if (step.done === true) break;
      // It is not expected to have done anything meanwhile.
      expect(step.value).toMatchObject({ kind: 'op', f: 'commit' });
      expect(((step.value as OpStep).due ?? 0) / 1e6).toBeGreaterThan(backMs - 100);
      away += 1;
      continue;
    }
    const { f, due = 0 } = step.value as OpStep;
    dueMs = due / 1e6;
    const value = f === 'poll' ? got : undefined;
    const event = { index: 0, time: 0, process: 1, type: 'ok' as const, f, value };
    step = plan.next({ kind: 'op', event });
  }
  expect(away).toBeGreaterThan(3);
});
