// Judges that every server shows one tree: each reply is what the transactions up to its zxid made, a
// multi's changes all at once or not at all, whatever server gave it (I-C1, I-C3).
import { formatZxid } from '../history/node-event.ts';
import type { Op } from '../history/op.ts';
import type { Checker } from '../history/run-record.ts';
import { Findings } from './evidence.ts';
import { eventsOf, nameOp, sameValue } from './observations.ts';
import {
  type Change,
  changeAt,
  type Listing,
  type Look,
  type TreeFacts,
  treeFacts,
} from './tree-facts.ts';

const NAME = 'tree';
const GUARANTEE =
  'Every reply shows the tree as exactly the transactions up to its zxid left it, on whichever server: ' +
  'values, versions and children, and all changes of a multi or none of them.';

/** Fewer looks that could be compared with a change prove nothing. */
const LOOKS_MIN = 20;
const CHANGES_MIN = 10;

export const tree: Checker = {
  name: NAME,
  guarantee: GUARANTEE,
  check(run) {
    const findings = new Findings();
    const facts = treeFacts(run);
    const judge = new TreeJudge(facts, findings);
    for (const changes of facts.changes.values()) judge.chain(changes);
    for (const look of facts.looks) judge.look(look);
    const listings = new Map<string, Listing[]>();
    for (const listing of facts.listings) {
      const known = listings.get(listing.path);
      if (known === undefined) listings.set(listing.path, [listing]);
      else known.push(listing);
    }
    for (const [path, own] of listings) judge.listings(path, own);
    const { changes = 0, looksCompared = 0 } = findings.evidence;
    const doubt =
      changes < CHANGES_MIN || looksCompared < LOOKS_MIN
        ? `only ${changes} changes and ${looksCompared} looks could be compared; at least ${CHANGES_MIN} and ${LOOKS_MIN} are needed`
        : undefined;
    return findings.verdict(NAME, GUARANTEE, doubt);
  },
};

class TreeJudge {
  readonly #facts: TreeFacts;
  readonly #findings: Findings;
  /** What looks showed that no known change made: path and mzxid → the first such look. */
  readonly #unknown = new Map<string, Look>();
  /** Persistent children ever made under a path: name → its changes. */
  readonly #below = new Map<string, Map<string, Change[]>>();

  constructor(facts: TreeFacts, findings: Findings) {
    this.#facts = facts;
    this.#findings = findings;
    for (const name of ['changes', 'looksCompared', 'listingsCompared', 'changesInDoubt']) {
      findings.count(name, 0);
    }
    for (const own of facts.attempts.values()) findings.count('changesInDoubt', own.length);
    for (const [path, changes] of facts.changes) {
      const at = path.lastIndexOf('/');
      const parent = path.slice(0, at);
      let names = this.#below.get(parent);
      if (names === undefined) this.#below.set(parent, (names = new Map()));
      names.set(path.slice(at + 1), changes);
    }
  }

