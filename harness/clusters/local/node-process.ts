// One incarnation of a local node: a child process under the agent. It knows its process by pid and
// start time, and the agent by the control line.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { AgentConfig } from '../../agent/config.ts';
import { nodeBinary } from '../bundle.ts';
import type { Inspection } from '../faults.ts';
import type { Message, Questions } from '../lines.ts';
import {
  environmentHas,
  type GroupMember,
  groupMembers,
  isAlive,
  type ProcessStamp,
  processLetter,
  stampOf,
} from '../owner.ts';
import type { RunningServer, ServerEnd } from '../server-cluster.ts';

const START_TIMEOUT_MS = 30_000;
const SIGNAL_TIMEOUT_MS = 5_000;
const SIGNAL_POLL_MS = 2;
const ANSWER_TIMEOUT_MS = 10_000;
const LOG_TAIL_BYTES = 2_000;
/** Inherited by all that a node starts; the agent's own variable is not. */
const MARK_NAME = 'CHAOS_NODE';

/** What a node's process is started with. */
export interface ProcessPlan {
  node: string;
  program: string;
  args: string[];
  directory: string;
  /** The bundled agent. */
  agent: string;
  config: AgentConfig;
}

/** A node sees nothing of the harness' environment but what programs need to run at all. */
function environment(config: AgentConfig, mark: string): NodeJS.ProcessEnv {
  const kept = ['PATH', 'TMPDIR', 'TEMP', 'TMP', 'SystemRoot', 'LANG'];
  const env: NodeJS.ProcessEnv = { CHAOS_AGENT: JSON.stringify(config), [MARK_NAME]: mark };
  for (const name of kept) if (process.env[name] !== undefined) env[name] = process.env[name];
  return env;
}

/** A node's process. */
export class NodeProcess implements RunningServer {
  readonly stamp: ProcessStamp;
  /** Resolves when the process has ended. */
  readonly ended: Promise<ServerEnd>;
  readonly #plan: ProcessPlan;
  readonly #child: ChildProcess;
  /** No other process on this machine, of this run or another, has it in its environment. */
  readonly #mark = randomUUID();
  #agent: Questions | undefined;
  #wanted = false;

