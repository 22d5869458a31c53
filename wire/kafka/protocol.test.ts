import fc from 'fast-check';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { frame } from '../frames.ts';
import {
  API_NAMES,
  APIS,
  type ApiName,
  apiKeysOf,
  type RequestBody,
  type RequestInput,
  type ResponseInput,
} from './apis.ts';
import { valuesOf } from './arbitrary.ts';
import {
  correlationIdOf,
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  type Request,
} from './protocol.ts';
import { KafkaWireError } from './wire-error.ts';

const PREFIX_BYTES = 4;
const RUNS = 20;
const ANY_BYTES_RUNS = 5_000;

/** Every version of an API. */
function versionsOf(name: ApiName): number[] {
  const { min, max } = APIS[name].versions;
  return Array.from({ length: max - min + 1 }, (_, i) => min + i);
}

const all = API_NAMES.flatMap((name) => versionsOf(name).map((version) => ({ name, version })));

function requests(name: ApiName, version: number): fc.Arbitrary<RequestInput<ApiName>> {
  const flexible = APIS[name].isFlexible(version);
  return valuesOf(APIS[name].request.type, { version, flexible }) as fc.Arbitrary<
    RequestInput<ApiName>
  >;
}

function responses(name: ApiName, version: number): fc.Arbitrary<ResponseInput<ApiName>> {
  const flexible = APIS[name].isFlexible(version);
  return valuesOf(APIS[name].response.type, { version, flexible }) as fc.Arbitrary<
    ResponseInput<ApiName>
  >;
}

/** Runs a decoder on broken bytes: it may succeed, or throw the codec's error and no other. */
function decodesOrRefuses(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    if (!(error instanceof KafkaWireError)) throw error;
  }
}

describe.each(all)('$name v$version', ({ name, version }) => {
  it('reads back the requests it wrote', () => {
    fc.assert(
      fc.property(
        requests(name, version),
        fc.integer(),
        fc.option(fc.string({ unit: 'grapheme', maxLength: 8 })),
        (body, correlationId, given) => {
          const bare = APIS[name].requestHeaderVersion(version) === 0;
          const clientId = bare ? null : given;
          const bytes = encodeRequest(name, { version, correlationId, clientId }, body);
          expect(bytes.readInt32BE(0)).toBe(bytes.length - PREFIX_BYTES);
          const read = decodeRequest(bytes.subarray(PREFIX_BYTES));
          const header = { kind: 'request', api: name, version, correlationId, clientId };
          expect(read).toEqual({ ...header, body });
        },
      ),
      { numRuns: RUNS },
    );
  });
  it('reads back the responses it wrote', () => {
    fc.assert(
      fc.property(responses(name, version), fc.integer(), (body, correlationId) => {
        const bytes = encodeResponse(name, version, correlationId, body).subarray(PREFIX_BYTES);
        expect(correlationIdOf(bytes)).toBe(correlationId);
        expect(decodeResponse(name, version, bytes)).toEqual(body);
      }),
      { numRuns: RUNS },
    );
  });
  it('refuses truncated messages and bytes left over, and survives mutated ones', () => {
    fc.assert(
      fc.property(
        requests(name, version),
        responses(name, version),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
        fc.nat(),
        (request, response, changes, at) => {
          const header = { version, correlationId: 7, clientId: 'c' };
          const messages: [Buffer, (bytes: Buffer) => unknown][] = [
            [encodeRequest(name, header, request), (bytes) => decodeRequest(bytes)],
            [
              encodeResponse(name, version, 7, response),
              (bytes) => decodeResponse(name, version, bytes),
            ],
          ];
          for (const [framed, decode] of messages) {
            const bytes = framed.subarray(PREFIX_BYTES);
            expect(() => decode(bytes.subarray(0, at % bytes.length))).toThrow(KafkaWireError);
            expect(() => decode(Buffer.concat([bytes, Buffer.from([0])]))).toThrow(KafkaWireError);
            const mutated = Buffer.from(bytes);
            for (const [where, byte] of changes) mutated[where % mutated.length] = byte;
            decodesOrRefuses(() => decode(mutated));
          }
        },
      ),
      { numRuns: RUNS },
    );
  });
});

describe('any bytes behind a right header', () => {
  it('decode or are refused with the typed error', () => {
    fc.assert(
      fc.property(fc.constantFrom(...all), fc.uint8Array({ maxLength: 120 }), (at, body) => {
        const header = Buffer.alloc(8);
        header.writeInt16BE(APIS[at.name].key, 0);
        header.writeInt16BE(at.version, 2);
        decodesOrRefuses(() => decodeRequest(Buffer.concat([header, body])));
        decodesOrRefuses(() => decodeResponse(at.name, at.version, Buffer.from(body)));
      }),
      { numRuns: ANY_BYTES_RUNS },
    );
  });
});

