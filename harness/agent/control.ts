// The agent's line to the harness, made before net is patched. When it breaks the harness is gone,
// and the node ends with it.
import { once } from 'node:events';
import { connect } from 'node:net';
import { type Message, onMessages, reply, sendMessage } from '../clusters/lines.ts';
import type { AgentConfig } from './config.ts';

/** Ends this process as the harness' death demands: at once, with no last words. */
function endWithHarness(): void {
  process.kill(process.pid, 'SIGKILL');
}

/**
 * Connects to the harness and answers its questions from then on. `ready` says hello, after which
 * the harness sends the cuts in force; after `release` the program alone decides how long its
 * process lives. Ends the process if the harness cannot be reached.
 */
export async function openControl(
  config: AgentConfig,
  answer: (question: Message) => Promise<Message> | Message,
): Promise<{ ready(): void; release(): void }> {
  const socket = connect({ host: '127.0.0.1', port: config.control.port, noDelay: true });
  socket.on('error', endWithHarness);
  await once(socket, 'connect');
  socket.on('close', endWithHarness);
  onMessages(socket, (question) => void reply(socket, question, answer));
  return {
    ready() {
      const { node, incarnation } = config;
      sendMessage(socket, { token: config.control.token, node, incarnation, pid: process.pid });
    },
    release() {
      socket.unref();
    },
  };
}
