// Judges sessions and ephemeral nodes by what clients saw alone, for servers that keep no log of their
// own doing. What only the servers could tell, who let a session expire and when, it leaves open (I-C7).
import type { Checker, RunRecord } from '../history/run-record.ts';
import { Findings } from './evidence.ts';
import { judgeHistory } from './session-history.ts';

const NAME = 'sessions-seen';
const GUARANTEE =
  'Clients find the ephemeral nodes of a living session, none of a closed one, and none of one that was ' +
  'given up once its timeout has passed.';

/** Fewer looks than these prove nothing. */
const LOOKS_MIN = {
  nodesOfClosedSessionsLookedFor: 3,
  nodesOfLivingSessionsLookedFor: 10,
} as const;
/** What an expiry may take beyond the timeout: the commit, a busy machine, ms. */
const EXPIRY_SLACK_MS = 1_000;

/** Judges the workload `ephemeral` from outside. */
export const sessionsSeen: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const findings = new Findings();
    const tickMs = Number(run.config.systemOptions.tickTime ?? 0);
    const slackMs = 2 * tickMs + EXPIRY_SLACK_MS;
    const overMs = longestTimeoutMs(run) + slackMs;
    judgeHistory(run, settledSince(run), () => overMs, findings);
    const few = Object.entries(LOOKS_MIN).find(([what, least]) => {
      return (findings.evidence[what] ?? 0) < least;
    });
    const doubt =
      few === undefined
        ? undefined
        : `${few[0]}: at least ${few[1]} expected, got ${findings.evidence[few[0]] ?? 0}`;
    return findings.verdict(NAME, GUARANTEE, doubt);
  },
};

/** From when on, ns, a leader certainly stood: the bound for recovery after the last heal. */
function settledSince({ faults, config }: RunRecord): number {
  if (faults.length === 0) return 0;
  const healed = Math.max(...faults.map((fault) => fault.healed ?? Number.POSITIVE_INFINITY));
  return healed + config.recoveryMsMax * 1e6;
}

/** The longest timeout that a session was given. */
function longestTimeoutMs({ ops }: RunRecord): number {
  let longestMs = 0;
  for (const { f, completion } of ops) {
    const { timeoutMs } =
      ((f === 'open' ? completion?.value : undefined) as { timeoutMs?: number }) ?? {};
    longestMs = Math.max(longestMs, timeoutMs ?? 0);
  }
  return longestMs;
}
