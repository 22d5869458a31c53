// A run of several services is composed here: which nodes and workload each has, and how their workloads are
// one to whoever drives the load. The other way, one run seen as several, is history/parts.ts.
import { partOfThread, threadInPart, threadsOfPart } from '../history/parts.ts';
import type { Workload, WorkloadContext } from '../history/plugin.ts';
import type { RunConfig, RunPart } from '../history/run-record.ts';
import { BadArguments, lookUp } from './names.ts';
import type { Service, System } from './system.ts';

/** Between the names of workloads that run at once. */
const AND = '+';

const byName = (entry: { name: string }): string => entry.name;

/** The named workload for a system. Throws BadArguments when there is none, or it is for other systems. */
export function workloadFor(
  system: System,
  name: string | undefined,
  workloads: readonly Workload[],
): Workload {
  const workload = lookUp('workload', name ?? system.defaultWorkload, workloads, byName);
  if (workload.systems.includes(system.name)) return workload;
  throw new BadArguments(
    `workload ${workload.name} does not run on ${system.name}, only on ${workload.systems.join(', ')}`,
  );
}

/**
 * The parts of a system of several services: `names` as in `register+log`, where a service that is left out
 * has its usual workload. Throws BadArguments on names that no service or the same service has.
 */
export function partsFor(
  system: System & { services: readonly Service[] },
  names: string | undefined,
  count: number,
  workloads: readonly Workload[],
): RunPart[] {
  const wanted = (names ?? system.defaultWorkload)
    .split(AND)
    .map((name) => lookUp('workload', name, workloads, byName));
  const homeless = wanted.find(
    ({ systems }) => !system.services.some((service) => systems.includes(service.system.name)),
  );
  if (homeless !== undefined) {
    throw new BadArguments(
      `workload ${homeless.name} does not run on ${system.name}, only on ${homeless.systems.join(', ')}`,
    );
  }
  return system.services.map(({ system: service, nodePrefix, options }) => {
    const own = wanted.filter(({ systems }) => systems.includes(service.name));
    if (own.length > 1) {
      throw new BadArguments(
        `expected one workload for the ${service.name}, got ${own.map(byName).join(' and ')}`,
      );
    }
    const workload = own[0] ?? workloadFor(service, undefined, workloads);
    return {
      system: service.name,
      workload: workload.name,
      nodes: Array.from({ length: count }, (_, i) => `${nodePrefix}${i + 1}`),
      systemOptions: { ...options },
      workloadOptions: { ...workload.defaultOptions },
    };
  });
}

/** The name of the workloads of all parts. */
export function workloadName(parts: readonly Pick<RunPart, 'workload'>[]): string {
  return parts.map(({ workload }) => workload).join(AND);
}

/** The workload of a complete configuration. Throws BadArguments on a name that nobody has. */
export function workloadOf(
  config: Pick<RunConfig, 'workload' | 'parts'>,
  workloads: readonly Workload[],
): Workload {
  const { parts } = config;
  if (parts === undefined) return lookUp('workload', config.workload, workloads, byName);
  return composed(
    parts,
    parts.map((part) => lookUp('workload', part.workload, workloads, byName)),
  );
}

/** Several workloads as one: threads take turns among the parts, and each sees its own part only. */
function composed(parts: readonly RunPart[], workloads: readonly Workload[]): Workload {
  const count = parts.length;
  const at = (context: WorkloadContext, thread: number) => {
    const number = partOfThread(thread, count);
    const workload = workloads[number] as Workload;
    return { workload, context: ofPart(context, parts, number), own: threadInPart(thread, count) };
  };
  return {
    name: workloadName(parts),
    description: workloads.map(({ description }) => description).join('; '),
    systems: [],
    defaultOptions: {},
    *setup(whole, thread) {
      // Called once a node of the whole, by one thread each; a part has fewer nodes or fewer callers.
      if (thread >= whole.concurrency) return;
      const { workload, context, own } = at(whole, thread);
      const callers = Math.min(whole.concurrency, whole.nodes.length);
      const step = threadsOfPart(partOfThread(thread, count), count, callers);
      for (let i = own; i < context.nodes.length; i += step) yield* workload.setup(context, i);
    },
    load(whole, thread, random) {
      const { workload, context, own } = at(whole, thread);
      return workload.load(context, own, random);
    },
    final(whole, thread) {
      const { workload, context, own } = at(whole, thread);
      return workload.final(context, own);
    },
    client(whole, thread) {
      const { workload, context, own } = at(whole, thread);
      return workload.client(context, own);
    },
    checkers: [],
  };
}

function ofPart(
  context: WorkloadContext,
  parts: readonly RunPart[],
  number: number,
): WorkloadContext {
  const { nodes, workloadOptions } = parts[number] as RunPart;
  const { concurrency, ratePerSecond } = context;
  return {
    ...context,
    address: (node) => context.address(node),
    nodes,
    options: workloadOptions,
    concurrency: threadsOfPart(number, parts.length, concurrency),
    ratePerSecond: ratePerSecond / parts.length,
  };
}
