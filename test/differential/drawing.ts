// What operations are given: paths, versions, data, access lists, drawn so that they meet, clash and are
// now and then none. Some things are never drawn, each with its reason.
import { CreateFlag, Op, Perm } from '../../coordinator/protocol/codes.ts';
import type { MultiOp } from '../../coordinator/protocol/multi.ts';
import { type Acl, OPEN_ACL } from '../../coordinator/protocol/records.ts';
import type { Random } from '../../history/random.ts';

/** Longer than any run, ms, so that no node goes away by itself. */
export const LONG_TTL_MS = 86_400_000;

/** Classic watches, which go off once, or those of addWatch, of one mode. */
type Watches = 'once' | 'persistent' | 'recursive';

/** Draws what operations are given, all below one node. */
export class Drawing {
  readonly #random: Random;
  /** The node that all operations are about; only it and what is below it is changed. */
  readonly base: string;

  /**
   * Which watches are set: 3.8.0 knows one mode for a session and path, and a watch of another kind
   * makes a persistent one go off once (ZOOKEEPER-4466), so they are never mixed.
   */
  readonly watches: Watches;

  constructor(random: Random, base: string) {
    this.#random = random;
    this.base = base;
    this.watches = random.pick(['once', 'persistent', 'recursive']);
  }

  /** The mode of persistent watches, or one that does not exist. */
  watchMode(): number {
    return this.#random.bool(0.9)
      ? this.watches === 'recursive'
        ? 1
        : 0
      : this.#random.pick([2, -1]);
  }

  get random(): Random {
    return this.#random;
  }

  /**
   * Mostly one of few paths, so that operations meet; now and then one that is none. Never one with a
   * character beyond the first 65,536, which 3.8.0 puts on the wire as no UTF-8.
   */
  path(): string {
    const random = this.#random;
    const { base } = this;
    if (random.bool(0.04)) {
      return random.pick([
        ...['', '/', 'a', '//', `${base}/`, `${base}//a`, `${base}/.`, `${base}/..`],
        ...[`${base}/./a`, `${base}/../a`, `${base}/.a`, `${base}/a.`, `${base}/...`],
        ...[`${base}/a\0b`, `${base}/\u0001`, `${base}/\u007f`, `${base}/\u009f`, `${base}/\ue000`],
        ...[`${base}/\ufff0`, `${base}/\uffff`, `${base}/ü`, `${base}/a b`],
        ...['/zookeeper', '/zookeeper/quota', '/zookeeper/config', '/zookeeper/none'],
        ...[`/zookeeper/quota${base}`, `${base}/${'x'.repeat(random.int(200, 2_000))}`],
      ]);
    }
    const depth = random.pick([0, 1, 1, 1, 1, 2, 2, 3]);
    const names = Array.from({ length: depth }, () => random.pick(['a', 'b', 'c']));
    return [base, ...names].join('/');
  }

  /** Like `path`, never the base itself or anything above it: for what changes or deletes. */
  below(): string {
    const path = this.path();
    return path === '/' || path === this.base || path.startsWith('/zookeeper')
      ? `${this.base}/a`
      : path;
  }

  version(): number {
    return this.#random.pick([-1, -1, -1, 0, 0, 1, 2, 3, -2, 2_147_483_647, -2_147_483_648]);
  }

  data(): Buffer | null {
    const length = this.#random.pick([-1, 0, 1, 3, 3, 3, 100, 5_000]);
    return length < 0 ? null : Buffer.alloc(length, this.#random.int(0, 255));
  }

  acl(): readonly Acl[] {
    const random = this.#random;
    if (random.bool(0.85)) return OPEN_ACL;
    const entry = (): Acl => ({
      perms: random.pick([Perm.all, Perm.all, Perm.read, Perm.write, 5, 0, 32, 63, -1]),
      ...random.pick([
        { scheme: 'world', id: 'anyone' },
        { scheme: 'world', id: 'someone' },
        { scheme: 'auth', id: '' },
        { scheme: 'auth', id: 'ignored' },
        { scheme: 'ip', id: '127.0.0.1' },
        { scheme: 'ip', id: '127.0.0.0/8' },
        { scheme: 'ip', id: '10.0.0.0/33' },
        { scheme: 'ip', id: 'nonsense' },
        { scheme: 'digest', id: 'u:s0fqTM8EhIFLzPFBRhc2MVbcvNw=' },
        { scheme: 'digest', id: 'nocolon' },
        { scheme: 'digest', id: '' },
        { scheme: 'unknown', id: 'x' },
        { scheme: '', id: '' },
      ]),
    });
    return Array.from({ length: random.pick([0, 1, 1, 1, 2, 2]) }, entry);
  }

  flags(): number {
    return this.#random.pick([0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, -1, 99]);
  }

  watch(): boolean {
    return this.watches === 'once' && this.#random.bool(0.3);
  }

  multiOp(): MultiOp {
    const random = this.#random;
    const path = this.below();
    const create = () => ({ path, data: this.data(), acl: this.acl(), flags: this.flags() });
    return random.pick<() => MultiOp>([
      () => ({ type: Op.create, ...create() }),
      () => ({ type: Op.create, path, data: this.data(), acl: OPEN_ACL, flags: 0 }),
      () => ({ type: Op.create2, ...create() }),
      () => ({ type: Op.createContainer, ...create(), flags: CreateFlag.container }),
      () => ({ type: Op.createTTL, ...create(), flags: 5, ttl: LONG_TTL_MS }),
      () => ({ type: Op.delete, path, version: this.version() }),
      () => ({ type: Op.setData, path, data: this.data(), version: this.version() }),
      () => ({ type: Op.setData, path, data: this.data(), version: -1 }),
      () => ({ type: Op.check, path: this.path(), version: this.version() }),
    ])();
  }
}
