// The arguments of `connect` and `listen` in all the forms that Node takes, brought into one.
import { nodeError } from '../errors.ts';

const PORT_MAX = 65_535;

export type Callback = (...args: unknown[]) => void;

/** The `connect` arguments in all their forms: options, (port, host), (path). */
export function connectArguments(args: unknown[]): [Record<string, unknown>, Callback | undefined] {
  const last = args.at(-1);
  const listener = typeof last === 'function' ? (last as Callback) : undefined;
  const [first, second] = args;
  if (typeof first === 'object' && first !== null) {
    return [first as Record<string, unknown>, listener];
  }
  if (typeof first === 'string' && !/^\d+$/.test(first)) return [{ path: first }, listener];
  const options: Record<string, unknown> = { port: first };
  if (typeof second === 'string') options.host = second;
  return [options, listener];
}

/** A port as number; Node takes numbers and numeric strings. */
export function checkedPort(value: unknown, name = 'options.port'): number {
  const port = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= PORT_MAX) {
    return port;
  }
  throw nodeError(
    'ERR_SOCKET_BAD_PORT',
    `${name} should be >= 0 and < 65536. Received ${typeof value} (${String(value)}).`,
    RangeError,
  );
}

/** The `listen` arguments in all their forms. */
export function listenArguments(args: unknown[]): [Record<string, unknown>, Callback | undefined] {
  const last = args.at(-1);
  const callback = typeof last === 'function' ? (last as Callback) : undefined;
  const [first, second] = args;
  if (typeof first === 'object' && first !== null) {
    return [first as Record<string, unknown>, callback];
  }
  if (typeof first === 'string' && !/^\d+$/.test(first)) return [{ path: first }, callback];
  const options: Record<string, unknown> = { port: typeof first === 'function' ? 0 : (first ?? 0) };
  if (typeof second === 'string') options.host = second;
  return [options, callback];
}
