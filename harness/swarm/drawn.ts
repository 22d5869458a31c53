// What a seed drew, for people in one line and for machines as plain data: a failure that cannot be told
// from its configuration cannot be understood.
import type { RunConfig } from '../../history/run-record.ts';
import { roundsOf } from './scenario.ts';
import { byCount } from './table.ts';

/** Rounds of a schedule by kind. */
export function roundKinds(config: RunConfig): Record<string, number> {
  const kinds: Record<string, number> = {};
  for (const { kind } of roundsOf(config)) kinds[kind] = (kinds[kind] ?? 0) + 1;
  return kinds;
}

function words(options: Readonly<Record<string, unknown>> = {}): string {
  return Object.entries(options)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(' ');
}

/** All drawn values in one line; of the schedule, how many rounds of which kind. */
export function describeDrawn(config: RunConfig): string {
  const { workload, nodes, concurrency, ratePerSecond, clusterOptions } = config;
  const rounds = roundsOf(config).length;
  return [
    `${workload} on ${nodes.length} nodes${config.mutant === undefined ? '' : ` with ${config.mutant}`}`,
    `${ratePerSecond} operations/s by ${concurrency} processes`,
    ...(config.parts ?? [config]).map(({ systemOptions }) => words(systemOptions)),
    words(clusterOptions),
    `${rounds} rounds: ${byCount(roundKinds(config))}`,
  ].join('; ');
}

/** The drawn configuration with its schedule counted instead of spelled out, small enough for a list. */
export function drawnJson(config: RunConfig): object {
  const { nemesisOptions: _schedule, seed: _seed, ...rest } = config;
  return { ...rest, rounds: roundKinds(config) };
}
