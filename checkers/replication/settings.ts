// What a run's configuration promises of its partitions: how many must have a message, whether appends are
// synced, whether an election may lose some. Names are Kafka's, or those of the workloads' options.
import { topicOf } from '../../history/messages.ts';
import type { RunConfig } from '../../history/run-record.ts';

/** Topics of the workloads: their settings are options of the workload. */
const WORKLOAD_TOPICS = /^chaos-/;

type Setting = number | string | boolean | undefined;

function isSet(setting: Setting): boolean {
  return setting === true || setting === 'true';
}

/** Whether elections outside the ISR are allowed: then what they lose is no violation. */
export function lossAllowed({ systemOptions, workloadOptions }: RunConfig): boolean {
  const setting = 'unclean.leader.election.enable';
  return isSet(systemOptions[setting]) || isSet(workloadOptions.uncleanElections);
}

/** Whether an append is durable before it counts towards anything (the default). */
export function syncsAlways({ systemOptions }: RunConfig): boolean {
  const messages = systemOptions['log.flush.interval.messages'];
  return messages === undefined || Number(messages) === 1;
}

/** How many replicas must have a message before it is acknowledged to acks=all; 1 where nobody said. */
export function minInsyncReplicas(config: RunConfig, tp: string): number {
  const { systemOptions, workloadOptions } = config;
  const own = WORKLOAD_TOPICS.test(topicOf(tp)) ? workloadOptions.minInsyncReplicas : undefined;
  const setting = own ?? systemOptions['min.insync.replicas'] ?? 1;
  return typeof setting === 'number' ? setting : Number(setting);
}
