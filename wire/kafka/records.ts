// The records inside a batch: reading them, building batches of them, and the checks of what a producer
// sent. Brokers need only the checks; clients, workloads and the groups' own log need the rest.
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { ByteReader, ByteWriter, WireError } from '../bytes.ts';
import {
  ATTRIBUTE,
  BATCH_HEADER_BYTES,
  BATCH_PREFIX_BYTES,
  type BatchHeader,
  COMPRESSIONS,
  expectFormat,
  FIELD,
  NO_PRODUCER,
  RecordBatchError,
  readBatchHeader,
  sealBatch,
  verifyBatch,
  writeI64,
} from './record-batch.ts';
import { KafkaWireError, mismatch } from './wire-error.ts';

/** Most bytes that compressed records may unpack to. */
const UNPACKED_BYTES_MAX = 256 * 1024 * 1024;
/** Fewest bytes of a record: length, attributes, two deltas, two null lengths and a header count. */
const RECORD_BYTES_MIN = 7;

/** One header of a record; the value may be null. */
export interface RecordHeader {
  readonly key: string;
  readonly value: Buffer | null;
}

/** A record as read; the buffers are views of the batch, or of what it unpacked to. */
export interface KafkaRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
}

/** A record to write. */
export interface RecordInput {
  readonly timestampMs: number;
  readonly key?: Uint8Array | null;
  readonly value?: Uint8Array | null;
  readonly headers?: readonly { readonly key: string; readonly value: Uint8Array | null }[];
}

/** What a batch says beside its records; everything has the value of a plain producer. */
export interface BatchInput {
  readonly baseOffset?: number;
  readonly leaderEpoch?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly isTransactional?: boolean;
  readonly isControl?: boolean;
  /** Snappy and LZ4 pass through a broker, but are not packed here. */
  readonly compression?: 'none' | 'gzip' | 'zstd';
}

/**
 * The records of one whole batch, in order. Throws RecordBatchError on malformed records, and on Snappy
 * and LZ4, which Node cannot unpack. Does not verify the CRC.
 */
export function recordsOf(batch: Buffer): KafkaRecord[] {
  const header = readBatchHeader(batch);
  const packed = batch.subarray(BATCH_HEADER_BYTES, header.sizeBytes);
  const body = unpacked(header, packed);
  const reader = new ByteReader(body);
  const count = header.recordCount;
  if (count < 0 || count * RECORD_BYTES_MIN > body.length)
    throw invalid(`expected records in ${body.length} bytes, got a count of ${count}`);
  const records: KafkaRecord[] = [];
  inRecord(() => {
    for (let i = 0; i < count; i++) records.push(readRecord(reader, header));
    if (reader.remaining > 0)
      throw new KafkaWireError(`expected the end of the batch, ${reader.remaining} bytes remain`);
  });
  return records;
}

/** Builds one batch; at least one record is needed. Throws KafkaWireError on a value out of range. */
export function buildBatch(records: readonly RecordInput[], input: BatchInput = {}): Buffer {
  const first = records[0];
  if (first === undefined) throw new KafkaWireError('expected at least one record, got none');
  const baseTimestampMs = first.timestampMs;
  const writer = new ByteWriter(1024);
  let maxTimestampMs = baseTimestampMs;
  records.forEach((record, at) => {
    if (record.timestampMs > maxTimestampMs) maxTimestampMs = record.timestampMs;
    writeRecord(writer, record, at, record.timestampMs - baseTimestampMs);
  });
  const compression = input.compression ?? 'none';
  const body = packed(compression, writer.view());
  const batch = Buffer.alloc(BATCH_HEADER_BYTES + body.length);
  body.copy(batch, BATCH_HEADER_BYTES);
  let attributes = COMPRESSIONS.indexOf(compression);
  if (input.isTransactional === true) attributes |= ATTRIBUTE.transactional;
  if (input.isControl === true) attributes |= ATTRIBUTE.control;
  writeI64(batch, FIELD.baseOffset, input.baseOffset ?? 0);
  batch.writeInt32BE(batch.length - BATCH_PREFIX_BYTES, FIELD.length);
  batch.writeInt32BE(input.leaderEpoch ?? -1, FIELD.leaderEpoch);
  batch.writeInt8(2, FIELD.magic);
  batch.writeInt16BE(attributes, FIELD.attributes);
  batch.writeInt32BE(records.length - 1, FIELD.lastOffsetDelta);
  writeI64(batch, FIELD.baseTimestamp, baseTimestampMs);
  writeI64(batch, FIELD.maxTimestamp, maxTimestampMs);
  writeI64(batch, FIELD.producerId, input.producerId ?? NO_PRODUCER);
  batch.writeInt16BE(input.producerEpoch ?? NO_PRODUCER, FIELD.producerEpoch);
  batch.writeInt32BE(input.baseSequence ?? NO_PRODUCER, FIELD.baseSequence);
  batch.writeInt32BE(records.length, FIELD.recordCount);
  sealBatch(batch);
  return batch;
}

