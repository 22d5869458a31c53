// Judges consumer groups as their members saw them: one owner of a partition in each generation, committed
// offsets that never fall back, and nothing below them that no member was given (I-G1, I-G2, I-G3).

import type { CommitCall, PollCall } from '../../history/message-call.ts';
import type { Op } from '../../history/op.ts';
import type { Checker } from '../../history/run-record.ts';
import { Findings } from '../evidence.ts';
import { eventsOf, inRealTime, nameOp } from '../observations.ts';
import { type MessageView, messageView } from './message-view.ts';

const NAME = 'groups';
const GUARANTEE =
  'In each generation of a group a partition has at most one member; a commit is accepted from the current ' +
  'generation alone and never forgotten; and every message below a committed offset was given to some member.';

const COMMITS_MIN = 10;
const GENERATIONS_MIN = 2;

export const groups: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const findings = new Findings();
    for (const name of ['groups', 'generations', 'commits', 'resumed', 'givenBelowCommit']) {
      findings.count(name, 0);
    }
    const view = messageView(run);
    owners(view, findings);
    generationsOfProcesses(view, findings);
    commitsInTime(view, findings);
    given(view, findings);
    const { commits = 0, generations = 0 } = findings.evidence;
    const thin =
      `only ${commits} commits and ${generations} generations were seen; ` +
      `${COMMITS_MIN} and ${GENERATIONS_MIN} are needed`;
    const enough = commits >= COMMITS_MIN && generations >= GENERATIONS_MIN;
    return findings.verdict(NAME, GUARANTEE, view.problem ?? (enough ? undefined : thin));
  },
};

/** I-G1: one member of a partition in a generation. */
function owners(view: MessageView, findings: Findings): void {
  const owner = new Map<string, { member: string; op: Op }>();
  const generations = new Set<string>();
  const names = new Set<string>();
  const idle = new Set<string>();
  for (const call of view.calls) {
    if (call.kind !== 'poll') continue;
    for (const { group, generation, member, assigned } of call.rebalanced) {
      names.add(group);
      generations.add(`${group} ${generation}`);
      if (assigned.length === 0) idle.add(`${group} ${generation} ${member}`);
      for (const key of assigned) {
        const place = `${group} ${generation} ${key}`;
        const other = owner.get(place);
        if (other === undefined) owner.set(place, { member, op: call.op });
        else if (other.member !== member) {
          findings.add({
            kind: 'two-owners',
            why:
              `In generation ${generation} of group ${group} partition ${key} belongs to ${other.member} (the ` +
              `${nameOp(other.op)}) and to ${member} (the ${nameOp(call.op)}).`,
            events: eventsOf(other.op, call.op),
            key,
          });
        }
      }
    }
  }
  findings.count('groups', names.size);
  findings.count('generations', generations.size);
  findings.count('idleMembers', idle.size);
}

/** I-G1: what one process is told of generations rises. */
function generationsOfProcesses(view: MessageView, findings: Findings): void {
  const last = new Map<string, { generation: number; op: Op }>();
  for (const call of view.calls) {
    if (call.kind !== 'poll') continue;
    for (const { group, generation } of call.rebalanced) {
      const who = `${call.op.process} ${group}`;
      const before = last.get(who);
      if (before !== undefined && generation < before.generation) {
        findings.add({
          kind: 'generation-fell',
          why:
            `Process ${call.op.process} was in generation ${before.generation} of group ${group} (the ` +
            `${nameOp(before.op)}) and then in ${generation} (the ${nameOp(call.op)}).`,
          events: eventsOf(before.op, call.op),
        });
      }
      last.set(who, { generation, op: call.op });
    }
  }
}

