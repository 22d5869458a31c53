// The errors that Node's own modules raise, made the same way: code, errno, syscall and message. Programs
// tell them apart by these fields, so they are part of what is simulated.

/** Linux's numbers, negative as in libuv. */
const ERRNO: Record<string, number> = {
  EACCES: -13,
  EADDRINUSE: -98,
  EADDRNOTAVAIL: -99,
  EHOSTUNREACH: -113,
  ECONNREFUSED: -111,
  ECONNRESET: -104,
  EPIPE: -32,
  ESRCH: -3,
  ETIMEDOUT: -110,
  ENOTFOUND: -3008,
};

const TEXT: Record<string, string> = {
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'address not available',
};

/** `read ECONNRESET`, `connect ECONNREFUSED 10.0.0.1:80`, `listen EADDRINUSE: address already …`. */
export function systemError(
  code: string,
  syscall: string,
  address?: string,
  port?: number,
): NodeJS.ErrnoException {
  const text = TEXT[code] === undefined ? '' : `: ${TEXT[code]}`;
  const where = address === undefined ? '' : ` ${address}${port === undefined ? '' : `:${port}`}`;
  return Object.assign(new Error(`${syscall} ${code}${text}${where}`), {
    errno: ERRNO[code] ?? -1,
    code,
    syscall,
    ...(address === undefined ? {} : { address }),
    ...(port === undefined ? {} : { port }),
  });
}

/** `getaddrinfo ENOTFOUND name`. */
export function notFound(hostname: string): NodeJS.ErrnoException {
  const error = systemError('ENOTFOUND', 'getaddrinfo', hostname);
  const { errno, code, syscall } = error;
  const fresh = new Error(error.message);
  return Object.assign(fresh, { errno, code, syscall, hostname });
}

/** An error with one of Node's own codes (`ERR_…`). */
export function nodeError(
  code: string,
  message: string,
  Kind: new (message: string) => Error = Error,
): NodeJS.ErrnoException {
  return Object.assign(new Kind(message), { code });
}

/** Refuses what the simulator does not offer, by name. */
export function refused(what: string, instead = ''): Error {
  const hint = instead === '' ? '' : `: ${instead}`;
  return nodeError('ERR_SIMULATOR_REFUSED', `the simulator does not offer ${what}${hint}`);
}
