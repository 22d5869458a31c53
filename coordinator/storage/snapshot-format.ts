// The bytes of a snapshot file: facts, chunks, and an end that covers both. A file that is shorter,
// longer or changed anywhere does not check.
import { ByteReader, ByteWriter } from '../../wire/bytes.ts';
import { crc32c } from '../../wire/crc32c.ts';
import { type Zxid, zxidHex } from '../zxid.ts';
import { FileReader } from './log-format.ts';

const MAGIC = 0x435a_5331; // CZS1
const END_MAGIC = 0x435a_5345; // CZSE
const FORMAT_VERSION = 1;
/** magic, version, length of the facts, their checksum. */
const PREFIX_BYTES = 16;
const CHUNK_HEADER_BYTES = 8;
const END_BYTES = 8;
const FACTS_BYTES_MAX = 4096;
const CHUNK_BYTES_MAX = 256 * 1024 * 1024;

/** What a snapshot says of itself. */
export interface SnapshotFacts {
  zxid: Zxid;
  digest: string;
  /** Came from a leader and replaces whatever log this server had from before. */
  installed: boolean;
  /** The server's currentEpoch when it was written. */
  currentEpoch: number;
}

export interface Snapshot extends SnapshotFacts {
  chunks: Buffer[];
}

/** The file's bytes, part by part, so that a large state is never in memory twice. */
export function* encodeSnapshot(
  facts: SnapshotFacts,
  chunks: readonly Buffer[],
): Generator<Buffer, void> {
  const body = new ByteWriter();
  body.i64(facts.zxid).i64(facts.currentEpoch).bool(facts.installed).u32(chunks.length);
  body.utf8(facts.digest);
  const bodyBytes = body.view();
  const head = new ByteWriter();
  head.u32(MAGIC).u32(FORMAT_VERSION).u32(bodyBytes.length).u32(crc32c(bodyBytes));
  head.bytes(bodyBytes);
  const headBytes = head.view();
  yield headBytes;
  let sum = crc32c(headBytes);
  for (const chunk of chunks) {
    const prefix = new ByteWriter(CHUNK_HEADER_BYTES).u32(chunk.length).u32(crc32c(chunk)).view();
    // Covers order and number of the chunks; their own checksums cover the bytes.
    sum = crc32c(prefix, sum);
    yield prefix;
    if (chunk.length > 0) yield chunk;
  }
  yield new ByteWriter(END_BYTES).u32(END_MAGIC).u32(sum).view();
}

/** Reads a snapshot file; a string says what is wrong with it. */
export function decodeSnapshot(file: string, zxid: Zxid): Snapshot | string {
  const reader = new FileReader(file);
  try {
    return decode(reader, zxid);
  } finally {
    reader.close();
  }
}

function decode(reader: FileReader, zxid: Zxid): Snapshot | string {
  const prefix = reader.bytes(0, PREFIX_BYTES);
  if (prefix.length < PREFIX_BYTES || prefix.readUInt32BE(0) !== MAGIC) return 'not a snapshot';
  const version = prefix.readUInt32BE(4);
  const factsBytes = prefix.readUInt32BE(8);
  const factsCrc = prefix.readUInt32BE(12);
  if (version !== FORMAT_VERSION) return `expected format ${FORMAT_VERSION}, got ${version}`;
  if (factsBytes > FACTS_BYTES_MAX) return `a header of ${factsBytes} bytes`;
  const head = reader.bytes(0, PREFIX_BYTES + factsBytes);
  if (head.length < PREFIX_BYTES + factsBytes) return 'the file ends in its header';
  if (crc32c(head, 0, PREFIX_BYTES) !== factsCrc) return 'the header does not match its CRC32C';
  const r = new ByteReader(head, PREFIX_BYTES);
  const found = { zxid: r.i64(), currentEpoch: r.i64(), installed: r.bool() };
  const count = r.u32();
  const digest = r.utf8(r.remaining);
  if (found.zxid !== zxid) return `the snapshot inside is of ${zxidHex(found.zxid)}`;
  let sum = crc32c(head);
  let at = head.length;
  const chunks: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    const chunkHead = Buffer.from(reader.bytes(at, CHUNK_HEADER_BYTES));
    if (chunkHead.length < CHUNK_HEADER_BYTES) return `the file ends before chunk ${i} of ${count}`;
    const length = chunkHead.readUInt32BE(0);
    at += CHUNK_HEADER_BYTES;
    if (length > CHUNK_BYTES_MAX || at + length > reader.size) {
      return `chunk ${i} at offset ${at} has ${length} bytes, the file ends at ${reader.size}`;
    }
    const chunk = Buffer.from(reader.bytes(at, length));
    if (crc32c(chunk) !== chunkHead.readUInt32BE(4)) {
      return `chunk ${i} at offset ${at} does not match its CRC32C`;
    }
    sum = crc32c(chunkHead, sum);
    chunks.push(chunk);
    at += length;
  }
  const end = reader.bytes(at, END_BYTES);
  if (end.length < END_BYTES || end.readUInt32BE(0) !== END_MAGIC || end.readUInt32BE(4) !== sum) {
    return `expected the end of the snapshot at offset ${at}`;
  }
  if (reader.size !== at + END_BYTES) return `${reader.size - at - END_BYTES} bytes after the end`;
  return { ...found, digest, chunks };
}
