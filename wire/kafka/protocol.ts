// Frames of Kafka's protocol: headers and bodies of requests and responses, in both directions. A request
// of an unknown key or version is an outcome and no error, for a server owes ApiVersions an answer to it.
import { ByteReader, ByteWriter } from '../bytes.ts';
import {
  APIS,
  type ApiName,
  apiNameOf,
  CODEC_VERSIONS,
  type RequestBody,
  type RequestInput,
  type ResponseBody,
  type ResponseInput,
  type VersionRanges,
} from './apis.ts';
import type { Codec } from './types.ts';
import { KafkaWireError, mismatch, rethrowWithin } from './wire-error.ts';

const LENGTH_BYTES = 4;
/** Most bytes of unknown tagged fields in a header; no header has known ones. */
const HEADER_TAGS_BYTES_MAX = 64 * 1024;

/** What every request says of itself. */
export interface RequestHeader {
  readonly version: number;
  /** Chosen by the client; its response carries the same. */
  readonly correlationId: number;
  readonly clientId: string | null;
}

/** A decoded request; `api` tells the type of `body`. */
export type Request = {
  readonly [N in ApiName]: RequestHeader & {
    readonly kind: 'request';
    readonly api: N;
    readonly body: RequestBody<N>;
  };
}[ApiName];

/** A request that is well-formed as far as it was read, but not spoken here. */
export type Unsupported =
  | {
      readonly kind: 'unknown-api';
      readonly apiKey: number;
      readonly version: number;
      readonly correlationId: number;
    }
  | {
      readonly kind: 'unsupported-version';
      readonly api: ApiName;
      readonly version: number;
      readonly correlationId: number;
    };

/**
 * Decodes one frame without its length prefix. `spoken` are the versions that the server offers; others
 * come back as `Unsupported`. Throws KafkaWireError on malformed bytes, also on bytes that are left over.
 * Buffers in the body are views of the frame.
 */
export function decodeRequest(
  frame: Buffer,
  spoken: VersionRanges = CODEC_VERSIONS,
): Request | Unsupported {
  const reader = new ByteReader(frame);
  const head = readHeader(reader, spoken);
  if (head.kind !== 'header') return head;
  const { api, version, correlationId, clientId } = head;
  const body = readBody(reader, APIS[api].request.codec(version), api, 'request', version);
  return { kind: 'request', api, version, correlationId, clientId, body } as Request;
}

type Header = RequestHeader & { readonly kind: 'header'; readonly api: ApiName };

function readHeader(reader: ByteReader, spoken: VersionRanges): Header | Unsupported {
  try {
    const apiKey = reader.i16();
    const version = reader.i16();
    const correlationId = reader.i32();
    const api = apiNameOf(apiKey);
    const range = api === undefined ? undefined : spoken[api];
    if (api === undefined || range === undefined)
      return { kind: 'unknown-api', apiKey, version, correlationId };
    if (version < range.min || version > range.max)
      return { kind: 'unsupported-version', api, version, correlationId };
    const headerVersion = APIS[api].requestHeaderVersion(version);
    const clientId = headerVersion === 0 ? null : readClientId(reader);
    if (headerVersion === 2) skipTags(reader);
    return { kind: 'header', api, version, correlationId, clientId };
  } catch (error) {
    rethrowWithin(error, 'header');
  }
}

/** Encodes a request as a whole frame, length prefix included. Throws KafkaWireError on a wrong value. */
export function encodeRequest<N extends ApiName>(
  api: N,
  header: RequestHeader,
  body: RequestInput<N>,
): Buffer {
  const { version, correlationId, clientId } = header;
  const headerVersion = APIS[api].requestHeaderVersion(version);
  const codec = APIS[api].request.codec(version) as Codec<unknown, RequestInput<N>>;
  const writer = new ByteWriter();
  writer.i32(0).i16(APIS[api].key).i16(version).i32(correlationId);
  // The client id stays in the older encoding in every header version (KIP-511).
  if (headerVersion > 0) {
    if (clientId === null) writer.i16(-1);
    else {
      const size = Buffer.byteLength(clientId);
      if (size > 0x7fff) throw mismatch('a client id of at most 32767 bytes', size);
      writer.i16(size).utf8(clientId);
    }
  }
  if (headerVersion === 2) writer.uvarint(0);
  return finish(writer, codec, body, `${api} request v${version}`);
}

/** Encodes a response as a whole frame, length prefix included. Throws KafkaWireError on a wrong value. */
export function encodeResponse<N extends ApiName>(
  api: N,
  version: number,
  correlationId: number,
  body: ResponseInput<N>,
): Buffer {
  const codec = APIS[api].response.codec(version) as Codec<unknown, ResponseInput<N>>;
  const writer = new ByteWriter();
  writer.i32(0).i32(correlationId);
  if (APIS[api].responseHeaderVersion(version) === 1) writer.uvarint(0);
  return finish(writer, codec, body, `${api} response v${version}`);
}

/** The correlation id of a response frame without its length prefix, by which its request is found. */
export function correlationIdOf(frame: Buffer): number {
  if (frame.length < 4)
    throw new KafkaWireError(`expected a correlation id of 4 bytes, got ${frame.length}`);
  return frame.readInt32BE(0);
}

/** Decodes the response to a request of this API and version; the frame has no length prefix. */
export function decodeResponse<N extends ApiName>(
  api: N,
  version: number,
  frame: Buffer,
): ResponseBody<N> {
  const codec = APIS[api].response.codec(version);
  const reader = new ByteReader(frame);
  try {
    reader.i32();
    if (APIS[api].responseHeaderVersion(version) === 1) skipTags(reader);
  } catch (error) {
    rethrowWithin(error, 'header');
  }
  return readBody(reader, codec, api, 'response', version) as ResponseBody<N>;
}

function readBody(
  reader: ByteReader,
  codec: Codec<unknown, never>,
  api: ApiName,
  direction: 'request' | 'response',
  version: number,
): unknown {
  try {
    const body = codec.read(reader);
    if (reader.remaining > 0)
      throw new KafkaWireError(`expected the end of the message, ${reader.remaining} bytes remain`);
    return body;
  } catch (error) {
    rethrowWithin(error, `${api} ${direction} v${version}`);
  }
}

function readClientId(reader: ByteReader): string | null {
  const size = reader.i16();
  if (size < -1)
    throw new KafkaWireError(`expected a client id, got a length of ${size}`).within('clientId');
  return size === -1 ? null : reader.utf8(size);
}

function skipTags(reader: ByteReader): void {
  const start = reader.position;
  const count = reader.uvarint();
  for (let i = 0; i < count; i++) {
    reader.uvarint();
    reader.bytes(reader.uvarint());
    if (reader.position - start > HEADER_TAGS_BYTES_MAX)
      throw mismatch(`at most ${HEADER_TAGS_BYTES_MAX} bytes of header tags`, 'more');
  }
}

function finish<In>(
  writer: ByteWriter,
  codec: Codec<unknown, In>,
  body: In,
  message: string,
): Buffer {
  try {
    codec.write(writer, body);
  } catch (error) {
    rethrowWithin(error, message);
  }
  writer.patchI32(0, writer.length - LENGTH_BYTES);
  return writer.view();
}
