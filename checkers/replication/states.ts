// Judges what is stored of partitions and controllers: one leader in an epoch, chosen from the in-sync
// replicas by the one controller of its epoch, each change made on top of the last (I-K1, I-K2, I-K12).
// A replica that left while nothing could be committed may be chosen too, and only then is it eligible (KIP-966).
import type { BrokerNodeEvent } from '../../history/broker-event.ts';
import type { Checker, RunRecord } from '../../history/run-record.ts';
import { brokerLogProblem, Findings, nameEvent, unknownVerdict } from '../evidence.ts';
import { registrations } from './registrations.ts';
import type { BrokerEventOf } from './replica-log.ts';
import { lossAllowed, minInsyncReplicas } from './settings.ts';

const NAME = 'partition-states';
const GUARANTEE =
  'A partition has one leader in each leader epoch, chosen by the one controller of a controller epoch from its ' +
  'in-sync replicas or those that left while too few were in sync for anything to be committed; epochs never ' +
  'fall, and every change is made on top of the last one. A broker is registered by its own session.';

/** Fewer stored states than this prove nothing. */
const STORED_MIN = 3;

type Stored = BrokerEventOf<'stateStored'>;

export const partitionStates: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const gap = brokerLogProblem(run);
    if (gap !== undefined) return unknownVerdict(NAME, GUARANTEE, gap);
    const findings = new Findings();
    const counted = [
      'controllers',
      'registrations',
      'statesStored',
      'elections',
      'eligibleElections',
    ];
    for (const name of [...counted, 'uncleanElections']) {
      findings.count(name, 0);
    }
    const { brokerEvents = [] } = run;
    controllers(brokerEvents, findings);
    offices(brokerEvents, findings);
    registrations(brokerEvents, findings);
    for (const life of livesOf(brokerEvents)) judgeLife(run, life, findings);
    const { statesStored = 0, controllers: elected = 0 } = findings.evidence;
    const thin = `only ${statesStored} states were stored by ${elected} controllers; ${STORED_MIN} and 1 are needed`;
    const enough = statesStored >= STORED_MIN && elected >= 1;
    return findings.verdict(NAME, GUARANTEE, enough ? undefined : thin);
  },
};

/** I-K12: one controller of an epoch, and a broker's own epochs rise. */
function controllers(events: readonly BrokerNodeEvent[], findings: Findings): void {
  const byEpoch = new Map<number, BrokerNodeEvent>();
  const own = new Map<string, BrokerEventOf<'controllerElected'>>();
  for (const event of events) {
    if (event.ev !== 'controllerElected') continue;
    findings.count('controllers');
    const { controllerEpoch, node } = event;
    const other = byEpoch.get(controllerEpoch);
    if (other === undefined) byEpoch.set(controllerEpoch, event);
    else if (other.node !== node) {
      const why = `${node} (${nameEvent(event)}) and ${other.node} (${nameEvent(other)}) are both controllers of epoch ${controllerEpoch}.`;
      findings.addNodeAnomaly('two-controllers', why, [other, event]);
    }
    const before = own.get(node);
    if (before !== undefined && before.controllerEpoch > controllerEpoch) {
      const why = `${node} was controller of epoch ${before.controllerEpoch} and at ${nameEvent(event)} of ${controllerEpoch}.`;
      findings.addNodeAnomaly('controller-epoch-fell', why, [before, event]);
    }
    own.set(node, event);
  }
}

/** Who stores a state holds the office that he stores it in. */
function offices(events: readonly BrokerNodeEvent[], findings: Findings): void {
  const held = new Map<string, Set<string>>();
  for (const event of events) {
    const { node } = event;
    if (event.ev === 'brokerStart') held.set(node, new Set());
    else if (event.ev === 'controllerElected') held.get(node)?.add(`c${event.controllerEpoch}`);
    else if (event.ev === 'becameLeader') held.get(node)?.add(`${event.tp} ${event.leaderEpoch}`);
    else if (event.ev === 'stateStored') {
      const controls = event.by === 'controller';
      const office = controls ? `c${event.controllerEpoch}` : `${event.tp} ${event.leaderEpoch}`;
      if (held.get(node)?.has(office) === true) continue;
      const named = controls
        ? `controller of epoch ${event.controllerEpoch}`
        : `leader of epoch ${event.leaderEpoch}`;
      const why = `${node} stored version ${event.version} of ${event.tp} at ${nameEvent(event)} as ${named}, which it never was.`;
      findings.addNodeAnomaly('stored-without-office', why, [event]);
    }
  }
}

/** Each partition's stored states by version; a version 0 after others begins a topic made anew. */
function livesOf(events: readonly BrokerNodeEvent[]): Stored[][] {
  const lives: Stored[][] = [];
  const current = new Map<string, Stored[]>();
  for (const event of events) {
    if (event.ev !== 'stateStored') continue;
    let life = current.get(event.tp);
    if (life === undefined || (event.version === 0 && life.length > 0)) {
      life = [];
      lives.push(life);
      current.set(event.tp, life);
    }
    life.push(event);
  }
  for (const life of lives) life.sort((a, b) => a.version - b.version);
  return lives;
}

