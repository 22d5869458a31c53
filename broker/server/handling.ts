// What a handler of one API is: the versions it takes and how it answers. Versions stand beside the code that
// serves them, so that what ApiVersions promises is what is done.
import type { VersionRange } from '../../wire/kafka/api.ts';
import type { ApiName, RequestBody, ResponseInput } from '../../wire/kafka/apis.ts';
import { ERROR_CODES, type ErrorName } from '../../wire/kafka/error-codes.ts';
import type { AnswerRoom } from '../contract.ts';

/** Who asks, and through which door. */
export interface Caller {
  readonly version: number;
  readonly clientId: string;
  readonly clientHost: string;
  /** Name of the listener that it came by: it is told the endpoints of this one. */
  readonly listener: string;
  /** It came by the listener of the brokers. */
  readonly internal: boolean;
  /** Its part of the memory for answers. */
  readonly room: AnswerRoom;
}

/** How one API is handled; no answer at all is given where the protocol has none (acks=0). */
export interface Handling<A extends ApiName> {
  readonly versions: VersionRange;
  /** Brokers alone may ask for it. */
  readonly internalOnly?: true;
  readonly handle: (
    body: RequestBody<A>,
    caller: Caller,
  ) => ResponseInput<A> | undefined | Promise<ResponseInput<A> | undefined>;
}

/** Handlers by API. */
export type Handlings = { readonly [A in ApiName]?: Handling<A> };

/** Thrown by a handler that has no other way to say no than to close the connection (acks=0). */
export class CloseConnection extends Error {
  override name = 'CloseConnection';
}

/** The number of an error, 0 for none. */
export function codeOf(error: ErrorName | undefined): number {
  return error === undefined ? 0 : ERROR_CODES[error];
}

/** An error and what to say about it. */
export interface Refusal {
  readonly error: ErrorName;
  readonly message: string;
}

const MESSAGE_CHARS_MAX = 500;

/** A message for an answer, cut: what a client named may be as long as a string of the protocol can be. */
export function told(message: string): string;
export function told(message: string | null): string | null;
export function told(message: string | null): string | null {
  if (message === null || message.length <= MESSAGE_CHARS_MAX) return message;
  return `${message.slice(0, MESSAGE_CHARS_MAX)}…`;
}

/** What a client is told of an error that a door to the metadata threw. */
export function refusalOf(thrown: unknown): Refusal {
  const { message, error } = thrown as Error & { error?: ErrorName };
  if (error !== undefined && error in ERROR_CODES) return { error, message };
  // The coordinator could not be asked, or did not say what became of it.
  return { error: 'REQUEST_TIMED_OUT', message };
}
