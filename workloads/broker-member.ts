// One process as a member of a consumer group: it joins, takes its share and stays, all inside its own polls. Kept
// apart from reading and sending, because what a group knows of a process outlives its connections.
import {
  type BrokerClient,
  BrokerError,
  type BrokerErrorName,
  type Endpoint,
  GroupClient,
  type Joined,
  type Membership,
} from '../broker/client/index.ts';
import type { Rebalance } from '../history/messages.ts';
import { type Deadline, partitionOf } from './broker-calls.ts';

/**
 * The timeouts that the group is told of, in lengths of an operation. A member that hangs in one keeps its session;
 * those that join wait for the others within one operation, and some of it is left to be told who leads and to
 * store that. Who crashed holds the others up no longer than this.
 */
const SESSION_OPS = 1.5;
const REBALANCE_OPS = 0.75;

/** Errors that say nothing of a membership: nobody answered, or not who keeps the group. */
const UNTOLD: ReadonlySet<BrokerErrorName> = new Set([
  'ConnectionLoss',
  'Timeout',
  'NOT_COORDINATOR',
  'COORDINATOR_NOT_AVAILABLE',
  'COORDINATOR_LOAD_IN_PROGRESS',
]);

type Share = Map<string, number[]>;

export class BrokerMember {
  readonly #client: BrokerClient;
  readonly #groups: GroupClient;
  readonly #group: string;
  readonly #topics: readonly string[];
  #coordinator: Endpoint | undefined;
  readonly #opTimeoutMs: number;
  /** What the group calls it; '' until it has said so. */
  #name = '';
  /** It has joined and does not know its share yet. */
  #joined: Joined | undefined;
  /** Undefined: it has to join. */
  #membership: Membership | undefined;
  #assigned: readonly string[] = [];

  /** `opTimeoutMs`: how long each of its operations may take. */
  constructor(client: BrokerClient, group: string, topics: readonly string[], opTimeoutMs: number) {
    this.#client = client;
    this.#groups = new GroupClient(client);
    this.#group = group;
    this.#topics = topics;
    this.#opTimeoutMs = opTimeoutMs;
  }

  /** Whether it has a share, for all that it was told. */
  get belongs(): boolean {
    return this.#membership !== undefined;
  }

  /** Stays a member, or becomes one; resolves with its share when that is a new one. Rejects with BrokerError. */
  async attend(deadline: Deadline): Promise<Rebalance | undefined> {
    try {
      const at = await this.#find(deadline);
      if (this.#membership !== undefined) {
        await this.#groups.heartbeat(at, this.#membership, deadline.leftMs);
        return undefined;
      }
      return await this.#join(at, deadline);
    } catch (error) {
      this.#lost(error);
      // Told to join again, it does so at once: the others wait for it.
      if (!(error instanceof BrokerError) || error.name !== 'REBALANCE_IN_PROGRESS') throw error;
      try {
        return await this.#join(await this.#find(deadline), deadline);
      } catch (again) {
        this.#lost(again);
        throw again;
      }
    }
  }

  /** A membership outlives its coordinator: the next one knows it from the log, as real clients rely on. */
  #lost(error: unknown): void {
    if (error instanceof BrokerError && UNTOLD.has(error.name)) {
      this.#coordinator = undefined;
      return;
    }
    this.#membership = undefined;
    this.#joined = undefined;
    if (!(error instanceof BrokerError)) return;
    if (error.name === 'UNKNOWN_MEMBER_ID' || error.name === 'FENCED_INSTANCE_ID') this.#name = '';
    else if (error.name !== 'REBALANCE_IN_PROGRESS' && error.name !== 'ILLEGAL_GENERATION')
      this.#coordinator = undefined;
  }

  async #find(deadline: Deadline): Promise<Endpoint> {
    this.#coordinator ??= await this.#groups.coordinator(this.#group, deadline.leftMs);
    return this.#coordinator;
  }

  /** One that has joined and ran out of time goes on from there: joining again would begin a new generation. */
  async #join(at: Endpoint, deadline: Deadline): Promise<Rebalance> {
    const options = {
      topics: this.#topics,
      sessionTimeoutMs: Math.ceil(SESSION_OPS * this.#opTimeoutMs),
      rebalanceTimeoutMs: Math.ceil(REBALANCE_OPS * this.#opTimeoutMs),
      timeoutMs: deadline.leftMs,
    };
    const joined = (this.#joined ??= await this.#groups.join(
      at,
      this.#group,
      this.#name,
      options,
      (name) => {
        this.#name = name;
      },
    ));
    const shares = joined.members.size > 0 ? await this.#shareOut(joined, deadline) : new Map();
    const share = await this.#groups.sync(at, joined, shares, deadline.leftMs);
    const committed = await this.#groups.committed(at, this.#group, share, deadline.leftMs);
    const assigned = [...share].flatMap(([topic, list]) => list.map((each) => `${topic}-${each}`));
    const revoked = this.#assigned.filter((key) => !assigned.includes(key));
    this.#assigned = assigned;
    this.#joined = undefined;
    const { group, member, generation } = joined;
    this.#membership = { group, member, generation };
    return { ...this.#membership, assigned, revoked, committed: Object.fromEntries(committed) };
  }

  /** Partitions in turn over the members that want their topic. */
  async #shareOut({ members }: Joined, deadline: Deadline): Promise<Map<string, Share>> {
    const { partitions } = await this.#client.metadata(null, deadline.leftMs);
    const shares = new Map(
      [...members.keys()].sort().map((name): [string, Share] => [name, new Map()]),
    );
    let turn = 0;
    for (const key of [...partitions.keys()].sort()) {
      const { topic, partition } = partitionOf(key);
      const wanting = [...shares].filter(([name]) => members.get(name)?.includes(topic) === true);
      const share = wanting[turn % wanting.length]?.[1];
      if (share === undefined) continue;
      turn++;
      share.set(topic, [...(share.get(topic) ?? []), partition]);
    }
    return shares;
  }

  /** Commits for its membership, which it resolves with; undefined without one. Rejects with BrokerError. */
  async commit(
    offsets: Readonly<Record<string, number>>,
    deadline: Deadline,
  ): Promise<Membership | undefined> {
    const membership = this.#membership;
    if (membership === undefined) return undefined;
    const byTopic = new Map<string, Map<number, number>>();
    for (const [key, offset] of Object.entries(offsets)) {
      const { topic, partition } = partitionOf(key);
      const list = byTopic.get(topic) ?? new Map<number, number>();
      byTopic.set(topic, list.set(partition, offset));
    }
    try {
      const at = await this.#find(deadline);
      await this.#groups.commit(at, membership, byTopic, deadline.leftMs);
      return membership;
    } catch (error) {
      this.#lost(error);
      throw error;
    }
  }

  /** Leaves, if the group knows it. Rejects with BrokerError. */
  async leave(deadline: Deadline): Promise<void> {
    const name = this.#name;
    this.#name = '';
    this.#joined = undefined;
    this.#membership = undefined;
    this.#assigned = [];
    if (name === '') return;
    await this.#groups.leave(await this.#find(deadline), this.#group, name, deadline.leftMs);
  }
}
