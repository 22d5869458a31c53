// Drives N client processes and one nemesis through the phases of a run, into one history.
// It uses timers, the monotonic clock and promises only, so that a simulator can run it unchanged.
import type { Event, Phase } from '../history/event.ts';
import { describeFault, type Fault, type Verification } from '../history/fault.ts';
import type { FaultEventValue } from '../history/op.ts';
import type { ClusterView, Completion, OpStep, Plan } from '../history/plan.ts';
import type {
  Nemesis,
  OpResult,
  Workload,
  WorkloadClient,
  WorkloadContext,
} from '../history/plugin.ts';
import { Random } from '../history/random.ts';
import { errorLine, Halt, type RunClock, within } from './clock.ts';
import type { Cluster, InjectedFault } from './cluster.ts';
import type { EventFields, Recorder } from './recorder.ts';

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
const FAULT_CALL_MS_MAX = 60_000;
const CLOSE_MS_MAX = 2_000;
/** Operations between two turns of the event loop: a client that never waits must not starve it. */
const OPS_A_TURN = 512;

export interface InterpreterOptions {
  workload: Workload;
  nemesis: Nemesis;
  /** Of the run; `timeLimitMs` is set by the interpreter. */
  context: Omit<WorkloadContext, 'timeLimitMs'>;
  cluster: Pick<Cluster, 'inject'>;
  /** Options of the nemesis. */
  nemesisOptions?: Readonly<Record<string, number | string | boolean>>;
  observe(): Promise<ClusterView>;
  recorder: Recorder;
  clock: RunClock;
  timing: Timing;
  /** Ends the run early: everything is healed, nothing more is invoked. */
  signal?: AbortSignal;
  onPhase?(phase: Phase): void;
}

/** One thread of clients: its current process and that process' client. */
interface Thread {
  number: number;
  process: number;
  client: WorkloadClient;
  /**
   * The operation under way: its invocation, and how to stop waiting for it. With an error it ends
   * info; without, it stays open in the history.
   */
  open?: { since: number; giveUp(error?: string): void };
}

/** A setup operation that never ended ok: the run has no ground to stand on. */
export class SetupError extends Error {}

/** One run's phases from setup to done. */
export class Interpreter {
  readonly #options: InterpreterOptions;
  readonly #context: WorkloadContext;
  readonly #threads: Thread[];
  readonly #interrupted = new Halt();
  readonly #loadOver = new Halt();
  readonly #faultsOver = new Halt();
  readonly #active = new Map<number, InjectedFault>();
  readonly #closing = new Set<Promise<void>>();
  /** Node → when its last operation that ended ok was invoked; '' stands for an unnamed node. */
  readonly #lastOk = new Map<string, number>();
  readonly #running: Promise<unknown>[] = [];
  #faultsInjected = 0;
  #lastHeal = 0;
  #phaseStart = 0;
  #opsThisTurn = 0;
  #turn: Promise<void> | undefined;

  /** Where the run is, for people. */
  phase: Phase = 'boot';
  leader: string | undefined;

