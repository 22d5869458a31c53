// Judges that nobody serves alone: a leader that hears no quorum, and a follower that hears no leader,
// stop serving within syncLimit and a margin, and a leader that slept does not go on leading (I-Z16).
import { describeFault, type Fault } from '../history/fault.ts';
import type { NodeEvent } from '../history/node-event.ts';
import type { Checker, RunConfig, RunRecord } from '../history/run-record.ts';
import type { Verdict } from '../history/verdict.ts';
import {
  eventsByNode,
  Findings,
  formatMs,
  nameEvent,
  nodeLogProblem,
  unknownVerdict,
} from './evidence.ts';
import type { Span } from './isolation.ts';
import { outOfReach, withoutLeader, withoutQuorum } from './isolation.ts';
import { eventsOf, nameOp } from './observations.ts';
import { withoutRefusedStarts } from './refused-starts.ts';

const NAME = 'quorum-service';
const GUARANTEE =
  'A leader that hears no quorum and a follower that hears no leader stop serving within syncLimit ' +
  'ticks and a margin, and nothing is acknowledged by a node cut off for longer.';

/** Added to the limit outside the simulator, where processes wait for a processor too, ms. */
const MARGIN_MS = 1_000;
/** Ticks added outside the simulator: silence is looked for once in a while, not all the time. */
const MARGIN_TICKS = 2;

/** What a lost packet may be late by on a network that loses some: TCP sends it again, and again. */
const LOSSY_MS = 1_500;

/**
 * How long a cut-off node may go on, ns: syncLimit ticks, plus one tick in the simulator, where time is
 * exact but for what is still under way, or two ticks and a second elsewhere. Undefined when the
 * configuration does not say.
 */
export function serviceBoundNs(config: RunConfig): number | undefined {
  const { tickTime, syncLimit } = config.systemOptions;
  if (typeof tickTime !== 'number' || typeof syncLimit !== 'number') return undefined;
  const { latencyMaxMs = 0, loss = 0 } = config.clusterOptions ?? {};
  // A read may wait for the next segment, and an answer for the read.
  const exactMs = tickTime + 4 * latencyMaxMs + (loss > 0 ? LOSSY_MS : 0);
  const marginMs = config.cluster === 'sim' ? exactMs : MARGIN_TICKS * tickTime + MARGIN_MS;
  return (tickTime * syncLimit + marginMs) * 1e6;
}

/** A server's time as established leader or as a follower that is up to date. */
interface Tenure {
  node: string;
  role: 'leading' | 'following';
  epoch: number;
  from: NodeEvent;
  /** The last event that shows it still in this tenure, its end included unless a kill was that. */
  last: NodeEvent;
  events: NodeEvent[];
}

/** What every part of the checker works with. */
interface Judging {
  run: RunRecord;
  boundNs: number;
  tenures: Tenure[];
  findings: Findings;
}

/**
 * A run in which nothing was cut off or paused for longer than the bound is valid and says so: every
 * nemesis is judged by every checker, and not every nemesis isolates.
 */
export const quorumService: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(given): Verdict {
    const run = withoutRefusedStarts(given);
    const gap = nodeLogProblem(run);
    if (gap !== undefined) return unknownVerdict(NAME, GUARANTEE, gap);
    const boundNs = serviceBoundNs(run.config);
    if (boundNs === undefined) {
      const doubt =
        'the configuration does not say tickTime and syncLimit, which bound the service';
      return unknownVerdict(NAME, GUARANTEE, doubt);
    }
    const findings = new Findings();
    for (const name of ['judged', 'leadersCutOff', 'followersCutOff', 'leadersPaused']) {
      findings.count(name, 0);
    }
    findings.count('boundMs', boundNs / 1e6);
    const judging: Judging = { run, boundNs, tenures: tenuresOf(run), findings };
    cutFromQuorum(judging);
    cutFromLeader(judging);
    pausedLeaders(judging);
    const verdict = findings.verdict(NAME, GUARANTEE);
    if ((findings.evidence.judged ?? 0) > 0) return verdict;
    const reason = `nothing to judge: no server that served was cut off or paused for more than ${formatMs(boundNs)}`;
    return { ...verdict, reason };
  },
};

