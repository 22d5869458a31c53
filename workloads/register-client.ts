// The client of the workload `register`: one attempt an operation, over one session to one server, and
// an outcome that never claims more than is known.
import {
  CoordinatorClient,
  CoordinatorError,
  type ServerAddress,
  type Stat,
} from '../coordinator/client/index.ts';
import type { OpStep } from '../history/plan.ts';
import type { OpResult, WorkloadClient } from '../history/plugin.ts';

/** The node whose children are the registers. */
const ROOT = '/chaos/register';
const PARENTS = ['/chaos', ROOT];

/** A create lost in setup cannot be tried again, so it is given much longer than others. */
const CREATE_TIMEOUT_MS = 20_000;

export interface RegisterClientOptions {
  /** The server spoken to unless a step names another. */
  node: string;
  address(node: string): ServerAddress;
  /** Longest time for an operation, connecting included. */
  opTimeoutMs: number;
  sessionTimeoutMs: number;
}

/** A session to one node. */
interface Link {
  node: string;
  client: CoordinatorClient;
}

export class RegisterClient implements WorkloadClient {
  readonly #options: RegisterClientOptions;
  readonly #links = new Map<string, Link>();
  #parentsMade = false;

  constructor(options: RegisterClientOptions) {
    this.#options = options;
  }

  async invoke(step: OpStep): Promise<OpResult> {
    const link = this.#link(step.node ?? this.#options.node);
    const { key, value } = step;
    if (key === undefined) throw new Error(`expected a key for ${step.f}, got none`);
    const path = `${ROOT}/${key}`;
    switch (step.f) {
      case 'read':
        return await this.#read(link, path);
      case 'write':
        return await change(link, link.client.setData(path, bytesOf(value)));
      case 'cas': {
        const { expected, to } = value as { expected: number; to: number };
        return await change(link, link.client.setData(path, bytesOf(to), expected));
      }
      case 'create':
        return await this.#create(link, path, bytesOf(value));
      default:
        throw new Error(`expected read, write, cas or create, got ${step.f}`);
    }
  }

  close(): Promise<void> {
    for (const { client } of this.#links.values()) client.abandon();
    this.#links.clear();
    return Promise.resolve();
  }

  /** The session to a node; a new one if the last is over. */
  #link(node: string): Link {
    const known = this.#links.get(node);
    if (known !== undefined && known.client.state !== 'expired') return known;
    const { opTimeoutMs, sessionTimeoutMs } = this.#options;
    const client = new CoordinatorClient({
      servers: [this.#options.address(node)],
      oneAttempt: true,
      sessionTimeoutMs,
      connectTimeoutMs: opTimeoutMs,
      operationTimeoutMs: opTimeoutMs,
    });
    const link = { node, client };
    this.#links.set(node, link);
    return link;
  }

  /** Sync and get leave in one write; together they are one linearizable read. */
  async #read(link: Link, path: string): Promise<OpResult> {
    const { client } = link;
    const [sync, get] = await Promise.allSettled([client.sync(path), client.getData(path)]);
    // Without the sync before it on the same connection the get proves nothing.
    if (sync.status === 'rejected') return refused(link, sync.reason, false);
    const syncZxid = sync.value.zxid;
    if (get.status === 'rejected') return { ...refused(link, get.reason, false), syncZxid };
    const { data, stat, zxid, connection } = get.value;
    if (connection !== sync.value.connection) {
      return { type: 'fail', error: 'ConnectionChanged', ...whereabouts(link) };
    }
    // A get answered below its sync is recorded as it came: the checkers have the proof then.
    const value = integerOf(data);
    return { type: 'ok', value, syncZxid, ...shown(zxid, stat), ...whereabouts(link) };
  }

  async #create(link: Link, path: string, data: Buffer): Promise<OpResult> {
    const { client } = link;
    const timeoutMs = CREATE_TIMEOUT_MS;
    try {
      if (!this.#parentsMade) await makeParents(client);
      this.#parentsMade = true;
    } catch (error) {
      return refused(link, error, false);
    }
    return await change(link, client.create2(path, data, { timeoutMs }));
  }
}

async function makeParents(client: CoordinatorClient): Promise<void> {
  const timeoutMs = CREATE_TIMEOUT_MS;
  const all = PARENTS.map((path) => client.create(path, null, { timeoutMs }));
  for (const made of await Promise.allSettled(all)) {
    if (made.status === 'fulfilled') continue;
    const { reason } = made;
    if (!(reason instanceof CoordinatorError) || reason.name !== 'NodeExists') throw reason;
  }
}

/** The outcome of an operation that changes its key. */
async function change(link: Link, reply: Promise<{ zxid: number; stat: Stat }>): Promise<OpResult> {
  try {
    const { zxid, stat } = await reply;
    return { type: 'ok', ...shown(zxid, stat), ...whereabouts(link) };
  } catch (error) {
    return refused(link, error, true);
  }
}

/**
 * The outcome of an operation that got no success. It certainly did not happen if the server refused
 * it, if it never left, or if it could have changed nothing.
 */
function refused(link: Link, error: unknown, effect: boolean): OpResult {
  if (!(error instanceof CoordinatorError)) throw error;
  const { zxid, sent, cxid } = error;
  const name = error.name === 'OperationTimeout' ? 'Timeout' : error.name;
  if (zxid !== undefined) return { type: 'fail', error: name, zxid, ...whereabouts(link) };
  const outcome = { error: `${name}: ${error.message}`, ...whereabouts(link) };
  if (!sent || !effect) return { type: 'fail', ...outcome };
  return { type: 'info', ...outcome, ...(cxid === undefined ? {} : { cxid }) };
}

function shown(zxid: number, { mzxid, version }: Stat): Partial<OpResult> {
  return { zxid, mzxid, version };
}

function whereabouts({ node, client }: Link): Partial<OpResult> {
  const { sessionId } = client;
  return sessionId === 0n ? { node } : { node, session: sessionId.toString(16) };
}

function bytesOf(value: unknown): Buffer {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw new Error(`expected an integer to write, got ${JSON.stringify(value)}`);
  }
  return Buffer.from(String(value));
}

/** Anything but an integer is recorded as it is: nobody wrote it, and that is for a checker to say. */
function integerOf(data: Buffer | null): number | string {
  const text = data?.toString() ?? '';
  return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
}
