// A broker's registration: the ephemeral node that says it lives. It counts only if this very session owns
// it, for one of an earlier session will vanish while its broker believes to be registered (KAFKA-7165).
import {
  type CoordinatorClient,
  CoordinatorError,
  CreateFlag,
} from '../../coordinator/client/index.ts';
import type { BrokerInfo, EventSink } from '../contract.ts';
import { brokerPath } from './paths.ts';
import type { CoordinatorSession } from './session.ts';
import { writeBroker } from './znodes.ts';

export interface RegistrationOptions {
  readonly session: CoordinatorSession;
  readonly broker: Omit<BrokerInfo, 'epoch'>;
  readonly events: EventSink;
  /** Longest wait for another session's registration to vanish before it is said and looked at again, ms. */
  readonly waitMs: number;
  /** Told the epoch of the registration that stands, or that none does. */
  readonly onChange: (epoch: number | undefined) => void;
}

export class Registration {
  readonly #options: RegistrationOptions;
  #epoch: number | undefined;
  #running = false;
  #announcing = false;
  #said = '';
  /** Ends a wait for another registration to vanish. */
  #wake: () => void = () => undefined;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    const { session } = options;
    session.onLost(() => {
      this.#become(undefined);
      this.#wake();
    });
    session.onConnected(() => void this.#register());
  }

  /** czxid of the registration that stands. */
  get epoch(): number | undefined {
    return this.#epoch;
  }

  /** Nothing waits any more; the session has been closed. */
  close(): void {
    this.#wake();
  }

  /** Says anew what is said of this broker, if that is another thing now. */
  announce(): void {
    if (!this.#announcing) void this.#announce();
  }

  async #announce(): Promise<void> {
    this.#announcing = true;
    const { session, broker } = this.#options;
    while (this.#epoch !== undefined && !session.closed) {
      const { client } = session;
      const said = writeBroker(broker);
      if (said.toString('latin1') === this.#said) break;
      try {
        await client.setData(brokerPath(broker.id), said);
        if (client === session.client) this.#said = said.toString('latin1');
      } catch (error) {
        if (!(error instanceof CoordinatorError)) throw error;
        await session.pause();
      }
    }
    this.#announcing = false;
  }

  #become(epoch: number | undefined): void {
    this.#epoch = epoch;
    this.#options.onChange(epoch);
  }

  async #register(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    const { session } = this.#options;
    while (this.#epoch === undefined && !session.closed) {
      const { client } = session;
      try {
        const epoch = await this.#claim(client);
        // Of a session that ended meanwhile, nothing stands.
        if (client !== session.client) continue;
        if (epoch === undefined) await this.#vanished(client);
        else this.#registered(client, epoch);
      } catch (error) {
        if (!(error instanceof CoordinatorError)) throw error;
        await session.pause();
      }
    }
    this.#running = false;
  }

  #registered(client: CoordinatorClient, epoch: number): void {
    const { broker, events } = this.#options;
    const session = client.sessionId.toString(16);
    events.emit({ ev: 'registered', broker: broker.id, epoch, session });
    events.flush();
    this.#become(epoch);
    this.announce();
  }

  /** Epoch of this session's registration, made now or before; undefined: another session's stands. */
  async #claim(client: CoordinatorClient): Promise<number | undefined> {
    const { broker } = this.#options;
    const path = brokerPath(broker.id);
    try {
      const flags = CreateFlag.ephemeral;
      const said = writeBroker(broker);
      this.#said = '';
      const { stat } = await client.create2(path, said, { flags });
      this.#said = said.toString('latin1');
      return stat.czxid;
    } catch (error) {
      if (!(error instanceof CoordinatorError) || error.name !== 'NodeExists') throw error;
    }
    const { stat } = await client.exists(path);
    return stat?.ephemeralOwner === client.sessionId ? stat.czxid : undefined;
  }

  /** Waits until the registration is gone, or for `waitMs`. */
  async #vanished(client: CoordinatorClient): Promise<void> {
    const { broker, events, waitMs } = this.#options;
    const gone = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    const over = this.#wake;
    const { stat } = await client.exists(brokerPath(broker.id), over);
    if (stat === null) return;
    const owner = stat.ephemeralOwner.toString(16);
    events.emit({ ev: 'registrationWaits', broker: broker.id, owner });
    const timer = setTimeout(over, waitMs);
    await gone;
    clearTimeout(timer);
  }
}
