// The workload `ephemeral`: sessions with short timeouts that make ephemeral nodes, look at their own and
// at others', and end in every way there is: closed, with creations around the close; given up, so that
// they expire; carried over to another server. Some only live on, and must outlive every leader.
import { sessions } from '../checkers/sessions.ts';
import type { Event } from '../history/event.ts';
import type { OpStep, Plan } from '../history/plan.ts';
import type { Workload, WorkloadContext } from '../history/plugin.ts';
import type { Random } from '../history/random.ts';
import { TreeClient } from './tree-client.ts';

/** The node below which every thread has a directory of its own. */
const ROOT = '/chaos/ephemeral';
/** One thread of so many only keeps its session alive. */
const KEEPERS_EACH = 5;
/** Nodes a session has at most, so that lists stay short. */
const NODES_MAX = 6;
/** How a churning thread's operations are drawn; the rest look at one node. */
const SHARE = {
  create: 0.28,
  children: 0.14,
  write: 0.14,
  close: 0.06,
  abandon: 0.05,
  reattach: 0.07,
} as const;
/** Creations sent right before a session is given up. */
const BURST_MAX = 3;
/** Beyond the timeout, for the expiry itself and a leader that stands for a moment only, ms. */
const SETTLE_MS = 2_500;
/** In a closed loop, after an operation that got no answer: the next one must not spin. */
const PAUSE_MS = 50;
/** A keeper looks after its session once in so many timeouts. */
const KEEPER_TIMEOUTS = 3;
const NS_PER_MS = 1e6;

/** A thread's directory. */
export function directory(thread: number): string {
  return `${ROOT}/t${thread}`;
}

function isKeeper(context: WorkloadContext, thread: number): boolean {
  return context.concurrency >= KEEPERS_EACH && thread % KEEPERS_EACH === KEEPERS_EACH - 1;
}

/** Option as a number of at least 1. Throws on anything else. */
function millis(context: WorkloadContext, name: string): number {
  const value = context.options[name] ?? ephemeral.defaultOptions[name];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 600_000) {
    throw new Error(
      `workload ephemeral: expected ${name} to be a whole number of 1 to 600000, got ${value}`,
    );
  }
  return value;
}

function* setup(context: WorkloadContext, thread: number): Plan {
  for (let i = thread; i < context.concurrency; i += context.nodes.length) {
    yield { kind: 'op', f: 'create', key: directory(i), value: 0 };
  }
}

function load(context: WorkloadContext, thread: number, random: Random): Plan {
  const life = new SessionLife(context, thread, random);
  return isKeeper(context, thread) ? keep(context, life) : churn(context, thread, life, random);
}

function* churn(context: WorkloadContext, thread: number, life: SessionLife, random: Random): Plan {
  const { concurrency, ratePerSecond, timeLimitMs } = context;
  const intervalNs = ratePerSecond > 0 ? 1e9 / ratePerSecond : 0;
  for (let round = 0; ; round++) {
    const step = life.next();
    if (intervalNs > 0) {
      // Anywhere in this thread's slot, so that threads overlap in every way there is.
      const slot = (round + random.float()) * concurrency + thread / concurrency;
      step.due = Math.round(slot * intervalNs);
      if (step.due >= timeLimitMs * NS_PER_MS) return;
    }
    const completion = yield step;
    if (completion.kind !== 'op') continue;
    life.learn(completion.event);
    const answered = completion.event.type === 'ok' || completion.event.zxid !== undefined;
    if (intervalNs === 0 && !answered) yield { kind: 'sleep', ms: PAUSE_MS };
  }
}

/** Opens a session with two nodes and then only looks, now and then, whether all are still there. */
function* keep(context: WorkloadContext, life: SessionLife): Plan {
  const pauseMs = millis(context, 'sessionTimeoutMs') * KEEPER_TIMEOUTS;
  for (let passedMs = 0; passedMs < context.timeLimitMs; passedMs += pauseMs) {
    const steps = [() => life.look(), () => life.write()];
    if (!life.open)
      steps.unshift(
        () => life.begin(),
        life.create.bind(life, false),
        life.create.bind(life, true),
      );
    for (const make of steps) {
      const completion = yield make();
      if (completion.kind !== 'op') continue;
      life.learn(completion.event);
      if (!life.open) break;
    }
    yield { kind: 'sleep', ms: life.open ? pauseMs : PAUSE_MS };
    if (!life.open) passedMs -= pauseMs - PAUSE_MS;
  }
}

/** What one thread knows of its session, and what it does next. */
class SessionLife {
  readonly #context: WorkloadContext;
  readonly #thread: number;
  readonly #random: Random;
  #nodes: string[] = [];
  #names = 0;
  #written = 0;
  open = false;

