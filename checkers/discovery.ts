// Judges a directory of servers or names as its readers depend on it: once nothing is disturbed any more and
// who left has had time to expire, everybody is shown who registered and stayed, and nobody else.
import type { Op } from '../history/op.ts';
import type { Checker, RunRecord } from '../history/run-record.ts';
import { Findings, formatMs, phaseStarts } from './evidence.ts';
import { eventsOf, nameOp } from './observations.ts';
import { mainSessions } from './session-history.ts';
import { settledSince } from './settled.ts';

const NAME = 'discovery';
const GUARANTEE =
  'In a settled cluster, once the sessions of those who left have expired, every client is shown the same ' +
  'entries through every server: exactly those that registered and stayed.';

/** What an expiry may take beyond the timeout: the leader's look-around, the commit, a busy machine, ms. */
const EXPIRY_SLACK_MS = 1_000;
const SESSION_TIMEOUT_MS = 2_000;

/** One directory at the end of a run. */
interface Directory {
  /** Entries registered after the heal and not given up: path → registration. */
  staying: Map<string, Op>;
  /** When the last client registered, left or was lost, ns. */
  movedNs: number;
}

export const discovery: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const findings = new Findings();
    for (const name of ['entriesAtLast', 'listsJudged', 'serversAsked']) findings.count(name, 0);
    const began = phaseStarts(run.history).get('final') ?? Number.POSITIVE_INFINITY;
    const asked = new Set<string>();
    const calmNs = settledSince(run) + expiryNs(run);
    for (const [key, directory] of directoriesOf(run, began)) {
      findings.count('entriesAtLast', directory.staying.size);
      const from = Math.max(calmNs, directory.movedNs + expiryNs(run));
      for (const op of run.ops) {
        if (op.f !== 'children' || op.type !== 'ok' || op.key !== key) continue;
        if (op.invokeTime < from) continue;
        findings.count('listsJudged');
        asked.add(op.completion?.node ?? '');
        judge(op, key, directory, findings);
      }
    }
    findings.count('serversAsked', asked.size);
    return findings.verdict(NAME, GUARANTEE, doubt(run, findings));
  },
};

function doubt({ config }: RunRecord, { evidence }: Findings): string | undefined {
  const { entriesAtLast = 0, serversAsked = 0 } = evidence;
  const servers = config.nodes.length;
  if (entriesAtLast > 0 && serversAsked >= servers) return undefined;
  return (
    `${entriesAtLast} entries stayed and ${serversAsked} of ${servers} servers were asked for them after all ` +
    'others had had time to expire; at least one and all are needed'
  );
}

/** How long a session of a client that is gone may take to expire, ns. */
function expiryNs({ config }: RunRecord): number {
  const tickMs = Number(config.systemOptions.tickTime ?? 0);
  const wantedMs = Number(config.workloadOptions.sessionTimeoutMs ?? SESSION_TIMEOUT_MS);
  // A server grants at least two ticks.
  return (Math.max(wantedMs, 2 * tickMs) + 2 * tickMs + EXPIRY_SLACK_MS) * 1e6;
}

function directoriesOf(run: RunRecord, began: number): Map<string, Directory> {
  const directories = new Map<string, Directory>();
  for (const op of run.ops) {
    if (op.f !== 'create-ephemeral' || op.invokeTime < began || op.key === undefined) continue;
    const key = op.key.slice(0, op.key.lastIndexOf('/'));
    if (!directories.has(key)) directories.set(key, { staying: new Map(), movedNs: 0 });
  }
  const lastOf = mainSessions(run.ops);
  const gone = new Set<string | undefined>();
  let lostNs = 0;
  for (const op of run.ops) {
    const left = op.f === 'abandon' || op.f === 'close' || op.f === 'open' || op.type === 'info';
    if (!left) continue;
    lostNs = Math.max(lostNs, op.completion?.time ?? op.invokeTime);
    gone.add(op.f === 'open' ? lastOf.get(op) : (op.completion?.session ?? lastOf.get(op)));
  }
  for (const [key, directory] of directories) {
    directory.movedNs = lostNs;
    for (const op of run.ops) {
      if (op.invokeTime >= began && op.key?.startsWith(`${key}/`) === true) {
        move(op, directory, gone);
      }
    }
  }
  return directories;
}

function move(op: Op, directory: Directory, gone: ReadonlySet<string | undefined>): void {
  const { f, type, key, completion } = op;
  if (type !== 'ok' || completion === undefined || key === undefined) return;
  if (f !== 'create-ephemeral' && f !== 'delete') return;
  directory.movedNs = Math.max(directory.movedNs, completion.time);
  if (f === 'delete') directory.staying.delete(key);
  else if (!gone.has(completion.session)) {
    directory.staying.set((completion.value as { path: string }).path, op);
  }
}

function judge(op: Op, key: string, { staying, movedNs }: Directory, findings: Findings): void {
  const paths = new Set(((op.completion?.value ?? []) as string[]).map((name) => `${key}/${name}`));
  const since = formatMs(op.invokeTime - movedNs);
  for (const [path, registered] of staying) {
    if (paths.has(path)) continue;
    findings.add({
      kind: 'entry-missing',
      why: `The ${nameOp(op)} lacks ${path}, which the ${nameOp(registered)} registered and nobody gave up, ${since} after the last change.`,
      events: eventsOf(registered, op),
      key: path,
    });
  }
  for (const path of paths) {
    if (staying.has(path)) continue;
    findings.add({
      kind: 'entry-left-over',
      why: `The ${nameOp(op)} shows ${path}, whose client had been gone for ${since} or more.`,
      events: eventsOf(op),
      key: path,
    });
  }
}
