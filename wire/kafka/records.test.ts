import * as client from '@platformatic/kafka';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES, errorNameOf } from './error-codes.ts';
import {
  BATCH_HEADER_BYTES,
  batchesOf,
  FIELD,
  RecordBatchError,
  readBatchHeader,
  sealBatch,
  stampBatch,
  verifyBatch,
} from './record-batch.ts';
import {
  buildBatch,
  buildControlBatch,
  checkProduced,
  readControlMarker,
  recordsOf,
} from './records.ts';

const LIMITS = { batchBytesMax: 1_000_000 };
const bytes = fc.option(fc.uint8Array({ maxLength: 20 }).map((taken) => Buffer.from(taken)));
const record = fc.record({
  timestampMs: fc.integer({ min: 0, max: 2 ** 45 }),
  key: bytes,
  value: bytes,
  headers: fc.array(
    fc.record({ key: fc.string({ unit: 'grapheme', maxLength: 5 }), value: bytes }),
    { maxLength: 2 },
  ),
});
const someRecords = fc.array(record, { minLength: 1, maxLength: 6 });
const compression = fc.constantFrom('none' as const, 'gzip' as const, 'zstd' as const);

/** The code that `run` refuses with. */
function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof RecordBatchError) return error.code;
    throw error;
  }
  return 'accepted';
}

/** A sealed copy of a batch with one field changed. */
function changed(batch: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(batch);
  change(copy);
  sealBatch(copy);
  return copy;
}

describe('record batches', () => {
  it('read back what was built', () => {
    fc.assert(
      fc.property(
        someRecords,
        compression,
        fc.nat(2 ** 31),
        fc.boolean(),
        (records, packing, baseOffset, isTransactional) => {
          const batch = buildBatch(records, {
            baseOffset,
            leaderEpoch: 3,
            producerId: 12,
            producerEpoch: 4,
            baseSequence: 9,
            isTransactional,
            compression: packing,
          });
          expect(verifyBatch(batch)).toEqual({
            baseOffset,
            lastOffset: baseOffset + records.length - 1,
            sizeBytes: batch.length,
            leaderEpoch: 3,
            crc: batch.readUInt32BE(17),
            compression: packing,
            timestampType: 'create',
            isTransactional,
            isControl: false,
            lastOffsetDelta: records.length - 1,
            baseTimestampMs: records[0]?.timestampMs,
            maxTimestampMs: Math.max(...records.map((one) => one.timestampMs)),
            producerId: 12,
            producerEpoch: 4,
            baseSequence: 9,
            recordCount: records.length,
          });
          expect(recordsOf(batch)).toEqual(
            records.map((one, at) => ({ ...one, offset: baseOffset + at })),
          );
          expect(codeOf(() => checkProduced(batch, LIMITS))).toBe('accepted');
        },
      ),
    );
  });
  it('keep their CRC when a leader stamps them, and lose it with any other bit', () => {
    fc.assert(
      fc.property(someRecords, compression, fc.nat(), fc.nat(7), (records, packing, at, bit) => {
        const batch = buildBatch(records, { compression: packing });
        stampBatch(batch, 0, 2 ** 40 + 1, 77);
        expect(verifyBatch(batch)).toMatchObject({ baseOffset: 2 ** 40 + 1, leaderEpoch: 77 });
        const where = FIELD.magic + (at % (batch.length - FIELD.magic));
        batch[where] = (batch[where] as number) ^ (1 << bit);
        expect(() => verifyBatch(batch)).toThrow(RecordBatchError);
      }),
    );
  });
  it('come in rows, of which the last may be cut off', () => {
    const one = buildBatch([{ timestampMs: 1 }], { baseOffset: 5 });
    const two = buildBatch([{ timestampMs: 1 }, { timestampMs: 2 }], { baseOffset: 6 });
    const whole = Buffer.concat([one, two]);
    const offsets = (row: Buffer) => [...batchesOf(row)].map(({ header }) => header.baseOffset);
    for (let size = 0; size <= whole.length; size++) {
      const held = size < one.length ? [] : size < whole.length ? [5] : [5, 6];
      expect(offsets(whole.subarray(0, size))).toEqual(held);
    }
    expect([...batchesOf(whole)].map((found) => found.bytes.length)).toEqual([
      one.length,
      two.length,
    ]);
  });
  it('refuse mutated records with the typed error alone', () => {
    fc.assert(
      fc.property(
        someRecords,
        compression,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (records, packing, changes) => {
          const broken = changed(buildBatch(records, { compression: packing }), (copy) => {
            for (const [at, byte] of changes)
              copy[BATCH_HEADER_BYTES + (at % (copy.length - BATCH_HEADER_BYTES))] = byte;
          });
          for (const read of [() => recordsOf(broken), () => checkProduced(broken, LIMITS)])
            expect(['accepted', 'INVALID_RECORD', 'CORRUPT_MESSAGE']).toContain(codeOf(read));
        },
      ),
    );
  });
  it('mark the end of a transaction', () => {
    const producer = { producerId: 8, producerEpoch: 2, timestampMs: 1_000 };
    for (const type of ['commit', 'abort'] as const) {
      const batch = buildControlBatch({ type, coordinatorEpoch: 5 }, producer);
      const header = verifyBatch(batch);
      expect(header).toMatchObject({ isControl: true, isTransactional: true, producerId: 8 });
      expect(recordsOf(batch).map(readControlMarker)).toEqual([{ type, coordinatorEpoch: 5 }]);
      expect(codeOf(() => checkProduced(batch, LIMITS))).toBe('INVALID_RECORD');
    }
  });
});

