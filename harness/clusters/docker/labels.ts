// The labels and names that every container and network of ours carries. Cleaning up trusts nothing
// else, so what has no such label is never touched.
import { formatStamp, isAlive, parseStamp, pidSpace, stampOf } from '../owner.ts';

/** Selects everything this project ever made. */
export const LABEL_FILTER = ['chaos=1'];

/** Labels of everything that a run makes, owned by this harness process. */
export function runLabels(runId: string): Record<string, string> {
  return {
    chaos: '1',
    'chaos.run': runId,
    'chaos.owner': formatStamp(stampOf(process.pid)),
    'chaos.host': pidSpace(),
  };
}

/** Whether the harness that made it is certainly gone. One on another host may well be alive. */
export function isOrphan(labels: Record<string, string> | undefined): boolean {
  const owner = parseStamp(labels?.['chaos.owner']);
  if (owner === undefined || labels?.['chaos.host'] !== pidSpace()) return false;
  return !isAlive(owner);
}

/** A name that Docker accepts: `chaos-<run>[-<part>…]`. */
export function nameOf(runId: string, ...parts: string[]): string {
  return ['chaos', runId, ...parts].join('-').replaceAll(/[^a-zA-Z0-9_.-]/g, '_');
}