  #found(kind: string, path: string, why: string, ...ops: readonly Op[]): void {
    this.#findings.add({ kind, why: `${why}.`, events: eventsOf(...new Set(ops)), key: path });
  }

  /** Also one whose creation was not answered: its number is known only from lists. */
  #isEphemeral(path: string): boolean {
    if (this.#facts.ephemeral.has(path)) return true;
    const attempts = this.#facts.attempts.get(path.replace(/\d{10}$/, ''));
    return attempts?.some(({ sequential, ephemeral }) => sequential && ephemeral) === true;
  }

  /** Acknowledged changes of one path follow upon each other. */
  chain(changes: readonly Change[]): void {
    let before: Change | undefined;
    for (const change of changes) {
      this.#findings.count('changes');
      if (before !== undefined) this.#follows(before, change);
      before = change;
    }
  }

  #follows(before: Change, change: Change): void {
    const { path, version } = change;
    if (before.zxid === change.zxid && before.op !== change.op) {
      const both = `The ${nameOp(before.op)} and the ${nameOp(change.op)} changed ${path}`;
      this.#found(
        'one-zxid-twice',
        path,
        `${both} at one zxid, ${formatZxid(change.zxid)}`,
        before.op,
        change.op,
      );
      return;
    }
    if (change.kind !== 'set' || before.kind === 'deleted' || this.#isEphemeral(path)) return;
    if (version === undefined || before.version === undefined || before.op === change.op) return;
    const attempts = this.#facts.attempts.get(path) ?? [];
    if (attempts.some(({ kind }) => kind !== 'set')) return;
    const missing = version - before.version - 1;
    if (missing >= 0 && missing <= attempts.length) return;
    const what =
      missing < 0 ? 'not above it' : `${missing} changes later, ${attempts.length} unanswered`;
    this.#found(
      'version-chain',
      path,
      `The ${nameOp(change.op)} made version ${version} of ${path} at ${formatZxid(change.zxid)} after the ` +
        `${nameOp(before.op)} had made version ${before.version} at ${formatZxid(before.zxid)}: ${what}`,
      before.op,
      change.op,
    );
  }

  look(look: Look): void {
    const { op, path, zxid, there, mzxid } = look;
    const last = changeAt(this.#facts, path, zxid);
    if (!there) {
      this.#absent(look, last);
      return;
    }
    if (mzxid === undefined) {
      if (last !== undefined) this.#findings.count('looksCompared');
      return;
    }
    if (mzxid > zxid) {
      const why = `shows ${path} as of ${formatZxid(mzxid)}, later than its own zxid ${formatZxid(zxid)}`;
      this.#found('future-change', path, `The ${nameOp(op)} ${why}`, op);
      return;
    }
    const made = changeAt(this.#facts, path, mzxid);
    if (made !== undefined && made.zxid === mzxid && made.kind !== 'deleted')
      this.#compare(look, made);
    else this.#madeByNobody(look, mzxid);
    if (last === undefined || last.zxid <= mzxid) return;
    this.#found(
      'change-missing',
      path,
      `The ${nameOp(op)} at ${formatZxid(zxid)} shows ${path} as of ${formatZxid(mzxid)}, without the change that the ` +
        `${nameOp(last.op)} made at ${formatZxid(last.zxid)}`,
      last.op,
      op,
    );
  }

  #compare(look: Look, made: Change): void {
    this.#findings.count('looksCompared');
    const { op, path, data, version } = look;
    const same = data === undefined || made.data === undefined || sameValue(data, made.data);
    const known = version === undefined || made.version === undefined || version === made.version;
    if (same && known) return;
    const saw = `${JSON.stringify(data)} in version ${version ?? '?'}`;
    const wrote = `${JSON.stringify(made.data)} in version ${made.version ?? '?'}`;
    this.#found(
      'wrong-data',
      path,
      `The ${nameOp(op)} shows ${saw} at ${path} as of ${formatZxid(made.zxid)}, but the ${nameOp(made.op)} ` +
        `wrote ${wrote} at that zxid`,
      made.op,
      op,
    );
  }

  /** Nobody was told that he made what is seen: only an unanswered change can be the cause. */
  #madeByNobody(look: Look, mzxid: number): void {
    const { op, path, data, version } = look;
    const first = this.#unknown.get(`${path} ${mzxid}`);
    if (first !== undefined) {
      this.#findings.count('looksCompared');
      if (sameOrUnknown(first.data, data) && sameOrUnknown(first.version, version)) return;
      const both = `The ${nameOp(first.op)} and the ${nameOp(op)} show different states of ${path}`;
      this.#found('wrong-data', path, `${both} as of one zxid, ${formatZxid(mzxid)}`, first.op, op);
      return;
    }
    this.#unknown.set(`${path} ${mzxid}`, look);
    if (this.#attempted(path, data)) {
      this.#findings.count('looksAtUnanswered');
      return;
    }
    const what = data === undefined ? 'a state' : JSON.stringify(data);
    this.#found(
      'written-by-nobody',
      path,
      `The ${nameOp(op)} shows ${what} at ${path} as of ${formatZxid(mzxid)}, which no operation that may have ` +
        `taken effect wrote there`,
      op,
    );
  }

  #attempted(path: string, data: unknown): boolean {
    const fits = (wrote: unknown): boolean => data === undefined || sameValue(wrote, data);
    const exact = this.#facts.attempts
      .get(path)
      ?.some((one) => one.kind !== 'deleted' && fits(one.data));
    if (exact === true) return true;
    const stem = path.replace(/\d{10}$/, '');
    return this.#facts.attempts.get(stem)?.some((one) => one.sequential && fits(one.data)) === true;
  }

  /** Whether an unanswered operation may have made a node, at any zxid. */
  #mayBeMade(path: string): boolean {
    const { attempts } = this.#facts;
    if (attempts.get(path)?.some(({ kind }) => kind === 'created') === true) return true;
    return attempts.get(path.replace(/\d{10}$/, ''))?.some((one) => one.sequential) === true;
  }

  #absent({ op, path, zxid }: Look, last: Change | undefined): void {
    if (last === undefined) return;
    this.#findings.count('looksCompared');
    if (last.kind === 'deleted' || this.#isEphemeral(path)) return;
    if (this.#facts.attempts.get(path)?.some(({ kind }) => kind === 'deleted') === true) return;
    this.#found(
      'node-missing',
      path,
      `The ${nameOp(op)} found no ${path} at ${formatZxid(zxid)}, but the ${nameOp(last.op)} had left it there at ` +
        `${formatZxid(last.zxid)} and nobody deleted it`,
      last.op,
      op,
    );
  }

  /**
   * Lists of one node's children, each beside the children that the changes up to its zxid left there; going
   * through both by zxid, only what differs costs anything.
   */
  listings(path: string, listings: readonly Listing[]): void {
    const children = this.#below.get(path);
    if (children === undefined) return;
    const changes = [...children.values()].flat().sort((a, b) => a.zxid - b.zxid);
    const there = new Map<string, Change>();
    let next = 0;
    for (const listing of [...listings].sort((a, b) => a.zxid - b.zxid)) {
      for (; (changes[next]?.zxid ?? Infinity) <= listing.zxid; next++) {
        const change = changes[next] as Change;
        const name = change.path.slice(path.length + 1);
        if (change.kind === 'deleted') there.delete(name);
        else there.set(name, change);
      }
      this.#findings.count('listingsCompared');
      const seen = new Set(listing.names);
      for (const [name, last] of there) if (!seen.has(name)) this.#unlisted(listing, last);
      for (const name of seen) {
        if (!there.has(name)) this.#unexpected(listing, name, children.get(name));
      }
    }
  }

  #unlisted({ op, zxid }: Listing, last: Change): void {
    const { path } = last;
    const deletes = this.#facts.attempts.get(path)?.some(({ kind }) => kind === 'deleted') === true;
    if (deletes || this.#isEphemeral(path)) return;
    this.#found(
      'child-missing',
      path,
      `The ${nameOp(op)} at ${formatZxid(zxid)} lacks ${path}, but the ${nameOp(last.op)} had left it there at ` +
        `${formatZxid(last.zxid)}`,
      last.op,
      op,
    );
  }

  #unexpected({ op, path, zxid }: Listing, name: string, changes: Change[] = []): void {
    const child = `${path}/${name}`;
    const [first] = changes;
    // What is known by its deletion alone was made by an operation that nobody answered.
    if (first === undefined || (first.kind !== 'created' && first.zxid > zxid)) {
      if (this.#inBurst(path, name) || this.#mayBeMade(child)) return;
      const why = `lists ${child}, which no operation that may have taken effect made`;
      this.#found('child-of-nobody', child, `The ${nameOp(op)} ${why}`, op);
      return;
    }
    const last = changeAt(this.#facts, child, zxid);
    if (this.#mayBeMade(child)) return;
    const other = last ?? first;
    this.#found(
      'child-too-early',
      child,
      `The ${nameOp(op)} at ${formatZxid(zxid)} lists ${child}, but the ${nameOp(other.op)} ` +
        `${other.kind === 'deleted' ? 'deleted' : 'made'} it at ${formatZxid(other.zxid)}`,
      other.op,
      op,
    );
  }

  /** A burst that was not answered may have made any of its nodes. */
  #inBurst(path: string, name: string): boolean {
    const burst = /^(.*)-\d+-\d{10}$/.exec(name)?.[1];
    return burst !== undefined && this.#facts.bursts.has(`${path}/${burst}`);
  }
}

function sameOrUnknown(a: unknown, b: unknown): boolean {
  return a === undefined || b === undefined || sameValue(a, b);
}