  constructor(context: WorkloadContext, thread: number, random: Random) {
    this.#context = context;
    this.#thread = thread;
    this.#random = random;
  }

  next(): OpStep {
    if (!this.open) return this.begin();
    const random = this.#random;
    let point = random.float();
    const drawn = (share: number): boolean => (point -= share) < 0;
    if (drawn(SHARE.create)) {
      return this.#nodes.length < NODES_MAX ? this.create(random.bool()) : this.look();
    }
    if (drawn(SHARE.children)) {
      return { kind: 'op', f: 'children', key: directory(this.#anyThread()) };
    }
    if (drawn(SHARE.write)) return this.write();
    if (drawn(SHARE.close)) return this.#close();
    if (drawn(SHARE.abandon)) {
      const burst = Array.from({ length: random.int(0, BURST_MAX) }, () => this.#name());
      return { kind: 'op', f: 'abandon', value: { burst } };
    }
    if (drawn(SHARE.reattach)) {
      return { kind: 'op', f: 'reattach', value: { node: random.pick(this.#context.nodes) } };
    }
    return this.look();
  }

  begin(): OpStep {
    return { kind: 'op', f: 'open' };
  }

  create(sequential: boolean): OpStep {
    const key = sequential ? `${directory(this.#thread)}/s-` : this.#name();
    return { kind: 'op', f: 'create-ephemeral', key, value: { sequential } };
  }

  /** Directories' data serve as registers, so that writes and final reads are judged here too. */
  write(): OpStep {
    const value = ++this.#written;
    return { kind: 'op', f: 'write', key: directory(this.#thread), value };
  }

  /** Looks at a node of its own, or at one that another thread may have by now. */
  look(): OpStep {
    const random = this.#random;
    if (this.#nodes.length > 0 && random.bool()) {
      return { kind: 'op', f: 'exists', key: random.pick(this.#nodes) };
    }
    const number = random.int(Math.max(1, this.#names - NODES_MAX), this.#names + 1);
    return { kind: 'op', f: 'exists', key: nodeName(this.#anyThread(), number) };
  }

  learn({ f, type, value, error = '' }: Event): void {
    if (f === 'open') this.open = type === 'ok';
    const over = type === 'ok' && (f === 'close' || f === 'abandon');
    // After info another process goes on, without this session.
    if (over || type === 'info' || /^(SessionExpired|NoSession)\b/.test(error)) this.open = false;
    if (!this.open) this.#nodes = [];
    else if (f === 'create-ephemeral' && type === 'ok') {
      this.#nodes.push((value as { path: string }).path);
    }
  }

  #anyThread(): number {
    return this.#random.int(0, this.#context.concurrency - 1);
  }

  #name(): string {
    return nodeName(this.#thread, ++this.#names);
  }

  /** ZOOKEEPER-1208: a creation sent behind the close must not be admitted. */
  #close(): OpStep {
    const value: { before?: string; after?: string } = {};
    if (this.#random.bool()) value.before = this.#name();
    if (this.#random.bool()) value.after = this.#name();
    return { kind: 'op', f: 'close', value };
  }
}

function nodeName(thread: number, number: number): string {
  return `${directory(thread)}/n${number}`;
}

/** Waits until what was given up must be gone, looks through every server, then shows who still lives. */
function* final(context: WorkloadContext, thread: number): Plan {
  yield { kind: 'sleep', ms: millis(context, 'sessionTimeoutMs') + SETTLE_MS };
  const key = directory(thread);
  for (const node of context.nodes) {
    yield { kind: 'op', f: 'children', key, node };
    yield { kind: 'op', f: 'read', key, node };
  }
  yield { kind: 'op', f: 'children', key };
}

/**
 * Sessions and their nodes. Completions carry session, node and zxid; `create-ephemeral` the path made,
 * `exists` whether and whose, `children` the names, `close` the paths sent around it.
 */
export const ephemeral: Workload = {
  name: 'ephemeral',
  description: 'sessions and ephemeral nodes: opened, closed, expired, carried across servers',
  systems: ['coordinator', 'zookeeper'],
  defaultOptions: { sessionTimeoutMs: 2_000, opTimeoutMs: 1_000 },
  setup,
  load,
  final,
  client: (context, thread) =>
    new TreeClient({
      nodes: context.nodes,
      home: thread % context.nodes.length,
      address: (node) => context.address(node),
      sessionTimeoutMs: millis(context, 'sessionTimeoutMs'),
      opTimeoutMs: millis(context, 'opTimeoutMs'),
      keep: isKeeper(context, thread),
    }),
  checkers: [sessions],
};
