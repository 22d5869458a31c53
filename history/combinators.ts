// A dozen ways to build a plan out of smaller ones: in turn, mixed, bounded, on a schedule. Plans know
// no time of their own, so every combinator works on steps, dues and completions alone.
import type { Completion, OpStep, Plan, Step } from './plan.ts';
import type { Random } from './random.ts';

/** A running plan together with the completion that it has not been told yet. */
class Cursor {
  readonly plan: Plan;
  #completion: Completion | undefined;

  constructor(plan: Plan) {
    this.plan = plan;
  }

  /** The plan's next step, or undefined when it has ended. */
  next(): Step | undefined {
    const result =
      this.#completion === undefined ? this.plan.next() : this.plan.next(this.#completion);
    return result.done === true ? undefined : result.value;
  }

  /** Keeps the outcome of the step last taken for the plan's next turn. */
  tell(completion: Completion): void {
    this.#completion = completion;
  }
}

/** Runs `body` over cursors and ends every plan when the whole is ended early. */
function* over(plans: readonly Plan[], body: (cursors: Cursor[]) => Plan): Plan {
  try {
    yield* body(plans.map((plan) => new Cursor(plan)));
  } finally {
    for (const plan of plans) plan.return();
  }
}

/** The given steps, one after the other. */
export function* steps(list: Iterable<Step>): Plan {
  for (const step of list) yield step;
}

/** One wait of `ms` milliseconds of the cluster's time. */
export function* sleep(ms: number): Plan {
  yield { kind: 'sleep', ms };
}

/** One plan after the other. Phases of one process; the processes do not wait for each other. */
export function* sequence(...plans: Plan[]): Plan {
  try {
    for (const plan of plans) yield* plan;
  } finally {
    for (const plan of plans) plan.return();
  }
}

/** `make(0)`, `make(1)` … one after the other, `times` times (default: without end). */
export function* repeat(make: (round: number) => Plan, times = Number.POSITIVE_INFINITY): Plan {
  for (let round = 0; round < times; round++) yield* make(round);
}

/** At most `count` operations of the plan; its sleeps do not count. */
export function limit(count: number, plan: Plan): Plan {
  return over([plan], function* ([cursor]) {
    for (let done = 0; done < count; ) {
      const step = cursor?.next();
      if (step === undefined) return;
      if (step.kind === 'op') done++;
      cursor?.tell(yield step);
    }
  });
}

/** At every turn a step of one of the plans, picked by weight (default: evenly), until all ended. */
export function mix(random: Random, plans: readonly Plan[], weights?: readonly number[]): Plan {
  if (weights !== undefined && weights.length !== plans.length) {
    throw new Error(`expected one weight a plan, got ${weights.length} for ${plans.length} plans`);
  }
  return over(plans, function* (cursors) {
    const alive = cursors.map((cursor, i) => ({ cursor, weight: weights?.[i] ?? 1 }));
    while (alive.length > 0) {
      const total = alive.reduce((sum, entry) => sum + entry.weight, 0);
      if (total <= 0) return;
      let point = random.float() * total;
      const at = alive.findIndex((entry) => (point -= entry.weight) < 0);
      const picked = alive[at === -1 ? alive.length - 1 : at]!;
      const step = picked.cursor.next();
      if (step === undefined) alive.splice(alive.indexOf(picked), 1);
      else picked.cursor.tell(yield step);
    }
  });
}

/** A step of each plan in turn; one that has ended is passed over, until all ended. */
export function alternate(...plans: Plan[]): Plan {
  return over(plans, function* (cursors) {
    const alive = [...cursors];
    while (alive.length > 0) {
      const cursor = alive.shift()!;
      const step = cursor.next();
      if (step === undefined) continue;
      alive.push(cursor);
      cursor.tell(yield step);
    }
  });
}

