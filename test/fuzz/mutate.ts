// Damages well-formed frames: in their bytes, their lengths and their ends. Most damage keeps the frame
// boundary right, so that it reaches the code behind the splitter.
import type { Random } from './random.ts';

const PREFIX_BYTES = 4;
/** Numbers that codecs stumble over. */
const EDGES = [0, 1, -1, -2, 255, 65_535, 2 ** 31 - 1, -(2 ** 31), 1_048_575, 1_048_576];

/** A damaged copy of a frame, its length put right. */
export function damageBody(random: Random, whole: Buffer): Buffer {
  let body = Buffer.from(whole.subarray(PREFIX_BYTES));
  for (let times = 1 + random.below(3); times > 0 && body.length > 0; times--) {
    body = damageOnce(random, body);
  }
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeInt32BE(body.length);
  return Buffer.concat([prefix, body]);
}

function damageOnce(random: Random, body: Buffer<ArrayBuffer>): Buffer<ArrayBuffer> {
  const at = random.below(body.length);
  switch (random.below(6)) {
    case 0:
      body[at] = (body[at] as number) ^ (1 << random.below(8));
      return body;
    case 1:
      body[at] = random.below(256);
      return body;
    case 2:
      if (body.length >= 4) {
        const word = Math.min(at - (at % 4), body.length - 4);
        body.writeInt32BE(random.pick(EDGES), word);
      }
      return body;
    case 3:
      return body.subarray(0, at);
    case 4:
      return Buffer.concat([body, random.bytes(1 + random.below(40))]);
    default:
      return Buffer.concat([
        body.subarray(0, at),
        random.bytes(random.below(9)),
        body.subarray(at),
      ]);
  }
}

/** A frame whose length says something else than what follows. */
export function damageLength(random: Random, whole: Buffer): Buffer {
  const damaged = Buffer.from(whole);
  damaged.writeInt32BE(random.chance(50) ? random.pick(EDGES) : random.word() | 0, 0);
  return damaged;
}

/** The beginning of a frame. */
export function half(random: Random, whole: Buffer): Buffer {
  return whole.subarray(0, 1 + random.below(Math.max(1, whole.length - 1)));
}