function tenuresOf(run: RunRecord): Tenure[] {
  const tenures: Tenure[] = [];
  for (const [node, events] of eventsByNode(run.nodeEvents)) {
    let open: Tenure | undefined;
    for (const event of events) {
      if (event.ev === 'start') open = undefined;
      if (event.ev === 'established' || event.ev === 'upToDate') {
        const role = event.ev === 'established' ? 'leading' : 'following';
        open = { node, role, epoch: event.epoch, from: event, last: event, events: [] };
        tenures.push(open);
      }
      if (open === undefined) continue;
      open.last = event;
      open.events.push(event);
      const over = event.ev === 'role' && event.role === 'looking';
      if (over || event.ev === 'left' || event.ev === 'stop') open = undefined;
    }
  }
  return tenures;
}

/**
 * How long after its heal a fault of a link may still bring what was sent before, ns: what a slow link held
 * is on its way for its delay, and what a cut or a loss kept is sent again by TCP at a time that lies up to
 * the length of the fault after the heal.
 */
function afterglowNs(fault: Fault, lastedNs: number): number {
  switch (fault.kind) {
    case 'slow':
      return (fault.delayMs + fault.jitterMs) * 1e6;
    case 'cut':
    case 'lose':
      return lastedNs;
    default:
      return 0;
  }
}

/** Whether the heal of a fault may have let through, during the span, what was sent before it. */
function releases(
  fault: Fault,
  injectStart: number,
  healed: number | undefined,
  span: Span,
): boolean {
  if (healed === undefined) return false;
  const afterNs = afterglowNs(fault, healed - injectStart);
  return afterNs > 0 && healed < span.to && healed + afterNs > span.from;
}

/**
 * Whether a clock fault touched the node while it was cut off, or slow and lossy links bring it what was
 * sent long before: then nobody can say when it had to notice.
 */
function blurred({ run }: Judging, node: string, span: Span): boolean {
  const found = run.faults.some(
    ({ fault, injectStart, healed }) =>
      releases(fault, injectStart, healed, span) ||
      ((fault.kind === 'slow' ||
        fault.kind === 'lose' ||
        (fault.kind === 'skew' && fault.nodes.includes(node))) &&
        injectStart < span.to &&
        (healed ?? Number.POSITIVE_INFINITY) > span.from),
  );
  return found;
}

/** The faults in place during a span, in prose and as history events. */
function faultsDuring(run: RunRecord, span: Span): { names: string; events: number[] } {
  const during = run.faults.filter(
    ({ injected, healStart }) =>
      injected < span.to && (healStart ?? Number.POSITIVE_INFINITY) > span.from,
  );
  const ids = new Set(during.map(({ id }) => id));
  const events = run.history.filter((event) => {
    if (event.process !== 'nemesis' || event.type === 'invoke') return false;
    const { id } = (event.value ?? {}) as { id?: number };
    return id !== undefined && ids.has(id);
  });
  const names = during.map(({ fault }) => describeFault(fault)).join(', ');
  return { names, events: events.map(({ index }) => index) };
}

/**
 * A leader that heard no quorum: its tenure ends in time. A node that no word of a quorum could reach:
 * it acknowledges nothing after that.
 */
function cutFromQuorum(judging: Judging): void {
  const { run, boundNs, tenures, findings } = judging;
  for (const node of run.config.nodes) {
    for (const span of withoutQuorum(node, run.config.nodes, run.faults)) {
      findings.count('isolations');
      if (span.to - span.from <= boundNs) continue;
      if (blurred(judging, node, span)) {
        findings.count('leftOutAsBlurred');
        continue;
      }
      findings.count('isolationsBeyondBound');
      for (const tenure of tenures) {
        if (tenure.node !== node || tenure.role !== 'leading') continue;
        inTime(judging, tenure, span, 'heard no quorum');
      }
    }
    for (const span of outOfReach(node, run.config.nodes, run.faults)) {
      if (span.to - span.from <= boundNs || blurred(judging, node, span)) continue;
      acknowledgedAlone(judging, node, span);
    }
  }
}

