// Judges elections: one leader per epoch, epochs that never go back, quorums at every step, and a
// leader that holds all that was committed before it (I-Z1, I-Z2, I-Z3, I-Z5, I-Z6).
import type { NodeEvent } from '../history/node-event.ts';
import { formatZxid, zxidEpoch } from '../history/node-event.ts';
import type { Checker } from '../history/run-record.ts';
import type { FollowerAcks } from './epochs.ts';
import { EpochReplay } from './epochs.ts';
import {
  Findings,
  levelProblem,
  nameEvent,
  nodeLogProblem,
  unknownVerdict,
  upperBound,
} from './evidence.ts';
import { unexplainedRefusals } from './refused-starts.ts';
import { ServerReplay } from './server-replay.ts';
import type { ServerView, ZabView } from './zab-view.ts';
import { zabView } from './zab-view.ts';

const NAME = 'election';
const GUARANTEE =
  'Each epoch has at most one leader, chosen and established by quorums, no server ever goes back ' +
  'to an earlier epoch, and every leader holds all transactions committed before its epoch.';

export const electionChecker: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const gap = nodeLogProblem(run);
    if (gap !== undefined) return unknownVerdict(NAME, GUARANTEE, gap);
    const findings = new Findings();
    const view = zabView(run);
    const level = levelProblem(run);
    oneLeaderPerEpoch(run.nodeEvents, findings);
    const acks = followerAcks(view, findings);
    for (const server of view.servers) {
      const epochs = new EpochReplay(acks, findings);
      for (const event of server.events) epochs.step(event);
    }
    unexplainedRefusals(run, 'epochs', findings);
    if (level === undefined)
      for (const server of view.servers) completeness(view, server, findings);
    const none = (findings.evidence.established ?? 0) === 0;
    return findings.verdict(
      NAME,
      GUARANTEE,
      level ?? (none ? 'no leader was established' : undefined),
    );
  },
};

/**
 * I-Z1. Two servers may *offer* one epoch (`newEpoch`): each from a quorum's accepted epochs, before
 * either has it accepted. Only one of them can gather a quorum of acks and go on, so only what
 * follows that quorum is a claim to lead.
 */
function oneLeaderPerEpoch(events: readonly NodeEvent[], findings: Findings): void {
  const claims = new Map<number, Map<string, NodeEvent>>();
  const offers = new Map<number, Set<string>>();
  for (const event of events) {
    if (event.ev === 'newEpoch') {
      const by = offers.get(event.epoch) ?? new Set<string>();
      offers.set(event.epoch, by.add(event.node));
    }
    const epoch = claimedEpoch(event);
    if (epoch === undefined) continue;
    const claimants = claims.get(epoch);
    if (claimants === undefined) {
      claims.set(epoch, new Map([[event.node, event]]));
    } else if (!claimants.has(event.node)) {
      const [first] = claimants.values();
      claimants.set(event.node, event);
      if (first === undefined) continue;
      findings.addNodeAnomaly(
        'two-leaders',
        `${first.node} (\`${first.ev}\` at ${nameEvent(first)}) and ${event.node} (\`${event.ev}\` at ` +
          `${nameEvent(event)}) both led epoch ${epoch}; an epoch has at most one leader.`,
        [first, event],
      );
    }
  }
  findings.count('epochs', claims.size);
  findings.count('epochsOfferedTwice', [...offers.values()].filter((by) => by.size > 1).length);
}

function claimedEpoch(event: NodeEvent): number | undefined {
  switch (event.ev) {
    case 'syncStart':
    case 'newLeaderAcked':
    case 'established':
      return event.epoch;
    case 'propose':
      return zxidEpoch(event.zxid);
    default:
      return undefined;
  }
}

/** Gathers all acks; I-Z3: a server's ack of an epoch counts once, its own as leader included. */
function followerAcks(view: ZabView, findings: Findings): FollowerAcks {
  const acks: FollowerAcks = { epoch: new Map(), newLeader: new Map() };
  for (const server of view.servers) {
    const counted = new Map<number, NodeEvent>();
    for (const event of server.events) {
      const key = 'epoch' in event ? `${server.sid}/${event.epoch}` : '';
      if (event.ev === 'newLeaderAck' && !acks.newLeader.has(key)) acks.newLeader.set(key, event);
      if (event.ev === 'ackEpoch') {
        const earlier = acks.epoch.get(key);
        if (earlier === undefined) acks.epoch.set(key, [event]);
        else earlier.push(event);
      }
      const counts =
        (event.ev === 'ackEpoch' && event.counting) ||
        (event.ev === 'ackEpochCounted' && event.from === server.sid);
      if (!counts) continue;
      const first = counted.get(event.epoch);
      if (first === undefined) counted.set(event.epoch, event);
      else {
        findings.addNodeAnomaly(
          'epoch-acked-twice',
          `${server.node} gave two counting acks for epoch ${event.epoch}, at ${nameEvent(first)} and ` +
            `${nameEvent(event)}; two leaders could each have counted one.`,
          [first, event],
        );
      }
    }
  }
  return acks;
}

/** I-Z6: at its establishment a leader's log holds every transaction of earlier epochs ever committed. */
function completeness(view: ZabView, server: ServerView, findings: Findings): void {
  const replay = new ServerReplay(server.syncs, () => undefined);
  const { committedZxids: committed } = view;
  /** How many of the committed zxids the log was found to hold, so that each is looked at once. */
  let held = 0;
  for (const event of server.events) {
    replay.step(event);
    if (event.ev === 'trunc') held = Math.min(held, upperBound(committed, event.to));
    else if (event.ev === 'start') held = Math.min(held, upperBound(committed, event.lastLogged));
    else if (event.ev === 'snapLoaded') held = Math.min(held, upperBound(committed, event.zxid));
    if (event.ev !== 'established') continue;
    const earlier = upperBound(committed, event.epoch * 0x1_0000_0000);
    let missing = 0;
    for (let i = held; i < earlier; i++) {
      const zxid = committed[i] as number;
      if (replay.log.contains(zxid)) {
        if (missing === 0) held = i + 1;
        continue;
      }
      missing++;
      const commit = view.commits.get(zxid)?.event;
      findings.addNodeAnomaly(
        'leader-incomplete',
        `${server.node} was established as leader of epoch ${event.epoch} at ${nameEvent(event)} without ` +
          `${formatZxid(zxid)} in its log, which ${commit?.node} committed` +
          `${commit === undefined ? '' : ` at ${nameEvent(commit)}`}.`,
        commit === undefined ? [event] : [event, commit],
      );
    }
    findings.count('completenessChecked', earlier);
  }
}
