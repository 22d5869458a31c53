// What seeds draw: each workload of the system in its turn, and none of another system's, which would ask a
// server for what it does not speak.
import { expect, test } from 'vitest';
import { workloads } from '../plugins.ts';
import { drawSwarm } from './draw.ts';

test('in a row of seeds every workload of the drawn system comes as often as every other', () => {
  const { system } = drawSwarm(1);
  const own = workloads.filter(({ systems }) => systems.includes(system)).map(({ name }) => name);
  expect(own.length).toBeLessThan(workloads.length);
  const rounds = 3;
  const drawn = Array.from({ length: rounds * own.length }, (_, i) => drawSwarm(i + 1).workload);
  expect(drawn.sort()).toEqual(
    Array.from({ length: rounds }, () => own)
      .flat()
      .sort(),
  );
});
