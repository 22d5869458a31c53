// Many logs at once: a broker whose disk is slow must keep its session while the logs of a new topic are made.
import fs from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { TestCluster } from './testing.ts';

const PARTITIONS = 12;
const TURNS_MAX = 100_000;

let cluster: TestCluster;

afterEach(() => cluster.end());

it('makes the logs of a new topic in turns of their own: the event loop comes round between any two', async () => {
  cluster = new TestCluster(1);
  const [broker] = cluster.brokers;
  broker?.start();
  const folders = () =>
    fs.readdirSync(cluster.broker(1).dir).filter((name) => name.startsWith('t-')).length;
  cluster.store.createTopic('t', Array(PARTITIONS).fill([1]));
  const seen = [folders()];
  for (let turns = 0; turns < TURNS_MAX && seen.at(-1) !== PARTITIONS; turns++) {
    await setImmediate();
    seen.push(folders());
  }
  expect(seen.at(-1)).toBe(PARTITIONS);
  const steps = seen.slice(1).map((count, at) => count - (seen[at] as number));
  expect(Math.max(...steps)).toBe(1);
});
