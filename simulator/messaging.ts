// `MessageChannel` within one simulated process: what one port is given, the other gets as a clone in a
// later event, in order. Ports cannot be handed to anybody else, since there are no worker threads.
import type { Life } from './life.ts';

type Listener = (data: unknown) => void;

interface Messaging {
  MessageChannel: unknown;
  MessagePort: unknown;
}

/** Makes the classes for one life. */
export function createMessaging(life: Life): Messaging {
  class MessagePort extends EventTarget {
    #other: MessagePort | undefined;
    #onmessage: ((event: MessageEvent) => void) | null = null;
    #waiting: unknown[] = [];
    #started = false;
    #release: (() => void) | undefined;

    static link(a: MessagePort, b: MessagePort): void {
      a.#other = b;
      b.#other = a;
    }

    postMessage(value: unknown): void {
      life.check();
      const other = this.#other;
      if (other !== undefined) other.#take(structuredClone(value));
    }

    #take(data: unknown): void {
      if (!this.#started) {
        this.#waiting.push(data);
        return;
      }
      const deliver = () => this.dispatchEvent(new MessageEvent('message', { data }));
      life.schedule(0, deliver, 'message');
    }

    start(): void {
      if (this.#started) return;
      this.#started = true;
      for (const data of this.#waiting.splice(0)) this.#take(data);
    }

    close(): void {
      const other = this.#other;
      if (other === undefined) return;
      this.#other = undefined;
      other.#other = undefined;
      for (const port of [this, other] as const) {
        port.unref();
        life.scheduleUnref(0, () => port.dispatchEvent(new Event('close')), 'message');
      }
    }

    get onmessage(): ((event: MessageEvent) => void) | null {
      return this.#onmessage;
    }

    set onmessage(listener: ((event: MessageEvent) => void) | null) {
      if (this.#onmessage !== null) {
        this.removeEventListener('message', this.#onmessage as EventListener);
      }
      this.#onmessage = listener;
      if (listener === null) return;
      this.addEventListener('message', listener as EventListener);
      this.ref();
      this.start();
    }

    /** As an EventEmitter: the listener gets the value itself. */
    on(name: string, listener: Listener): this {
      this.addEventListener(name, (event) => listener((event as MessageEvent).data));
      if (name !== 'message') return this;
      this.ref();
      this.start();
      return this;
    }

    once(name: string, listener: Listener): this {
      const told = (event: Event) => listener((event as MessageEvent).data);
      this.addEventListener(name, told, { once: true });
      if (name === 'message') this.start();
      return this;
    }

    ref(): void {
      if (this.#other !== undefined) this.#release ??= life.hold();
    }

    unref(): void {
      this.#release?.();
      this.#release = undefined;
    }
  }

  class MessageChannel {
    readonly port1 = new MessagePort();
    readonly port2 = new MessagePort();

    constructor() {
      MessagePort.link(this.port1, this.port2);
    }
  }
  return { MessageChannel, MessagePort };
}
