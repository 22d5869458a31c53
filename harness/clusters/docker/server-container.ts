// One incarnation of a server: a container that joins its holder's network without any rights. A
// restart is a new container on the same directory, since arguments of an old one cannot change.
import { once } from 'node:events';
import { createWriteStream, readFileSync, type WriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type Docker from 'dockerode';
import type { NodeState } from '../../cluster.ts';
import type { Inspection } from '../faults.ts';
import { startTime } from '../owner.ts';
import type { RunningServer, ServerEnd } from '../server-cluster.ts';
import { type Daemon, statusOf, unlessGone } from './daemon.ts';
import { readOnly } from './holder-container.ts';
import { NODE_IN_IMAGE } from './image.ts';

/** The node's directory as its server sees it. */
export const DIRECTORY_IN_CONTAINER = '/node';
const PROGRAM_IN_CONTAINER = '/program.mjs';
const PIDS_MAX = 512;
const PAUSE_ATTEMPTS_MAX = 40;

/** What a server container is made of. */
export interface ServerPlan {
  name: string;
  node: string;
  labels: Record<string, string>;
  image: string;
  holderId: string;
  program: string;
  args: string[];
  /** The node's directory on the host. */
  directory: string;
  /** Files and folders of the host that it sees too, at the same paths. */
  hostPaths: readonly string[];
  /** A resolv.conf on the host that names no resolver. */
  resolver: string;
}

function containerOptions(daemon: Daemon, plan: ServerPlan): Docker.ContainerCreateOptions {
  return {
    name: plan.name,
    Image: plan.image,
    User: daemon.user,
    WorkingDir: DIRECTORY_IN_CONTAINER,
    Env: ['HOME=/tmp'],
    Cmd: [NODE_IN_IMAGE, PROGRAM_IN_CONTAINER, ...plan.args],
    Labels: { ...plan.labels, 'chaos.node': plan.node, 'chaos.role': 'server' },
    AttachStdout: true,
    AttachStderr: true,
    HostConfig: {
      ...daemon.hostConfig,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges', 'label=disable'],
      ReadonlyRootfs: true,
      Tmpfs: { '/tmp': '' },
      PidsLimit: PIDS_MAX,
      // The output goes to the node's log by attaching; a second copy would only fill the disk.
      LogConfig: { Type: 'none', Config: {} },
      NetworkMode: `container:${plan.holderId}`,
      Mounts: [
        { Type: 'bind', Source: plan.directory, Target: DIRECTORY_IN_CONTAINER },
        readOnly(plan.program, PROGRAM_IN_CONTAINER),
        readOnly(plan.resolver, '/etc/resolv.conf'),
        ...plan.hostPaths.map((path) => readOnly(path, path)),
      ],
    },
  };
}

/** Starts a server; resolves when its process runs. */
export async function startServer(daemon: Daemon, plan: ServerPlan): Promise<Server> {
  const container = await daemon.docker.createContainer(containerOptions(daemon, plan));
  const log = createWriteStream(join(plan.directory, 'log'), { flags: 'a' });
  try {
    const output = await container.attach({ stream: true, stdout: true, stderr: true });
    daemon.docker.modem.demuxStream(output, log, log);
    const drained = new Promise<void>((resolve) => {
      for (const event of ['end', 'close', 'error']) output.on(event, () => resolve());
    });
    await container.start();
    const { State } = await container.inspect();
    return new Server(container, State.Pid, drained, log);
  } catch (error) {
    log.end();
    await unlessGone(container.remove({ force: true }));
    throw error;
  }
}

/** Whether the pid means this container here: a daemon in a virtual machine has pids of its own. */
function isOnThisHost(containerId: string, pid: number): boolean {
  if (process.platform !== 'linux' || pid === 0) return false;
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(containerId);
  } catch {
    return false;
  }
}

/** Whether the kernel's freezer holds a process; undefined where that cannot be read. */
async function frozen(pid: number): Promise<boolean | undefined> {
  const read = (file: string) => readFile(file, 'utf8').catch(() => '');
  const groups = await read(`/proc/${pid}/cgroup`);
  const first = /^\d+:freezer:(.+)$/m.exec(groups)?.[1];
  if (first !== undefined) {
    const state = await read(`/sys/fs/cgroup/freezer${first}/freezer.state`);
    if (state !== '') return state.trim() === 'FROZEN';
  }
  const second = /^0::(.+)$/m.exec(groups)?.[1];
  const events = second === undefined ? '' : await read(`/sys/fs/cgroup${second}/cgroup.events`);
  const match = /^frozen ([01])$/m.exec(events);
  return match === null ? undefined : match[1] === '1';
}