describe('checkProduced', () => {
  const batch = buildBatch([{ timestampMs: 1 }, { timestampMs: 2, value: Buffer.from('v') }]);
  it.each<[string, Buffer | null, string]>([
    ['a right batch', batch, 'accepted'],
    ['null', null, 'INVALID_RECORD'],
    ['no bytes', Buffer.alloc(0), 'INVALID_RECORD'],
    ['two batches', Buffer.concat([batch, batch]), 'INVALID_RECORD'],
    ['a batch cut off', batch.subarray(0, batch.length - 1), 'CORRUPT_MESSAGE'],
    ['half a header', batch.subarray(0, 60), 'CORRUPT_MESSAGE'],
    ['format 1', changed(batch, (b) => b.writeInt8(1, 16)), 'UNSUPPORTED_FOR_MESSAGE_FORMAT'],
    ['format 9', changed(batch, (b) => b.writeInt8(9, 16)), 'CORRUPT_MESSAGE'],
    ['a length below the header', changed(batch, (b) => b.writeInt32BE(48, 8)), 'CORRUPT_MESSAGE'],
    ['a negative length', changed(batch, (b) => b.writeInt32BE(-1, 8)), 'CORRUPT_MESSAGE'],
    ['compression 5', changed(batch, (b) => b.writeInt16BE(5, 21)), 'UNSUPPORTED_COMPRESSION_TYPE'],
    ['a count of 3', changed(batch, (b) => b.writeInt32BE(3, 57)), 'INVALID_RECORD'],
    [
      'a count of 3 throughout',
      changed(batch, (b) => {
        b.writeInt32BE(3, 57);
        b.writeInt32BE(2, 23);
      }),
      'INVALID_RECORD',
    ],
    ['no records', changed(batch, (b) => b.writeInt32BE(0, 57)), 'INVALID_RECORD'],
    ['time past 2^53', changed(batch, (b) => b.writeInt32BE(0x7fffffff, 27)), 'INVALID_TIMESTAMP'],
    ['a producer without sequence', changed(batch, (b) => b.fill(0, 43, 51)), 'INVALID_RECORD'],
  ])('answers %s', (_, records, code) => {
    expect(codeOf(() => checkProduced(records, LIMITS))).toBe(code);
  });
  it('refuses what is too large before it is summed', () => {
    const large = Buffer.alloc(101);
    expect(codeOf(() => checkProduced(large, { batchBytesMax: 100 }))).toBe('MESSAGE_TOO_LARGE');
  });
  it('says what was expected and what came', () => {
    const broken = Buffer.from(batch);
    broken.writeUInt32BE(1, FIELD.crc);
    expect(() => checkProduced(broken, LIMITS)).toThrow(
      /expected a CRC32C of 0x00000001 as the batch says, got 0x[0-9a-f]{8}$/,
    );
  });
});

describe('packed records', () => {
  const messages = Array.from({ length: 40 }, (_, i) => ({
    topic: 't',
    key: Buffer.from(`key-${i}`),
    value: Buffer.from(`value-${'x'.repeat(i)}`),
    timestamp: BigInt(1_700_000_000_000 + i),
  }));
  it.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)('by another client in %s', (packing) => {
    const batch = client.createRecordsBatch(messages, { compression: packing }).buffer;
    const header = checkProduced(batch, LIMITS);
    expect(header).toMatchObject({ compression: packing, recordCount: 40, lastOffsetDelta: 39 });
    if (packing === 'snappy' || packing === 'lz4') return;
    expect(recordsOf(batch).map(({ key, value }) => ({ key, value }))).toEqual(
      messages.map(({ key, value }) => ({ key, value })),
    );
  });
  it('are read by another client', () => {
    for (const packing of ['none', 'gzip', 'zstd'] as const) {
      const batch = buildBatch(
        messages.map((one) => ({ ...one, timestampMs: Number(one.timestamp) })),
        { compression: packing, baseOffset: 9 },
      );
      const read = client.readRecordsBatch(client.Reader.from(batch));
      expect(read.firstOffset).toBe(9n);
      expect(read.records.map((one) => one.value?.toString())).toEqual(
        messages.map((one) => one.value.toString()),
      );
    }
  });
  it('that nothing here can unpack are named, their header read all the same', () => {
    const lz4 = changed(buildBatch([{ timestampMs: 1 }]), (b) => b.writeInt16BE(3, 21));
    expect(readBatchHeader(lz4).compression).toBe('lz4');
    expect(codeOf(() => checkProduced(lz4, LIMITS))).toBe('accepted');
    expect(() => recordsOf(lz4)).toThrow(/none, gzip, zstd to read the records of, got lz4/);
  });
});

describe('error codes', () => {
  it('go by Kafka’s names', () => {
    expect(ERROR_CODES.UNSUPPORTED_VERSION).toBe(35);
    expect(errorNameOf(2)).toBe('CORRUPT_MESSAGE');
    expect(errorNameOf(-1)).toBe('UNKNOWN_SERVER_ERROR');
    expect(errorNameOf(9_999)).toBe('ERROR_9999');
  });
});
