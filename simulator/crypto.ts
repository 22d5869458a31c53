// The module `crypto` of one life: random numbers come from the seed, hashes and ciphers are the host's
// own, thread-pool work runs at once and is delivered as an event, and what cannot be seeded is refused.
import native from 'node:crypto';
import { refused } from './errors.ts';
import type { Life } from './life.ts';

/** Results that would differ from run to run. */
const REFUSED = [
  'createDiffieHellman',
  'createECDH',
  'diffieHellman',
  'generateKey',
  'generateKeySync',
  'generateKeyPair',
  'generateKeyPairSync',
  'generatePrime',
  'generatePrimeSync',
  'getDiffieHellman',
  'publicEncrypt',
  'setEngine',
] as const;

/** Asynchronous functions of the thread pool and the synchronous ones that do the same. */
const THREADED = { pbkdf2: 'pbkdf2Sync', scrypt: 'scryptSync', hkdf: 'hkdfSync' } as const;
const RANDOM_BYTES_MAX = 2 ** 31 - 1;
const UINT48 = 2 ** 48;

type Callback = (error: Error | null, result?: unknown) => void;

function hex(bytes: Buffer, from: number, to: number): string {
  return bytes.toString('hex', from, to);
}

/** Random numbers in all the forms in which programs ask for them. */
function createRandomFunctions(life: Life): Record<string, unknown> {
  const random = life.random('crypto');
  const deliver = (callback: Callback, result: unknown) => {
    life.schedule(0, () => callback(null, result), 'crypto');
  };
  const randomBytes = (size: number, callback?: Callback) => {
    life.check();
    if (!(Number.isInteger(size) && size >= 0 && size <= RANDOM_BYTES_MAX)) {
      throw new RangeError(`The value of "size" is out of range. Received ${size}`);
    }
    const bytes = random.bytes(size);
    if (callback === undefined) return bytes;
    return deliver(callback, bytes);
  };
  const fill = (target: NodeJS.ArrayBufferView, offset = 0, size?: number) => {
    life.check();
    const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
    const unit = (target as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1;
    const from = offset * unit;
    const length = size === undefined ? bytes.length - from : size * unit;
    bytes.set(random.bytes(length), from);
    return target;
  };
  const randomFill = (target: NodeJS.ArrayBufferView, ...rest: unknown[]) => {
    const callback = rest.pop() as Callback;
    fill(target, ...(rest as number[]));
    deliver(callback, target);
  };
  const randomInt = (...args: unknown[]) => {
    life.check();
    const callback = typeof args.at(-1) === 'function' ? (args.pop() as Callback) : undefined;
    const [min, max] = (args.length === 1 ? [0, args[0]] : args) as [number, number];
    if (!(Number.isSafeInteger(min) && Number.isSafeInteger(max) && max > min)) {
      throw new RangeError(`expected min < max, both safe integers, got ${min} and ${max}`);
    }
    if (max - min >= UINT48)
      throw new RangeError(`expected max - min below 2^48, got ${max - min}`);
    const drawn = min + Math.floor(random.float() * (max - min));
    if (callback === undefined) return drawn;
    return deliver(callback, drawn);
  };
  const randomUUID = () => {
    life.check();
    const bytes = random.bytes(16);
    bytes[6] = (bytes[6]! & 0x0f) | 0x40;
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    const parts = [hex(bytes, 0, 4), hex(bytes, 4, 6), hex(bytes, 6, 8), hex(bytes, 8, 10)];
    return `${parts.join('-')}-${hex(bytes, 10, 16)}`;
  };
  const getRandomValues = (target: NodeJS.ArrayBufferView) => fill(target);
  const pseudoRandomBytes = randomBytes;
  const all = { randomBytes, pseudoRandomBytes, randomFillSync: fill, randomFill, randomInt };
  return { ...all, randomUUID, getRandomValues };
}

/** Makes the module for one life. */
export function createSimulatedCrypto(life: Life): Record<string, unknown> & { webcrypto: object } {
  const simulated: Record<string, unknown> = { ...native, ...createRandomFunctions(life) };
  for (const name of REFUSED) {
    simulated[name] = () => {
      throw refused(`crypto.${name}`, 'its result cannot be drawn from the seed');
    };
  }
  for (const [name, sync] of Object.entries(THREADED)) {
    simulated[name] = (...args: unknown[]) => {
      const callback = args.pop() as Callback;
      const run = (native as unknown as Record<string, (...args: unknown[]) => unknown>)[sync]!;
      const result = run(...args);
      life.schedule(0, () => callback(null, result), 'crypto');
    };
  }
  const subtle = new Proxy(
    {},
    {
      get: (_target, key) => () => {
        throw refused(
          `crypto.subtle.${String(key)}`,
          'use the synchronous functions of node:crypto',
        );
      },
    },
  );
  const { getRandomValues, randomUUID } = simulated;
  const webcrypto = { subtle, getRandomValues, randomUUID };
  return { ...simulated, webcrypto, subtle };
}
