// Judges sequential nodes and pipelines: the numbers under one parent rise with the zxids and never repeat,
// and what one connection sent takes effect in that order, up to where it was cut (I-C2, I-C8).
import { formatZxid } from '../history/node-event.ts';
import type { Op } from '../history/op.ts';
import type { Checker, RunRecord } from '../history/run-record.ts';
import { Findings } from './evidence.ts';
import { eventsOf, inRealTime, nameOp } from './observations.ts';

const SEQUENCE = 'sequence';
const SEQUENCE_GUARANTEE =
  'The numbers of sequential nodes under one parent are unique and rise in the order of their zxids, ' +
  'also over deletions and changes of the leader.';
const FIFO = 'fifo';
const FIFO_GUARANTEE =
  'Updates that one client sends without waiting take effect in the order sent; if the connection is ' +
  'lost, those that took effect are the first ones.';

const NODES_MIN = 20;
const BURSTS_MIN = 5;
const DIGITS = /\d{10}$/;

/** One sequential node that some reply told of. */
interface Numbered {
  op: Op;
  path: string;
  number: number;
  zxid: number;
}

interface BurstValue {
  name: string;
  count: number;
  parts?: ({ path: string; zxid: number } | { error: string; zxid?: number })[];
}

function numberOf(path: string): number {
  return Number(DIGITS.exec(path)?.[0]);
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

/** Acknowledged sequential nodes, by parent. */
function numberedNodes(ops: readonly Op[]): Map<string, Numbered[]> {
  const byParent = new Map<string, Numbered[]>();
  const add = (op: Op, path: string, zxid: number): void => {
    const node = { op, path, number: numberOf(path), zxid };
    const known = byParent.get(parentOf(path));
    if (known === undefined) byParent.set(parentOf(path), [node]);
    else known.push(node);
  };
  for (const op of ops) {
    const { value, zxid } = op.completion ?? {};
    if (op.f === 'burst') {
      for (const part of (value as BurstValue | undefined)?.parts ?? []) {
        if ('path' in part) add(op, part.path, part.zxid);
      }
    } else if (op.type === 'ok' && zxid !== undefined && isSequential(op)) {
      add(op, (value as { path: string }).path, zxid);
    }
  }
  return byParent;
}

function isSequential({ f, invoke }: Op): boolean {
  if (f === 'create-sequential') return true;
  return f === 'create-ephemeral' && (invoke.value as { sequential?: boolean }).sequential === true;
}

export const sequence: Checker = {
  name: SEQUENCE,
  guarantee: SEQUENCE_GUARANTEE,
  check(run) {
    const findings = new Findings();
    for (const name of ['sequentialNodes', 'parents', 'listed']) findings.count(name, 0);
    const byParent = numberedNodes(run.ops);
    findings.count('parents', byParent.size);
    for (const [parent, nodes] of byParent) rising(parent, nodes, findings);
    inTime(byParent, findings);
    for (const op of run.ops) if (op.f === 'children' && op.type === 'ok') listed(op, findings);
    const { sequentialNodes = 0 } = findings.evidence;
    const thin = `only ${sequentialNodes} sequential nodes were made; at least ${NODES_MIN} are needed`;
    return findings.verdict(
      SEQUENCE,
      SEQUENCE_GUARANTEE,
      sequentialNodes < NODES_MIN ? thin : undefined,
    );
  },
};

function rising(parent: string, nodes: readonly Numbered[], findings: Findings): void {
  findings.count('sequentialNodes', nodes.length);
  let before: Numbered | undefined;
  for (const node of [...nodes].sort((a, b) => a.zxid - b.zxid)) {
    if (before !== undefined && !(node.number > before.number)) {
      const kind = node.number === before.number ? 'number-repeated' : 'numbers-fell';
      findings.add({
        kind,
        why:
          `The ${nameOp(node.op)} made ${node.path} at ${formatZxid(node.zxid)} after the ${nameOp(before.op)} had made ` +
          `${before.path} at ${formatZxid(before.zxid)}; numbers under ${parent} rise.`,
        events: eventsOf(before.op, node.op),
        key: parent,
      });
    }
    before = node;
  }
}

/** Who began after another had his node has a higher number. */
function inTime(byParent: ReadonlyMap<string, Numbered[]>, findings: Findings): void {
  for (const [parent, nodes] of byParent) {
    const byOp = new Map<Op, Numbered[]>();
    for (const node of nodes) byOp.set(node.op, [...(byOp.get(node.op) ?? []), node]);
    let highest: Numbered | undefined;
    const complete = (op: Op): void => {
      for (const node of byOp.get(op) ?? []) {
        if (highest === undefined || node.number > highest.number) highest = node;
      }
    };
    inRealTime([...byOp.keys()], complete, (op) => {
      const lowest = Math.min(...(byOp.get(op) ?? []).map(({ number }) => number));
      if (highest === undefined || lowest > highest.number) return;
      findings.add({
        kind: 'number-behind-time',
        why:
          `The ${nameOp(op)} got number ${lowest} under ${parent} although it began after the ${nameOp(highest.op)} ` +
          `had returned with ${highest.number}.`,
        events: eventsOf(highest.op, op),
        key: parent,
      });
    });
  }
}

/** A list of children never holds one number twice. */
function listed(op: Op, findings: Findings): void {
  const seen = new Map<number, string>();
  for (const name of (op.completion ?? op.invoke).value as string[]) {
    const number = numberOf(name);
    if (Number.isNaN(number)) continue;
    findings.count('listed');
    const other = seen.get(number);
    seen.set(number, name);
    if (other === undefined) continue;
    findings.add({
      kind: 'number-repeated',
      why: `The ${nameOp(op)} lists ${other} and ${name} under ${op.key}, of one number.`,
      events: eventsOf(op),
      ...(op.key === undefined ? {} : { key: op.key }),
    });
  }
}

export const fifo: Checker = {
  name: FIFO,
  guarantee: FIFO_GUARANTEE,
  check(run) {
    const findings = new Findings();
    for (const name of ['bursts', 'burstsCut', 'cutBurstsSeen', 'pairs']) findings.count(name, 0);
    const bursts = run.ops.filter(({ f }) => f === 'burst');
    for (const op of bursts) inOrder(op, findings);
    cutBursts(run, bursts, findings);
    const { bursts: answered = 0 } = findings.evidence;
    const thin = `only ${answered} pipelines were answered; at least ${BURSTS_MIN} are needed`;
    return findings.verdict(FIFO, FIFO_GUARANTEE, answered < BURSTS_MIN ? thin : undefined);
  },
};

/** Answers of one pipeline: rising zxids and numbers, and none answered after one that was not. */
function inOrder(op: Op, findings: Findings): void {
  const { parts = [] } = (op.completion?.value ?? {}) as Partial<BurstValue>;
  if (op.type === 'ok') findings.count('bursts');
  let before: { path: string; zxid: number } | undefined;
  let unanswered: number | undefined;
  for (const [i, part] of parts.entries()) {
    if (part.zxid === undefined) {
      unanswered ??= i;
      continue;
    }
    if (unanswered !== undefined) {
      const why = `request ${i} of the ${nameOp(op)} was answered, request ${unanswered} before it was not`;
      findings.add({ kind: 'answer-skipped', why: `In a pipeline ${why}.`, events: eventsOf(op) });
    }
    if (!('path' in part)) continue;
    if (before !== undefined) {
      findings.count('pairs');
      if (part.zxid <= before.zxid || numberOf(part.path) <= numberOf(before.path)) {
        findings.add({
          kind: 'pipeline-reordered',
          why:
            `The ${nameOp(op)} sent ${before.path} before ${part.path}, but they took effect at ` +
            `${formatZxid(before.zxid)} and ${formatZxid(part.zxid)}.`,
          events: eventsOf(op),
        });
      }
    }
    before = part;
  }
}

/**
 * What lists show of pipelines that were cut: the first requests, without a gap, in order. One that a client
 * wanted to delete by its full name had taken effect as well, since only a list could tell its number.
 */
function cutBursts(run: RunRecord, bursts: readonly Op[], findings: Findings): void {
  const cut = new Map<string, Op>();
  for (const op of bursts) {
    if (op.type !== 'info') continue;
    findings.count('burstsCut');
    cut.set(`${op.key}/${(op.invoke.value as BurstValue).name}`, op);
  }
  if (cut.size === 0) return;
  const requestAt = (path: string): [Op, Request] | undefined => {
    const [, burst = '', index, number] = /^(.*)-(\d+)-(\d{10})$/.exec(path) ?? [];
    const op = cut.get(burst);
    return op && [op, { path, index: Number(index), number: Number(number) }];
  };
  const named = new Map<Op, Request[]>();
  for (const path of run.ops.flatMap(pathsDeleted)) {
    const [op, request] = requestAt(path) ?? [];
    if (op !== undefined && request !== undefined) add(named, op, request);
  }
  const seen = new Set<Op>();
  for (const list of run.ops) {
    if (list.f !== 'children' || list.type !== 'ok') continue;
    const found = new Map<Op, Request[]>();
    for (const name of (list.completion ?? list.invoke).value as string[]) {
      const [op, request] = requestAt(`${list.key}/${name}`) ?? [];
      if (op !== undefined && request !== undefined) add(found, op, request);
    }
    for (const [op, nodes] of found) {
      seen.add(op);
      const listed = new Set(nodes.map(({ path }) => path));
      const last = Math.max(...nodes.map(({ index }) => index));
      const others = (named.get(op) ?? []).filter(
        ({ path, index }) => index <= last && !listed.has(path),
      );
      prefix(op, list, [...nodes, ...others], findings);
    }
  }
  findings.count('cutBurstsSeen', seen.size);
}

/** One request of a pipeline, whose node was seen. */
interface Request {
  path: string;
  index: number;
  number: number;
}

function add(requests: Map<Op, Request[]>, op: Op, request: Request): void {
  const known = requests.get(op) ?? [];
  if (known.some(({ path }) => path === request.path)) return;
  known.push(request);
  requests.set(op, known);
}

function pathsDeleted({ f, key, invoke }: Op): string[] {
  if (f === 'delete') return key === undefined ? [] : [key];
  if (f !== 'multi') return [];
  const { ops } = invoke.value as { ops: { op: string; path: string }[] };
  return ops.flatMap(({ op, path }) => (op === 'delete' ? [path] : []));
}

function prefix(op: Op, list: Op, nodes: Request[], findings: Findings): void {
  nodes.sort((a, b) => a.index - b.index);
  const gap = nodes.findIndex(({ index }, i) => index !== i);
  const fell = nodes.findIndex(({ number }, i) => i > 0 && number <= (nodes[i - 1]?.number ?? 0));
  if (gap === -1 && fell === -1) return;
  findings.add({
    kind: gap === -1 ? 'pipeline-reordered' : 'pipeline-gap',
    why:
      `Of the ${nameOp(op)} the ${nameOp(list)} lists the requests ` +
      `${nodes.map(({ index, number }) => `${index} (number ${number})`).join(', ')}; those that took effect are the ` +
      `first ones, in order.`,
    events: eventsOf(op, list),
  });
}