  /** Starts the process; throws if the operating system refuses. */
  constructor(plan: ProcessPlan) {
    this.#plan = plan;
    const log = openSync(join(plan.directory, 'log'), 'a');
    try {
      const agent = pathToFileURL(plan.agent).href;
      this.#child = spawn(nodeBinary(), ['--import', agent, plan.program, ...plan.args], {
        cwd: plan.directory,
        env: environment(plan.config, this.#mark),
        stdio: ['ignore', log, log],
        // Ctrl-C in the terminal is for the harness, which then ends the nodes in good order.
        detached: true,
      });
    } finally {
      closeSync(log);
    }
    this.ended = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve({ how: error.message, wanted: false }));
      this.#child.once('exit', (code, signal) => {
        const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
        resolve({ how, wanted: this.#wanted });
      });
    });
    if (this.#child.pid === undefined) {
      throw new Error(`cannot start ${plan.node}: ${nodeBinary()} could not be run`);
    }
    this.stamp = stampOf(this.#child.pid);
  }

  /** Waits for the agent's call and gives it the cuts in force; then the program runs. */
  async meet(calling: Promise<Questions>, cuts: Message): Promise<void> {
    const abort = new AbortController();
    const late = delay(START_TIMEOUT_MS, undefined, { signal: abort.signal }).catch(
      () => undefined,
    );
    const first = await Promise.race([calling, this.ended, late]);
    abort.abort();
    if (first === undefined) {
      throw new Error(`${this.#plan.node} did not start within ${START_TIMEOUT_MS} ms`);
    }
    if ('how' in first) {
      throw new Error(`${this.#plan.node} ended at its start (${first.how}): ${this.#logTail()}`);
    }
    this.#agent = first;
    try {
      await this.ask(cuts);
    } catch (cause) {
      throw new Error(`${this.#plan.node} failed at its start: ${this.#logTail()}`, { cause });
    }
  }

  #logTail(): string {
    const text = readFileSync(join(this.#plan.directory, 'log'), 'utf8');
    return text.slice(-LOG_TAIL_BYTES).trim();
  }

  /** Asks the agent. */
  ask(question: Message, extraMs = 0): Promise<Message> {
    if (this.#agent === undefined) {
      return Promise.reject(new Error(`the agent of ${this.#plan.node} has not called yet`));
    }
    return this.#agent.ask(question, ANSWER_TIMEOUT_MS + extraMs);
  }

  /** SIGKILL; resolves when the process and what it started are gone. */
  async kill(): Promise<void> {
    this.#wanted = true;
    const others = this.#others();
    this.#signal('SIGKILL');
    await this.ended;
    // One that is dying loses its mark before it lets go of its files and ports.
    await this.#until(() => !others.some(isAlive) && this.#others().length === 0, 'end');
  }

  /** SIGTERM, and SIGKILL after `graceMs`; resolves when the process is gone. */
  async terminate(graceMs: number): Promise<void> {
    this.#wanted = true;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#signal('SIGKILL'), graceMs);
    await this.ended;
    clearTimeout(timer);
    await this.#until(() => this.#others().length === 0, 'end');
  }

  async pause(): Promise<void> {
    this.#signal('SIGSTOP');
    await this.#until(() => !isAlive(this.stamp) || this.#letters().every(isStopped), 'stop');
  }

  async resume(): Promise<void> {
    this.#signal('SIGCONT');
    await this.#until(() => !isAlive(this.stamp) || !this.#letters().some(isStopped), 'continue');
  }

  /** To the whole group: a node may be more than one process. A group that may be a stranger's is spared. */
  #signal(signal: NodeJS.Signals): void {
    if (process.platform === 'win32') {
      this.#child.kill(signal);
      return;
    }
    if (!this.#ownsGroup()) return;
    try {
      process.kill(-this.stamp.pid, signal);
    } catch (error) {
      // There is nobody left to be told.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /**
   * Whether the group of this number still is the node's. The kernel gives a number away only when neither
   * a process nor a group has it: the first shows in the child's end not being collected yet, the second
   * in a member with the node's mark. Without /proc nothing shows the second, and the answer is no.
   */
  #ownsGroup(): boolean {
    if (this.#child.exitCode === null && this.#child.signalCode === null) return true;
    const mark = `${MARK_NAME}=${this.#mark}`;
    return groupMembers(this.stamp.pid).some(({ pid }) => environmentHas(pid, mark));
  }

  /** What belongs to the node beside the process itself. */
  #others(): GroupMember[] {
    if (!this.#ownsGroup()) return [];
    return groupMembers(this.stamp.pid).filter(({ pid }) => pid !== this.stamp.pid);
  }

  /** The scheduler's letters for all processes of the node. */
  #letters(): (string | undefined)[] {
    return [processLetter(this.stamp.pid), ...this.#others().map(({ letter }) => letter)];
  }

  async #until(reached: () => boolean, wish: string): Promise<void> {
    const deadline = performance.now() + SIGNAL_TIMEOUT_MS;
    while (!reached()) {
      if (performance.now() > deadline) {
        throw new Error(`${this.#plan.node} (pid ${this.stamp.pid}) did not ${wish} in 5 s`);
      }
      await delay(SIGNAL_POLL_MS);
    }
  }

  /** What the operating system says of the process and of those it started. */
  inspect(): Inspection {
    const { pid } = this.stamp;
    const others = this.#others();
    const beside = others.map((other) => `, pid ${other.pid} in state ${other.letter}`).join('');
    if (!isAlive(this.stamp)) {
      const state = others.length === 0 ? 'dead' : 'running';
      return { state, evidence: `pid ${pid} is gone${beside}` };
    }
    const letters = this.#letters();
    return {
      state: letters.every(isStopped) ? 'paused' : 'running',
      evidence: `pid ${pid} is in state ${letters[0]}${beside}`,
    };
  }
}

const isStopped = (letter: string | undefined): boolean => letter === 'T';
