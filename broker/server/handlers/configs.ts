// DescribeConfigs: settings of topics and of this broker, each with where it comes from. Only what really
// counts here is listed, so that a tool shows no knob that turns nothing.
import type { Metadata } from '../../contract.ts';
import { distinct } from '../bounded-work.ts';
import { codeOf, type Handling, told } from '../handling.ts';

export interface ConfigsParts {
  readonly metadata: Metadata;
  readonly brokerId: number;
  /** Everything that this broker runs with, by Kafka's names, and which of it was given. */
  readonly brokerSettings: ReadonlyMap<string, { readonly value: string; readonly given: boolean }>;
  /** What a topic has where it says nothing itself, by the topic's names. */
  readonly topicSettings: ReadonlyMap<string, string>;
}

const TOPIC = 2;
const BROKER = 4;
/** Kafka's sources of a value. */
const SOURCE = { topic: 1, brokerFile: 4, default: 5 } as const;
/** Kafka's type for a setting that is not told. */
const UNKNOWN_TYPE = 0;

interface Entry {
  readonly name: string;
  readonly value: string;
  readonly source: number;
}

export function describeConfigsHandling(parts: ConfigsParts): Handling<'DescribeConfigs'> {
  const { metadata, brokerId, brokerSettings, topicSettings } = parts;

  function entriesOf(type: number, name: string): Entry[] | string {
    if (type === BROKER) {
      if (name !== String(brokerId))
        return `expected broker ${brokerId}, which is asked, got ${name}`;
      return [...brokerSettings].map(([key, { value, given }]) => ({
        name: key,
        value,
        source: given ? SOURCE.brokerFile : SOURCE.default,
      }));
    }
    if (type !== TOPIC) return `expected a topic (2) or a broker (4), got resource type ${type}`;
    const own = metadata.image.topics.get(name)?.settings;
    if (own === undefined) return '';
    const merged = new Map([...topicSettings, ...Object.entries(own)]);
    return [...merged].map(([key, value]) => ({
      name: key,
      value,
      source: own[key] === undefined ? SOURCE.default : SOURCE.topic,
    }));
  }

  return {
    versions: { min: 0, max: 4 },
    handle: ({ resources }) => ({
      throttleTimeMs: 0,
      results: distinct(
        resources,
        ({ resourceType, resourceName }) => `${resourceType} ${resourceName}`,
      ).map(({ resourceType, resourceName, configurationKeys }) => {
        const about = { resourceType, resourceName };
        const found = entriesOf(resourceType, resourceName);
        if (typeof found === 'string') {
          const error = found === '' ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'INVALID_REQUEST';
          const errorMessage = found === '' ? `there is no topic ${resourceName}` : found;
          return {
            ...about,
            errorCode: codeOf(error),
            errorMessage: told(errorMessage),
            configs: [],
          };
        }
        const asked = found.filter(
          ({ name }) => configurationKeys === null || configurationKeys.includes(name),
        );
        return {
          ...about,
          errorCode: 0,
          errorMessage: null,
          configs: asked.map(({ name, value, source }) => ({
            name,
            value,
            readOnly: true,
            isDefault: source === SOURCE.default,
            configSource: source,
            isSensitive: false,
            configType: UNKNOWN_TYPE,
          })),
        };
      }),
    }),
  };
}
