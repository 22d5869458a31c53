// Where the cluster's metadata lies in the coordinator's tree, and what a path speaks of. The layout is
// Kafka's, so that ZooKeeper's shell shows to an operator what he knows.
import { faultOfTopicName } from './topic-names.ts';

export const BROKER_IDS = '/brokers/ids';
export const TOPICS = '/brokers/topics';
export const TOPIC_SETTINGS = '/config/topics';
export const DELETIONS = '/admin/delete_topics';
/** Who this cluster is: one id for good, whatever brokers come and go. */
export const CLUSTER_ID = '/cluster/id';
export const CONTROLLER = '/controller';
export const CONTROLLER_EPOCH = '/controller_epoch';
export const PRODUCER_IDS = '/latest_producer_id_block';
/**
 * One node for each topic, named by its id. Versions begin anew when a topic is made again, so every write of
 * a state also checks that the topic it was meant for is there: Kafka has no such node, nor this protection.
 */
export const TOPIC_IDS = '/topic_ids';

/** Nodes that every broker makes sure of, parents first. */
export const FIXED_NODES: readonly { path: string; data: string | null }[] = [
  '/cluster',
  '/brokers',
  BROKER_IDS,
  TOPICS,
  '/config',
  TOPIC_SETTINGS,
  '/admin',
  DELETIONS,
  TOPIC_IDS,
].map((path): { path: string; data: string | null } => ({ path, data: null }));

export const brokerPath = (id: number) => `${BROKER_IDS}/${id}`;
export const topicPath = (topic: string) => `${TOPICS}/${topic}`;
export const partitionsPath = (topic: string) => `${TOPICS}/${topic}/partitions`;
export const partitionPath = (topic: string, partition: number) =>
  `${partitionsPath(topic)}/${partition}`;
export const statePath = (topic: string, partition: number) =>
  `${partitionPath(topic, partition)}/state`;
export const settingsPath = (topic: string) => `${TOPIC_SETTINGS}/${topic}`;
export const deletionPath = (topic: string) => `${DELETIONS}/${topic}`;
export const topicIdPath = (id: string) => `${TOPIC_IDS}/${id}`;

/** What a znode of the metadata speaks of. */
export type Subject =
  | { readonly kind: 'broker'; readonly id: number }
  | { readonly kind: 'topic'; readonly topic: string }
  | { readonly kind: 'state'; readonly topic: string; readonly partition: number }
  | { readonly kind: 'settings'; readonly topic: string }
  | { readonly kind: 'deletion'; readonly topic: string }
  | { readonly kind: 'controller' }
  | { readonly kind: 'cluster' };

/** What a path speaks of; undefined for nodes that only hold others, and for what nobody here wrote. */
export function subjectOf(path: string): Subject | undefined {
  if (path === CONTROLLER) return { kind: 'controller' };
  if (path === CLUSTER_ID) return { kind: 'cluster' };
  const parts = path.split('/').slice(1);
  const parent = `/${parts[0]}/${parts[1]}`;
  const name = parts[2];
  if (name === undefined) return undefined;
  if (parent === BROKER_IDS) {
    const id = numberOf(name);
    return id === undefined || parts.length > 3 ? undefined : { kind: 'broker', id };
  }
  if (faultOfTopicName(name) !== undefined) return undefined;
  if (parts.length === 3) {
    if (parent === TOPICS) return { kind: 'topic', topic: name };
    if (parent === TOPIC_SETTINGS) return { kind: 'settings', topic: name };
    return parent === DELETIONS ? { kind: 'deletion', topic: name } : undefined;
  }
  if (parent !== TOPICS || parts.length !== 6 || parts[3] !== 'partitions') return undefined;
  const partition = numberOf(parts[4] ?? '');
  if (parts[5] !== 'state' || partition === undefined) return undefined;
  return { kind: 'state', topic: name, partition };
}

/** The path of the znode that speaks of a subject. */
export function pathOf(subject: Subject): string {
  switch (subject.kind) {
    case 'broker':
      return brokerPath(subject.id);
    case 'topic':
      return topicPath(subject.topic);
    case 'state':
      return statePath(subject.topic, subject.partition);
    case 'settings':
      return settingsPath(subject.topic);
    case 'deletion':
      return deletionPath(subject.topic);
    case 'controller':
      return CONTROLLER;
    case 'cluster':
      return CLUSTER_ID;
  }
}

function numberOf(text: string): number | undefined {
  if (!/^(0|[1-9][0-9]{0,9})$/.test(text)) return undefined;
  const number = Number(text);
  return number <= 0x7fff_ffff ? number : undefined;
}
