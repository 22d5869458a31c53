// How many operations a second the interpreter records against a client that does nothing.
// Run with `node bench/interpreter.ts`; the history goes to a file, as in a real run.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RunClock } from '../harness/clock.ts';
import { Interpreter, TIMING } from '../harness/interpreter.ts';
import { fileSink, Recorder } from '../harness/recorder.ts';
import type { Plan } from '../history/plan.ts';
import type { Nemesis, Workload } from '../history/plugin.ts';

const ROUNDS = 5;
const ROUND_MS = 2_000;
const CONCURRENCY = 10;

const nothing: Workload = {
  name: 'nothing',
  description: 'operations that end ok at once',
  systems: [],
  defaultOptions: {},
  *setup() {},
  *load(): Plan {
    for (;;) yield { kind: 'op', f: 'write', key: '/r', value: 1 };
  },
  *final() {},
  client: () => ({
    invoke: async () => ({ type: 'ok', node: 'n1', zxid: 1, mzxid: 1, version: 1 }),
    close: async () => undefined,
  }),
  checkers: [],
};

const idle: Nemesis = { name: 'none', description: '', needs: [], nodesMin: 1, *plan() {} };

async function round(directory: string, number: number): Promise<number> {
  const clock = new RunClock();
  const path = join(directory, `history-${number}.jsonl`);
  const recorder = new Recorder(clock, fileSink(path));
  let from = 0;
  let until = 0;
  const interpreter = new Interpreter({
    workload: nothing,
    nemesis: idle,
    context: {
      nodes: ['n1'],
      address: () => ({ host: '127.0.0.1', port: 1 }),
      concurrency: CONCURRENCY,
      ratePerSecond: 0,
      seed: number,
      options: {},
    },
    cluster: { inject: () => Promise.reject(new Error('no faults here')) },
    observe: async () => ({ nodes: [], roles: {} }),
    recorder,
    clock,
    timing: { ...TIMING, warmupMs: 0, faultsMs: ROUND_MS, afterHealMs: 0, recoveryMsMax: 1_000 },
    onPhase(phase) {
      if (phase === 'warmup') from = clock.now();
      if (phase === 'final') until = clock.now();
    },
  });
  await interpreter.run();
  recorder.close();
  const perSecond = recorder.counts.ok / ((until - from) / 1e9);
  const megabytes = statSync(path).size / 1e6;
  console.log(
    `round ${number}: ${Math.round(perSecond)} operations/s recorded, ${megabytes.toFixed(0)} MB`,
  );
  return perSecond;
}

const directory = mkdtempSync(join(tmpdir(), 'chaos-bench-'));
try {
  const rounds: number[] = [];
  for (let i = 1; i <= ROUNDS; i++) rounds.push(await round(directory, i));
  const median = rounds.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0;
  console.log(`median: ${Math.round(median)} operations/s (wanted: at least 50,000)`);
  process.exitCode = median >= 50_000 ? 0 : 1;
} finally {
  rmSync(directory, { recursive: true });
}
