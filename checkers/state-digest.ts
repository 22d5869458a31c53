// Compares the servers' state digests: whoever has applied the same transactions has the same state.
// A digest at start or after a snapshot shows what only a reload from disk brings to light (I-Z15).
import type { NodeEvent } from '../history/node-event.ts';
import { formatZxid } from '../history/node-event.ts';
import type { Checker } from '../history/run-record.ts';
import { Findings, levelProblem, nameEvent, nodeLogProblem, unknownVerdict } from './evidence.ts';

const NAME = 'state-digest';
const GUARANTEE = 'All servers have the same state, by digest, at the same applied zxid.';

/** Fewer zxids compared between two servers than this prove nothing. */
const COMPARED_MIN = 10;

interface DigestAt {
  digest: string;
  event: NodeEvent;
  /** Another server's digest was compared with this one. */
  compared: boolean;
}

export const stateDigestChecker: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const gap = nodeLogProblem(run);
    if (gap !== undefined) return unknownVerdict(NAME, GUARANTEE, gap);
    const findings = new Findings();
    const compared = new Map(run.config.nodes.map((node) => [node, 0]));
    const digests = new Map<number, DigestAt>();
    for (const event of run.nodeEvents) {
      const state = stateOf(event);
      if (state === undefined) continue;
      findings.count(`digests.${event.ev}`);
      const first = digests.get(state.zxid);
      if (first === undefined) {
        digests.set(state.zxid, { digest: state.digest, event, compared: false });
        continue;
      }
      if (first.event.node !== event.node) {
        compared.set(event.node, (compared.get(event.node) ?? 0) + 1);
        compared.set(first.event.node, (compared.get(first.event.node) ?? 0) + 1);
        if (!first.compared) findings.count('zxidsCompared');
        first.compared = true;
      }
      if (first.digest !== state.digest) report(findings, state.zxid, first, event, state.digest);
    }
    return findings.verdict(NAME, GUARANTEE, levelProblem(run) ?? thinEvidence(findings, compared));
  },
};

function stateOf(event: NodeEvent): { zxid: number; digest: string } | undefined {
  if (event.ev === 'apply' || event.ev === 'snapSaved' || event.ev === 'snapLoaded') {
    return { zxid: event.zxid, digest: event.digest };
  }
  if (event.ev === 'start') return { zxid: event.applied, digest: event.digest };
  return undefined;
}

function report(
  findings: Findings,
  zxid: number,
  first: DigestAt,
  event: NodeEvent,
  digest: string,
): void {
  findings.addNodeAnomaly(
    'digest-mismatch',
    `At applied zxid ${formatZxid(zxid)} ${first.event.node} has state ${first.digest} ` +
      `(\`${first.event.ev}\` ${nameEvent(first.event)}) but ${event.node} has ${digest} ` +
      `(\`${event.ev}\` ${nameEvent(event)}); equal transactions must give equal states.`,
    [first.event, event],
  );
}

function thinEvidence(findings: Findings, compared: Map<string, number>): string | undefined {
  const zxids = findings.evidence.zxidsCompared ?? 0;
  if (zxids < COMPARED_MIN) {
    return `digests of two servers met at only ${zxids} zxids; at least ${COMPARED_MIN} are needed`;
  }
  const alone = [...compared].find(([, count]) => count === 0);
  return alone === undefined
    ? undefined
    : `no digest of ${alone[0]} could be compared with another server's`;
}
