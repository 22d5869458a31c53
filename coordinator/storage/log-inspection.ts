// Reads a log directory as a crash left it and decides, without changing anything, what is whole,
// what is an unsynced tail to cut, and what is damage to refuse. Losing what was fsynced in silence
// would break the promise made to clients; so would starting on it.
import fs from 'node:fs';
import path from 'node:path';
import { TMP_SUFFIX } from '../../wire/durable-files.ts';
import { type Zxid, zxidHex } from '../zxid.ts';
import {
  type Cursor,
  decodeSegmentHeader,
  FileReader,
  type Flaw,
  findProof,
  firstNonZero,
  readBatch,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
} from './log-format.ts';

const NAME = /^log\.([0-9a-f]+)$/;
/** Distance between remembered places of a segment, bytes. */
const INDEX_BYTES = 256 * 1024;

/** What a server that refuses its disk tells its operator to do. */
export const REMEDY =
  "What to do: if the other servers are a quorum and serve, keep a copy of this server's " +
  'version-2 directory, remove that directory and start it again: it will synchronise from the ' +
  'leader. Never do this on more servers than the ensemble can lose. Otherwise restore the ' +
  'directory from a backup.';

/** Durable data is damaged or missing: the server must not start. */
export class CorruptLogError extends Error {
  override name = 'CorruptLogError';
  /** File or directory that is wrong. */
  readonly file: string;
  /** Byte offset in it. */
  readonly offset: number;

  constructor(file: string, offset: number, found: string) {
    super(`${file}, offset ${offset}: ${found}. The server does not start on it. ${REMEDY}`);
    this.file = file;
    this.offset = offset;
  }
}

/** A segment file and what of it is known. */
export interface Segment {
  name: string;
  header: SegmentHeader;
  /** After the last valid batch: where the next one goes. */
  end: Cursor;
  /** Size of the file, preallocated zeros included. */
  size: number;
  /** Places to read from, ascending, the first right after the header. */
  index: Cursor[];
}

/** An unsynced tail. */
export interface Cut {
  file: string;
  offset: number;
  /** Bytes from there to the end of the file, preallocated ones included. */
  bytes: number;
  /** What was found there. */
  what: string;
}

export interface LogInspection {
  segments: Segment[];
  lastLogged: Zxid;
  /** Highest zxid that the log itself says was committed; 0 if none. */
  committed: Zxid;
  /** Highest currentEpoch that was in force when something was logged. */
  currentEpoch: number;
  cut: Cut | null;
  /** The last segment holds nothing valid: the cut takes the whole file. */
  cutsFile: string | null;
}

/** The name of the segment that begins with a zxid. */
export function segmentName(first: Zxid): string {
  return `log.${first.toString(16)}`;
}

/** Names of the segments in a directory, in log order. */
function segmentNames(dir: string): string[] {
  const found: { name: string; first: number }[] = [];
  for (const name of fs.readdirSync(dir)) {
    const match = NAME.exec(name);
    if (match !== null) found.push({ name, first: Number.parseInt(match[1] as string, 16) });
    else if (name.startsWith('log.') && !name.endsWith(TMP_SUFFIX)) {
      const known = 'log.<first zxid in hexadecimal>';
      throw new CorruptLogError(path.join(dir, name), 0, `expected a name like ${known}`);
    }
  }
  return found.sort((a, b) => a.first - b.first).map(({ name }) => name);
}

interface SegmentScan {
  segment: Segment | null;
  flaw: Flaw | null;
  size: number;
  /** Offset of a batch that proves the flaw's place had been fsynced. */
  proof: number | null;
  committed: Zxid;
  currentEpoch: number;
}

/** Remembers a place when it is far enough from the last one remembered. */
export function noteIndex(index: Cursor[], at: Cursor): void {
  const last = index.at(-1);
  if (last === undefined || at.offset - last.offset >= INDEX_BYTES) index.push({ ...at });
}

function scanSegment(dir: string, name: string): SegmentScan {
  const reader = new FileReader(path.join(dir, name));
  try {
    return scanOpened(reader, name);
  } finally {
    reader.close();
  }
}

