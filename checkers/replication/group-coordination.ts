// Judges the coordinators of consumer groups by their own words: one assignment of a generation, one owner of
// a partition in it, and no commit of a generation that is over (I-G1, I-G2).
import type { BrokerNodeEvent } from '../../history/broker-event.ts';
import type { Checker } from '../../history/run-record.ts';
import { brokerLogProblem, Findings, nameEvent, unknownVerdict } from '../evidence.ts';
import type { BrokerEventOf } from './replica-log.ts';

const NAME = 'group-coordination';
const GUARANTEE =
  'A generation of a group has one assignment, in which every partition has at most one member; generations ' +
  'rise, also from one coordinator to the next; and offsets are committed by the current generation only.';

const ASSIGNED_MIN = 2;

type Assigned = BrokerEventOf<'groupAssigned'>;

/** What one incarnation of a broker knows of a group. */
interface Office {
  members: Map<number, { members: readonly string[]; event: BrokerNodeEvent }>;
  assigned: Assigned | undefined;
}

export const groupCoordination: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const gap = brokerLogProblem(run);
    if (gap !== undefined) return unknownVerdict(NAME, GUARANTEE, gap);
    const findings = new Findings();
    for (const name of ['generations', 'assignments', 'commits']) findings.count(name, 0);
    const judge = new Coordination(findings);
    for (const event of run.brokerEvents ?? []) judge.step(event);
    const { assignments = 0 } = findings.evidence;
    const thin = `only ${assignments} assignments were stored; ${ASSIGNED_MIN} are needed`;
    return findings.verdict(NAME, GUARANTEE, assignments < ASSIGNED_MIN ? thin : undefined);
  },
};

class Coordination {
  readonly #findings: Findings;
  /** By node and group. */
  readonly #offices = new Map<string, Map<string, Office>>();
  /** First assignment of each generation, and the latest generation stored, by group. */
  readonly #stored = new Map<string, { byGeneration: Map<number, Assigned>; latest: Assigned }>();

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  step(event: BrokerNodeEvent): void {
    if (event.ev === 'brokerStart') this.#offices.delete(event.node);
    else if (event.ev === 'groupGeneration') {
      this.#findings.count('generations');
      const { members, generation } = event;
      this.#office(event.node, event.group).members.set(generation, { members, event });
    } else if (event.ev === 'groupAssigned') this.#assigned(event);
    else if (event.ev === 'offsetCommitted') this.#committed(event);
  }

  #office(node: string, group: string): Office {
    let own = this.#offices.get(node);
    if (own === undefined) this.#offices.set(node, (own = new Map()));
    let office = own.get(group);
    if (office === undefined)
      own.set(group, (office = { members: new Map(), assigned: undefined }));
    return office;
  }

  #assigned(event: Assigned): void {
    this.#findings.count('assignments');
    const { node, group, generation, assignment } = event;
    const what = `Generation ${generation} of group ${group} (${nameEvent(event)})`;
    const owner = new Map<string, string>();
    for (const [member, partitions] of Object.entries(assignment)) {
      for (const tp of partitions) {
        const other = owner.get(tp);
        if (other !== undefined) {
          this.#add('two-owners', `${what} gives ${tp} to ${other} and to ${member}.`, event);
        }
        owner.set(tp, member);
      }
    }
    const office = this.#office(node, group);
    const began = office.members.get(generation)?.event;
    const stored = this.#stored.get(group);
    const same = stored?.byGeneration.get(generation);
    if (same !== undefined && canonical(same.assignment) !== canonical(assignment)) {
      this.#add(
        'two-assignments',
        `${what} has another assignment than at ${nameEvent(same)}.`,
        same,
        event,
      );
    } else if (
      stored !== undefined &&
      same === undefined &&
      generation < stored.latest.generation
    ) {
      // Stored earlier and told later it may be; begun after the other was stored it may not.
      if (began !== undefined && began.t > stored.latest.t) {
        const why = `${what} began after generation ${stored.latest.generation} had been stored (${nameEvent(stored.latest)}).`;
        this.#add('generation-fell', why, stored.latest, began, event);
      }
    }
    office.assigned = event;
    if (stored === undefined) {
      this.#stored.set(group, { byGeneration: new Map([[generation, event]]), latest: event });
      return;
    }
    if (same === undefined) stored.byGeneration.set(generation, event);
    if (generation > stored.latest.generation) stored.latest = event;
  }

  #committed(event: BrokerEventOf<'offsetCommitted'>): void {
    this.#findings.count('commits');
    const { node, group, generation, member, tp, offset } = event;
    // A group without members is committed to by whoever says so, under generation −1.
    if (generation < 0) return;
    const what = `The commit of offset ${offset} of ${tp} for group ${group} by ${member} at ${nameEvent(event)}`;
    const { assigned, members } = this.#office(node, group);
    if (assigned !== undefined && generation < assigned.generation) {
      const why = `${what} is of generation ${generation}; generation ${assigned.generation} was stored before.`;
      this.#add('commit-of-old-generation', why, assigned, event);
    }
    const known = members.get(generation);
    if (known !== undefined && !known.members.includes(member)) {
      const why = `${what} comes from no member of generation ${generation} (${known.members.join(', ')}).`;
      this.#add('commit-by-stranger', why, known.event, event);
    }
  }

  #add(kind: string, why: string, ...events: BrokerNodeEvent[]): void {
    this.#findings.addNodeAnomaly(kind, why, events);
  }
}

/** An assignment as text that does not depend on the order of its parts. */
function canonical(assignment: Record<string, string[]>): string {
  const parts = Object.entries(assignment).map(
    ([member, tps]) => [member, [...tps].sort()] as const,
  );
  return JSON.stringify(parts.sort(([a], [b]) => (a < b ? -1 : 1)));
}
