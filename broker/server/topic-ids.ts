// Topics by the id that clients use from Fetch 13 on, kept current with the metadata. Ids are told apart from
// names because a topic that was deleted and made again is another one (KIP-516).
import { NO_UUID } from '../../wire/kafka/types.ts';
import type { Metadata, TopicInfo } from '../contract.ts';

/** A topic's id as the wire has it. */
export function wireId({ id }: TopicInfo): string {
  const hex = id.replaceAll('-', '').toLowerCase();
  if (hex.length !== 32) return NO_UUID;
  const tail = `${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${tail}`;
}

export class TopicIds {
  readonly #metadata: Metadata;
  readonly #names = new Map<string, string>();
  readonly #ids = new Map<string, string>();

  constructor(metadata: Metadata) {
    this.#metadata = metadata;
    this.#take(metadata.image.topics.keys());
    metadata.subscribe(({ topics }) => this.#take(topics));
  }

  #take(topics: Iterable<string>): void {
    for (const name of topics) {
      const before = this.#ids.get(name);
      if (before !== undefined) this.#names.delete(before);
      this.#ids.delete(name);
      const topic = this.#metadata.image.topics.get(name);
      if (topic === undefined) continue;
      const id = wireId(topic);
      this.#ids.set(name, id);
      this.#names.set(id, name);
    }
  }

  /** The topic of an id; undefined: there is none. */
  nameOf(id: string): string | undefined {
    return this.#names.get(id);
  }
}
