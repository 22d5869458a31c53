// The clients of a run: threads of one process each, whose operations are recorded at both ends. A process
// whose operation ended info never acts again; its thread goes on with another one and another client.
import type { Event } from '../history/event.ts';
import type { OpStep } from '../history/plan.ts';
import type { OpResult, Workload, WorkloadClient, WorkloadContext } from '../history/plugin.ts';
import { errorLine, Halt, type RunClock } from './clock.ts';
import type { Recorder } from './recorder.ts';

const CLOSE_MS_MAX = 2_000;
/** Operations between two turns of the event loop: a client that never waits must not starve it. */
const OPS_A_TURN = 512;

/** One thread of clients: its current process and that process' client. */
export interface Thread {
  number: number;
  process: number;
  client: WorkloadClient;
  /**
   * The operation under way: its invocation, and how to stop waiting for it. With an error it ends
   * info; without, it stays open in the history.
   */
  open?: { since: number; giveUp(error?: string): void };
}

export interface ClientsOptions {
  workload: Workload;
  context: WorkloadContext;
  recorder: Recorder;
  clock: RunClock;
  /** Nothing is invoked any more once it is reached. */
  interrupted: Halt;
}

export class Clients {
  readonly #workload: Workload;
  readonly #context: WorkloadContext;
  readonly #recorder: Recorder;
  readonly #clock: RunClock;
  readonly #interrupted: Halt;
  readonly threads: readonly Thread[];
  /** Node → when its last operation that ended ok was invoked; '' stands for an unnamed node. */
  readonly lastOk = new Map<string, number>();
  readonly #closing = new Set<Promise<void>>();
  #opsThisTurn = 0;
  #turn: Promise<void> | undefined;

  constructor({ workload, context, recorder, clock, interrupted }: ClientsOptions) {
    this.#workload = workload;
    this.#context = context;
    this.#recorder = recorder;
    this.#clock = clock;
    this.#interrupted = interrupted;
    this.threads = Array.from({ length: context.concurrency }, (_, number) => ({
      number,
      process: number,
      client: workload.client(context, number),
    }));
  }

  /** One operation, both ends recorded; undefined when the run was interrupted before its end. */
  async invoke(thread: Thread, step: OpStep): Promise<Event | undefined> {
    if (++this.#opsThisTurn >= OPS_A_TURN) await this.#nextTurn();
    if (this.#interrupted.reached) return undefined;
    const { f, key, value, due, node } = step;
    const process = thread.process;
    const invoke = this.#recorder.record({ process, type: 'invoke', f, key, value, due, node });
    const completion = await new Promise<Event | undefined>((resolve) => {
      let ended = false;
      const end = (result: OpResult) => {
        if (ended) return;
        ended = true;
        delete thread.open;
        resolve(this.#recorder.record({ process, f, key, value, node, ...result }));
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
    if (completion?.type === 'ok') this.lastOk.set(completion.node ?? '', invoke.time);
    else if (completion?.type === 'info') this.#replace(thread);
    return completion;
  }

  /** After info nobody knows whether the operation still runs, so its process must not act again. */
  #replace(thread: Thread): void {
    this.#close(thread.client);
    thread.process += this.threads.length;
    thread.client = this.#workload.client(this.#context, thread.number);
  }

  #close(client: WorkloadClient): void {
    const done = () => void this.#closing.delete(closed);
    const closed: Promise<void> = client.close().then(done, done);
    this.#closing.add(closed);
  }

  /** Closes all clients, also those replaced; who takes too long is left behind. */
  async close(): Promise<void> {
    for (const thread of this.threads) this.#close(thread.client);
    const late = new Halt();
    await Promise.race([Promise.allSettled([...this.#closing]), late.sleep(CLOSE_MS_MAX)]);
    late.reach();
  }

  /** Ends info what has been under way for longer than `guardMs`. */
  guard(guardMs: number): void {
    const now = this.#clock.now();
    for (const { open } of this.threads) {
      if (open !== undefined && now - open.since > guardMs * 1e6) {
        open.giveUp(`guard-timeout: the client said nothing within ${guardMs} ms`);
      }
    }
  }

  /** Open operations stay open in the history: nobody will know how they ended. */
  giveUp(): void {
    for (const thread of this.threads) thread.open?.giveUp();
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
}
