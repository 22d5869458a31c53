// Our coordinator and ZooKeeper, sent the same bytes: what they say must be the same. Needs Debian's
// package zookeeper; `node test/differential/main.ts 100000` does the same at length.
import { describe, expect, it } from 'vitest';
import { zookeeper } from '../../harness/systems/zookeeper.ts';
import { compare } from './compare.ts';
import { OPERATIONS } from './operations.ts';

const here = zookeeper.available?.() ?? { ok: true };
const OPERATIONS_COUNT = 2_000;

describe.skipIf(!here.ok)(
  here.ok ? 'beside ZooKeeper' : `not tested beside ZooKeeper: ${here.reason}; ${here.remedy}`,
  () => {
    it('every reply, Stat, error and notification is the same', { timeout: 120_000 }, async () => {
      const result = await compare(2, OPERATIONS_COUNT);
      expect(result.differences).toEqual([]);
      expect(result.operations).toBe(OPERATIONS_COUNT);
      expect(result.events).toBeGreaterThan(20);
      // An operation that is never done, or never succeeds, compares nothing.
      const succeeded = OPERATIONS.filter((name) => (result.byName[name]?.ok ?? 0) > 0);
      expect(new Set(succeeded).size).toBeGreaterThan(20);
    });
  },
);
