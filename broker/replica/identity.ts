// Which topic the folder of a partition belongs to, by the topic's id: a topic that was deleted and made again
// under its name is another one, and what the first left must not become records of the second (KIP-516).
import fs from 'node:fs';
import path from 'node:path';
import { replaceFile } from '../../wire/durable-files.ts';
import { CorruptLogError } from '../log/errors.ts';
import type { PartitionLog } from '../log/partition-log.ts';

/** Kafka's name of the file. */
const NAME = 'partition.metadata';
const CONTENT = /^version: 0\ntopic_id: ([0-9a-f]{32})\n$/;

/**
 * The topic's id in the folder of `log`; undefined while it has none, as a new one.
 * @throws CorruptLogError when it cannot be read, or is missing beside records.
 */
export function topicIdOf(log: PartitionLog): string | undefined {
  const file = path.join(log.dir, NAME);
  let text: string;
  try {
    text = fs.readFileSync(file, 'latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    // It is durable before the first record is.
    if (log.logEndOffset === 0) return undefined;
    throw new CorruptLogError(file, 0, 'it is missing, but there are records');
  }
  const id = CONTENT.exec(text)?.[1];
  if (id === undefined) throw new CorruptLogError(file, 0, "expected 'topic_id' and 32 digits");
  return id;
}

/** Durable when it returns. */
export function writeTopicId(log: PartitionLog, topicId: string): void {
  replaceFile(path.join(log.dir, NAME), Buffer.from(`version: 0\ntopic_id: ${topicId}\n`));
}
