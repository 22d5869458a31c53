// The module `crypto` of one life: random numbers come from the seed, hashes and ciphers are the host's
// own, thread-pool work runs at once and is delivered as an event, and what cannot be seeded is refused.
import native from 'node:crypto';
import { refused } from './errors.ts';
import type { Life } from './life.ts';

/** Results that would differ from run to run. */
const REFUSED = [
  'DiffieHellman',
  'DiffieHellmanGroup',
  'ECDH',
  'checkPrime',
  'createDiffieHellmanGroup',
  'encapsulate',
  'secureHeapUsed',
  'setFips',
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
const THREADED = {
  argon2: 'argon2Sync',
  hkdf: 'hkdfSync',
  pbkdf2: 'pbkdf2Sync',
  scrypt: 'scryptSync',
} as const;
/** Signatures with these keys are drawn anew each time. */
const RANDOM_SIGNATURES = ['ec', 'dsa', 'rsa-pss'];
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
  const randomUUIDv7 = () => {
    const time = life.wallMs().toString(16).padStart(12, '0');
    const [, , third = '', ...rest] = randomUUID().split('-');
    return [time.slice(0, 8), time.slice(8), `7${third.slice(1)}`, ...rest].join('-');
  };
  return { ...all, randomUUID, randomUUIDv7, getRandomValues };
}

/** Signing, without what draws from the real machine's chance or works in another thread. */
function createSigning(life: Life): Record<string, unknown> {
  const keyOf = (key: unknown): native.KeyObject => {
    const given = (key as { key?: unknown }).key ?? key;
    if (given instanceof native.KeyObject) return given;
    return native.createPrivateKey(key as native.PrivateKeyInput);
  };
  const check = (key: unknown) => {
    const type = keyOf(key).asymmetricKeyType ?? '';
    const padding = (key as { padding?: number }).padding;
    const random = RANDOM_SIGNATURES.includes(type);
    if (random || padding === native.constants.RSA_PKCS1_PSS_PADDING) {
      throw refused(`crypto.sign with a key of type ${type}`, 'sign with RSA (PKCS #1) or Ed25519');
    }
  };
  const sign = (algorithm: string | null, data: NodeJS.ArrayBufferView, ...rest: unknown[]) => {
    const [key, callback] = rest as [native.KeyLike, Callback | undefined];
    check(key);
    const signature = native.sign(algorithm, data, key);
    if (callback === undefined) return signature;
    return void life.schedule(0, () => callback(null, signature), 'crypto');
  };
  const verify = (algorithm: string | null, data: NodeJS.ArrayBufferView, ...rest: unknown[]) => {
    const [key, signature, callback] = rest as [native.KeyLike, Buffer, Callback | undefined];
    const right = native.verify(algorithm, data, key, signature);
    if (callback === undefined) return right;
    return void life.schedule(0, () => callback(null, right), 'crypto');
  };
  const createSign = (algorithm: string) => {
    const signing = native.createSign(algorithm);
    const own = signing.sign.bind(signing) as (...args: unknown[]) => unknown;
    const checked = (...args: unknown[]) => {
      check(args[0]);
      return own(...args);
    };
    return Object.assign(signing, { sign: checked });
  };
  function Sign(algorithm: string) {
    return createSign(algorithm);
  }
  return { sign, verify, Sign, createSign };
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
  const digest = (algorithm: string | { name: string }, data: NodeJS.ArrayBufferView) => {
    const { name } = typeof algorithm === 'string' ? { name: algorithm } : algorithm;
    const bytes = ArrayBuffer.isView(data)
      ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      : new Uint8Array(data);
    const hashed = new Uint8Array(native.createHash(name.replace('-', '')).update(bytes).digest());
    return new Promise((resolve) => {
      life.schedule(0, () => resolve(hashed.buffer), 'crypto');
    });
  };
  const subtle = new Proxy(
    { digest },
    {
      get: (target, key) => {
        if (key === 'digest') return target.digest;
        return () => {
          throw refused(
            `crypto.subtle.${String(key)}`,
            'use the synchronous functions of node:crypto',
          );
        };
      },
    },
  );
  Object.assign(simulated, createSigning(life));
  const { getRandomValues, randomUUID } = simulated;
  const webcrypto = { subtle, getRandomValues, randomUUID };
  return { ...simulated, webcrypto, subtle };
}