/** A server that was started; its container is removed when it has ended. */
export class Server implements RunningServer {
  /** Resolves when its process has ended and its output is in the log. */
  readonly ended: Promise<ServerEnd>;
  readonly #container: Docker.Container;
  readonly #pid: number;
  /** Start time of the pid as this host sees it; undefined where containers have pids of their own. */
  readonly #started: string | undefined;
  #wanted = false;

  constructor(container: Docker.Container, pid: number, drained: Promise<void>, log: WriteStream) {
    this.#container = container;
    this.#pid = pid;
    this.#started = isOnThisHost(container.id, pid) ? startTime(pid) : undefined;
    this.ended = this.#watch(drained, log);
  }

  async #watch(drained: Promise<void>, log: WriteStream): Promise<ServerEnd> {
    let how: string;
    try {
      const { StatusCode } = (await this.#container.wait()) as { StatusCode: number };
      const signal = StatusCode > 128 ? ` (signal ${StatusCode - 128})` : '';
      how = `exit code ${StatusCode}${signal}`;
    } catch (error) {
      if (!this.#wanted && statusOf(error) !== 404) throw error;
      how = 'its container was removed';
    }
    await drained;
    log.end();
    await once(log, 'close');
    return { how, wanted: this.#wanted };
  }

  /** SIGKILL, also to a paused one; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.#wanted = true;
    await unlessGone(this.#container.kill({ signal: 'SIGKILL' }));
    await this.ended;
  }

  /** SIGTERM, and SIGKILL after `graceMs`; resolves when the process is gone. */
  async terminate(graceMs: number): Promise<void> {
    this.#wanted = true;
    await unlessGone(this.#container.kill({ signal: 'SIGTERM' }));
    let timer: NodeJS.Timeout | undefined;
    const killRefused = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        unlessGone(this.#container.kill({ signal: 'SIGKILL' })).catch(reject);
      }, graceMs);
    });
    try {
      await Promise.race([this.ended, killRefused]);
    } finally {
      clearTimeout(timer);
    }
  }

  async pause(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#container.pause();
        return;
      } catch (error) {
        // On a starved machine the runtime gives up on many threads too soon, and thaws them all again.
        const tooSoon = (error as Error).message.includes('unable to freeze');
        if (!tooSoon || attempt === PAUSE_ATTEMPTS_MAX) throw error;
      }
    }
  }

  async resume(): Promise<void> {
    try {
      await this.#container.unpause();
    } catch (error) {
      // Somebody else may have continued it; that is what was wanted.
      if ((await this.#daemonView()) === 'paused') throw error;
    }
  }

  /** Removes the container, killing it if need be. */
  async remove(): Promise<void> {
    this.#wanted = true;
    await unlessGone(this.#container.remove({ force: true }));
  }

  /** What the daemon and the kernel say of the process; where they disagree the kernel is right. */
  async inspect(): Promise<Inspection> {
    const daemon = await this.#daemonView();
    const alive = this.#started === undefined ? undefined : startTime(this.#pid) === this.#started;
    const freezer = alive === true ? await frozen(this.#pid) : undefined;
    const parts = [`daemon says ${daemon}`];
    let state = daemon;
    if (alive !== undefined) {
      parts.push(alive ? `pid ${this.#pid} is there` : `pid ${this.#pid} is gone`);
      if (!alive) state = 'dead';
      else if (daemon === 'dead') state = 'running';
    }
    if (freezer !== undefined) {
      parts.push(freezer ? 'its freezer is FROZEN' : 'its freezer is THAWED');
      state = freezer ? 'paused' : 'running';
    }
    return { state, evidence: parts.join(', ') };
  }

  async #daemonView(): Promise<NodeState> {
    try {
      const { State } = await this.#container.inspect();
      if (State.Paused) return 'paused';
      return State.Running ? 'running' : 'dead';
    } catch (error) {
      if (statusOf(error) === 404) return 'dead';
      throw error;
    }
  }
}
