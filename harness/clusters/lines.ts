// Messages as JSON lines over a TCP socket, and questions with answers on top of them. The harness
// talks to holders and agents this way; both ends share this file.
import type { Socket } from 'node:net';

/** A message: any JSON object. */
export type Message = Record<string, unknown>;

const LINE_BYTES_MAX = 4 * 1024 * 1024;

/** Calls `listener` with every message that arrives; an impossible line ends the connection. */
export function onMessages(socket: Socket, listener: (message: Message) => void): void {
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    rest += text;
    if (rest.length > LINE_BYTES_MAX) {
      socket.destroy(new Error(`expected a line of at most ${LINE_BYTES_MAX} characters`));
      return;
    }
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      let message: Message;
      try {
        message = JSON.parse(line) as Message;
      } catch {
        socket.destroy(new Error(`expected a JSON line, got ${line.slice(0, 80)}`));
        return;
      }
      listener(message);
    }
  });
}

/** Writes one message. */
export function sendMessage(socket: Socket, message: Message): void {
  socket.write(`${JSON.stringify(message)}\n`);
}

interface Pending {
  resolve(message: Message): void;
  reject(error: Error): void;
}

/** The asking end: numbers its questions and pairs the answers. */
export class Questions {
  readonly #name: string;
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  #next = 1;
  #closed = false;

  /** `name` says in errors who is at the other end. */
  constructor(name: string, socket: Socket) {
    this.#name = name;
    this.#socket = socket;
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#closed = true;
      for (const { reject } of this.#pending.values()) reject(this.#gone());
      this.#pending.clear();
    });
  }

  /** Gives the answers that arrive to whoever asked; wire it to onMessages. */
  receive(message: Message): void {
    const pending = this.#pending.get(Number(message.id));
    if (pending === undefined) return;
    this.#pending.delete(Number(message.id));
    if (typeof message.error === 'string') {
      pending.reject(new Error(`${this.#name}: ${message.error}`));
    } else pending.resolve(message);
  }

  /** Asks; rejects if the answer is an error, the connection ends, or `timeoutMs` pass. */
  ask(question: Message, timeoutMs: number): Promise<Message> {
    if (this.#closed) return Promise.reject(this.#gone());
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(
          new Error(
            `${this.#name} did not answer '${String(question.ask)}' within ${timeoutMs} ms`,
          ),
        );
      }, timeoutMs);
      this.#pending.set(id, {
        resolve: (message) => {
          clearTimeout(timer);
          resolve(message);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      sendMessage(this.#socket, { ...question, id });
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #gone(): Error {
    return new Error(`the connection to ${this.#name} is closed`);
  }
}

/** The answering end: calls `answer` and sends what it gives, or the error it throws. */
export async function reply(
  socket: Socket,
  question: Message,
  answer: (question: Message) => Promise<Message> | Message,
): Promise<void> {
  const id = question.id;
  try {
    sendMessage(socket, { ...(await answer(question)), id });
  } catch (error) {
    sendMessage(socket, { id, error: error instanceof Error ? error.message : String(error) });
  }
}