/** What a broker holds a producer's records to. */
export interface ProducedLimits {
  /** Kafka's `max.message.bytes`: most bytes of one batch. */
  readonly batchBytesMax: number;
}

/**
 * Checks what one partition of a Produce request carries: exactly one batch, whole, with a right CRC, no
 * control batch, offsets counted from 0, sequences if there is a producer id. Uncompressed records are
 * walked; compressed ones stay packed. Throws RecordBatchError with the code to answer.
 */
export function checkProduced(records: Buffer | null, limits: ProducedLimits): BatchHeader {
  if (records === null || records.length === 0)
    throw invalid('expected one record batch, got none');
  // A batch that is too large is refused before a byte of it is summed.
  const length = records.length;
  if (length > limits.batchBytesMax)
    throw new RecordBatchError(
      'MESSAGE_TOO_LARGE',
      `expected a batch of at most ${limits.batchBytesMax} bytes, got ${length}`,
    );
  expectFormat(records);
  const header = verifyBatch(records);
  if (header.sizeBytes !== length)
    throw invalid(`expected one batch of ${length} bytes, got one of ${header.sizeBytes}`);
  if (header.isControl) throw invalid('expected a batch of data, got a control batch');
  const { recordCount: count, lastOffsetDelta } = header;
  if (count < 1 || lastOffsetDelta !== count - 1)
    throw invalid(`expected a last offset delta of ${count - 1}, got ${lastOffsetDelta}`);
  if (header.producerId >= 0 && (header.producerEpoch < 0 || header.baseSequence < 0))
    throw invalid(
      `expected an epoch and a sequence of producer ${header.producerId}, ` +
        `got ${header.producerEpoch} and ${header.baseSequence}`,
    );
  if (header.compression === 'none') walkRecords(records, count);
  return header;
}

/** Goes from record to record by their lengths, without reading keys and values. */
function walkRecords(batch: Buffer, count: number): void {
  inRecord(() => {
    const reader = new ByteReader(batch, BATCH_HEADER_BYTES);
    for (let i = 0; i < count; i++) {
      const size = reader.varint();
      const end = reader.position + size;
      if (size < RECORD_BYTES_MIN - 1 || size > reader.remaining)
        throw mismatch(`a record in the ${reader.remaining} bytes left`, size).within(i);
      reader.i8();
      reader.varlong();
      const delta = reader.varint();
      if (delta !== i) throw mismatch(`an offset delta of ${i}`, delta).within(i);
      if (reader.position > end) throw mismatch(`a record of ${size} bytes`, 'more').within(i);
      reader.bytes(end - reader.position);
    }
    if (reader.remaining > 0)
      throw new KafkaWireError(`expected the end of the batch, ${reader.remaining} bytes remain`);
  });
}

/** The end of a transaction, as a control record says it. */
export interface ControlMarker {
  readonly type: 'abort' | 'commit';
  readonly coordinatorEpoch: number;
}

/** Builds the control batch that ends a producer's transaction (KIP-98). */
export function buildControlBatch(
  marker: ControlMarker,
  producer: { producerId: number; producerEpoch: number; timestampMs: number },
): Buffer {
  const key = new ByteWriter(4)
    .i16(0)
    .i16(marker.type === 'commit' ? 1 : 0)
    .toBuffer();
  const value = new ByteWriter(6).i16(0).i32(marker.coordinatorEpoch).toBuffer();
  return buildBatch([{ timestampMs: producer.timestampMs, key, value }], {
    producerId: producer.producerId,
    producerEpoch: producer.producerEpoch,
    isTransactional: true,
    isControl: true,
  });
}

