// Why an operation on the coordinator did not succeed. Whether its request ever left is part of the
// answer, because only then can a caller tell "did not happen" from "nobody knows".
import { ErrorCode, type ErrorName, errorName } from '../protocol/codes.ts';
import type { MultiResult } from '../protocol/multi.ts';
import type { Zxid } from '../zxid.ts';

/** Names of ZooKeeper's errors, and of a connection that could not be had at all. */
export type CoordinatorErrorName = ErrorName | 'ConnectionRefused';

export interface ErrorContext {
  /** zxid of the reply's header, when a reply came. */
  zxid?: Zxid;
  /** Whether the request's bytes were handed to a socket. */
  sent: boolean;
  /** The request's number in its session, if it was sent. */
  cxid?: number;
  /** multi: what became of each operation. */
  results?: MultiResult[];
}

/**
 * An operation failed. With `zxid` the server said so. Without, `sent: false` means it certainly did
 * not happen, `sent: true` that nobody knows.
 */
export class CoordinatorError extends Error {
  override name: CoordinatorErrorName;
  /** A number of ErrorCode. */
  readonly code: number;
  readonly zxid: Zxid | undefined;
  readonly sent: boolean;
  readonly cxid: number | undefined;
  readonly results: MultiResult[] | undefined;

  constructor(name: CoordinatorErrorName, message: string, context: ErrorContext) {
    super(message);
    this.name = name;
    this.code = name === 'ConnectionRefused' ? ErrorCode.ConnectionLoss : ErrorCode[name];
    this.zxid = context.zxid;
    this.sent = context.sent;
    this.cxid = context.cxid;
    this.results = context.results;
  }
}

/** The error that a reply's header or a multi's result carries. */
export function replyError(
  code: number,
  what: string,
  zxid: Zxid,
  results?: MultiResult[],
): CoordinatorError {
  const name = errorName(code);
  const context: ErrorContext = { zxid, sent: true };
  if (results !== undefined) context.results = results;
  // Its stack would name the socket's callbacks only, and costs more than the rest of the reply.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    if (!(name in ErrorCode)) {
      return new CoordinatorError('SystemError', `${what}: the server said ${name}`, context);
    }
    return new CoordinatorError(name as ErrorName, `${what}: ${name}`, context);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
