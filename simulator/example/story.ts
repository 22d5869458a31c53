// Tells what happened to the first lost write: the last steps of every node before the client was told
// that it is safe, then the deaths and the elections that took it away.
import type { Outcome } from './scenario.ts';

const STEPS_PER_NODE = 6;
const STEPS = ['fs.writeSync', 'fs.fsync', 'fs.fsync.done', 'fs.fsyncSync', 'net.write'];

interface Step {
  timeNs: number;
  kind: string;
  node: string;
  detail: string;
}

function stepOf(line: string): Step {
  const [time = '', kind = '', node = '', ...rest] = line.split(' ');
  return { timeNs: Number(time), kind, node, detail: rest.join(' ') };
}

function print({ timeNs, kind, node, detail }: Step): string {
  const ms = (timeNs / 1e6).toFixed(3).padStart(9);
  return `  ${ms} ms  ${node.padEnd(6)}  ${kind.padEnd(14)}  ${detail}`;
}

/** What a node does with its log and its peers; the rest of the trace is the machinery below. */
function isNodeStep({ kind, detail }: Step): boolean {
  return detail !== '' && STEPS.includes(kind);
}

function isTurn({ kind, detail }: Step): boolean {
  if (['power-loss', 'signal', 'cut', 'heal'].includes(kind)) return true;
  return kind === 'stdout' && /^(starts|leads|steps)/.test(detail);
}

/** The lines of the story; none when nothing was lost. */
export function story({ missing, trace }: Outcome): string[] {
  const [key] = missing;
  if (key === undefined) return [];
  const steps = trace.map(stepOf);
  const told = steps.findIndex(
    ({ kind, detail }) => kind === 'stdout' && detail === `acknowledged ${key}`,
  );
  if (told === -1) return [`\n${key} was acknowledged before the part of the trace that is kept`];
  const before = steps.slice(0, told).filter(isNodeStep);
  const nodes = [...new Set(before.map(({ node }) => node))].sort();
  const lines: string[] = [];
  for (const node of nodes) {
    lines.push(`\nthe last steps of ${node} before ${key} was acknowledged:`);
    const own = before.filter((step) => step.node === node);
    lines.push(...own.slice(-STEPS_PER_NODE).map(print));
  }
  lines.push(`\nfrom there on:`, print(steps[told] as Step));
  lines.push(...steps.slice(told).filter(isTurn).map(print));
  return lines;
}
