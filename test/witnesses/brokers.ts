// What brokers said in a witness, as the record of a run, and what the checkers say to it: a planted bug that
// changes what a broker does is found only if its events, or its answers, show it.

import { groupCoordination } from '../../checkers/replication/group-coordination.ts';
import { replication } from '../../checkers/replication/index.ts';
import { producers } from '../../checkers/replication/producers.ts';
import { partitionStates } from '../../checkers/replication/states.ts';
import { recordOf, testConfig } from '../../checkers/testing-record.ts';
import type { BrokerNodeEvent } from '../../history/broker-event.ts';
import type { Event } from '../../history/event.ts';
import type { RunConfig } from '../../history/run-record.ts';
import type { Verdict } from '../../history/verdict.ts';

/** An event of a broker, by its id. */
export type SaidBy = { ev: string; broker: number } & Record<string, unknown>;

const CHECKERS = [replication, partitionStates, producers, groupCoordination];
const MS = 1e6;

/** The events in the order in which they were said, each broker's first one a start unless it is one. */
function eventsOf(said: readonly SaidBy[]): BrokerNodeEvent[] {
  const nodes = new Map<number, { inc: number; seq: number }>();
  const events: unknown[] = [];
  const say = (broker: number, event: object): void => {
    const node = nodes.get(broker) ?? { inc: 0, seq: 0 };
    nodes.set(broker, node);
    const t = (events.length + 1) * MS;
    events.push({ ...event, t, node: `b${broker}`, inc: node.inc, seq: node.seq++ });
  };
  const start = { ev: 'brokerStart', clean: true, lossy: false, level: 'all' };
  for (const { broker, ...event } of said) {
    const known = nodes.get(broker);
    if (event.ev === 'brokerStart') {
      nodes.set(broker, { inc: known === undefined ? 0 : known.inc + 1, seq: 0 });
    } else if (known === undefined) say(broker, { ...start, broker });
    const named = ['brokerStart', 'registered'].includes(event.ev) ? { broker } : {};
    say(broker, { ...event, ...named });
  }
  return events as BrokerNodeEvent[];
}

/** Kinds of the anomalies that the checkers of brokers' events find in what was said, and read by clients. */
export function kindsIn(
  said: readonly SaidBy[],
  history: Event[] = [],
  config: Partial<RunConfig> = {},
): string[] {
  const events = eventsOf(said);
  const nodes = [...new Set(events.map(({ node }) => node))];
  const systemOptions = { 'min.insync.replicas': 2 };
  const base = { ...testConfig(nodes), system: 'broker', workload: 'log', systemOptions };
  const run = { ...recordOf({ ...base, ...config }, history, []), brokerEvents: events };
  const kinds = CHECKERS.flatMap((checker) => (checker.check(run) as Verdict).anomalies).map(
    ({ kind }) => kind,
  );
  return [...new Set(kinds)].sort();
}
