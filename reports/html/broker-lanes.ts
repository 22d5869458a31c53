// Who led each partition and who was in its ISR at each time, and who was the controller, as the brokers
// themselves say. A broker that died cannot say that it leads no more: what was stored stands until replaced.
import type { BrokerNodeEvent } from '../../history/broker-event.ts';
import { compareKeys, type Step } from './message-flow.ts';
import { describeEvent, type NodeLane } from './node-lanes.ts';

/** A partition's state as stored, from one write to the next. Times in ns since run start. */
export interface LeaderSpan {
  from: number;
  until: number;
  /** Broker id, -1 while nobody leads. */
  leader: number;
  epoch: number;
  isr: number[];
  /** Besides the ISR: those that may be elected (KIP-966). */
  elr?: number[];
  unclean?: true;
}

export interface PartitionLane {
  key: string;
  /** Brokers that were ever of its ISR, ascending. */
  replicas: number[];
  spans: LeaderSpan[];
  /** Single moments: a leader took office, a log was cut. */
  marks: { t: number; text: string }[];
}

export interface ControllerSpan {
  from: number;
  until: number;
  broker: number;
  epoch: number;
}

export interface BrokerLanes {
  /** Ascending by id, with the times in which each was down. */
  brokers: { id: number; node: string; down: { from: number; until: number }[] }[];
  controllers: ControllerSpan[];
  /** Those of the broker's own topics (`__…`) last. */
  partitions: PartitionLane[];
}

/** A log's end was cut back. */
export interface Truncation {
  t: number;
  key: string;
  to: number;
  node: string;
}

/** The lanes; `end` closes the last spans, `nodes` knows when brokers were down. */
export function brokerLanes(
  events: readonly BrokerNodeEvent[],
  nodes: readonly NodeLane[],
  end: number,
): BrokerLanes {
  const ids = new Map<string, number>();
  const lanes = new Map<string, PartitionLane>();
  const laneOf = (key: string): PartitionLane => {
    let lane = lanes.get(key);
    if (lane === undefined) {
      lane = { key, replicas: [], spans: [], marks: [] };
      lanes.set(key, lane);
    }
    return lane;
  };
  for (const event of events) {
    if (event.ev === 'brokerStart') ids.set(event.node, event.broker);
    else if (event.ev === 'stateStored') {
      const { spans } = laneOf(event.tp);
      const last = spans.at(-1);
      if (last !== undefined) last.until = event.t;
      const { t: from, leader, leaderEpoch: epoch, isr, elr, unclean } = event;
      const span: LeaderSpan = { from, until: end, leader, epoch, isr };
      if (elr !== undefined) span.elr = elr;
      if (unclean !== undefined) span.unclean = unclean;
      spans.push(span);
    } else if (event.ev === 'becameLeader' || event.ev === 'logTruncated') {
      laneOf(event.tp).marks.push({ t: event.t, text: `${event.node} ${describeEvent(event)}` });
    }
  }
  for (const lane of lanes.values()) {
    const replicas = new Set(lane.spans.flatMap(({ isr, elr = [] }) => [...isr, ...elr]));
    lane.replicas = [...replicas].sort((a, b) => a - b);
  }
  const brokers = [...ids].map(([node, id]) => {
    const spans = nodes.find((lane) => lane.node === node)?.spans ?? [];
    const down = spans.filter(({ state }) => state === 'down');
    return { id, node, down: down.map(({ from, until }) => ({ from, until })) };
  });
  brokers.sort((a, b) => a.id - b.id);
  return {
    brokers,
    controllers: controllerSpans(events, brokers, end),
    partitions: [...lanes.values()].sort(
      (a, b) => internal(a.key) - internal(b.key) || compareKeys(a.key, b.key),
    ),
  };
}

function internal(key: string): number {
  return key.startsWith('__') ? 1 : 0;
}

function controllerSpans(
  events: readonly BrokerNodeEvent[],
  brokers: BrokerLanes['brokers'],
  end: number,
): ControllerSpan[] {
  const spans: ControllerSpan[] = [];
  for (const event of events) {
    const broker = brokers.find(({ node }) => node === event.node);
    if (broker === undefined) continue;
    const last = spans.at(-1);
    if (event.ev === 'controllerElected') {
      if (last !== undefined) last.until = Math.min(last.until, event.t);
      const death = broker.down.find(({ from }) => from > event.t)?.from ?? end;
      const { t: from, controllerEpoch: epoch } = event;
      spans.push({ from, until: Math.min(end, death), broker: broker.id, epoch });
    } else if (event.ev === 'controllerResigned' && last?.epoch === event.controllerEpoch) {
      last.until = Math.min(last.until, event.t);
    }
  }
  return spans;
}

/** Every partition's high watermark as its leaders told it; empty below event level `all`. */
export function highWatermarks(events: readonly BrokerNodeEvent[]): Map<string, Step[]> {
  const watermarks = new Map<string, Step[]>();
  for (const event of events) {
    if (event.ev !== 'highWatermark') continue;
    let steps = watermarks.get(event.tp);
    if (steps === undefined) watermarks.set(event.tp, (steps = []));
    steps.push({ t: event.t, value: event.hw });
  }
  return watermarks;
}

/** Where logs were cut back. */
export function truncations(events: readonly BrokerNodeEvent[]): Truncation[] {
  return events
    .filter((event) => event.ev === 'logTruncated')
    .map(({ t, tp: key, to, node }) => ({ t, key, to, node }));
}
