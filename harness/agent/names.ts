// Name lookups of a node: the cluster's names, this machine's own, and no others. What a program
// would ask the world it is told at once that it does not exist.
import dns, { type LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import type { AddressBook } from './config.ts';

type LookupOptions = number | string | { all?: boolean; family?: number | string } | undefined;
type LookupDone = (
  error: NodeJS.ErrnoException | null,
  address?: string | LookupAddress[],
  family?: number,
) => void;

/** Nobody answers questions here. */
const NO_RESOLVER = ['127.0.0.1:1'];

function notFound(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), {
    errno: -3008,
    code: 'ENOTFOUND',
    syscall: 'getaddrinfo',
    hostname,
  });
}

const wantsAll = (options: LookupOptions): boolean =>
  typeof options === 'object' && options.all === true;

/** Patches dns for the whole process. */
export function patchNames(book: AddressBook): void {
  const originalLookup = dns.lookup as unknown as (...args: unknown[]) => unknown;
  const isLocal = (name: string): boolean =>
    isIP(name) !== 0 || name === 'localhost' || name === '';

  const lookup = (
    hostname: string,
    ...rest: [LookupOptions, LookupDone] | [LookupDone]
  ): unknown => {
    const [options, done] = rest.length === 1 ? [undefined, rest[0]] : rest;
    if (isLocal(hostname)) return originalLookup(hostname, ...rest);
    const address = book.addressOf(hostname);
    process.nextTick(() => {
      if (address === undefined) done(notFound(hostname));
      else if (wantsAll(options)) done(null, [{ address, family: 4 }]);
      else done(null, address, 4);
    });
    return {};
  };
  const originalPromised = dns.promises.lookup as unknown as (...args: unknown[]) => unknown;
  const lookupPromised = async (hostname: string, options?: LookupOptions): Promise<unknown> => {
    if (isLocal(hostname)) return await originalPromised(hostname, options ?? {});
    const address = book.addressOf(hostname);
    if (address === undefined) throw notFound(hostname);
    return wantsAll(options) ? [{ address, family: 4 }] : { address, family: 4 };
  };
  Object.assign(dns, { lookup });
  Object.assign(dns.promises, { lookup: lookupPromised });
  silenceResolvers();
}

/** The `resolve` family asks servers, never the hosts file; here there is none to ask. */
function silenceResolvers(): void {
  dns.setServers(NO_RESOLVER);
  const { Resolver } = dns;
  const PromisedResolver = dns.promises.Resolver;
  Object.assign(dns, {
    Resolver: class extends Resolver {
      constructor(...args: ConstructorParameters<typeof Resolver>) {
        super(...args);
        this.setServers(NO_RESOLVER);
      }
    },
  });
  Object.assign(dns.promises, {
    Resolver: class extends PromisedResolver {
      constructor(...args: ConstructorParameters<typeof PromisedResolver>) {
        super(...args);
        this.setServers(NO_RESOLVER);
      }
    },
  });
}