describe('types', () => {
  it('are inferred from the schemas', () => {
    expectTypeOf<RequestBody<'Heartbeat'>>().toEqualTypeOf<{
      readonly groupId: string;
      readonly generationId: number;
      readonly memberId: string;
      readonly groupInstanceId: string | null;
    }>();
    expectTypeOf<RequestInput<'ControlledShutdown'>>().toExtend<{ readonly brokerId: number }>();
    expectTypeOf<{ brokerId: 1 }>().toExtend<RequestInput<'ControlledShutdown'>>();
    expectTypeOf<{ brokerEpoch: 1 }>().not.toExtend<RequestInput<'ControlledShutdown'>>();
    type Partition = RequestBody<'Produce'>['topicData'][number]['partitionData'][number];
    expectTypeOf<Partition['records']>().toEqualTypeOf<Buffer | null>();
    expectTypeOf<Extract<Request, { api: 'Fetch' }>['body']['replicaState']>().toEqualTypeOf<{
      readonly replicaId: number;
      readonly replicaEpoch: number;
    } | null>();
  });
});

describe('requests that are not spoken', () => {
  it('come back as outcomes', () => {
    const header = Buffer.from('0012007f00000005', 'hex');
    expect(decodeRequest(Buffer.concat([header, Buffer.from('garbage')]))).toEqual({
      kind: 'unsupported-version',
      api: 'ApiVersions',
      version: 127,
      correlationId: 5,
    });
    expect(decodeRequest(Buffer.from('7fff000000000005', 'hex'))).toEqual({
      kind: 'unknown-api',
      apiKey: 0x7fff,
      version: 0,
      correlationId: 5,
    });
  });
  it('follow the versions that a server offers', () => {
    const bytes = encodeRequest(
      'Heartbeat',
      { version: 4, correlationId: 1, clientId: null },
      { groupId: 'g', generationId: 1, memberId: 'm' },
    ).subarray(PREFIX_BYTES);
    expect(decodeRequest(bytes, { Heartbeat: { min: 0, max: 3 } }).kind).toBe(
      'unsupported-version',
    );
    expect(decodeRequest(bytes, { Fetch: { min: 0, max: 3 } }).kind).toBe('unknown-api');
    expect(decodeRequest(bytes, { Heartbeat: { min: 0, max: 4 } }).kind).toBe('request');
  });
  it('are answered to ApiVersions in version 0, with error 35', () => {
    const apiKeys = apiKeysOf({ ApiVersions: { min: 0, max: 4 }, Fetch: { min: 4, max: 17 } });
    const answer = encodeResponse('ApiVersions', 0, 5, { errorCode: 35, apiKeys });
    expect(answer.toString('hex')).toBe('0000001600000005002300000002000100040011001200000004');
  });
});

describe('errors', () => {
  const header = { version: 9, correlationId: 1, clientId: null };
  it('name the field, what was expected and what came', () => {
    const body = {
      acks: -1,
      timeoutMs: 1,
      topicData: [{ name: 't', partitionData: [{ index: 2 ** 31, records: null }] }],
    };
    expect(() => encodeRequest('Produce', header, body)).toThrow(
      'Produce request v9.topicData[0].partitionData[0].index: expected an int32, got 2147483648',
    );
    const unfinished = { groupId: 'g' } as unknown as RequestInput<'Heartbeat'>;
    expect(() => encodeRequest('Heartbeat', { ...header, version: 0 }, unfinished)).toThrow(
      'Heartbeat request v0.generationId: expected a value, got undefined',
    );
  });
  it('come before any allocation for a length that cannot be', () => {
    const listGroups = (states: string) =>
      Buffer.from(`00100004${'00000001'}ffff00${states}00`, 'hex');
    expect(decodeRequest(listGroups('01')).kind).toBe('request');
    expect(() => decodeRequest(listGroups('ffffffff0f'))).toThrow(
      /statesFilter: expected at most 1 elements in the 1 bytes left, got 4294967294/,
    );
    expect(() => decodeRequest(listGroups('00'))).toThrow(
      /statesFilter: expected an array, got null/,
    );
    const offset = Buffer.from('0016000000000001ffff', 'hex');
    const negative = Buffer.concat([offset, Buffer.from('fffe0000000000', 'hex')]);
    expect(() => decodeRequest(negative)).toThrow(
      /transactionalId: expected a string, got a length of -2/,
    );
  });
  it('refuse 64-bit values that a number cannot hold', () => {
    const bytes = encodeRequest(
      'ControlledShutdown',
      { version: 2, correlationId: 1, clientId: null },
      { brokerId: 1, brokerEpoch: 0 },
    ).subarray(PREFIX_BYTES);
    bytes.writeBigInt64BE(2n ** 53n, bytes.length - 8);
    expect(() => decodeRequest(bytes)).toThrow(/brokerEpoch: expected an int64 within 2\^53/);
  });
  it('refuse tags out of order and skip unknown ones', () => {
    const heartbeat = '000c000400000001ffff0002670000000102' + '6d' + '00';
    const withTags = (tags: string) => decodeRequest(Buffer.from(heartbeat + tags, 'hex'));
    expect(withTags('00').kind).toBe('request');
    expect(withTags('02050161070162').kind).toBe('request');
    expect(() => withTags('02070161050162')).toThrow(/tags: expected a tag above 7, got 5/);
    expect(() => withTags('ff01')).toThrow(KafkaWireError);
  });
});

describe('frame', () => {
  it('is the prefix that the encoder already wrote', () => {
    const bytes = encodeResponse('Heartbeat', 0, 9, { errorCode: 0 });
    expect(frame(bytes.subarray(PREFIX_BYTES)).equals(bytes)).toBe(true);
  });
});
