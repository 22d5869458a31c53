// Histories of messages and brokers' events for tests of the broker's panels: a script that is written line by
// line, and a whole run of three brokers beside coordinators, in which a leader dies and a message is lost.
import type { BrokerEvent, BrokerNodeEvent } from '../history/broker-event.ts';
import type { Event, EventType } from '../history/event.ts';
import type { Placed, Rebalance } from '../history/messages.ts';
import { type Op, pairOps } from '../history/op.ts';
import { Random } from '../history/random.ts';
import type { FinishedRun } from '../history/run-record.ts';
import type { Verdict } from '../history/verdict.ts';
import { synthesiseRun } from './testing.ts';

const MS = 1e6;

/** Operations at given moments, in any unit of time; each one returns when it is told to. */
export class OpScript {
  readonly events: Event[] = [];

  /** An operation from `from` to `until`; without `until` it never returns. */
  op(
    [from, until]: readonly [from: number, until?: number],
    process: number,
    f: string,
    type: Exclude<EventType, 'invoke'>,
    { key, given, got }: { key?: string; given?: unknown; got?: unknown } = {},
  ): void {
    const who = { process, f, ...(key === undefined ? {} : { key }) };
    this.#add({ ...who, type: 'invoke', time: from }, given);
    if (until !== undefined) this.#add({ ...who, type, time: until }, got);
  }

  send(times: readonly [number, number], process: number, key: string, placed: Placed[]): void {
    const given = { values: placed.map(([, value]) => value) };
    this.op(times, process, 'send', 'ok', { key, given, got: { placed } });
  }

  poll(
    times: readonly [number, number],
    process: number,
    records: Record<string, Placed[]>,
    rebalanced?: Rebalance[],
  ): void {
    const got = { records, ...(rebalanced === undefined ? {} : { rebalanced }) };
    this.op(times, process, 'poll', 'ok', { got });
  }

  assign(
    times: readonly [number, number],
    process: number,
    keys: string[],
    from: 'beginning' | 'position' = 'position',
  ): void {
    this.op(times, process, 'assign', 'ok', { given: { keys, from } });
  }

  ops(): Op[] {
    const sorted = this.events.toSorted((a, b) => a.time - b.time);
    for (const [index, event] of sorted.entries()) event.index = index;
    return pairOps(sorted);
  }

  #add(event: Omit<Event, 'index'>, value: unknown): void {
    this.events.push({ index: 0, ...event, ...(value === undefined ? {} : { value }) });
  }
}

/** Events of one incarnation of each node, numbered. */
export function brokerEvents(
  events: readonly ({ t: number; node: string; inc?: number } & BrokerEvent)[],
): BrokerNodeEvent[] {
  const seqs = new Map<string, number>();
  return events.map((event) => {
    const inc = event.inc ?? 1;
    const seq = seqs.get(`${event.node}/${inc}`) ?? 0;
    seqs.set(`${event.node}/${inc}`, seq + 1);
    return { ...event, inc, seq };
  });
}

/** Of `synthesiseBrokerRun`: the partition and the offset of the message that is lost. */
export const LOST = { key: 'orders-1', offset: 40 } as const;

