// Deletes a topic's znodes, in an order that a next controller can go on with: the partitions first, then all
// the rest with the mark in one multi. Until that, the topic is marked and nobody takes it for a topic.
import {
  type CoordinatorClient,
  CoordinatorError,
  ErrorCode,
  type MultiOp,
  Op,
  readChildren,
} from '../../coordinator/client/index.ts';
import {
  deletionPath,
  partitionsPath,
  settingsPath,
  topicIdPath,
  topicPath,
} from '../metadata/paths.ts';
import { readTopic, ZnodeError } from '../metadata/znodes.ts';
import { fenced, type Tenure } from './tenure.ts';

/** Partitions in one multi: two nodes each. */
const PARTITIONS_MAX = 100;

const removal = (path: string): MultiOp => ({ type: Op.delete, path, version: -1 });

/** @throws DeposedError, ConflictError when nodes changed meanwhile, or CoordinatorError. */
export async function deleteMarkedTopic(tenure: Tenure, topic: string): Promise<void> {
  const { client } = tenure;
  const parent = partitionsPath(topic);
  const partitions = (await childrenOf(client, parent)) ?? [];
  for (let from = 0; from < partitions.length; from += PARTITIONS_MAX) {
    const paths = partitions.slice(from, from + PARTITIONS_MAX).map((each) => `${parent}/${each}`);
    const { results } = await client.multiRead(paths.map(readChildren));
    const ops = paths.flatMap((path, at) => {
      const result = results[at];
      const children = result?.type === Op.getChildren ? result.children : [];
      return [...children.map((child) => removal(`${path}/${child}`)), removal(path)];
    });
    await fenced(tenure, ops);
  }
  const id = await idOf(client, topic);
  const wanted = [
    parent,
    topicPath(topic),
    settingsPath(topic),
    ...(id === undefined ? [] : [topicIdPath(id)]),
    deletionPath(topic),
  ];
  const { results } = await client.multiRead(wanted.map(readChildren));
  const present = wanted.filter((_, at) => {
    const result = results[at];
    return !(result?.type === Op.error && result.err === ErrorCode.NoNode);
  });
  if (present.length > 0) await fenced(tenure, present.map(removal));
}

async function childrenOf(client: CoordinatorClient, path: string): Promise<string[] | undefined> {
  try {
    return (await client.getChildren(path)).children;
  } catch (error) {
    if (error instanceof CoordinatorError && error.name === 'NoNode') return undefined;
    throw error;
  }
}

/** Undefined when there is no such node, or one that cannot be read. */
async function idOf(client: CoordinatorClient, topic: string): Promise<string | undefined> {
  try {
    return readTopic((await client.getData(topicPath(topic))).data).id;
  } catch (error) {
    if (error instanceof ZnodeError) return undefined;
    if (error instanceof CoordinatorError && error.name === 'NoNode') return undefined;
    throw error;
  }
}
