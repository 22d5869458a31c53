// The nemesis of a run: walks through its plan, injects and heals, and records how each ended. What is in
// place is known here alone, so that no fault outlives the run.
import { describeFault, type Fault, type Verification } from '../history/fault.ts';
import type { FaultEventValue } from '../history/op.ts';
import type { ClusterView, Completion } from '../history/plan.ts';
import type { Nemesis, WorkloadContext } from '../history/plugin.ts';
import { Random } from '../history/random.ts';
import { errorLine, type Halt, type RunClock, within } from './clock.ts';
import type { Cluster, InjectedFault } from './cluster.ts';
import type { EventFields, Recorder } from './recorder.ts';

const FAULT_CALL_MS_MAX = 60_000;

export interface FaultsOptions {
  nemesis: Nemesis;
  context: Pick<WorkloadContext, 'nodes' | 'seed'>;
  cluster: Pick<Cluster, 'inject'>;
  /** Options of the nemesis. */
  nemesisOptions?: Readonly<Record<string, number | string | boolean>>;
  observe(): Promise<ClusterView>;
  recorder: Recorder;
  clock: RunClock;
}

export class Faults {
  readonly #options: FaultsOptions;
  readonly #active = new Map<number, InjectedFault>();
  #injected = 0;
  #lastHeal = 0;
  #leader: string | undefined;

  constructor(options: FaultsOptions) {
    this.#options = options;
  }

  /** Those in place. */
  get inPlace(): Fault[] {
    return [...this.#active.values()].map(({ fault }) => fault);
  }

  /** When the last heal ended, ns of the run's clock; 0 before the first. */
  get lastHeal(): number {
    return this.#lastHeal;
  }

  /** As last observed. */
  get leader(): string | undefined {
    return this.#leader;
  }

  /** Walks through the nemesis' plan until `over`, which is reached when `timeLimitMs` have passed. */
  async run(timeLimitMs: number, over: Halt): Promise<void> {
    const { nemesis, context } = this.#options;
    const random = new Random(context.seed, 'nemesis');
    const { nodes } = context;
    const options = this.#options.nemesisOptions ?? {};
    const plan = nemesis.plan({ nodes, random, timeLimitMs, options });
    const phaseEnd = over.sleep(timeLimitMs).then(() => over.reach());
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
    this.#leader = view.roles.leader?.[0];
    return view;
  }

  async #inject(fault: Fault): Promise<Completion> {
    const id = this.#injected++;
    const value: FaultEventValue = { id, fault };
    this.#options.recorder.record({ process: 'nemesis', type: 'invoke', f: 'inject', value });
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
    this.#options.recorder.record({ process: 'nemesis', type: 'invoke', f: 'heal', value });
    this.#active.delete(id);
    const verification = await this.#attempt('heal', value, injected.heal());
    this.#lastHeal = this.#options.clock.now();
    return verification;
  }

  /** Heals whatever is in place. */
  async healAll(): Promise<void> {
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
    this.#options.recorder.record(fields);
    return verification;
  }
}
