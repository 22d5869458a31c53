// Which names topics may have. The rules are Kafka's, because a name becomes part of a znode's path, of a
// directory's name and of metrics.
import { MetadataError } from '../contract.ts';

const NAME_LENGTH_MAX = 249;
const LEGAL = /^[a-zA-Z0-9._-]+$/;

/** What is wrong with a topic's name, or undefined. Source: org.apache.kafka.common.internals.Topic. */
export function faultOfTopicName(name: string): string | undefined {
  if (name === '') return 'the name is empty';
  if (name === '.' || name === '..') return `'${name}' is no name for a topic`;
  if (name.length > NAME_LENGTH_MAX) {
    return `the name has ${name.length} characters, expected at most ${NAME_LENGTH_MAX}`;
  }
  if (!LEGAL.test(name))
    return `'${name}' has characters other than letters, digits, '.', '_', '-'`;
  return undefined;
}

/** @throws MetadataError INVALID_TOPIC_EXCEPTION for a name that Kafka would refuse. */
export function checkTopicName(name: string): void {
  const fault = faultOfTopicName(name);
  if (fault !== undefined) throw new MetadataError('INVALID_TOPIC_EXCEPTION', fault);
}

/** Names that are equal here collide in metrics, where '.' becomes '_' (Kafka refuses the second). */
export function metricNameOf(topic: string): string {
  return topic.replaceAll('.', '_');
}
