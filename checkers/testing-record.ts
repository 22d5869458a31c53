// Run records for the tests of the checkers, from events and a standard configuration.
// One place says what a test's run was asked to do, so that a new setting is added once.
import type { Event } from '../history/event.ts';
import type { NodeEvent } from '../history/node-event.ts';
import { faultRecords, pairOps } from '../history/op.ts';
import type { RunConfig, RunRecord } from '../history/run-record.ts';

/** A record's settings for tests. */
export function testConfig(nodes: string[], seed = 1): RunConfig {
  return {
    name: 'scripted',
    system: 'coordinator',
    workload: 'register',
    nemesis: 'scripted',
    cluster: 'local',
    nodes,
    timeLimitMs: 30_000,
    ratePerSecond: 200,
    concurrency: 4,
    seed,
    systemOptions: { tickTime: 250, initLimit: 20, syncLimit: 6 },
    workloadOptions: {},
    recoveryMsMax: 10_000,
    eventLevel: 'all',
  };
}

/** A finished run from its events, as the store would give it. */
export function recordOf(config: RunConfig, history: Event[], nodeEvents: NodeEvent[]): RunRecord {
  return {
    config,
    history,
    ops: pairOps(history),
    nodeEvents: [...nodeEvents].sort((a, b) => a.t - b.t),
    nodeEventGaps: [],
    faults: faultRecords(history),
  };
}