  constructor(options: InterpreterOptions) {
    this.#options = options;
    const { timing, context, workload } = options;
    // The load also runs while the cluster recovers, so plans must be able to fill that too.
    const timeLimitMs = timing.warmupMs + timing.faultsMs + timing.recoveryMsMax;
    this.#context = { ...context, timeLimitMs };
    this.#threads = Array.from({ length: context.concurrency }, (_, number) => ({
      number,
      process: number,
      client: workload.client(this.#context, number),
    }));
  }

  /** Descriptions of the faults in place. */
  get faults(): string[] {
    return [...this.#active.values()].map((injected) => describeFault(injected.fault));
  }

  /**
   * Runs all phases. Throws when setup fails, a plan throws, or the nemesis' cluster calls hang; every
   * fault is healed before it returns or throws, and the history tells what happened until then.
   */
  async run(): Promise<'complete' | 'interrupted'> {
    const { signal } = this.#options;
    const interrupt = () => this.#interrupt();
    if (signal?.aborted === true) interrupt();
    signal?.addEventListener('abort', interrupt, { once: true });
    const guard = setInterval(() => this.#guard(), this.#options.timing.guardMs / 10);
    try {
      await this.#phases();
    } finally {
      this.#interrupt();
      // A nemesis in the middle of an injection must end before healing can be complete.
      await Promise.allSettled(this.#running);
      clearInterval(guard);
      signal?.removeEventListener('abort', interrupt);
      await this.#healAll();
      await this.#closeClients();
    }
    if (signal?.aborted === true) return 'interrupted';
    this.#enter('done');
    return 'complete';
  }

  async #phases(): Promise<void> {
    const { timing } = this.#options;
    if (this.#interrupted.reached) return;
    this.#enter('setup');
    await Promise.all(this.#threads.map((thread) => this.#setup(thread)));
    if (this.#interrupted.reached) return;
    this.#enter('warmup');
    const load = Promise.all(this.#threads.map((thread) => this.#load(thread)));
    this.#running.push(load);
    // A load that breaks ends the phase at once; one that merely ends does not.
    const unlessBroken = (phase: Promise<void>) => Promise.race([phase, load.then(() => phase)]);
    await unlessBroken(this.#loadOver.sleep(timing.warmupMs));
    const warm = new Set(this.#lastOk.keys());
    if (!this.#interrupted.reached) {
      this.#enter('faults');
      const nemesis = this.#nemesis();
      this.#running.push(nemesis);
      await unlessBroken(nemesis);
    }
    if (!this.#interrupted.reached) {
      this.#enter('heal');
      await this.#healAll();
      await Promise.race([this.#recovery(warm), load]);
    }
    this.#loadOver.reach();
    await load;
    if (this.#interrupted.reached) return;
    this.#enter('final');
    await Promise.all(this.#threads.map((thread) => this.#final(thread)));
  }

  #enter(phase: Phase): void {
    this.phase = phase;
    this.#phaseStart = this.#options.clock.now();
    this.#record({ process: 'harness', type: 'info', f: 'phase', value: phase });
    this.#options.onPhase?.(phase);
  }

  #record(fields: EventFields): Event {
    return this.#options.recorder.record(fields);
  }

  #interrupt(): void {
    this.#interrupted.reach();
    this.#loadOver.reach();
    this.#faultsOver.reach();
    // Open operations stay open in the history: nobody will know how they ended.
    for (const thread of this.#threads) thread.open?.giveUp();
  }

  // ── clients ──────────────────────────────────────────────────────────────────────────────────

  /** One setup plan a node, divided over the threads there are. */
  async #setup(thread: Thread): Promise<void> {
    const { workload, context } = this.#options;
    const count = context.nodes.length;
    for (let part = thread.number; part < count; part += this.#threads.length) {
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
      if (step.due === undefined) return this.#invoke(thread, step);
      const due = startNs + step.due;
      if (!(await this.#until(due))) return undefined;
      return this.#invoke(thread, { ...step, due });
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
      const event = await this.#invoke(thread, step);
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

  /** One operation, both ends recorded; undefined when the run was interrupted before its end. */
  async #invoke(thread: Thread, step: OpStep): Promise<Event | undefined> {
    if (++this.#opsThisTurn >= OPS_A_TURN) await this.#nextTurn();
    if (this.#interrupted.reached) return undefined;
    const { f, key, value, due, node } = step;
    const process = thread.process;
    const invoke = this.#record({ process, type: 'invoke', f, key, value, due, node });
    const completion = await new Promise<Event | undefined>((resolve) => {
      let ended = false;
      const end = (result: OpResult) => {
        if (ended) return;
        ended = true;
        delete thread.open;
        resolve(this.#record({ process, f, key, value, node, ...result }));
      };
      const fail = (error: unknown) => end({ type: 'info', error: errorLine(error) });
      thread.open = {
        since: invoke.time,
        giveUp: (error) => {
          if (error !== undefined) return end({ type: 'info', error });
          ended = true;
          delete thread.open;
          resolve(undefined);
        },
      };
      try {
        thread.client.invoke(step).then(end, fail);
      } catch (error) {
        fail(error);
      }
    });
    if (completion?.type === 'ok') this.#lastOk.set(completion.node ?? '', invoke.time);
    else if (completion?.type === 'info') this.#replace(thread);
    return completion;
  }

  /** After info nobody knows whether the operation still runs, so its process must not act again. */
  #replace(thread: Thread): void {
    this.#close(thread.client);
    thread.process += this.#threads.length;
    thread.client = this.#options.workload.client(this.#context, thread.number);
  }

  #close(client: WorkloadClient): void {
    const done = () => void this.#closing.delete(closed);
    const closed: Promise<void> = client.close().then(done, done);
    this.#closing.add(closed);
  }

  async #closeClients(): Promise<void> {
    for (const thread of this.#threads) this.#close(thread.client);
    const late = new Halt();
    await Promise.race([Promise.allSettled([...this.#closing]), late.sleep(CLOSE_MS_MAX)]);
    late.reach();
  }

  #guard(): void {
    const { clock, timing } = this.#options;
    const now = clock.now();
    for (const { open } of this.#threads) {
      if (open !== undefined && now - open.since > timing.guardMs * 1e6) {
        open.giveUp(`guard-timeout: the client said nothing within ${timing.guardMs} ms`);
      }
    }
  }

  #nextTurn(): Promise<void> {
    this.#turn ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#turn = undefined;
        this.#opsThisTurn = 0;
        resolve();
      });
    });
    return this.#turn;
  }

  // ── nemesis ──────────────────────────────────────────────────────────────────────────────────

  async #nemesis(): Promise<void> {
    const { nemesis, context, timing } = this.#options;
    const over = this.#faultsOver;
    const random = new Random(context.seed, 'nemesis');
    const timeLimitMs = timing.faultsMs;
    const { nodes } = context;
    const options = this.#options.nemesisOptions ?? {};
    const plan = nemesis.plan({ nodes, random, timeLimitMs, options });
    const phaseEnd = over.sleep(timing.faultsMs).then(() => over.reach());
    try {
      let result = plan.next();
      while (result.done !== true && !over.reached) {
        const step = result.value;
        let completion: Completion;
        if (step.kind === 'sleep') {
          await over.sleep(step.ms);
          completion = { kind: 'slept' };
        } else if (step.kind === 'observe') {
          completion = { kind: 'observed', view: await this.#observe() };
        } else if (step.kind === 'inject') {
          completion = await this.#inject(step.fault);
        } else if (step.kind === 'heal') {
          completion = { kind: 'healed', id: step.id, verification: await this.#heal(step.id) };
        } else {
          throw new Error('a nemesis may yield sleep, observe, inject and heal, it yielded op');
        }
        result = plan.next(completion);
      }
    } finally {
      plan.return();
    }
    await phaseEnd;
  }

  async #observe(): Promise<ClusterView> {
    const view = await this.#options.observe();
    this.leader = view.roles.leader?.[0];
    return view;
  }

  async #inject(fault: Fault): Promise<Completion> {
    const id = this.#faultsInjected++;
    const value: FaultEventValue = { id, fault };
    this.#record({ process: 'nemesis', type: 'invoke', f: 'inject', value });
    const inject = async () => {
      const injected = await this.#options.cluster.inject(fault);
      // Also when it comes late: whatever is in place must be healed.
      this.#active.set(id, injected);
      return injected.verification;
    };
    const verification = await this.#attempt('inject', value, inject());
    return { kind: 'injected', id, verification };
  }

  /** Heals one fault; healing one that is not in place says so. */
  async #heal(id: number): Promise<Verification> {
    const injected = this.#active.get(id);
    if (injected === undefined) return { verified: false, evidence: `fault ${id} is not in place` };
    const value: FaultEventValue = { id, fault: injected.fault };
    this.#record({ process: 'nemesis', type: 'invoke', f: 'heal', value });
    this.#active.delete(id);
    const verification = await this.#attempt('heal', value, injected.heal());
    this.#lastHeal = this.#options.clock.now();
    return verification;
  }

  async #healAll(): Promise<void> {
    for (const id of [...this.#active.keys()]) await this.#heal(id);
  }

  /** Records how a call to the cluster ended: ok if verified, otherwise info. */
  async #attempt(
    f: 'inject' | 'heal',
    value: FaultEventValue,
    call: Promise<Verification>,
  ): Promise<Verification> {
    let verification: Verification;
    try {
      verification = await within(FAULT_CALL_MS_MAX, `${f} ${describeFault(value.fault)}`, call);
    } catch (error) {
      verification = { verified: false, evidence: `${f} failed: ${errorLine(error)}` };
    }
    const type = verification.verified ? 'ok' : 'info';
    const fields: EventFields = { process: 'nemesis', type, f, value: { ...value, verification } };
    if (type === 'info') fields.error = verification.evidence;
    this.#record(fields);
    return verification;
  }

  // ── recovery ─────────────────────────────────────────────────────────────────────────────────

  /** Waits until the servers that answered before the faults answer again, or the bound is over. */
  async #recovery(warm: ReadonlySet<string>): Promise<void> {
    const { clock, timing } = this.#options;
    const since = Math.max(this.#lastHeal, this.#phaseStart);
    for (;;) {
      await this.#loadOver.sleep(RECOVERY_POLL_MS);
      const passedMs = (clock.now() - since) / 1e6;
      if (this.#loadOver.reached || passedMs >= timing.recoveryMsMax) return;
      const answering = new Set(
        [...this.#lastOk].filter(([, invoked]) => invoked >= since).map(([node]) => node),
      );
      const everywhere = answering.size > 0 && [...warm].every((node) => answering.has(node));
      const recovered = everywhere || (answering.size > 0 && passedMs >= RECOVERY_EVERYWHERE_MS);
      if (recovered && passedMs >= timing.afterHealMs) return;
    }
  }
}
