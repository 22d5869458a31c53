// Members of consumer groups, each a process of its own that can be killed: it tells which partitions it was
// given and what it read, one line each. What every client's groups have to do stands here once.
import { expect, it } from 'vitest';
import { until } from '../coordinator/ensemble.ts';
import type { Started } from '../coordinator/started.ts';
import type { Onlooker } from './onlooker.testing.ts';

/** Starts a member of a group; `topic` is its only one. */
export type StartMember = (group: string, topic: string) => Member;

/** What a line of a member's output says; undefined for what does not matter. */
export type ReadLine = (
  line: string,
) =>
  | { assigned: readonly number[] }
  | { partition: number; offset: number; value: string }
  | undefined;

export interface Read {
  readonly partition: number;
  readonly offset: number;
  readonly value: string;
  /** Whether the partition was this member's as it read. */
  readonly own: boolean;
}

/** The lines that the programs of members/ write. */
export const memberLine: ReadLine = (line) => {
  const [kind, ...rest] = line.split(' ');
  if (kind === 'assigned') return { assigned: rest.filter((each) => each !== '').map(Number) };
  if (kind !== 'read') return undefined;
  const [partition, offset, ...value] = rest;
  return { partition: Number(partition), offset: Number(offset), value: value.join(' ') };
};

export class Member {
  readonly #process: Started;
  readonly #readLine: ReadLine;
  #taken = 0;
  #assigned: readonly number[] = [];
  #joined = false;
  readonly #reads: Read[] = [];

  constructor(process: Started, readLine: ReadLine = memberLine) {
    this.#process = process;
    this.#readLine = readLine;
  }

  #look(): void {
    const { lines } = this.#process;
    for (; this.#taken < lines.length; this.#taken++) {
      const said = this.#readLine(lines[this.#taken] as string);
      if (said === undefined) continue;
      if ('assigned' in said) {
        this.#joined = true;
        this.#assigned = said.assigned;
      } else this.#reads.push({ ...said, own: this.#assigned.includes(said.partition) });
    }
  }

  /** Its partitions now; undefined before it was told any, or that it has none. */
  get assigned(): readonly number[] | undefined {
    this.#look();
    return this.#joined ? this.#assigned : undefined;
  }

  get reads(): readonly Read[] {
    this.#look();
    return this.#reads;
  }

  /** Why it may have ended; its last words. */
  get words(): string {
    return `${this.#process.errors.slice(-1_000)}`;
  }

  /** Ends it, and resolves once it is gone. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#process.child.kill(signal);
    await this.#process.end();
  }
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

/** Waits until each of `partitions` partitions is exactly one member's. */
export async function shared(members: readonly Member[], partitions: number): Promise<void> {
  const all = JSON.stringify(numbers(partitions));
  await until(
    `${members.length} members share ${partitions} partitions`,
    () => members.map(({ assigned, words }) => ({ assigned, words })),
    (seen) =>
      seen.every(({ assigned }) => assigned !== undefined) &&
      JSON.stringify(seen.flatMap(({ assigned }) => assigned ?? []).sort()) === all,
  );
}

/** Waits until members have read all these values, together. */
export async function haveRead(
  members: readonly Member[],
  values: readonly string[],
): Promise<void> {
  const missing = (): string[] => {
    const read = new Set(members.flatMap(({ reads }) => reads.map(({ value }) => value)));
    return values.filter((value) => !read.has(value));
  };
  await until('the members have read everything', missing, (left) => left.length === 0);
}

const idleOf = (members: readonly Member[]): Member[] =>
  members.filter(({ assigned }) => assigned?.length === 0);

/** Appends 20 values to each partition; gives all of them. */
async function feed(look: Onlooker, topic: string, partitions: number): Promise<string[]> {
  const sent: string[] = [];
  for (const partition of numbers(partitions)) {
    const values = numbers(20).map((at) => `${topic}-${partition}-${Date.now()}-${at}`);
    await look.send(topic, partition, values);
    sent.push(...values);
  }
  return sent;
}

/** What a client is known to do otherwise than others. */
export interface Known {
  /** It hands on what a fetch brings that was under way when the partition was taken from it. */
  readonly lateFetches: boolean;
}

/** The tests of a client's groups; `look` and `start` are called while they run. */
export function testGroups(
  look: () => Onlooker,
  start: StartMember,
  { lateFetches }: Known = { lateFetches: false },
): void {
  const strays = (members: readonly Member[]): Read[] =>
    members.flatMap(({ reads }) => reads.filter(({ own }) => !own && !lateFetches));

  it('three members share a topic, another group reads all of it too, and one that is killed is replaced', async () => {
    const topic = 'shared';
    await look().createTopic(topic, 4);
    const group = numbers(3).map(() => start('three', topic));
    const other = start('other', topic);
    await Promise.all([shared(group, 4), shared([other], 4)]);
    expect(idleOf(group)).toEqual([]);
    const before = await feed(look(), topic, 4);
    await Promise.all([haveRead(group, before), haveRead([other], before)]);
    const [killed, ...left] = group as [Member, ...Member[]];
    await killed.end('SIGKILL');
    const after = await feed(look(), topic, 4);
    await shared(left, 4);
    await Promise.all([haveRead(left, after), haveRead([other], after)]);
    expect(strays([...group, other])).toEqual([]);
    await Promise.all([...left, other].map((member) => member.end('SIGTERM')));
  }, 120_000);

  it('of three members of a topic of two partitions one is idle, until another leaves', async () => {
    const topic = 'scarce';
    await look().createTopic(topic, 2);
    const group = numbers(3).map(() => start('crowd', topic));
    await shared(group, 2);
    const [idle, ...more] = idleOf(group);
    expect(more).toEqual([]);
    const before = await feed(look(), topic, 2);
    await haveRead(group, before);
    expect(idle?.reads).toEqual([]);
    const leaver = group.find((member) => member !== idle) as Member;
    const stayers = group.filter((member) => member !== leaver);
    await leaver.end('SIGTERM');
    await shared(stayers, 2);
    expect(idleOf(stayers)).toEqual([]);
    const after = await feed(look(), topic, 2);
    await haveRead(stayers, after);
    // A late fetch of the other one may have had all of that before.
    const reads = (): number => idle?.reads.length ?? 0;
    await until('the one that was idle has read something', reads, (count) => count > 0);
    expect(strays(group)).toEqual([]);
    await Promise.all(stayers.map((member) => member.end('SIGTERM')));
  }, 120_000);
}
