// Access control lists: which are valid, what they allow, and one shared copy of each. Nearly every
// znode carries the same list, so a node holds a reference and never a list of its own.
import { Perm } from '../protocol/codes.ts';
import type { Acl } from '../protocol/records.ts';
import { type Hashed, hasher } from './digest.ts';

/** A list as the tree shares it. */
export interface SharedAcl extends Hashed {
  readonly acl: readonly Acl[];
  readonly key: string;
  /** What world:anyone may do: the only identity a client has while nobody can authenticate. */
  readonly worldPerms: number;
  /** Nodes that carry it. */
  uses: number;
}

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

function isOpen(acl: readonly Acl[]): boolean {
  const first = acl[0];
  return (
    acl.length === 1 &&
    first?.perms === Perm.all &&
    first.scheme === 'world' &&
    first.id === 'anyone'
  );
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

const DIGEST_ID = /^[^:]+:[^:]+$/;
const IP_ID = /^[0-9a-fA-F.:]+(?:\/\d{1,3})?$/;

function isValidEntry({ perms, scheme, id }: Acl): boolean {
  if (perms < 0 || perms > Perm.all || id === null) return false;
  // `auth` stands for the identities of the connection, and no client has any yet.
  if (scheme === 'world') return id === 'anyone';
  if (scheme === 'digest') return DIGEST_ID.test(id);
  if (scheme === 'ip') return IP_ID.test(id);
  return false;
}

/**
 * The list to store for a create: without duplicates, or null when it is empty or has an entry no
 * server could check (InvalidACL). Source: PrepRequestProcessor.fixupACL.
 */
export function fixAcl(acl: readonly Acl[]): readonly Acl[] | null {
  if (acl.length === 0 || !acl.every(isValidEntry)) return null;
  if (acl.length === 1) return acl;
  const seen = new Set<string>();
  return acl.filter((entry) => {
    const key = keyOf([entry]);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