function judgeLife(run: RunRecord, life: readonly Stored[], findings: Findings): void {
  const leaders = new Map<number, Stored>();
  let before: Stored | undefined;
  for (const event of life) {
    findings.count('statesStored');
    const { tp, leader, leaderEpoch } = event;
    const add = (kind: string, why: string, ...events: Stored[]): void => {
      const nodeEvents = events.map(({ node, inc, seq }) => ({ node, incarnation: inc, seq }));
      findings.add({ kind, why, events: [], nodeEvents, key: tp });
    };
    const what = `Version ${event.version} of ${tp} (${nameEvent(event)})`;
    if (event.isr.length === 0) add('isr-empty', `${what} has no in-sync replica.`, event);
    if (leader !== -1 && !event.isr.includes(leader)) {
      add(
        'leader-outside-isr',
        `${what} has leader ${leader} and in-sync replicas ${event.isr.join(', ')}.`,
        event,
      );
    }
    if (leader !== -1) {
      const other = leaders.get(leaderEpoch);
      if (other === undefined) leaders.set(leaderEpoch, event);
      else if (other.leader !== leader) {
        const why = `${what} has leader ${leader} in epoch ${leaderEpoch}, which was ${other.leader}'s (${nameEvent(other)}).`;
        add('two-leaders-of-epoch', why, other, event);
      }
    }
    if (event.unclean === true) {
      findings.count('uncleanElections');
      if (!lossAllowed(run.config)) {
        add(
          'unclean-election',
          `${what} elects ${leader} from outside the ISR, which is not allowed here.`,
          event,
        );
      }
    }
    judgeEligible(run, before, event, what, add);
    if (before !== undefined) judgeChange(before, event, what, add, findings);
    before = event;
  }
}

type Add = (kind: string, why: string, ...events: Stored[]) => void;

/** Whoever may lead by this state: its in-sync and its eligible replicas. */
function candidates({ isr, elr = [] }: Stored): readonly number[] {
  return [...isr, ...elr];
}

/**
 * I-K2: who is eligible has all that was committed. It was a candidate before, and since it is not in sync any
 * more nothing was committed, because fewer than min.insync.replicas were in sync.
 */
function judgeEligible(
  run: RunRecord,
  before: Stored | undefined,
  event: Stored,
  what: string,
  add: Add,
): void {
  const { tp, isr, elr = [], version } = event;
  if (elr.length === 0) return;
  const named = `${what} lets ${elr.join(', ')} be elected beside the in-sync replicas ${isr.join(', ')}`;
  const least = minInsyncReplicas(run.config, tp);
  if (isr.length >= least) {
    add('eligible-beside-enough', `${named}, though ${least} in sync are enough to commit.`, event);
  }
  if (before === undefined || version !== before.version + 1) return;
  const strangers = elr.filter((member) => !candidates(before).includes(member));
  if (strangers.length === 0) return;
  const why = `${named}; ${strangers.join(', ')} could not be by version ${before.version} (${nameEvent(before)}).`;
  add('eligible-from-nowhere', why, before, event);
}

function sameState(a: Stored, b: Stored): boolean {
  const told = ({ leader, leaderEpoch, isr, elr = [], controllerEpoch }: Stored) =>
    JSON.stringify([leader, leaderEpoch, isr, elr, controllerEpoch]);
  return told(a) === told(b);
}

function judgeChange(
  before: Stored,
  event: Stored,
  what: string,
  add: Add,
  findings: Findings,
): void {
  const from = `version ${before.version} (${nameEvent(before)})`;
  if (event.version === before.version) {
    // Two may want the same, and one that got no answer finds what it wanted standing.
    if ((before.inferred || event.inferred) && sameState(before, event)) return;
    add(
      'version-stored-twice',
      `${what} was stored by ${before.node} and by ${event.node}.`,
      before,
      event,
    );
    return;
  }
  if (event.leaderEpoch < before.leaderEpoch) {
    const why = `${what} has leader epoch ${event.leaderEpoch}, ${from} had ${before.leaderEpoch}.`;
    add('leader-epoch-fell', why, before, event);
  }
  if (event.controllerEpoch < before.controllerEpoch) {
    const why = `${what} has controller epoch ${event.controllerEpoch}, ${from} had ${before.controllerEpoch}.`;
    add('controller-epoch-fell', why, before, event);
  }
  // The states between are not known where their writer was killed before it could tell.
  if (event.version !== before.version + 1) return;
  const { leader, leaderEpoch, isr } = event;
  if (event.by === 'leader') {
    const same = leader === before.leader && leaderEpoch === before.leaderEpoch;
    if (!same || event.controllerEpoch !== before.controllerEpoch) {
      const why = `${what} was stored by a leader, but its leader or an epoch differs from ${from}.`;
      add('leader-overstepped', why, before, event);
    }
    return;
  }
  if (leader !== before.leader && leaderEpoch === before.leaderEpoch) {
    const why = `${what} changes the leader from ${before.leader} to ${leader} in epoch ${leaderEpoch}.`;
    add('epoch-reused', why, before, event);
  }
  if (leader === -1 || event.unclean === true) return;
  if (leaderEpoch > before.leaderEpoch) findings.count('elections');
  const eligible = candidates(before).includes(leader);
  if (eligible && !before.isr.includes(leader)) findings.count('eligibleElections');
  // An eligible replica that is elected is the one thing by which a controller lets an ISR grow.
  const added = isr.filter((member) => !before.isr.includes(member) && member !== leader);
  if (!eligible) {
    const { elr = [] } = before;
    const others = elr.length === 0 ? 'nobody else is' : `${elr.join(', ')} are`;
    const why =
      `${what} elects ${leader}, but the in-sync replicas of ${from} are ${before.isr.join(', ')}, ` +
      `and ${others} eligible.`;
    add('elected-outside-isr', why, before, event);
  } else if (added.length > 0) {
    const why = `${what} takes ${added.join(', ')} into the ISR; only the leader knows who has caught up.`;
    add('isr-grown-by-controller', why, before, event);
  }
}