/** Reads the record of a control batch; undefined for types that consumers are to skip. */
export function readControlMarker(record: KafkaRecord): ControlMarker | undefined {
  return inRecord(() => {
    const key = new ByteReader(record.key ?? Buffer.alloc(0));
    key.i16();
    const type = key.i16();
    if (type !== 0 && type !== 1) return undefined;
    const value = new ByteReader(record.value ?? Buffer.alloc(0));
    value.i16();
    return { type: type === 1 ? 'commit' : 'abort', coordinatorEpoch: value.i32() };
  });
}

function readRecord(reader: ByteReader, batch: BatchHeader): KafkaRecord {
  const size = reader.varint();
  if (size < 0 || size > reader.remaining)
    throw mismatch(`a record in the ${reader.remaining} bytes left`, size);
  const end = reader.position + size;
  reader.i8();
  const timestampDelta = reader.varlong();
  const offset = batch.baseOffset + reader.varint();
  const key = readBytes(reader);
  const value = readBytes(reader);
  const count = reader.varint();
  // A header takes two bytes at least.
  if (count < 0 || count * 2 > reader.remaining)
    throw mismatch(`headers in the ${reader.remaining} bytes left`, count);
  const headers: RecordHeader[] = [];
  for (let i = 0; i < count; i++) {
    const name = readBytes(reader);
    if (name === null) throw mismatch('the key of a header', null);
    headers.push({ key: name.toString('utf8'), value: readBytes(reader) });
  }
  if (reader.position !== end)
    throw mismatch(`a record of ${size} bytes`, reader.position - end + size);
  const { timestampType, maxTimestampMs, baseTimestampMs } = batch;
  const timestampMs =
    timestampType === 'append' ? maxTimestampMs : baseTimestampMs + timestampDelta;
  return { offset, timestampMs, key, value, headers };
}

function writeRecord(
  writer: ByteWriter,
  record: RecordInput,
  offsetDelta: number,
  timestampDelta: number,
): void {
  const body = new ByteWriter();
  body.i8(0).varlong(timestampDelta).varint(offsetDelta);
  writeBytes(body, record.key ?? null);
  writeBytes(body, record.value ?? null);
  const headers = record.headers ?? [];
  body.varint(headers.length);
  for (const header of headers) {
    writeBytes(body, Buffer.from(header.key));
    writeBytes(body, header.value);
  }
  writer.varint(body.length).bytes(body.view());
}

function readBytes(reader: ByteReader): Buffer | null {
  const size = reader.varint();
  if (size < -1) throw mismatch('a length of -1 or more', size);
  return size === -1 ? null : reader.bytes(size);
}

function writeBytes(writer: ByteWriter, value: Uint8Array | null): void {
  if (value === null) writer.varint(-1);
  else writer.varint(value.length).bytes(value);
}

function packed(compression: 'none' | 'gzip' | 'zstd', body: Buffer): Buffer {
  if (compression === 'gzip') return gzipSync(body);
  return compression === 'zstd' ? zstdCompressSync(body) : body;
}

function unpacked(header: BatchHeader, body: Buffer): Buffer {
  const { compression } = header;
  if (compression === 'none') return body;
  if (compression !== 'gzip' && compression !== 'zstd')
    throw new RecordBatchError(
      'UNSUPPORTED_COMPRESSION_TYPE',
      `expected a compression of none, gzip, zstd to read the records of, got ${compression}`,
    );
  const unpack = compression === 'gzip' ? gunzipSync : zstdDecompressSync;
  try {
    return unpack(body, { maxOutputLength: UNPACKED_BYTES_MAX });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new RecordBatchError(
      'CORRUPT_MESSAGE',
      `expected ${compression} records that unpack to at most ${UNPACKED_BYTES_MAX} bytes: ${why}`,
    );
  }
}

/** Runs what reads records, so that every problem of their bytes is an INVALID_RECORD. */
function inRecord<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof WireError) throw invalid(`records: ${error.message}`);
    throw error;
  }
}

function invalid(problem: string): RecordBatchError {
  return new RecordBatchError('INVALID_RECORD', problem);
}
