// Judges transfers between accounts made by multi: money is neither made nor lost, at every moment that a
// read of all accounts shows, and no account is overdrawn (multi atomicity).
import { formatZxid } from '../history/node-event.ts';
import type { Op } from '../history/op.ts';
import type { Checker } from '../history/run-record.ts';
import { Findings } from './evidence.ts';
import { eventsOf, nameOp } from './observations.ts';

const NAME = 'bank';
const GUARANTEE =
  'A transfer made by multi happens whole or not at all: every set of balances that one zxid holds adds ' +
  'up to the same total, and none is negative.';

const READS_MIN = 20;
const TRANSFERS_MIN = 10;

/** One account in a read of all. */
interface Balance {
  path: string;
  data: { balance: number };
  mzxid: number;
  zxid: number;
}

export const bank: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const findings = new Findings();
    for (const name of ['transfers', 'transfersRefused', 'totalsCompared', 'readsAcrossChanges']) {
      findings.count(name, 0);
    }
    const accounts = new Map<string, number>();
    for (const op of run.ops) {
      if (op.f === 'create' && op.key !== undefined && op.type === 'ok') {
        const balance = (op.invoke.value as { balance?: number }).balance;
        if (balance !== undefined) accounts.set(op.key, balance);
      }
      if (op.f !== 'multi') continue;
      if (op.type === 'ok') findings.count('transfers');
      else if (op.completion?.zxid !== undefined) findings.count('transfersRefused');
    }
    const total = [...accounts.values()].reduce((sum, balance) => sum + balance, 0);
    for (const op of run.ops) {
      if (op.f === 'reads' && op.type === 'ok') judge(op, accounts.size, total, findings);
    }
    return findings.verdict(NAME, GUARANTEE, doubt(findings));
  },
};

function doubt({ evidence }: Findings): string | undefined {
  const { totalsCompared = 0, transfers = 0 } = evidence;
  if (totalsCompared >= READS_MIN && transfers >= TRANSFERS_MIN) return undefined;
  return (
    `only ${totalsCompared} totals were compared and ${transfers} transfers acknowledged; at least ` +
    `${READS_MIN} and ${TRANSFERS_MIN} are needed`
  );
}

function judge(op: Op, accounts: number, total: number, findings: Findings): void {
  const balances = op.completion?.value as Balance[];
  for (const { path, data, mzxid } of balances) {
    if (data.balance >= 0) continue;
    findings.add({
      kind: 'overdrawn',
      why: `The ${nameOp(op)} shows ${path} with ${data.balance} as of ${formatZxid(mzxid)}; a transfer never takes more than there is.`,
      events: eventsOf(op),
      key: path,
    });
  }
  if (balances.length !== accounts) return;
  // Each answer holds from its last change up to its own zxid; they meet where these stretches do.
  const newest = Math.max(...balances.map(({ mzxid }) => mzxid));
  const until = Math.min(...balances.map(({ zxid }) => zxid));
  if (newest > until) {
    findings.count('readsAcrossChanges');
    return;
  }
  findings.count('totalsCompared');
  const sum = balances.reduce((all, { data }) => all + data.balance, 0);
  if (sum === total) return;
  findings.add({
    kind: 'wrong-total',
    why:
      `The ${nameOp(op)} shows all ${accounts} accounts as they were at ${formatZxid(newest)}, and they add up to ` +
      `${sum} instead of ${total}.`,
    events: eventsOf(op),
  });
}
