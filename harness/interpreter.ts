// Drives N client processes and one nemesis through the phases of a run, into one history.
// It uses timers, the monotonic clock and promises only, so that a simulator can run it unchanged.
import type { Event, Phase } from '../history/event.ts';
import { describeFault } from '../history/fault.ts';
import type { Completion, OpStep, Plan } from '../history/plan.ts';
import type { Workload, WorkloadContext } from '../history/plugin.ts';
import { Random } from '../history/random.ts';
import { Clients, type Thread } from './clients.ts';
import { Halt } from './clock.ts';
import { Faults, type FaultsOptions } from './faults.ts';

/** Lengths and bounds of the phases, ms. */
export interface Timing {
  warmupMs: number;
  faultsMs: number;
  /** The load goes on at least this long after the last heal, so that there is an `after`. */
  afterHealMs: number;
  /** The load stops waiting for recovery then. */
  recoveryMsMax: number;
  /** An operation whose client is silent this long ends info; clients have shorter limits. */
  guardMs: number;
  /** How long setup and final operations that did not end ok are tried again. */
  retryMs: number;
  retryPauseMs: number;
}

export const TIMING: Omit<Timing, 'faultsMs' | 'recoveryMsMax'> = {
  warmupMs: 3_000,
  afterHealMs: 2_000,
  guardMs: 30_000,
  retryMs: 15_000,
  retryPauseMs: 250,
};

/** Recovery on every server is waited for this long; then an answer from any of them suffices. */
const RECOVERY_EVERYWHERE_MS = 5_000;
const RECOVERY_POLL_MS = 50;

export interface InterpreterOptions extends FaultsOptions {
  workload: Workload;
  /** Of the run; `timeLimitMs` is set by the interpreter. */
  context: Omit<WorkloadContext, 'timeLimitMs'>;
  timing: Timing;
  /** Ends the run early: everything is healed, nothing more is invoked. */
  signal?: AbortSignal;
  onPhase?(phase: Phase): void;
}

/** A setup operation that never ended ok: the run has no ground to stand on. */
export class SetupError extends Error {}

/** One run's phases from setup to done. */
export class Interpreter {
  readonly #options: InterpreterOptions;
  readonly #context: WorkloadContext;
  readonly #clients: Clients;
  readonly #faults: Faults;
  readonly #interrupted = new Halt();
  readonly #loadOver = new Halt();
  readonly #faultsOver = new Halt();
  readonly #running: Promise<unknown>[] = [];
  #phaseStart = 0;

  /** Where the run is, for people. */
  phase: Phase = 'boot';

  constructor(options: InterpreterOptions) {
    this.#options = options;
    const { timing, context, workload } = options;
    // The load also runs while the cluster recovers, so plans must be able to fill that too.
    const timeLimitMs = timing.warmupMs + timing.faultsMs + timing.recoveryMsMax;
    this.#context = { ...context, timeLimitMs };
    const { recorder, clock } = options;
    const interrupted = this.#interrupted;
    this.#clients = new Clients({ workload, context: this.#context, recorder, clock, interrupted });
    this.#faults = new Faults(options);
  }

  /** Descriptions of the faults in place. */
  get faults(): string[] {
    return this.#faults.inPlace.map(describeFault);
  }

  /** The leader as the nemesis last saw it. */
  get leader(): string | undefined {
    return this.#faults.leader;
  }

