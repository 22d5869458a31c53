// CRC32C (Castagnoli), slice-by-8. Records on disk and batches on the wire carry it; for the small
// records of this project plain JavaScript beats the call overhead of a native addon, and it runs in
// the simulator unchanged.

const POLYNOMIAL = 0x82f63b78;
const SLICES = 8;

const tables: Uint32Array[] = buildTables();

function buildTables(): Uint32Array[] {
  const first = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    let c = i;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ POLYNOMIAL : c >>> 1;
    first[i] = c >>> 0;
  }
  const all = [first];
  for (let s = 1; s < SLICES; s++) {
    const previous = all[s - 1] as Uint32Array;
    const next = new Uint32Array(256);
    for (let i = 0; i < 256; i++) {
      const p = previous[i] as number;
      next[i] = (first[p & 0xff] as number) ^ (p >>> 8);
    }
    all.push(next);
  }
  return all;
}

const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
];

/** CRC32C of `data[start, end)`, continuing from `seed` (the crc of what came before; 0 to begin). */
export function crc32c(data: Uint8Array, seed = 0, start = 0, end = data.length): number {
  let crc = ~seed;
  let at = start;
  for (; end - at >= 8; at += 8) {
    const low =
      (crc ^
        ((data[at] as number) |
          ((data[at + 1] as number) << 8) |
          ((data[at + 2] as number) << 16) |
          ((data[at + 3] as number) << 24))) >>>
      0;
    crc =
      (t7[low & 0xff] as number) ^
      (t6[(low >>> 8) & 0xff] as number) ^
      (t5[(low >>> 16) & 0xff] as number) ^
      (t4[low >>> 24] as number) ^
      (t3[data[at + 4] as number] as number) ^
      (t2[data[at + 5] as number] as number) ^
      (t1[data[at + 6] as number] as number) ^
      (t0[data[at + 7] as number] as number);
  }
  for (; at < end; at++) crc = (t0[(crc ^ (data[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}