function scanOpened(reader: FileReader, name: string): SegmentScan {
  const scan: SegmentScan = {
    segment: null,
    flaw: null,
    size: reader.size,
    proof: null,
    committed: 0,
    currentEpoch: 0,
  };
  const header = decodeSegmentHeader(reader.bytes(0, SEGMENT_HEADER_BYTES));
  if ('what' in header) {
    scan.flaw = header;
    scan.proof = findProof(reader, 0, null);
    return scan;
  }
  if (segmentName(header.firstZxid) !== name) {
    const what = `the header is of ${segmentName(header.firstZxid)}`;
    scan.flaw = { offset: 0, what, impossible: true };
    return scan;
  }
  const end: Cursor = {
    offset: SEGMENT_HEADER_BYTES,
    previous: header.previousZxid,
    chain: header.crc,
  };
  const index: Cursor[] = [];
  scan.segment = { name, header, end, size: reader.size, index };
  for (;;) {
    noteIndex(index, end);
    const batch = readBatch(reader, header, end);
    if (batch === null || 'what' in batch) {
      scan.flaw = batch;
      break;
    }
    end.offset += batch.length;
    end.previous = batch.lastZxid;
    end.chain = batch.crc;
    scan.committed = Math.max(scan.committed, batch.committed);
    scan.currentEpoch = Math.max(scan.currentEpoch, batch.currentEpoch);
  }
  const junk = firstNonZero(reader, end.offset);
  if (junk < reader.size) {
    const what = `expected zeros after the last batch, got other bytes at offset ${junk}`;
    scan.flaw ??= { offset: end.offset, what, impossible: false };
    scan.proof = findProof(reader, end.offset, header.salt);
  } else if (scan.flaw === null && header.firstZxid > end.previous) {
    // Only the header reached the disk.
    const what = 'expected a first batch, got zeros';
    scan.flaw = { offset: end.offset, what, impossible: false };
  }
  return scan;
}

/** Reads everything in `dir`. Throws CorruptLogError for what no crash can leave behind. */
export function inspectLog(dir: string): LogInspection {
  const names = segmentNames(dir);
  const result: LogInspection = {
    segments: [],
    lastLogged: 0,
    committed: 0,
    currentEpoch: 0,
    cut: null,
    cutsFile: null,
  };
  for (const [at, name] of names.entries()) {
    const file = path.join(dir, name);
    const scan = scanSegment(dir, name);
    if (scan.flaw !== null) {
      const later = at < names.length - 1 ? (names[at + 1] as string) : null;
      refuseDamage(file, scan, scan.flaw, later);
      const { offset, what } = scan.flaw;
      result.cut = { file, offset, bytes: scan.size - offset, what };
    }
    const { segment } = scan;
    // A segment without a batch holds nothing; the next record may want another name.
    if (segment === null || segment.end.offset === SEGMENT_HEADER_BYTES) {
      if (segment !== null) checkContinuity(dir, result.segments.at(-1), segment);
      result.cutsFile = name;
      break;
    }
    checkContinuity(dir, result.segments.at(-1), segment);
    result.segments.push(segment);
    result.lastLogged = segment.end.previous;
    result.committed = Math.max(result.committed, scan.committed);
    result.currentEpoch = Math.max(result.currentEpoch, scan.currentEpoch);
  }
  return result;
}

/** A flaw is a tail only where nothing shows that the place had been durable. */
function refuseDamage(file: string, scan: SegmentScan, flaw: Flaw, later: string | null): void {
  let why: string | null = null;
  if (flaw.impossible) why = 'its checksum holds, so no crash explains it';
  else if (later !== null) why = `${later} was begun only after this file was complete and fsynced`;
  else if (scan.proof !== null) {
    why = `the batch at offset ${scan.proof} was written after this place had been fsynced`;
  }
  if (why === null) return;
  throw new CorruptLogError(file, flaw.offset, `${flaw.what}: this is damage, as ${why}`);
}

function checkContinuity(dir: string, before: Segment | undefined, segment: Segment): void {
  if (before === undefined) return;
  const { previousZxid, chain } = segment.header;
  if (before.end.previous === previousZxid && before.end.chain === chain) return;
  throw new CorruptLogError(
    path.join(dir, segment.name),
    0,
    `this segment follows transaction ${zxidHex(previousZxid)}, but ${before.name} before it ends ` +
      `with ${zxidHex(before.end.previous)}: a segment between them, or the end of ${before.name}, ` +
      'is missing or not of this log',
  );
}
