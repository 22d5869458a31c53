// A run of several services at once, seen as one run of each: so every checker judges the run of one
// service and knows of no other. Which thread of the load belongs to which part is decided here alone.
import { type Fault, isClientLink } from './fault.ts';
import type { RunPart, RunRecord } from './run-record.ts';

/** Number of the part that a thread, or a process of it, works for: parts take turns. */
export function partOfThread(thread: number, parts: number): number {
  return thread % parts;
}

/** A thread's number among those of its part. */
export function threadInPart(thread: number, parts: number): number {
  return Math.floor(thread / parts);
}

/** How many of all threads work for a part. */
export function threadsOfPart(part: number, parts: number, threads: number): number {
  return Math.ceil((threads - part) / parts);
}

/**
 * The run of one part by itself. Its faults are those that strike it or what it rests on: a part rests on
 * those before it, as brokers do on their coordinators, and not on what these say to clients. History and its
 * indexes stay those of the run.
 */
export function partRecord(run: RunRecord, parts: readonly RunPart[], number: number): RunRecord {
  const { config } = run;
  const { system, workload, nodes, systemOptions, workloadOptions } = parts[number] as RunPart;
  const own = new Set(nodes);
  const below = parts.slice(0, number + 1).flatMap((part) => part.nodes);
  const faults = run.faults.filter(({ fault }) => strikes(fault, own, below));
  // What left this part alone is no fault of its run.
  const spared = run.faults.length > 0 && faults.length === 0;
  const { parts: _, ...whole } = config;
  return {
    config: {
      ...whole,
      system,
      workload,
      nodes,
      nemesis: spared ? 'none' : config.nemesis,
      concurrency: threadsOfPart(number, parts.length, config.concurrency),
      ratePerSecond: config.ratePerSecond / parts.length,
      systemOptions,
      workloadOptions,
    },
    history: run.history,
    ops: run.ops.filter(
      ({ process }) => partOfThread(process % config.concurrency, parts.length) === number,
    ),
    nodeEvents: run.nodeEvents.filter(({ node }) => own.has(node)),
    brokerEvents: run.brokerEvents?.filter(({ node }) => own.has(node)) ?? [],
    nodeEventGaps: run.nodeEventGaps.filter(({ node }) => own.has(node)),
    faults,
  };
}

/** Whether a fault breaks a node of `below` or a link between two, or a link of an own one with clients. */
function strikes(fault: Fault, own: ReadonlySet<string>, below: readonly string[]): boolean {
  if (!('links' in fault)) return fault.nodes.some((node) => below.includes(node));
  return fault.links.some((link) => {
    const { from, to } = link;
    if (isClientLink(link)) return own.has(from) || own.has(to);
    return below.includes(from) && below.includes(to);
  });
}