/** A follower whose leader was cut off from it, or stopped, lets go of it in time. */
function cutFromLeader(judging: Judging): void {
  const { run, boundNs, tenures } = judging;
  const leaders = new Map<number, string>();
  for (const { role, epoch, node } of tenures) if (role === 'leading') leaders.set(epoch, node);
  const known = new Map<string, Span[]>();
  for (const tenure of tenures) {
    const leader = leaders.get(tenure.epoch);
    if (tenure.role !== 'following' || leader === undefined || leader === tenure.node) continue;
    const pair = `${tenure.node} ${leader}`;
    const spans = known.get(pair) ?? withoutLeader(tenure.node, leader, run.faults);
    known.set(pair, spans);
    for (const span of spans) {
      if (span.to - span.from <= boundNs || blurred(judging, tenure.node, span)) continue;
      inTime(judging, tenure, span, `heard nothing of its leader ${leader}`);
    }
  }
}

/** Judges one tenure against one span in which it should have ended. */
function inTime(judging: Judging, tenure: Tenure, span: Span, state: string): void {
  const { run, boundNs, findings } = judging;
  if (tenure.last.t < span.from || tenure.from.t > span.to) return;
  const since = Math.max(span.from, tenure.from.t);
  const deadline = since + boundNs;
  if (deadline >= span.to) return;
  findings.count('judged');
  findings.count(tenure.role === 'leading' ? 'leadersCutOff' : 'followersCutOff');
  if (tenure.last.t <= deadline) return;
  const proof = tenure.events.find(({ t }) => t > deadline) ?? tenure.last;
  const { names, events } = faultsDuring(run, span);
  findings.add({
    kind: tenure.role === 'leading' ? 'led-without-quorum' : 'followed-silent-leader',
    why:
      `${tenure.node} ${state} from ${formatMs(since)} on (${names}) and had to stop serving within ` +
      `${formatMs(boundNs)}, but it was still ${tenure.role} in epoch ${tenure.epoch} at ${nameEvent(proof)}, ` +
      `${formatMs(proof.t - since)} later.`,
    events,
    nodeEvents: [tenure.from, proof].map((e) => ({ node: e.node, incarnation: e.inc, seq: e.seq })),
  });
}

/** Only what was asked and answered between the bound and the heal is surely said without a quorum. */
function acknowledgedAlone({ run, boundNs, findings }: Judging, node: string, span: Span): void {
  for (const op of run.ops) {
    if (op.invokeTime <= span.from + boundNs || op.invokeTime >= span.to) continue;
    if ((op.completion?.node ?? op.invoke.node) !== node) continue;
    findings.count('triedBeyondBound');
    if (op.type !== 'ok' || op.returnTime >= span.to) continue;
    const { names, events } = faultsDuring(run, span);
    findings.add({
      kind: 'acknowledged-without-quorum',
      why:
        `The ${nameOp(op)} was invoked ${formatMs(op.invokeTime - span.from)} after ${node} had been cut off from ` +
        `every quorum (${names}) and was answered; nothing may be after ${formatMs(boundNs)}.`,
      events: [...eventsOf(op), ...events],
      ...(op.key === undefined ? {} : { key: op.key }),
    });
  }
}

/** A leader that slept beyond the bound while others chose a new one gives up soon after it wakes. */
function pausedLeaders({ run, boundNs, tenures, findings }: Judging): void {
  for (const { fault, injection, injectStart, injected, healStart, healed } of run.faults) {
    if (fault.kind !== 'pause' || !injection.verified) continue;
    if (healStart === undefined || healed === undefined || healStart - injected <= boundNs)
      continue;
    for (const tenure of tenures) {
      const { node, role, epoch, from, last } = tenure;
      if (role !== 'leading' || !fault.nodes.includes(node)) continue;
      if (from.t > injectStart || last.t < injectStart) continue;
      const deadline = healed + boundNs;
      const successor = tenures.find(
        (other) =>
          other.role === 'leading' &&
          other.node !== node &&
          other.epoch > epoch &&
          other.from.t < healed,
      );
      if (successor === undefined) continue;
      findings.count('judged');
      findings.count('leadersPaused');
      if (last.t <= deadline) continue;
      const proof = tenure.events.find(({ t }) => t > deadline) ?? last;
      findings.addNodeAnomaly(
        'led-after-pause',
        `${node} was paused for ${formatMs(healStart - injected)} and ${successor.node} led epoch ${successor.epoch} ` +
          `meanwhile, but ${formatMs(proof.t - healed)} after it went on ${node} still led epoch ${epoch} (\`${proof.ev}\` ` +
          `at ${nameEvent(proof)}).`,
        [from, successor.from, proof],
      );
    }
  }
}
