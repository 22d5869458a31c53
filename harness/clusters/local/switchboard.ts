// The harness' end of the agents' control lines. It listens on the port that also locks the
// cluster's slot of ports, and pairs each agent that calls with the start that awaits it.
import type { Server, Socket } from 'node:net';
import { onMessages, Questions } from '../lines.ts';

/** Accepts agents. */
export class Switchboard {
  readonly #token: string;
  readonly #server: Server;
  readonly #awaited = new Map<string, (agent: Questions) => void>();
  readonly #sockets = new Set<Socket>();

  constructor(server: Server, token: string) {
    this.#server = server;
    this.#token = token;
    server.on('connection', (socket: Socket) => this.#welcome(socket));
  }

  #welcome(socket: Socket): void {
    let agent: Questions | undefined;
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    onMessages(socket, (message) => {
      if (agent !== undefined) {
        agent.receive(message);
        return;
      }
      const key = `${String(message.node)}/${String(message.incarnation)}`;
      const taker = message.token === this.#token ? this.#awaited.get(key) : undefined;
      this.#awaited.delete(key);
      if (taker === undefined) {
        socket.destroy();
        return;
      }
      agent = new Questions(`agent of ${String(message.node)}`, socket);
      taker(agent);
    });
  }

  /** The line to the agent of this incarnation, once it calls. */
  agentOf(node: string, incarnation: number): Promise<Questions> {
    return new Promise((resolve) => this.#awaited.set(`${node}/${incarnation}`, resolve));
  }

  /** Hangs up on all; agents that are still there end their nodes. */
  async close(): Promise<void> {
    this.#awaited.clear();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