/** A run of coordinators and brokers at once: all that `synthesiseRun` has, and messages beside it. */
export function synthesiseBrokerRun({ partitions = 3, seed = 5 } = {}): FinishedRun {
  const run = synthesiseRun({ ops: 1_500, nodes: 3 });
  const { record } = run;
  const end = record.config.timeLimitMs * MS;
  const script = new OpScript();
  const random = new Random(seed, 'messages');
  const keys = Array.from({ length: partitions }, (_, i) => `orders-${i}`);
  const logs = new Map(keys.map((key) => [key, [] as Placed[]]));
  const positions = new Map<string, number>();
  for (let t = 3_000 * MS, value = 1; t < end - 5_000 * MS; t += 40 * MS) {
    const key = random.pick(keys);
    const log = logs.get(key)!;
    const placed: Placed[] = [[log.length, value++]];
    log.push(...placed);
    script.send([t, t + 4 * MS], 100, key, placed);
    const reader = random.int(101, 103);
    const place = `${reader} ${key}`;
    if (!positions.has(place)) {
      script.assign([t, t + MS], reader, keys);
      for (const each of keys) positions.set(`${reader} ${each}`, 0);
    }
    // One consumer stands still for a third of the run.
    if (reader === 103 && t > end / 3 && t < (2 * end) / 3) continue;
    const got = log
      .slice(positions.get(place))
      .filter(([offset]) => key !== LOST.key || offset !== LOST.offset);
    positions.set(place, log.length);
    script.poll([t + 2 * MS, t + 12 * MS], reader, { [key]: got });
  }
  record.history = [...record.history, ...script.events].sort((a, b) => a.time - b.time);
  for (const [index, event] of record.history.entries()) event.index = index;
  record.ops = pairOps(record.history);
  record.brokerEvents = eventsOfBrokers(keys, logs, end);
  const lost = record.ops.find(
    ({ f, key, completion }) =>
      f === 'send' && key === LOST.key && placedAt(completion, LOST.offset),
  )!;
  const guarantee = 'No acknowledged message is lost.';
  const verdict: Verdict = {
    checker: 'messages',
    part: 'broker',
    guarantee,
    outcome: 'invalid',
    evidence: { acknowledged: script.events.length, readBack: 7, 'anomalies.lost-write': 1 },
    anomalies: [
      {
        kind: 'lost-write',
        why: 'It was acknowledged, and polls read on behind it.',
        events: [lost.invoke.index, lost.completion!.index],
        nodeEvents: [{ node: 'b2', incarnation: 1, seq: 2 }],
        key: LOST.key,
      },
    ],
  };
  const verdicts = [...run.results.verdicts, verdict];
  return { ...run, results: { ...run.results, outcome: 'invalid', exit: 1, verdicts } };
}

function placedAt(completion: Event | undefined, offset: number): boolean {
  const { placed = [] } = (completion?.value ?? {}) as { placed?: Placed[] };
  return placed.some(([at]) => at === offset);
}

/** b1 leads and is the controller, dies at a third of the run; b2 follows it in both after a while. */
function eventsOfBrokers(
  keys: readonly string[],
  logs: ReadonlyMap<string, Placed[]>,
  end: number,
): BrokerNodeEvent[] {
  const events: ({ t: number; node: string; inc?: number } & BrokerEvent)[] = [];
  const brokers = ['b1', 'b2', 'b3'];
  const start = (t: number, node: string, inc: number): void => {
    const broker = brokers.indexOf(node) + 1;
    const level = 'all' as const;
    events.push({ t, node, inc, ev: 'brokerStart', broker, clean: false, lossy: false, level });
    events.push({ t: t + MS, node, inc, ev: 'registered', broker, epoch: inc, session: '1' });
  };
  for (const node of brokers) start(500 * MS, node, 1);
  events.push({ t: 600 * MS, node: 'b1', ev: 'controllerElected', controllerEpoch: 1 });
  const store = (t: number, node: string, leader: number, leaderEpoch: number, isr: number[]) => {
    const [controllerEpoch, version] = [leaderEpoch, leaderEpoch];
    for (const tp of [...keys, '__consumer_offsets-0']) {
      const state = { leader, leaderEpoch, isr, controllerEpoch, version };
      events.push({ t, node, ev: 'stateStored', tp, by: 'controller', ...state });
    }
  };
  store(800 * MS, 'b1', 1, 0, [1, 2, 3]);
  const death = Math.round(end / 3);
  events.push({ t: death + 900 * MS, node: 'b2', ev: 'controllerElected', controllerEpoch: 2 });
  store(death + 1_000 * MS, 'b2', -1, 1, [1]);
  store(death + 2_000 * MS, 'b2', 2, 2, [2, 3]);
  start(death + 4_000 * MS, 'b1', 2);
  store(death + 5_000 * MS, 'b2', 2, 2, [2, 3, 1]);
  const cut = { tp: LOST.key, to: LOST.offset, leaderEpoch: 2 };
  events.push({ t: death + 4_500 * MS, node: 'b1', inc: 2, ev: 'logTruncated', ...cut });
  for (const [tp, log] of logs) {
    for (let hw = 0; hw <= log.length; hw += 5) {
      const t = Math.round(3_000 * MS + (hw / log.length) * (end - 8_000 * MS));
      const node = t < death ? 'b1' : 'b2';
      const leaderEpoch = t < death ? 0 : 2;
      const told = { tp, hw, leaderEpoch, isr: [1, 2, 3], version: leaderEpoch };
      events.push({ t, node, ev: 'highWatermark', ...told });
    }
  }
  return brokerEvents(events.sort((a, b) => a.t - b.t));
}
