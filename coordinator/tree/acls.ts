// Access control lists: which are valid, what they allow to whom, and one shared copy of each. Nearly
// every znode carries the same list, so a node holds a reference and never a list of its own.
import type { Identity } from '../contract.ts';
import { Perm } from '../protocol/codes.ts';
import { type Acl, isOpen, OPEN_ACL } from '../protocol/records.ts';
import { type Hashed, hasher } from './digest.ts';

/** What decides who may do what on a node. */
export interface AccessList {
  readonly acl: readonly Acl[];
  /** What world:anyone may do, so that the commonest question is one test. */
  readonly worldPerms: number;
}

/** A list as the tree shares it. */
export interface SharedAcl extends Hashed, AccessList {
  readonly key: string;
  /** Nodes that carry it. */
  uses: number;
}

/** Nobody in particular: what a client is that showed nothing. */
export const NOBODY: readonly Identity[] = [];

function keyOf(acl: readonly Acl[]): string {
  return JSON.stringify(acl.map((entry) => [entry.perms, entry.scheme, entry.id]));
}

/** The permissions that a list gives to world:anyone. */
export function worldPerms(acl: readonly Acl[]): number {
  let perms = 0;
  for (const entry of acl) {
    if (entry.scheme === 'world' && entry.id === 'anyone') perms |= entry.perms;
  }
  return perms;
}

const OPEN: AccessList = { acl: OPEN_ACL, worldPerms: Perm.all };

/** A list with what world:anyone may do. */
export function accessList(acl: readonly Acl[]): AccessList {
  return isOpen(acl) ? OPEN : { acl, worldPerms: worldPerms(acl) };
}

/** Hash and permissions of a list, outside any table. */
export function describeAcl(acl: readonly Acl[], key = keyOf(acl)): SharedAcl {
  const { hashA, hashB } = hasher.begin().text(key).end();
  const own = acl.map(({ perms, scheme, id }) => ({ perms, scheme, id }));
  return { acl: own, key, worldPerms: worldPerms(acl), uses: 0, hashA, hashB };
}

/** Every list in use, once. */
export class AclTable {
  readonly #byKey = new Map<string, SharedAcl>();
  #open: SharedAcl | undefined;

  get size(): number {
    return this.#byKey.size;
  }

  lists(): IterableIterator<SharedAcl> {
    return this.#byKey.values();
  }

  /** The shared list equal to `acl`, with one more use. */
  take(acl: readonly Acl[]): SharedAcl {
    const open = this.#open;
    if (open !== undefined && isOpen(acl)) {
      open.uses++;
      return open;
    }
    const key = keyOf(acl);
    let shared = this.#byKey.get(key);
    if (shared === undefined) {
      shared = describeAcl(acl, key);
      this.#byKey.set(key, shared);
      if (isOpen(acl)) this.#open = shared;
    }
    shared.uses++;
    return shared;
  }

  /** One use less; an unused list is forgotten. */
  release(shared: SharedAcl): void {
    shared.uses--;
    if (shared.uses > 0) return;
    this.#byKey.delete(shared.key);
    if (this.#open === shared) this.#open = undefined;
  }
}

const ADDRESS_BITS = 32;

/** An address and how many bits of it count, from `10.1.0.0/16`; null unless that is what it is. */
function readNetwork(text: string): { bits: number; address: number } | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/.exec(text);
  if (match === null) return null;
  const bytes = match.slice(1, 5).map(Number);
  const bits = match[5] === undefined ? ADDRESS_BITS : Number(match[5]);
  if (bits > ADDRESS_BITS || bytes.some((byte) => byte > 255)) return null;
  return { bits, address: bytes.reduce((sum, byte) => sum * 256 + byte, 0) };
}

/** IPv4 only, as IPAuthenticationProvider of ZooKeeper 3.8. */
function isInNetwork(address: string, network: string): boolean {
  const own = readNetwork(address);
  const other = readNetwork(network);
  if (own === null || other === null) return false;
  const size = 2 ** (ADDRESS_BITS - other.bits);
  return Math.floor(own.address / size) === Math.floor(other.address / size);
}

function matches(identity: Identity, entry: Acl): boolean {
  if (identity.scheme !== entry.scheme || entry.id === null) return false;
  if (entry.scheme === 'ip') return isInNetwork(identity.id, entry.id);
  return entry.scheme === 'digest' && identity.id === entry.id;
}

/**
 * Whether somebody may do at least one of the things in `perm` (bits of Perm). Source:
 * ZooKeeperServer.checkACL.
 */
export function allows(list: AccessList, perm: number, identities: readonly Identity[]): boolean {
  if ((list.worldPerms & perm) !== 0) return true;
  if (identities.some(({ scheme }) => scheme === 'super')) return true;
  return list.acl.some(
    (entry) =>
      (entry.perms & perm) !== 0 && identities.some((identity) => matches(identity, entry)),
  );
}

/** As DigestAuthenticationProvider.isValid: Java's split leaves out what is empty at the end. */
function isDigestId(id: string): boolean {
  return id.replace(/:+$/, '').split(':').length === 2;
}

function isValidEntry({ scheme, id }: Acl): boolean {
  if (id === null) return false;
  if (scheme === 'world') return id === 'anyone';
  if (scheme === 'digest') return isDigestId(id);
  return scheme === 'ip' && readNetwork(id) !== null;
}

/**
 * The list to store: without duplicates, with `auth` replaced by whom the client authenticated as. Null
 * (InvalidACL) when it is empty, has an entry no server could check, or says `auth` for nobody. Source:
 * PrepRequestProcessor.fixupACL, which asks of the bits no more than this.
 */
export function fixAcl(
  acl: readonly Acl[],
  identities: readonly Identity[] = NOBODY,
): readonly Acl[] | null {
  if (acl.length === 0) return null;
  if (isOpen(acl)) return acl;
  const seen = new Set<string>();
  const fixed: Acl[] = [];
  for (const entry of acl) {
    const key = keyOf([entry]);
    if (seen.has(key)) continue;
    seen.add(key);
    if (entry.scheme === 'auth') {
      const shown = identities.filter(({ scheme }) => scheme === 'digest');
      if (shown.length === 0) return null;
      for (const { scheme, id } of shown) fixed.push({ perms: entry.perms, scheme, id });
    } else if (isValidEntry(entry)) fixed.push(entry);
    else return null;
  }
  return fixed;
}

/** A list as somebody sees it who may not administer it: without the digests. */
export function withoutDigests(acl: readonly Acl[]): Acl[] {
  return acl.map((entry) => {
    const { scheme, id, perms } = entry;
    if (scheme !== 'digest' || id === null) return { perms, scheme, id };
    return { perms, scheme, id: id.replace(/:.*/, ':x') };
  });
}
