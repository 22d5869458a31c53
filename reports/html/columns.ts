// A table of numbers and texts as few bytes: columns of variable-length integers, one after another.
// Encoder and decoder stand side by side, without Node and without the DOM, for both ends use this file.

/** A column as given: numbers are integers, NaN = absent; texts hold no newline, '' = absent. */
export type ColumnInput =
  | { name: string; kind: 'number' | 'delta'; values: ArrayLike<number> }
  | { name: string; kind: 'text'; values: readonly string[] };

/** A table as read back. */
export interface Table<Meta> {
  meta: Meta;
  numbers: Record<string, Float64Array>;
  texts: Record<string, string[]>;
}

interface Header<Meta> {
  meta: Meta;
  columns: { name: string; kind: ColumnInput['kind']; count: number; bytes: number }[];
}

/** Differences of such numbers, doubled, are exact. */
const NUMBER_MAX = 2 ** 51;

/** A number as a column takes it: a damaged server may answer with any, and the page is drawn all the same. */
export function drawable(given: number | undefined): number {
  return given !== undefined && Math.abs(given) <= NUMBER_MAX ? Math.round(given) : Number.NaN;
}

// 53 bits in groups of 7.
const VARINT_BYTES_MAX = 8;

/** Lays out: u32 length of the header, header as JSON, the columns' bytes. */
export function encodeTable<Meta>(meta: Meta, columns: readonly ColumnInput[]): Uint8Array {
  const encoder = new TextEncoder();
  const bodies = columns.map((column) =>
    column.kind === 'text'
      ? encoder.encode(column.values.join('\n'))
      : encodeNumbers(column.values, column.kind === 'delta'),
  );
  const header: Header<Meta> = {
    meta,
    columns: columns.map(({ name, kind, values }, i) => {
      return { name, kind, count: values.length, bytes: bodies[i]!.length };
    }),
  };
  const head = encoder.encode(JSON.stringify(header));
  const size = bodies.reduce((sum, body) => sum + body.length, 4 + head.length);
  const out = new Uint8Array(size);
  new DataView(out.buffer).setUint32(0, head.length);
  out.set(head, 4);
  let at = 4 + head.length;
  for (const body of bodies) {
    out.set(body, at);
    at += body.length;
  }
  return out;
}

/** Reads what `encodeTable` wrote. Throws when it is not that. */
export function decodeTable<Meta>(bytes: Uint8Array): Table<Meta> {
  const decoder = new TextDecoder();
  const headLength = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  const head = decoder.decode(bytes.subarray(4, 4 + headLength));
  const header = JSON.parse(head) as Header<Meta>;
  const table: Table<Meta> = { meta: header.meta, numbers: {}, texts: {} };
  let at = 4 + headLength;
  for (const { name, kind, count, bytes: length } of header.columns) {
    const body = bytes.subarray(at, at + length);
    at += length;
    if (body.length !== length) throw new Error(`column ${name}: expected ${length} bytes`);
    if (kind === 'text') table.texts[name] = count === 0 ? [] : decoder.decode(body).split('\n');
    else table.numbers[name] = decodeNumbers(body, count, kind === 'delta');
  }
  return table;
}

// Each number is zigzag-coded plus one, so that zero can say absent; `delta` codes the difference to
// the last number present, which makes times and zxids one to four bytes instead of eight.
function encodeNumbers(values: ArrayLike<number>, delta: boolean): Uint8Array {
  const out = new Uint8Array(values.length * VARINT_BYTES_MAX);
  let at = 0;
  let base = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    let code = 0;
    if (!Number.isNaN(value)) {
      const difference = value - base;
      code = (difference >= 0 ? 2 * difference : -2 * difference - 1) + 1;
      if (!Number.isSafeInteger(value) || !Number.isSafeInteger(code)) {
        throw new Error(`expected an integer whose double is safe, got ${value} at row ${i}`);
      }
      if (delta) base = value;
    }
    while (code >= 128) {
      out[at++] = (code % 128) + 128;
      code = Math.floor(code / 128);
    }
    out[at++] = code;
  }
  return out.slice(0, at);
}

function decodeNumbers(bytes: Uint8Array, count: number, delta: boolean): Float64Array {
  const values = new Float64Array(count);
  let at = 0;
  let base = 0;
  for (let i = 0; i < count; i++) {
    let code = 0;
    let scale = 1;
    let byte = bytes[at++]!;
    while (byte >= 128) {
      code += (byte - 128) * scale;
      scale *= 128;
      byte = bytes[at++]!;
    }
    code += byte * scale;
    if (code === 0) {
      values[i] = Number.NaN;
      continue;
    }
    const zigzag = code - 1;
    const value = base + (zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2);
    if (delta) base = value;
    values[i] = value;
  }
  return values;
}
