// The events of a synthesised run: what clients, nemesis, harness and nodes would have recorded while
// leaders were cut off, killed and paused. Apart from `testing.ts` only for its length.
import type { Event, Phase } from '../history/event.ts';
import { type Fault, linksBetween } from '../history/fault.ts';
import type { NodeEvent } from '../history/node-event.ts';
import type { Random } from '../history/random.ts';
import type { RunConfig } from '../history/run-record.ts';

const MS = 1e6;
export const CONCURRENCY = 10;
export const KEYS = 12;
const TIMEOUT_NS = 2_000 * MS;

/** A fault of the schedule; times in ns since the start of the run. */
export interface Planned {
  id: number;
  fault: Fault;
  from: number;
  until: number;
  /** No leader between these; clients wait. */
  outage: [from: number, until: number];
  leader: string;
  victim: string;
}

export function planFaults(nodes: readonly string[], end: number, random: Random): Planned[] {
  const planned: Planned[] = [];
  const kinds = ['cut', 'kill', 'pause', 'cut', 'slow', 'kill'] as const;
  let leader = nodes[2] ?? nodes[0]!;
  for (const [id, kind] of kinds.entries()) {
    const from = end * (0.14 + 0.115 * id) + random.int(0, 400) * MS;
    const until = from + end * 0.06 + random.int(0, 600) * MS;
    const others = nodes.filter((node) => node !== leader);
    const links = linksBetween([leader], others);
    const fault: Fault =
      kind === 'cut'
        ? { kind, links }
        : kind === 'slow'
          ? { kind, links, delayMs: 40, jitterMs: 10 }
          : { kind, nodes: [leader] };
    const outage: [number, number] =
      kind === 'slow' ? [from, from] : [from, from + random.int(900, 1_400) * MS];
    planned.push({ id, fault, from, until, outage, leader, victim: leader });
    if (kind !== 'slow') leader = random.pick(others);
  }
  return planned;
}

export function clientEvents(
  config: RunConfig,
  count: number,
  end: number,
  plan: readonly Planned[],
  random: Random,
): Event[] {
  const events: Event[] = [];
  const processes = Array.from({ length: CONCURRENCY }, (_, i) => ({ id: i, free: 0 }));
  let nextProcess = CONCURRENCY;
  let written = 0;
  const first = end * 0.02;
  const gap = (end * 0.96) / count;
  for (let i = 0; i < count; i++) {
    const due = Math.round(first + i * gap + random.float() * gap);
    const slot = processes[i % CONCURRENCY]!;
    const start = Math.max(due + random.int(5, 60) * 1000, slot.free + 10_000);
    const fault = plan.find((p) => start >= p.from && start < p.until);
    const node = config.nodes[slot.id % config.nodes.length]!;
    const f = random.pick(['read', 'read', 'write', 'cas'] as const);
    const value = f === 'write' ? ++written : f === 'cas' ? [written, ++written] : undefined;
    const common = { process: slot.id, f, key: `/registers/r${random.int(0, KEYS - 1)}`, node };
    events.push({ ...common, index: 0, time: start, due, type: 'invoke', value });
    const ended = completion(start, fault, node, f, random);
    const time = Math.min(Math.round(start + ended.tookNs), end - 1);
    slot.free = time;
    if (ended.type === 'info' && random.bool(0.04)) {
      slot.id = nextProcess++;
      continue;
    }
    const done: Event = { ...common, index: 0, time, type: ended.type };
    if (ended.error !== undefined) done.error = ended.error;
    if (ended.type === 'ok') {
      done.value = f === 'read' ? written : value;
      done.zxid = 3 * 0x1_0000_0000 + i + 1;
      done.mzxid = done.zxid - random.int(0, 40);
      done.version = Math.floor(written / KEYS);
      done.session = (0x10000 + slot.id).toString(16);
      if (f === 'read') done.syncZxid = done.zxid - 1;
    }
    events.push(done);
    if (ended.type === 'info') slot.id = nextProcess++;
  }
  return events;
}

function completion(
  start: number,
  fault: Planned | undefined,
  node: string,
  f: string,
  random: Random,
): { type: 'ok' | 'fail' | 'info'; tookNs: number; error?: string } {
  const tail = random.bool(0.01) ? random.int(4, 40) : 1;
  const usual = (random.int(350, 1_600) + (f === 'read' ? 0 : 900)) * 1000 * tail;
  if (fault !== undefined && node === fault.victim && fault.fault.kind !== 'slow') {
    if (fault.fault.kind === 'kill' && random.bool(0.6)) {
      return { type: 'fail', tookNs: random.int(90, 700) * 1000, error: 'ECONNREFUSED: not sent' };
    }
    return { type: 'info', tookNs: TIMEOUT_NS, error: 'timeout: no reply within 2000 ms' };
  }
  if (fault !== undefined && start < fault.outage[1]) {
    if (random.bool(0.2)) {
      return { type: 'info', tookNs: TIMEOUT_NS, error: 'ConnectionLoss: after the request left' };
    }
    return { type: 'ok', tookNs: fault.outage[1] - start + usual };
  }
  if (f === 'cas' && random.bool(0.3)) {
    return { type: 'fail', tookNs: usual, error: 'BadVersion: expected 3' };
  }
  return { type: 'ok', tookNs: fault?.fault.kind === 'slow' ? usual + 42 * MS : usual };
}

