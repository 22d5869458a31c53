// The one error of the Kafka codec, which knows the path of the field it happened at. A server closes a
// connection over it and logs it, so its sentence must say what was wrong without the bytes at hand.
import { WireError } from '../bytes.ts';

/** Thrown when a message does not decode or encode; `path` leads from the message to the field. */
export class KafkaWireError extends WireError {
  override name = 'KafkaWireError';
  readonly problem: string;
  #path = '';

  constructor(problem: string) {
    super(problem);
    this.problem = problem;
  }

  /** Where it happened, such as `topics[2].partitions[0].records`; empty for the frame itself. */
  get path(): string {
    return this.#path;
  }

  /** The same error seen from one level further out: `segment` is a field's name or an index. */
  within(segment: string | number): this {
    const outer = typeof segment === 'number' ? `[${segment}]` : segment;
    const dot = this.#path === '' || this.#path.startsWith('[') ? '' : '.';
    this.#path = `${outer}${dot}${this.#path}`;
    this.message = `${this.#path}: ${this.problem}`;
    return this;
  }
}

/** An error that says what was expected and what came instead. */
export function mismatch(expected: string, got: unknown): KafkaWireError {
  return new KafkaWireError(`expected ${expected}, got ${shown(got)}`);
}

function shown(value: unknown): string {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 40)) : String(value);
}

/** What a level of the codec rethrows: a problem of the bytes gains `segment`, a bug stays as it is. */
export function rethrowWithin(error: unknown, segment: string | number): never {
  if (error instanceof KafkaWireError) throw error.within(segment);
  if (error instanceof WireError) throw new KafkaWireError(error.message).within(segment);
  throw error;
}
