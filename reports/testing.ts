// Makes a realistic finished run out of a seed: faults, elections, open operations, anomalies.
// Reports are tested and looked at with it, so no cluster is needed to work on a page.
import { faultRecords, pairOps } from '../history/op.ts';
import { Random } from '../history/random.ts';
import type { FinishedRun, RunConfig, RunRecord } from '../history/run-record.ts';
import { type Anomaly, EXIT, type Outcome, type Verdict } from '../history/verdict.ts';
import { exactFigures, phasesOfFault } from './latency.ts';
import {
  CONCURRENCY,
  clientEvents,
  KEYS,
  nemesisEvents,
  nodeEvents,
  phaseEvents,
  planFaults,
} from './testing-events.ts';

/** What to synthesise. */
export interface SynthesisOptions {
  /** Number of client operations. */
  ops: number;
  seed?: number;
  outcome?: Outcome;
  nodes?: number;
  durationMs?: number;
}

const MS = 1e6;

/** Synthesises a run; the same options give the same run. */
export function synthesiseRun(options: SynthesisOptions): FinishedRun {
  const { ops, seed = 7, outcome = 'valid', nodes: size = 5, durationMs = 60_000 } = options;
  const nodes = Array.from({ length: size }, (_, i) => `n${i + 1}`);
  const config: RunConfig = {
    name: 'register-partition-leader',
    system: 'coordinator',
    workload: 'register',
    nemesis: 'partition-leader,kill-leader,pause-leader',
    cluster: 'docker',
    nodes,
    timeLimitMs: durationMs,
    ratePerSecond: Math.round(ops / (durationMs / 1000)),
    concurrency: CONCURRENCY,
    seed,
    systemOptions: { tickMs: 200, initLimitTicks: 10, syncLimitTicks: 5 },
    workloadOptions: { keys: KEYS },
    recoveryMsMax: 10_000,
    eventLevel: 'state',
  };
  const end = durationMs * MS;
  const plan = planFaults(nodes, end, new Random(seed, 'nemesis'));
  const history = [
    ...clientEvents(config, ops, end, plan, new Random(seed, 'workload')),
    ...nemesisEvents(plan),
    ...phaseEvents(end),
  ].sort((a, b) => a.time - b.time);
  for (const [index, event] of history.entries()) event.index = index;
  const record: RunRecord = {
    config,
    history,
    ops: pairOps(history),
    nodeEvents: nodeEvents(nodes, plan),
    nodeEventGaps: outcome === 'unknown' ? [{ node: 'n2', problem: 'seq 14 to 19 missing' }] : [],
    faults: faultRecords(history),
  };
  return finish(record, outcome);
}

function anomaliesOf(record: RunRecord): Anomaly[] {
  const fault = record.faults[1]!;
  const read = record.ops.find(
    (op) => op.f === 'read' && op.type === 'ok' && op.invokeTime > (fault.healed ?? 0),
  );
  const write = record.ops.findLast(
    (op) =>
      op.f === 'write' &&
      op.type === 'ok' &&
      op.key === read?.key &&
      op.returnTime < (read?.invokeTime ?? 0),
  );
  if (read === undefined || write === undefined) return [];
  const stale = (other: typeof write): Anomaly => ({
    kind: 'stale-read',
    why:
      `The write of ${JSON.stringify(other.invoke.value)} to ${read.key} was acknowledged before ` +
      `the read was invoked, so the read had to return it or a later value. However it returned ` +
      `an older one: a contradiction.`,
    events: [
      other.invoke.index,
      other.completion!.index,
      read.invoke.index,
      read.completion!.index,
    ],
    key: read.key ?? '',
  });
  const earlier = record.ops
    .filter((op) => op.f === 'write' && op.type === 'ok' && op.key === read.key)
    .slice(0, 6);
  return [stale(write), ...earlier.filter((op) => op !== write).map(stale)];
}