export function nemesisEvents(plan: readonly Planned[]): Event[] {
  const events: Event[] = [];
  for (const { id, fault, from, until } of plan) {
    const common = { index: 0, process: 'nemesis' } as const;
    const verified = {
      verified: true,
      evidence: `probes across the fault failed 3 of 3, beside it worked 3 of 3; counters 118`,
    };
    const value = { id, fault };
    events.push(
      { ...common, time: Math.round(from), type: 'invoke', f: 'inject', value },
      {
        ...common,
        time: Math.round(from + 45 * MS),
        type: 'ok',
        f: 'inject',
        value: { ...value, verification: verified },
      },
      { ...common, time: Math.round(until), type: 'invoke', f: 'heal', value },
      {
        ...common,
        time: Math.round(until + 60 * MS),
        type: 'ok',
        f: 'heal',
        value: { ...value, verification: { verified: true, evidence: 'probes worked 4 of 4' } },
      },
    );
  }
  return events;
}

export function phaseEvents(end: number): Event[] {
  const starts: [Phase, number][] = [
    ['boot', 0],
    ['setup', 0.01],
    ['warmup', 0.02],
    ['faults', 0.12],
    ['heal', 0.86],
    ['final', 0.92],
    ['done', 0.99],
  ];
  return starts.map(([phase, share]) => ({
    index: 0,
    time: Math.round(share * end),
    process: 'harness',
    type: 'info',
    f: 'phase',
    value: phase,
  }));
}

export function nodeEvents(nodes: readonly string[], plan: readonly Planned[]): NodeEvent[] {
  const events: NodeEvent[] = [];
  const state = new Map(nodes.map((node) => [node, { inc: 1, seq: 0 }]));
  const sid = (node: string): number => nodes.indexOf(node) + 1;
  // The cast is sound: every call below passes the fields of one member of the union.
  const emit = (t: number, node: string, fields: Record<string, unknown>): void => {
    const s = state.get(node)!;
    events.push({ t: Math.round(t), node, inc: s.inc, seq: s.seq++, ...fields } as NodeEvent);
  };
  const started = { voters: nodes.map(sid), acceptedEpoch: 0, currentEpoch: 0, lastLogged: 0 };
  const start = (t: number, node: string): void => {
    const rest = { ...started, applied: 0, digest: '00', level: 'state' };
    emit(t, node, { ev: 'start', sid: sid(node), ...rest });
    emit(t + 2 * MS, node, { ev: 'role', role: 'looking' });
  };
  const lead = (t: number, leader: string, followers: readonly string[], epoch: number): void => {
    emit(t, leader, { ev: 'role', role: 'leading', leader: sid(leader), epoch });
    for (const node of followers) {
      emit(t + 3 * MS, node, { ev: 'role', role: 'following', leader: sid(leader), epoch });
    }
    emit(t + 40 * MS, leader, { ev: 'established', epoch, zxid: epoch * 0x1_0000_0000 });
  };
  const except = (...gone: string[]): string[] => nodes.filter((node) => !gone.includes(node));
  for (const [i, node] of nodes.entries()) start(150 * MS + i * 40 * MS, node);
  let epoch = 1;
  lead(500 * MS, plan[0]!.leader, except(plan[0]!.leader), epoch);
  for (const [i, { fault, from, until, outage, victim }] of plan.entries()) {
    if (fault.kind === 'slow') continue;
    const next = plan.slice(i + 1).find((p) => p.leader !== victim)?.leader ?? except(victim)[0]!;
    for (const node of except(victim)) {
      emit(from + 600 * MS, node, { ev: 'role', role: 'looking' });
    }
    if (fault.kind === 'cut') emit(from + 1_000 * MS, victim, { ev: 'role', role: 'looking' });
    epoch++;
    lead(outage[1] - 60 * MS, next, except(victim, next), epoch);
    if (fault.kind === 'kill') {
      state.set(victim, { inc: state.get(victim)!.inc + 1, seq: 0 });
      start(until + 80 * MS, victim);
    } else if (fault.kind === 'pause') {
      emit(until + 20 * MS, victim, { ev: 'role', role: 'looking' });
    }
    const joined = { ev: 'role', role: 'following', leader: sid(next), epoch };
    emit(until + 400 * MS, victim, joined);
  }
  return events.sort((a, b) => a.t - b.t);
}