  /**
   * Runs all phases. Throws when setup fails, a plan throws, or the nemesis' cluster calls hang; every
   * fault is healed before it returns or throws, and the history tells what happened until then.
   */
  async run(): Promise<'complete' | 'interrupted'> {
    const { signal, timing } = this.#options;
    const { guardMs } = timing;
    const interrupt = () => this.#interrupt();
    if (signal?.aborted === true) interrupt();
    signal?.addEventListener('abort', interrupt, { once: true });
    const guard = setInterval(() => this.#clients.guard(guardMs), guardMs / 10);
    try {
      await this.#phases();
    } finally {
      this.#interrupt();
      // A nemesis in the middle of an injection must end before healing can be complete.
      await Promise.allSettled(this.#running);
      clearInterval(guard);
      signal?.removeEventListener('abort', interrupt);
      await this.#faults.healAll();
      await this.#clients.close();
    }
    if (signal?.aborted === true) return 'interrupted';
    this.#enter('done');
    return 'complete';
  }

  async #phases(): Promise<void> {
    const { timing } = this.#options;
    if (this.#interrupted.reached) return;
    this.#enter('setup');
    await Promise.all(this.#clients.threads.map((thread) => this.#setup(thread)));
    if (this.#interrupted.reached) return;
    this.#enter('warmup');
    const load = Promise.all(this.#clients.threads.map((thread) => this.#load(thread)));
    this.#running.push(load);
    // A load that breaks ends the phase at once; one that merely ends does not.
    const unlessBroken = (phase: Promise<void>) => Promise.race([phase, load.then(() => phase)]);
    await unlessBroken(this.#loadOver.sleep(timing.warmupMs));
    const warm = new Set(this.#clients.lastOk.keys());
    if (!this.#interrupted.reached) {
      this.#enter('faults');
      const nemesis = this.#faults.run(timing.faultsMs, this.#faultsOver);
      this.#running.push(nemesis);
      await unlessBroken(nemesis);
    }
    if (!this.#interrupted.reached) {
      this.#enter('heal');
      await this.#faults.healAll();
      await Promise.race([this.#recovery(warm), load]);
    }
    this.#loadOver.reach();
    await load;
    if (this.#interrupted.reached) return;
    this.#enter('final');
    await Promise.all(this.#clients.threads.map((thread) => this.#final(thread)));
  }

  #enter(phase: Phase): void {
    this.phase = phase;
    this.#phaseStart = this.#options.clock.now();
    const { recorder } = this.#options;
    recorder.record({ process: 'harness', type: 'info', f: 'phase', value: phase });
    this.#options.onPhase?.(phase);
  }

  #interrupt(): void {
    this.#interrupted.reach();
    this.#loadOver.reach();
    this.#faultsOver.reach();
    this.#clients.giveUp();
  }

  // ── clients ──────────────────────────────────────────────────────────────────────────────────

  /** One setup plan a node, divided over the threads there are. */
  async #setup(thread: Thread): Promise<void> {
    const { workload, context } = this.#options;
    const count = context.nodes.length;
    for (let part = thread.number; part < count; part += this.#clients.threads.length) {
      await this.#perform(thread, workload.setup(this.#context, part), this.#interrupted, (step) =>
        this.#untilOk(thread, step, this.#retryUntil(), (last) => {
          throw new SetupError(
            `setup: ${step.f} ${step.key ?? ''} ended ${last.type} (${last.error ?? 'no error'}) and ` +
              `not ok within ${this.#options.timing.retryMs} ms; is the system serving?`,
          );
        }),
      );
    }
  }

  #load(thread: Thread): Promise<void> {
    const { workload, context } = this.#options;
    const random = new Random(context.seed, `workload/${thread.number}`);
    const plan = workload.load(this.#context, thread.number, random);
    // Dues of a plan count from the start of its phase; the history's from the start of the run.
    const startNs = this.#phaseStart;
    return this.#perform(thread, plan, this.#loadOver, async (step) => {
      if (step.due === undefined) return this.#clients.invoke(thread, step);
      const due = startNs + step.due;
      if (!(await this.#until(due))) return undefined;
      return this.#clients.invoke(thread, { ...step, due });
    });
  }

  #final(thread: Thread): Promise<void> {
    const plan = this.#options.workload.final(this.#context, thread.number);
    // One allowance for the phase, not for each read: a server that is gone must not hold it up.
    const deadline = this.#phaseStart + this.#options.timing.retryMs * 1e6;
    return this.#perform(thread, plan, this.#interrupted, (step) =>
      this.#untilOk(thread, step, deadline),
    );
  }

  /** Walks through a plan; `operate` gives undefined when the plan is to end. */
  async #perform(
    thread: Thread,
    plan: Plan,
    over: Halt,
    operate: (step: OpStep) => Promise<Event | undefined>,
  ): Promise<void> {
    try {
      let result = plan.next();
      while (result.done !== true && !over.reached) {
        const step = result.value;
        let completion: Completion;
        if (step.kind === 'op') {
          const event = await operate(step);
          if (event === undefined) return;
          completion = { kind: 'op', event };
        } else if (step.kind === 'sleep') {
          await over.sleep(step.ms);
          completion = { kind: 'slept' };
        } else {
          throw new Error(
            `client ${thread.number}: a workload's plan may yield op and sleep, it yielded ${step.kind}`,
          );
        }
        result = plan.next(completion);
      }
    } finally {
      plan.return();
    }
  }

  /** Until when an operation that begins now is tried again. */
  #retryUntil(): number {
    const { clock, timing } = this.#options;
    return clock.now() + timing.retryMs * 1e6;
  }

  /** Tries the step again, each time as a new operation, until one ends ok or time is up. */
  async #untilOk(
    thread: Thread,
    step: OpStep,
    deadline: number,
    onGivingUp?: (last: Event) => void,
  ): Promise<Event | undefined> {
    const { clock, timing } = this.#options;
    for (;;) {
      const event = await this.#clients.invoke(thread, step);
      if (event === undefined || event.type === 'ok') return event;
      if (clock.now() + timing.retryPauseMs * 1e6 > deadline) {
        onGivingUp?.(event);
        return event;
      }
      await this.#interrupted.sleep(timing.retryPauseMs);
      if (this.#interrupted.reached) return undefined;
    }
  }

  /** Waits for a moment of the load; false when the load ended first. */
  async #until(dueNs: number): Promise<boolean> {
    const { clock } = this.#options;
    for (;;) {
      const leftNs = dueNs - clock.now();
      if (this.#loadOver.reached) return false;
      if (leftNs <= 0) return true;
      await this.#loadOver.sleep(Math.ceil(leftNs / 1e6));
    }
  }

  // ── recovery ─────────────────────────────────────────────────────────────────────────────────

  /** Waits until the servers that answered before the faults answer again, or the bound is over. */
  async #recovery(warm: ReadonlySet<string>): Promise<void> {
    const { clock, timing } = this.#options;
    const since = Math.max(this.#faults.lastHeal, this.#phaseStart);
    for (;;) {
      await this.#loadOver.sleep(RECOVERY_POLL_MS);
      const passedMs = (clock.now() - since) / 1e6;
      if (this.#loadOver.reached || passedMs >= timing.recoveryMsMax) return;
      const answering = new Set(
        [...this.#clients.lastOk].filter(([, invoked]) => invoked >= since).map(([node]) => node),
      );
      const everywhere = answering.size > 0 && [...warm].every((node) => answering.has(node));
      const recovered = everywhere || (answering.size > 0 && passedMs >= RECOVERY_EVERYWHERE_MS);
      if (recovered && passedMs >= timing.afterHealMs) return;
    }
  }
}