/** Whichever plan's next operation is due first; a step without `due` is due at once. */
export function any(...plans: Plan[]): Plan {
  return over(plans, function* (cursors) {
    const dueOf = (step: Step) => (step.kind === 'op' ? (step.due ?? 0) : 0);
    const waiting: { cursor: Cursor; step: Step }[] = [];
    const enqueue = (cursor: Cursor) => {
      const step = cursor.next();
      if (step !== undefined) waiting.push({ cursor, step });
    };
    for (const cursor of cursors) enqueue(cursor);
    while (waiting.length > 0) {
      let first = 0;
      for (let i = 1; i < waiting.length; i++) {
        if (dueOf(waiting[i]!.step) < dueOf(waiting[first]!.step)) first = i;
      }
      const [entry] = waiting.splice(first, 1);
      entry!.cursor.tell(yield entry!.step);
      enqueue(entry!.cursor);
    }
  });
}

/** An open-loop schedule, in ns. */
export interface Schedule {
  /** Mean time between two operations of this plan. */
  intervalNs: number;
  /** When the first is due. Spread it over the processes, or they all send at the same moment. */
  firstNs?: number;
  /** Draws the gaps from an exponential distribution (Poisson arrivals); without it they are even. */
  random?: Random;
}

/** Gives every operation of the plan a due time, whatever the time its predecessors took. */
export function stagger(schedule: Schedule, plan: Plan): Plan {
  const { intervalNs, random } = schedule;
  if (!(intervalNs > 0)) throw new Error(`expected an interval above 0 ns, got ${intervalNs}`);
  let due = schedule.firstNs ?? 0;
  return map((step) => {
    const scheduled = { ...step, due: Math.round(due) };
    due += random === undefined ? intervalNs : -Math.log(1 - random.float()) * intervalNs;
    return scheduled;
  }, plan);
}

/** The plan, until an operation would be due, or one completed, at or after `ns`. */
export function untilTime(ns: number, plan: Plan): Plan {
  return over([plan], function* ([cursor]) {
    for (;;) {
      const step = cursor?.next();
      if (step === undefined) return;
      if (step.kind === 'op' && step.due !== undefined && step.due >= ns) return;
      const completion = yield step;
      if (completion.kind === 'op' && completion.event.time >= ns) return;
      cursor?.tell(completion);
    }
  });
}

/** The plan with every operation changed by `change`. */
export function map(change: (step: OpStep) => OpStep, plan: Plan): Plan {
  return over([plan], function* ([cursor]) {
    for (let step = cursor?.next(); step !== undefined; step = cursor?.next()) {
      cursor?.tell(yield step.kind === 'op' ? change(step) : step);
    }
  });
}

/** Leaves out the operations that `keep` refuses; the plan is told that it slept instead. */
export function filter(keep: (step: OpStep) => boolean, plan: Plan): Plan {
  return over([plan], function* ([cursor]) {
    for (let step = cursor?.next(); step !== undefined; step = cursor?.next()) {
      if (step.kind === 'op' && !keep(step)) cursor?.tell({ kind: 'slept' });
      else cursor?.tell(yield step);
    }
  });
}

/**
 * Divides the threads: the first `count` of them get the first plan, the next ones the second, and
 * what is left gets `rest`. Plans are made for the thread that runs them, never shared.
 */
export function reserve(
  thread: number,
  parts: readonly { count: number; make: (thread: number) => Plan }[],
  rest: (thread: number) => Plan,
): Plan {
  let first = 0;
  for (const part of parts) {
    if (thread < first + part.count) return part.make(thread);
    first += part.count;
  }
  return rest(thread);
}

/** The operation again and again, `pauseMs` apart, until it ends ok or `attemptsMax` is reached. */
export function* untilOk(step: OpStep, attemptsMax: number, pauseMs = 100): Plan {
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const completion = yield step;
    if (completion.kind === 'op' && completion.event.type === 'ok') return;
    if (attempt < attemptsMax) yield { kind: 'sleep', ms: pauseMs };
  }
}
