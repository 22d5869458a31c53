// Boots a holder container and speaks with the program in it. The holder owns what must survive a
// server's death: network namespace, address, published ports, nft rules.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type Docker from 'dockerode';
import type { NodeSpec } from '../../cluster.ts';
import { onMessages, Questions, sendMessage } from '../lines.ts';
import { CONTROL_PORT, PROBE_PORT, type ProbeResult, probe } from '../probe.ts';
import type { Daemon } from './daemon.ts';
import type { HolderConfig } from './holder.ts';
import { NODE_IN_IMAGE } from './image.ts';
import type { DropCounters, NamespaceCuts } from './rules.ts';

const BOOT_TIMEOUT_MS = 30_000;
const RETRY_MS = 15;
const ANSWER_TIMEOUT_MS = 10_000;
const MEMORY_BYTES_MAX = 512 * 1024 * 1024;

/** What a holder is made of. */
export interface HolderPlan {
  name: string;
  labels: Record<string, string>;
  image: string;
  /** The bundled holder program on the host. */
  program: string;
  networkId: string;
  networkName: string;
  subnet: string;
  address: string;
  spec: NodeSpec;
  /** `name:address` of every node. */
  hosts: string[];
  token: string;
}

/** A bind mount of a file or folder that must not change. */
export function readOnly(source: string, target: string): Docker.MountSettings {
  return { Type: 'bind', Source: source, Target: target, ReadOnly: true };
}

/** Creates and starts a holder, and waits until its program answers. */
export async function bootHolder(daemon: Daemon, plan: HolderPlan): Promise<Holder> {
  const published = plan.spec.published.map((role) => plan.spec.ports[role] as number);
  const ports = [...published, CONTROL_PORT, PROBE_PORT].map((port) => `${port}/tcp`);
  const config: HolderConfig = { subnet: plan.subnet, token: plan.token };
  const container = await daemon.docker.createContainer({
    name: plan.name,
    Image: plan.image,
    Hostname: plan.spec.name,
    User: '0:0',
    Cmd: [NODE_IN_IMAGE, '/holder.mjs'],
    Env: [`CHAOS_HOLDER=${JSON.stringify(config)}`],
    Labels: { ...plan.labels, 'chaos.node': plan.spec.name, 'chaos.role': 'holder' },
    ExposedPorts: Object.fromEntries(ports.map((port) => [port, {}])),
    HostConfig: {
      ...daemon.hostConfig,
      CapDrop: ['ALL'],
      CapAdd: ['NET_ADMIN'],
      SecurityOpt: ['no-new-privileges', 'label=disable'],
      ReadonlyRootfs: true,
      Memory: MEMORY_BYTES_MAX,
      NetworkMode: plan.networkName,
      ExtraHosts: plan.hosts,
      Mounts: [readOnly(plan.program, '/holder.mjs')],
      PortBindings: Object.fromEntries(
        ports.map((port) => [port, [{ HostIp: '127.0.0.1', HostPort: '' }]]),
      ),
    },
    NetworkingConfig: {
      EndpointsConfig: { [plan.networkName]: { IPAMConfig: { IPv4Address: plan.address } } },
    },
  });
  await container.start();
  const { NetworkSettings } = await container.inspect();
  const hostPort = (port: number): number => {
    const bound = NetworkSettings.Ports[`${port}/tcp`]?.[0]?.HostPort;
    if (bound === undefined) throw new Error(`port ${port} of ${plan.name} was not published`);
    return Number(bound);
  };
  const addresses = new Map(
    plan.spec.published.map((role) => [role, hostPort(plan.spec.ports[role] as number)]),
  );
  const reached = await reachProgram(container, plan, hostPort(CONTROL_PORT));
  return new Holder(container.id, reached, addresses, hostPort(PROBE_PORT));
}

/** A holder's program, and the address in its network from which the harness reaches it. */
interface Reached {
  questions: Questions;
  from: string;
}

/** The port's proxy accepts before the program listens, so only an answer to the token counts. */
async function reachProgram(
  container: Docker.Container,
  plan: HolderPlan,
  port: number,
): Promise<Reached> {
  const deadline = performance.now() + BOOT_TIMEOUT_MS;
  for (let attempt = 1; performance.now() < deadline; attempt++) {
    const reached = await greet(`holder of ${plan.spec.name}`, port, plan.token);
    if (reached !== undefined) return reached;
    if (attempt % 20 === 0 && !(await container.inspect()).State.Running) break;
    await delay(RETRY_MS);
  }
  const log = await container.logs({ stdout: true, stderr: true, tail: 20 });
  const said = log
    .toString('latin1')
    .replaceAll(/[^\x20-\x7e\n]/g, '')
    .trim();
  throw new Error(
    `the holder of ${plan.spec.name} did not answer within ${BOOT_TIMEOUT_MS} ms; it says: ${said}`,
  );
}

async function greet(name: string, port: number, token: string): Promise<Reached | undefined> {
  const socket: Socket = connect({ host: '127.0.0.1', port, noDelay: true });
  const hello = new Promise<string | undefined>((resolve) => {
    onMessages(socket, ({ hello, from }) => resolve(hello === true ? String(from) : undefined));
    socket.once('close', () => resolve(undefined));
  });
  socket.on('error', () => socket.destroy());
  try {
    await once(socket, 'connect');
  } catch {
    return undefined;
  }
  sendMessage(socket, { token });
  const from = await hello;
  if (from === undefined) return undefined;
  const questions = new Questions(name, socket);
  onMessages(socket, (message) => questions.receive(message));
  return { questions, from };
}

/** A running holder. */
export class Holder {
  readonly id: string;
  /** Ports on 127.0.0.1 by role. */
  readonly published: ReadonlyMap<string, number>;
  /** Where clients come from, as the namespace sees them. */
  readonly clients: string;
  readonly #questions: Questions;
  readonly #probePort: number;

  /** `probePort` on 127.0.0.1 leads to the echo. */
  constructor(
    id: string,
    { questions, from }: Reached,
    published: ReadonlyMap<string, number>,
    probePort: number,
  ) {
    this.id = id;
    this.#questions = questions;
    this.published = published;
    this.clients = from;
    this.#probePort = probePort;
  }

  /** Replaces the namespace's cuts in one transaction. */
  async applyCuts(cuts: NamespaceCuts): Promise<void> {
    await this.#questions.ask({ ask: 'cuts', cuts }, ANSWER_TIMEOUT_MS);
  }

  async counters(): Promise<DropCounters> {
    const answer = await this.#questions.ask({ ask: 'counters' }, ANSWER_TIMEOUT_MS);
    return answer.counters as DropCounters;
  }

  /** A probe from inside the namespace to the echo of another holder, or to any address. */
  async probe(host: string, timeoutMs: number, port = PROBE_PORT): Promise<ProbeResult> {
    const question = { ask: 'probe', host, port, timeoutMs };
    const answer = await this.#questions.ask(question, timeoutMs + ANSWER_TIMEOUT_MS);
    return answer.result as ProbeResult;
  }

  /** A probe on the way that clients take, to the echo of this holder. */
  probeAsClient(timeoutMs: number): Promise<ProbeResult> {
    return probe('127.0.0.1', this.#probePort, timeoutMs);
  }

  /** Ends the conversation; the container is removed with the run. */
  close(): void {
    this.#questions.close();
  }
}