function finish(record: RunRecord, outcome: Outcome): FinishedRun {
  const count = (type: string): number => record.ops.filter((op) => op.type === type).length;
  const ops = { ok: count('ok'), fail: count('fail'), info: count('info') };
  const each = record.faults.map((_, i) => 140 + i * 87.5);
  const anomalies = outcome === 'invalid' ? anomaliesOf(record) : [];
  const verdicts: Verdict[] = [
    {
      checker: 'linearizability',
      guarantee: 'Every register behaves as one copy: each operation takes effect at one instant.',
      outcome: anomalies.length > 0 ? 'invalid' : 'valid',
      evidence: { keys: KEYS, reads: Math.round(ops.ok / 2), ops: record.ops.length },
      anomalies,
    },
    {
      checker: 'election',
      guarantee: 'At most one leader is established in an epoch, and it has all that is committed.',
      outcome: outcome === 'unknown' ? 'unknown' : 'valid',
      evidence: { elections: 6, nodeEvents: record.nodeEvents.length },
      anomalies: [],
      ...(outcome === 'unknown' ? { reason: 'The event log of n2 has a gap: seq 14 to 19.' } : {}),
    },
    {
      checker: 'liveness',
      guarantee: 'After the last heal the cluster serves again within 10 s.',
      outcome: 'valid',
      evidence: { heals: each.length },
      anomalies: [],
      details: {
        faults: record.faults.map(({ id }, i) => ({
          id,
          recoveryMs: each[i] ?? null,
          healRecoveryMs: 10 + id,
        })),
      },
    },
    latencyVerdict(record),
  ];
  const exit = { valid: EXIT.valid, invalid: EXIT.invalid, unknown: EXIT.unknown }[outcome];
  const faults = { injected: record.faults.length, verified: record.faults.length };
  return {
    info: {
      config: record.config,
      startedAt: '2026-06-01T12:00:00.000Z',
      finishedAt: '2026-06-01T12:01:14.000Z',
      versions: { chaos: '0.1.0 e45f65f', node: '24.21.0', platform: 'linux x64 6.12' },
      reproduce:
        `chaos run --system coordinator --workload register --nemesis ${record.config.nemesis} ` +
        `--cluster docker --nodes ${record.config.nodes.length} --seed ${record.config.seed}`,
      ended: 'complete',
    },
    record,
    results: {
      outcome,
      exit,
      verdicts,
      ops,
      faults,
      recoveryMs: { p50: each[2] ?? null, max: Math.max(...each), each },
    },
  };
}

function latencyVerdict(record: RunRecord): Verdict {
  const ok = record.ops.filter((op) => op.type === 'ok');
  return {
    checker: 'latency',
    guarantee: 'Latency is measured from when each operation was due.',
    outcome: 'valid',
    evidence: { measured: ok.length },
    anomalies: [],
    details: {
      overall: exactFigures(ok),
      faults: record.faults.map((_, i) => phasesOfFault(ok, record.faults, i)),
    },
  };
}

/** A run in which every text that comes from the system under test tries to become markup or escape codes. */
export function hostileRun(): FinishedRun {
  const evil = `</script><script>window.smuggled=1</script>"'><img src=x onerror="window.smuggled=1">\x1b[31m&]]>`;
  const run = synthesiseRun({ ops: 200, outcome: 'invalid', nodes: 3 });
  const [n1, ...others] = run.record.config.nodes;
  run.record.config.nodes = [`${n1}${evil}`, ...others];
  for (const event of run.record.history) {
    if (typeof event.process !== 'number') continue;
    Object.assign(event, {
      f: evil,
      key: evil,
      node: evil,
      value: { [evil]: evil },
      session: evil,
    });
    if (event.type !== 'invoke') event.error = evil;
  }
  for (const op of run.record.ops) Object.assign(op, { f: evil, key: evil });
  for (const fault of run.record.faults) fault.injection.evidence = evil;
  for (const verdict of run.results.verdicts) {
    Object.assign(verdict, { guarantee: evil, reason: evil, evidence: { [evil]: 1 } });
    for (const anomaly of verdict.anomalies)
      Object.assign(anomaly, { kind: evil, why: evil, key: evil });
  }
  run.info.reproduce = evil;
  return run;
}
