// Prints a log a line a transaction, as far as it is whole, and then says what is wrong and where.
import { opName } from '../protocol/codes.ts';
import {
  type Cursor,
  decodeSegmentHeader,
  FileReader,
  firstNonZero,
  readBatch,
  SEGMENT_HEADER_BYTES,
} from '../storage/log-format.ts';
import { hashHex, openTxn, type TxnBody, type TxnRecord } from '../txn.ts';
import { zxidHex } from '../zxid.ts';
import { filesOf } from './places.ts';

type Print = (line: string) => void;

/** Prints the log at a path; false when any of it is damaged. */
export function printLog(given: string, print: Print): boolean {
  let whole = true;
  for (const { file } of filesOf(given, 'log')) whole = printSegment(file, print) && whole;
  return whole;
}

function printSegment(file: string, print: Print): boolean {
  const reader = new FileReader(file);
  try {
    const header = decodeSegmentHeader(reader.bytes(0, SEGMENT_HEADER_BYTES));
    if ('what' in header) return damaged(print, file, header.offset, header.what);
    const after = zxidHex(header.previousZxid);
    print(`# ${file}: ${reader.size} bytes, from ${zxidHex(header.firstZxid)}, after ${after}`);
    const at: Cursor = {
      offset: SEGMENT_HEADER_BYTES,
      previous: header.previousZxid,
      chain: header.crc,
    };
    for (;;) {
      const batch = readBatch(reader, header, at);
      if (batch === null) break;
      if ('what' in batch) return damaged(print, file, batch.offset, batch.what);
      for (const bytes of batch.records) {
        try {
          print(lineOf(openTxn(bytes)));
        } catch (error) {
          const why = `a transaction does not decode: ${(error as Error).message}`;
          return damaged(print, file, batch.offset, why);
        }
      }
      at.offset += batch.length;
      at.previous = batch.lastZxid;
      at.chain = batch.crc;
    }
    const junk = firstNonZero(reader, at.offset);
    if (junk < reader.size) {
      return damaged(print, file, junk, 'expected zeros after the last batch, got other bytes');
    }
    print(`# ends with ${zxidHex(at.previous)} at offset ${at.offset}`);
    return true;
  } finally {
    reader.close();
  }
}

function damaged(print: Print, file: string, offset: number, what: string): boolean {
  print(`# ${file}, offset ${offset}: ${what}`);
  print('# a torn tail, which a server cuts, or damage, which it refuses: verify says which');
  return false;
}

/** One transaction. */
function lineOf({ txn, hash }: TxnRecord): string {
  const { zxid, session, cxid, origin, request, op, timeMs, body } = txn;
  const parts = [
    zxidHex(zxid),
    new Date(timeMs).toISOString(),
    `session=0x${session.toString(16)}`,
    `cxid=${cxid}`,
    `origin=${origin}`,
    `request=${request}`,
    `op=${opName(op)}`,
    `hash=${hashHex(hash)}`,
    bodyText(body),
  ];
  return parts.join(' ');
}

function bodyText(body: TxnBody): string {
  if (body.type === 'multi') return `multi [${body.parts.map(bodyText).join('; ')}]`;
  const fields = Object.entries(body).filter(([name]) => name !== 'type');
  return [body.type, ...fields.map(([name, value]) => `${name}=${valueText(value)}`)].join(' ');
}

function valueText(value: unknown): string {
  if (Buffer.isBuffer(value)) return `<${value.length} bytes>`;
  return JSON.stringify(value);
}
