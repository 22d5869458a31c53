// Idempotent producers, retention and refusals of a leader's log: what a client or an operator is told.
import fs from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { laterSequence } from './producers.ts';
import { batch, openLog, temporaryDirectory } from './testing.ts';

const root = temporaryDirectory();
afterAll(() => fs.rmSync(root, { recursive: true }));
let folders = 0;
const folder = (): string => `${root}/p-${folders++}`;

function from(producerEpoch: number, baseSequence: number, records = 1): Buffer {
  const values = Array.from({ length: records }, (_, i) => `${baseSequence}+${i}`);
  return batch({ values, producerId: 7, producerEpoch, baseSequence });
}

describe('an idempotent producer', () => {
  it('is answered a repetition of its last five batches with the offsets they have', async () => {
    const dir = folder();
    const { log } = openLog(dir);
    for (let i = 0; i < 6; i++) log.appendAsLeader(from(0, i * 2, 2), 1);
    expect(log.appendAsLeader(from(0, 2, 2), 1)).toEqual({
      ok: true,
      baseOffset: 2,
      lastOffset: 3,
      duplicate: true,
    });
    expect(log.logEndOffset).toBe(12);
    // Older than that nobody remembers: it is out of order.
    expect(log.appendAsLeader(from(0, 0, 2), 1)).toMatchObject({
      ok: false,
      error: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
    });
    await log.close();
    const { log: again } = openLog(dir);
    expect(again.appendAsLeader(from(0, 10, 2), 1)).toMatchObject({
      baseOffset: 10,
      duplicate: true,
    });
    await again.close();
  });

  it('is refused a gap, an older epoch, and an unknown beginning', async () => {
    const { log } = openLog(folder());
    const refusal = (bytes: Buffer) => {
      const result = log.appendAsLeader(bytes, 1);
      return result.ok ? 'ok' : result.error;
    };
    expect(refusal(from(1, 3))).toBe('UNKNOWN_PRODUCER_ID');
    expect(refusal(from(1, 0))).toBe('ok');
    expect(refusal(from(1, 2))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER');
    expect(refusal(from(0, 1))).toBe('INVALID_PRODUCER_EPOCH');
    expect(refusal(from(2, 1))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER');
    expect(refusal(from(2, 0))).toBe('ok');
    expect(log.logEndOffset).toBe(2);
    await log.close();
  });

  it('is forgotten after its time, and what was cut is forgotten with the cut', async () => {
    let nowMs = 1_000_000;
    const { log } = openLog(folder(), { 'producer.id.expiration.ms': 1000 }, () => nowMs);
    log.appendAsLeader(from(0, 0), 1);
    log.appendAsLeader(from(0, 1), 1);
    await log.truncateTo(1);
    expect(log.appendAsLeader(from(0, 1), 1)).toMatchObject({ baseOffset: 1, duplicate: false });
    nowMs += 1001;
    expect(log.appendAsLeader(from(0, 2), 1)).toMatchObject({ error: 'UNKNOWN_PRODUCER_ID' });
    await log.close();
  });

  it('counts from 2^31 - 1 to 0', () => {
    expect(laterSequence(2 ** 31 - 1, 1)).toBe(0);
    expect(laterSequence(2 ** 31 - 2, 5)).toBe(3);
  });
});

describe('a leader', () => {
  it('refuses what is damaged, too large or not one batch, and takes nothing of it', async () => {
    const { log } = openLog(folder(), { 'max.message.bytes': 200 });
    const damaged = batch({ values: ['a'] });
    damaged[damaged.length - 2] = (damaged[damaged.length - 2] as number) ^ 1;
    expect(log.appendAsLeader(damaged, 1)).toMatchObject({ error: 'CORRUPT_MESSAGE' });
    const large = batch({ values: ['a'.repeat(300)] });
    expect(log.appendAsLeader(large, 1)).toMatchObject({ error: 'MESSAGE_TOO_LARGE' });
    const two = Buffer.concat([batch({ values: ['a'] }), batch({ values: ['b'] })]);
    expect(log.appendAsLeader(two, 1)).toMatchObject({ error: 'INVALID_RECORD' });
    expect(log.appendAsLeader(batch({ values: ['a'] }).subarray(0, 40), 1)).toMatchObject({
      error: 'CORRUPT_MESSAGE',
    });
    expect(log.logEndOffset).toBe(0);
    await log.close();
  });

  it('never deletes what is above the limit, and by age all that is below', async () => {
    let nowMs = 1_700_000_000_000;
    const settings = { 'segment.bytes': 1024, 'retention.ms': 1000 };
    const { log } = openLog(folder(), settings, () => nowMs);
    for (let i = 0; i < 20; i++) log.appendAsLeader(batch({ values: ['x'.repeat(300)] }), 1);
    await log.flush();
    nowMs += 2000;
    expect(await log.applyRetention(7)).toBeGreaterThan(0);
    expect(log.logStartOffset).toBeLessThanOrEqual(7);
    await log.applyRetention(20);
    expect([log.logStartOffset, log.logEndOffset]).toEqual([20, 20]);
    expect(log.segmentOffsets).toEqual([20]);
    await log.close();
  });
});
