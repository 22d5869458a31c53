// Who a connection is: its address from the start, and what it shows by auth packets. Checked at the
// server the client is connected to; the leader is told the outcome with every request. Source:
// DigestAuthenticationProvider and IPAuthenticationProvider of ZooKeeper 3.8.
import { createHash } from 'node:crypto';
import type { Identity } from '../contract.ts';

/** Schemes that an auth packet may name. */
export const AUTH_SCHEMES = ['digest', 'ip'] as const;

/** Identities one connection may have; each travels with each of its requests. */
const IDENTITIES_MAX = 64;

/** The address of a socket as access lists write it: an IPv4 one also where it came mapped. */
export function addressIdentity(address: string | undefined): Identity {
  return { scheme: 'ip', id: (address ?? '').replace(/^::ffff:(?=\d+\.)/, '') };
}

/** `name:password` as access lists carry it: the name, and SHA-1 over both in base64. */
export function digestOf(credentials: Buffer): string {
  const text = credentials.toString();
  const hash = createHash('sha1').update(text).digest('base64');
  return `${text.split(':', 1)[0]}:${hash}`;
}

/** What an auth packet makes of a connection: its identities from now on, or why it failed. */
export type AuthOutcome =
  | { ok: true; identities: readonly Identity[] }
  | { ok: false; reason: string };

/** `superDigest`: `super:…`, whose password opens everything; absent: nobody's does. */
export function authenticate(
  identities: readonly Identity[],
  scheme: string | null,
  credentials: Buffer | null,
  superDigest: string | undefined,
): AuthOutcome {
  // One's address is known without asking.
  if (scheme === 'ip') return { ok: true, identities };
  if (scheme !== 'digest') {
    const known = AUTH_SCHEMES.join(' and ');
    return { ok: false, reason: `no authentication scheme ${scheme}, known are ${known}` };
  }
  if (credentials === null) return { ok: false, reason: 'digest without a name and password' };
  const id = digestOf(credentials);
  const shown: Identity[] = [{ scheme, id }];
  if (id === superDigest) shown.push({ scheme: 'super', id: '' });
  const has = (each: Identity) =>
    identities.some((known) => known.scheme === each.scheme && known.id === each.id);
  const added = shown.filter((each) => !has(each));
  if (identities.length + added.length > IDENTITIES_MAX) {
    return { ok: false, reason: `more than ${IDENTITIES_MAX} identities` };
  }
  return { ok: true, identities: [...identities, ...added] };
}

/** The name that whoAmI tells: never the digest. */
export function userOf({ scheme, id }: Identity): string {
  return scheme === 'digest' ? (id.split(':', 1)[0] as string) : id;
}
