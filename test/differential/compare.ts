// Sends random sequences of operations to our coordinator and to ZooKeeper and tells where they differ.
// Every round has a directory and sessions of its own, so that one difference does not breed others.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Op } from '../../coordinator/protocol/codes.ts';
import type { Codec } from '../../coordinator/protocol/jute.ts';
import { CreateRequest, CreateResponse, OPEN_ACL } from '../../coordinator/protocol/records.ts';
import { boot } from '../../harness/boot.ts';
import { Halt, monotonicNs } from '../../harness/clock.ts';
import type { Cluster } from '../../harness/cluster.ts';
import { localDriver } from '../../harness/clusters/local/driver.ts';
import type { System } from '../../harness/system.ts';
import { coordinator } from '../../harness/systems/coordinator.ts';
import { zookeeper } from '../../harness/systems/zookeeper.ts';
import { Random } from '../../history/random.ts';
import type { RunConfig } from '../../history/run-record.ts';
import { Drawing } from './drawing.ts';
import { describe, nextOperation, type Operation } from './operations.ts';
import { type Answer, Pair } from './pair.ts';

const SESSIONS = 2;
const OPS_PER_ROUND = 200;

/** Ticks long enough that no pause of the machine ends a session, and nothing that goes by itself. */
const OPTIONS = {
  ...{ tickTime: 2_000, initLimit: 10, syncLimit: 5, snapCount: 100_000 },
  extendedTypesEnabled: true,
};

/** A difference in what the servers said to one operation. */
export interface Difference {
  seed: number;
  round: number;
  step: number;
  operation: string;
  difference: string;
  /** All that each said. */
  answers: [Answer, Answer];
  /** The round's operations until then: session, operation, what ZooKeeper answered. */
  before: string[];
}

export interface Comparison {
  operations: number;
  byName: Record<string, { ok: number; refused: number; differ: number }>;
  events: number;
  differences: Difference[];
}

async function bootOne(system: System, runDir: string, clusters: Cluster[]): Promise<number> {
  const systemOptions: RunConfig['systemOptions'] = { ...OPTIONS };
  if (system === zookeeper) systemOptions['znode.container.checkIntervalMs'] = 86_400_000;
  const config: RunConfig = {
    ...{ name: 'differential', system: system.name, workload: 'none', nemesis: 'none' },
    ...{ cluster: 'local', nodes: ['n1'], timeLimitMs: 0, ratePerSecond: 0, concurrency: 0 },
    ...{ seed: 0, systemOptions, workloadOptions: {} },
    ...{ recoveryMsMax: 0, eventLevel: 'off' },
  };
  let cluster: Cluster | undefined;
  await boot({
    ...{ config, system, driver: localDriver, runDir, baseNs: monotonicNs(), halt: new Halt() },
    log: () => undefined,
    onCluster(made) {
      cluster = made;
      clusters.push(made);
    },
    onExit: () => undefined,
  });
  if (cluster === undefined) throw new Error(`${system.name} did not boot`);
  return cluster.address('n1', system.clientPort).port;
}

/**
 * Compares `operations` operations drawn from `seed`. Throws when a server does not boot or does not
 * answer at all; what they say differently is in the result.
 */
export async function compare(
  seed: number,
  operations: number,
  onDifference: (difference: Difference) => void = () => undefined,
): Promise<Comparison> {
  const dir = mkdtempSync(join(tmpdir(), 'chaos-differential-'));
  const clusters: Cluster[] = [];
  try {
    const ports = await Promise.all([
      bootOne(coordinator, join(dir, 'ours'), clusters),
      bootOne(zookeeper, join(dir, 'theirs'), clusters),
    ]);
    const pair = new Pair(...(ports as [number, number]));
    const result: Comparison = { operations: 0, byName: {}, events: 0, differences: [] };
    for (let round = 0; result.operations < operations; round++) {
      await playRound(pair, { seed, round, result, operations, onDifference });
    }
    await pair.close();
    return result;
  } finally {
    await Promise.all(clusters.map((cluster) => cluster.close()));
    rmSync(dir, { recursive: true });
  }
}

interface Play {
  seed: number;
  round: number;
  result: Comparison;
  operations: number;
  onDifference(difference: Difference): void;
}

/** One round: until its operations are done or the servers differ. */
async function playRound(pair: Pair, play: Play): Promise<void> {
  const { seed, round, result } = play;
  const random = new Random(seed, `differential/${round}`);
  const draw = new Drawing(random, `/r${round}`);
  await pair.renew(SESSIONS);
  const base: Operation = {
    ...{
      name: 'base',
      type: Op.create,
      request: CreateRequest as Codec<unknown>,
      response: CreateResponse,
    },
    body: { path: draw.base, data: null, acl: OPEN_ACL, flags: 0 },
  };
  await pair.ask(0, base);
  const before: string[] = [];
  for (let step = 0; step < OPS_PER_ROUND && result.operations < play.operations; step++) {
    const operation = nextOperation(draw);
    const session = random.int(0, SESSIONS - 1);
    const { answers, difference } = await pair.ask(session, operation);
    before.push(`${session} ${describe(operation)} → ${answers[1].err}`);
    result.operations++;
    result.events += answers[1].events.length;
    const counts = (result.byName[operation.name] ??= { ok: 0, refused: 0, differ: 0 });
    if (difference === undefined) {
      counts[answers[1].err === 0 ? 'ok' : 'refused']++;
      continue;
    }
    counts.differ++;
    const found = {
      seed,
      round,
      step,
      operation: `${describe(operation)} of session ${session}`,
      difference,
      answers,
      before,
    };
    result.differences.push(found);
    play.onDifference(found);
    return;
  }
}
