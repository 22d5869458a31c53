// Alters a request in what it means and not in how it is written: edge numbers, strange names, lists doubled or
// emptied. It decodes, so it reaches the code behind the codec, which damage to bytes seldom does.
import { decodeRequest, encodeRequest } from '../../wire/kafka/protocol.ts';
import { KafkaWireError } from '../../wire/kafka/wire-error.ts';
import type { Random } from './random.ts';

const NUMBERS = [0, 1, -1, -2, 3, 127, 255, 0x7fff, 2 ** 31 - 1, -(2 ** 31), 2 ** 52, -(2 ** 52)];
const TEXTS = [
  '',
  'fuzzed',
  'fuzzers',
  '__consumer_offsets',
  '__proto__',
  'constructor',
  '..',
  '../../etc',
  'a/b',
  'naïve ✓',
  'line\nbreak',
  '\u0000',
  'x'.repeat(250),
  'y'.repeat(0x7fff),
];
/** Percent of the values of a request that are altered. */
const ALTERED = 15;
const REPEATS_MAX = 300;
const TRIES_MAX = 8;

/** The request of a frame with some values altered; the frame itself where none of the tries can be written. */
export function bend(random: Random, frame: Buffer): Buffer {
  const request = decodeRequest(frame.subarray(4));
  if (request.kind !== 'request') return frame;
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    try {
      return encodeRequest(request.api, request, bent(random, request.body) as never);
    } catch (error) {
      // A number that its field cannot hold, or null where there has to be something: once more.
      if (!(error instanceof KafkaWireError)) throw error;
    }
  }
  return frame;
}

function bent(random: Random, value: unknown): unknown {
  const altered = random.chance(ALTERED);
  if (typeof value === 'number') {
    if (!altered) return value;
    return random.chance(30) ? value + random.below(7) - 3 : random.pick(NUMBERS);
  }
  if (typeof value === 'string') return altered ? random.pick(TEXTS) : value;
  if (typeof value === 'boolean') return altered ? !value : value;
  if (Buffer.isBuffer(value)) return altered ? random.bytes(random.below(100)) : value;
  if (Array.isArray(value)) return bentList(random, value, altered);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([name, each]) => [name, bent(random, each)] as const);
  return Object.fromEntries(fields);
}

function bentList(random: Random, list: readonly unknown[], altered: boolean): unknown[] | null {
  const all = list.map((each) => bent(random, each));
  if (!altered) return all;
  switch (random.below(4)) {
    case 0:
      return [];
    case 1:
      return null;
    case 2:
      return [...all, ...all];
    default:
      return all.flatMap((each) => Array<unknown>(1 + random.below(REPEATS_MAX)).fill(each));
  }
}