/** I-G2: no commit of a generation that was over, and no committed offset that fell back. */
function commitsInTime(view: MessageView, findings: Findings): void {
  const calls = new Map<Op, CommitCall | PollCall>();
  for (const call of view.calls) {
    if (call.kind === 'commit') findings.count('commits');
    if (call.kind === 'commit' || (call.kind === 'poll' && call.rebalanced.length > 0)) {
      calls.set(call.op, call);
    }
  }
  const generations = new Map<string, { generation: number; op: Op }>();
  const offsets = new Map<string, { offset: number; op: Op }>();
  const complete = (op: Op): void => {
    const call = calls.get(op);
    if (call?.kind === 'commit') {
      for (const [key, offset] of Object.entries(call.offsets)) {
        const place = `${call.group} ${key}`;
        if (offset >= (offsets.get(place)?.offset ?? 0)) offsets.set(place, { offset, op });
      }
    } else if (call?.kind === 'poll') {
      for (const { group, generation } of call.rebalanced) {
        if (generation > (generations.get(group)?.generation ?? -1)) {
          generations.set(group, { generation, op });
        }
      }
    }
  };
  inRealTime([...calls.keys()], complete, (op) => {
    const call = calls.get(op);
    if (call?.kind === 'poll') resumed(call, offsets, findings);
    else if (call?.kind === 'commit') {
      const current = generations.get(call.group);
      if (current === undefined || call.generation >= current.generation) return;
      findings.add({
        kind: 'commit-of-old-generation',
        why:
          `The ${nameOp(op)} committed for generation ${call.generation} of group ${call.group}, though ` +
          `generation ${current.generation} had begun before (the ${nameOp(current.op)}).`,
        events: eventsOf(current.op, op),
      });
    }
  });
}

function resumed(
  call: PollCall,
  offsets: ReadonlyMap<string, { offset: number; op: Op }>,
  findings: Findings,
): void {
  for (const { group, assigned, committed } of call.rebalanced) {
    for (const key of assigned) {
      const acked = offsets.get(`${group} ${key}`);
      if (acked === undefined) continue;
      findings.count('resumed');
      const found = committed[key] ?? 0;
      if (found >= acked.offset) continue;
      findings.add({
        kind: 'commit-lost',
        why:
          `Group ${group} had committed offset ${acked.offset} of ${key} (the ${nameOp(acked.op)}), but the ` +
          `${nameOp(call.op)} was told ${committed[key] ?? 'of none'}.`,
        events: eventsOf(acked.op, call.op),
        key,
      });
    }
  }
}

/** I-G3: a message below a committed offset was in some poll of the group. */
function given(view: MessageView, findings: Findings): void {
  const groupOf = new Map<number, string>();
  const got = new Map<string, Set<number>>();
  const committed = new Map<string, { group: string; key: string; offset: number; op: Op }>();
  for (const call of view.calls) {
    if (call.kind === 'subscribe') groupOf.set(call.op.process, call.group);
    else if (call.kind === 'assign') groupOf.delete(call.op.process);
    else if (call.kind === 'poll') {
      const group = groupOf.get(call.op.process);
      if (group === undefined) continue;
      for (const [key, records] of Object.entries(call.records)) {
        const place = `${group} ${key}`;
        let offsets = got.get(place);
        if (offsets === undefined) got.set(place, (offsets = new Set()));
        for (const [offset] of records) offsets.add(offset);
      }
    } else if (call.kind === 'commit') {
      for (const [key, offset] of Object.entries(call.offsets)) {
        const place = `${call.group} ${key}`;
        if (offset <= (committed.get(place)?.offset ?? -1)) continue;
        committed.set(place, { group: call.group, key, offset, op: call.op });
      }
    }
  }
  for (const [place, { group, key, offset: below, op }] of committed) {
    for (const { offset, value, op: teller } of view.orders.get(key)?.places ?? []) {
      if (offset >= below) break;
      if (got.get(place)?.has(offset) === true) {
        findings.count('givenBelowCommit');
        continue;
      }
      findings.add({
        kind: 'skipped-by-group',
        why:
          `Group ${group} committed offset ${below} of ${key} (the ${nameOp(op)}), but none of its members was ` +
          `given value ${value} at offset ${offset} (the ${nameOp(teller)}).`,
        events: eventsOf(op, teller),
        key,
      });
    }
  }
}
