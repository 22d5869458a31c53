// All that a controller has to change in the cluster as it stands, as a pure function: what one look gives.
// When all of it is stored, the next look gives nothing.
import type { BrokerInfo } from '../contract.ts';
import type { ClusterView, TopicView } from '../metadata/image.ts';
import { type ReplicationDefaults, replicationOf } from '../metadata/topic-settings.ts';
import type { StoredState } from '../metadata/znodes.ts';
import {
  type Electorate,
  firstState,
  nextState,
  stateWithout,
  stateWithPreferred,
} from './election.ts';
import type { StateChange } from './writes.ts';

/** What decisions are made by, besides the cluster. */
export interface Grounds {
  readonly controllerEpoch: number;
  readonly defaults: ReplicationDefaults;
  /** Brokers that are about to stop. */
  readonly leaving: ReadonlySet<number>;
}

interface Partition {
  readonly topic: TopicView;
  readonly partition: number;
  readonly replicas: readonly number[];
  readonly electorate: Electorate;
}

/** Partitions of the topics that are not being deleted, but for those whose state cannot be read. */
function* partitionsOf(view: ClusterView, grounds: Grounds): IterableIterator<Partition> {
  const brokers: ReadonlyMap<number, BrokerInfo> = view.brokers;
  const { leaving, controllerEpoch, defaults } = grounds;
  for (const topic of view.topics.values()) {
    if (topic.deleting) continue;
    const replication = replicationOf(topic.settings, defaults);
    for (const [partition, replicas] of topic.node.replicas.entries()) {
      if (topic.states[partition] === 'damaged') continue;
      const able = withoutDamaged(brokers, `${topic.name}-${partition}`);
      const electorate: Electorate = { brokers: able, leaving, controllerEpoch, ...replication };
      yield { topic, partition, replicas, electorate };
    }
  }
}

/** For a partition whose log it has damaged, a broker is as good as dead. */
function withoutDamaged(
  brokers: ReadonlyMap<number, BrokerInfo>,
  tp: string,
): ReadonlyMap<number, BrokerInfo> {
  const damaged = [...brokers.values()].filter(({ offline = [] }) => offline.includes(tp));
  if (damaged.length === 0) return brokers;
  const able = new Map(brokers);
  for (const { id } of damaged) able.delete(id);
  return able;
}

const placeOf = ({ topic, partition }: Partition) => ({ topic: topic.name, partition });
const stateIn = ({ topic, partition }: Partition) =>
  topic.states[partition] as StoredState | undefined;

/** First leaders, new leaders, and ISRs without those who are gone. */
export function dueChanges(view: ClusterView, grounds: Grounds): StateChange[] {
  const changes: StateChange[] = [];
  for (const each of partitionsOf(view, grounds)) {
    const before = stateIn(each);
    const of = placeOf(each);
    if (before === undefined) {
      const state = firstState(each.topic.node.id, each.replicas, each.electorate);
      if (state !== undefined) changes.push({ of, state, version: undefined });
      continue;
    }
    const decision = nextState(each.replicas, before, each.electorate);
    if (decision !== undefined) changes.push({ of, version: before.version, ...decision });
  }
  return changes;
}

/** What takes a broker out of leaderships and ISRs before it stops, where others are in sync. */
export function departure(view: ClusterView, grounds: Grounds, leaving: number): StateChange[] {
  const changes: StateChange[] = [];
  for (const each of partitionsOf(view, grounds)) {
    const before = stateIn(each);
    if (before === undefined) continue;
    const state = stateWithout(leaving, each.replicas, before, each.electorate);
    if (state !== undefined) changes.push({ of: placeOf(each), state, version: before.version });
  }
  return changes;
}

/** Partitions with other replicas that a broker still leads. */
export function stillLedBy(view: ClusterView, broker: number) {
  return [...view.topics.values()].flatMap((topic) =>
    topic.states.flatMap((state, partition) => {
      const alone = (topic.node.replicas[partition]?.length ?? 0) < 2;
      if (topic.deleting || alone || typeof state !== 'object') return [];
      return state.leader === broker ? [{ topic: topic.name, partition }] : [];
    }),
  );
}

/**
 * Preferred leaders that are in sync and do not lead, for brokers of whose partitions more than that
 * percentage is led by others (`leader.imbalance.per.broker.percentage`).
 */
export function preferredElections(
  view: ClusterView,
  grounds: Grounds,
  imbalancePercent: number,
): StateChange[] {
  const preferring = new Map<
    number,
    { total: number; changes: StateChange[]; elsewhere: number }
  >();
  for (const each of partitionsOf(view, grounds)) {
    const before = stateIn(each);
    const preferred = each.replicas[0];
    if (before === undefined || preferred === undefined) continue;
    const of = preferring.get(preferred) ?? { total: 0, changes: [], elsewhere: 0 };
    preferring.set(preferred, of);
    of.total++;
    if (before.leader !== preferred) of.elsewhere++;
    const state = stateWithPreferred(each.replicas, before, each.electorate);
    if (state !== undefined) {
      of.changes.push({ of: placeOf(each), state, version: before.version });
    }
  }
  return [...preferring.values()].flatMap(({ total, changes, elsewhere }) =>
    elsewhere * 100 > total * imbalancePercent ? changes : [],
  );
}
