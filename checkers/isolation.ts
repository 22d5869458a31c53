// When, by the faults that were verified, a node could not hear a quorum, or its leader. Plain intervals
// of time, so that whoever judges service without a quorum does not deal with kinds of faults.
import type { FaultRecord } from '../history/fault.ts';

/** A stretch of the run, ns since its start; `to` is Infinity when it never ended. */
export interface Span {
  from: number;
  to: number;
}

/** Hearing at one time: who is dead or stopped, and which one-way links are broken. */
interface Breakage {
  still: Set<string>;
  cut: Set<string>;
}

/** Times at which what is broken changes, each with what is broken from then on. */
interface Change extends Breakage {
  at: number;
}

/** Cuts, pauses and kills that were verified, certainly in place from `injected` to `healStart`. */
function certain(faults: readonly FaultRecord[]): FaultRecord[] {
  return faults.filter(
    ({ fault, injection }) =>
      injection.verified &&
      (fault.kind === 'cut' || fault.kind === 'pause' || fault.kind === 'kill'),
  );
}

function changes(faults: readonly FaultRecord[]): Change[] {
  const known = certain(faults);
  const times = new Set<number>();
  for (const { injected, healStart } of known) {
    times.add(injected);
    if (healStart !== undefined) times.add(healStart);
  }
  return [...times]
    .sort((a, b) => a - b)
    .map((at) => {
      const change: Change = { at, still: new Set(), cut: new Set() };
      for (const { fault, injected, healStart } of known) {
        if (injected > at || (healStart ?? Number.POSITIVE_INFINITY) <= at) continue;
        if (fault.kind === 'cut') {
          for (const { from, to } of fault.links) change.cut.add(`${from} ${to}`);
        } else if ('nodes' in fault) for (const node of fault.nodes) change.still.add(node);
      }
      return change;
    });
}

/** The longest stretches in which `broken` holds. */
function spans(faults: readonly FaultRecord[], broken: (now: Breakage) => boolean): Span[] {
  const found: Span[] = [];
  let open: Span | undefined;
  for (const change of changes(faults)) {
    if (broken(change)) {
      if (open === undefined) {
        open = { from: change.at, to: Number.POSITIVE_INFINITY };
        found.push(open);
      }
    } else if (open !== undefined) {
      open.to = change.at;
      open = undefined;
    }
  }
  return found;
}

/** When `node` ran but heard, itself included, fewer nodes than a quorum of all. */
export function withoutQuorum(
  node: string,
  nodes: readonly string[],
  faults: readonly FaultRecord[],
): Span[] {
  const quorum = Math.floor(nodes.length / 2) + 1;
  return spans(faults, ({ still, cut }) => {
    if (still.has(node)) return false;
    const heard = nodes.filter(
      (other) => other === node || (!still.has(other) && !cut.has(`${other} ${node}`)),
    );
    return heard.length < quorum;
  });
}

/**
 * When `node` ran but word of fewer nodes than a quorum could reach it, by whatever way: a follower that
 * hears its leader serves by right, although it hears nobody else.
 */
export function outOfReach(
  node: string,
  nodes: readonly string[],
  faults: readonly FaultRecord[],
): Span[] {
  const quorum = Math.floor(nodes.length / 2) + 1;
  return spans(faults, ({ still, cut }) => {
    if (still.has(node)) return false;
    const reached = new Set([node]);
    for (const to of reached) {
      for (const from of nodes) {
        if (!still.has(from) && !cut.has(`${from} ${to}`)) reached.add(from);
      }
    }
    return reached.size < quorum;
  });
}

/** When `node` ran but nothing from `leader` could reach it. */
export function withoutLeader(
  node: string,
  leader: string,
  faults: readonly FaultRecord[],
): Span[] {
  return spans(faults, ({ still, cut }) => {
    return !still.has(node) && (still.has(leader) || cut.has(`${leader} ${node}`));
  });
}
