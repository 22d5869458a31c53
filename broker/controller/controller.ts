// The controller: of all brokers the one that gives partitions their leaders and deletes topics. Each look at
// the cluster starts from what is committed now and ends with nothing left to do, so that the next controller
// finishes whatever this one began.
import { CoordinatorError } from '../../coordinator/client/index.ts';
import { MetadataError, type TopicPartition } from '../contract.ts';
import type { ClusterView } from '../metadata/image.ts';
import type { ClusterMetadata } from '../metadata/metadata.ts';
import { ZnodeError } from '../metadata/znodes.ts';
import {
  departure,
  dueChanges,
  type Grounds,
  preferredElections,
  stillLedBy,
} from './decisions.ts';
import { deleteMarkedTopic } from './deletion.ts';
import { ConflictError, DeposedError, standForController, type Tenure } from './tenure.ts';
import { storeStates } from './writes.ts';

export interface ControllerOptions {
  /** `auto.leader.rebalance.enable`. Default true. */
  readonly autoRebalance?: boolean;
  /** `leader.imbalance.check.interval.seconds`, in ms. Default 300,000. */
  readonly rebalanceIntervalMs?: number;
  /** `leader.imbalance.per.broker.percentage`. Default 10. */
  readonly imbalancePercent?: number;
}

const REBALANCE_INTERVAL_MS = 300_000;
const IMBALANCE_PERCENT = 10;
/** Rounds of a controlled shutdown against leaders that keep changing their ISRs. */
const DEPARTURE_ROUNDS_MAX = 10;

export class Controller {
  readonly #metadata: ClusterMetadata;
  readonly #options: ControllerOptions;
  #tenure: Tenure | undefined;
  #running = false;
  #stopped = false;
  #again = false;
  #rebalanceDue = false;
  #conflictsBefore = false;
  #timer: NodeJS.Timeout | undefined;
  /** Brokers that asked to stop, with the registration that did. */
  readonly #leaving = new Map<number, number>();

  constructor(metadata: ClusterMetadata, options: ControllerOptions = {}) {
    this.#metadata = metadata;
    this.#options = options;
    metadata.onRegistration((epoch) => {
      if (epoch === undefined) this.#resign('the session ended');
      else this.#kick();
    });
    metadata.subscribe(() => this.#kick());
  }

  /** The epoch of its tenure, while this broker is the controller. */
  get epoch(): number | undefined {
    return this.#tenure?.epoch;
  }

  /** Takes part in the race from now on. */
  start(): void {
    const { autoRebalance = true, rebalanceIntervalMs = REBALANCE_INTERVAL_MS } = this.#options;
    if (autoRebalance) {
      this.#timer = setInterval(() => {
        this.#rebalanceDue = true;
        this.#kick();
      }, rebalanceIntervalMs);
    }
    this.#kick();
  }

  /** Writes nothing any more; the tenure ends for others when the session does. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#resign('it was stopped');
  }

  /**
   * A broker is about to stop: others lead what it led, and it leaves the ISRs that others are in. Resolves
   * with the partitions that it still leads.
   * @throws MetadataError NOT_CONTROLLER, STALE_BROKER_EPOCH, or CoordinatorError.
   */
  async controlledShutdown(broker: number, brokerEpoch: number): Promise<TopicPartition[]> {
    const { keeper, stored } = this.#metadata;
    for (let round = 0; ; round++) {
      await keeper.refresh();
      const tenure = this.#tenure;
      if (tenure === undefined) {
        throw new MetadataError('NOT_CONTROLLER', `broker ${this.#metadata.brokerId} is not it`);
      }
      const view = keeper.view();
      const registered = view.brokers.get(broker)?.epoch;
      if (registered === undefined || (brokerEpoch !== -1 && brokerEpoch !== registered)) {
        const message = `broker ${broker} has epoch ${registered}, the request says ${brokerEpoch}`;
        throw new MetadataError('STALE_BROKER_EPOCH', message);
      }
      this.#leaving.set(broker, registered);
      const changes = departure(view, this.#grounds(tenure, view), broker);
      if (changes.length === 0 || round === DEPARTURE_ROUNDS_MAX) return stillLedBy(view, broker);
      try {
        await storeStates(tenure, changes, stored);
      } catch (error) {
        if (error instanceof DeposedError) this.#deposed(tenure, error.message);
        else throw error;
      }
    }
  }

  #kick(): void {
    this.#again = true;
    if (this.#running) return;
    this.#running = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopped && !this.#metadata.session.closed) {
      this.#again = false;
      const tenure = this.#tenure;
      try {
        if (tenure === undefined) await this.#stand();
        else await this.#look(tenure);
      } catch (error) {
        if (error instanceof DeposedError && tenure !== undefined) {
          this.#deposed(tenure, error.message);
        } else if (error instanceof ZnodeError || error instanceof CoordinatorError) {
          await this.#failed(error.message);
        } else throw error;
        this.#again = true;
      }
    }
    this.#running = false;
  }

  async #stand(): Promise<void> {
    const { keeper, registration, session, events, brokerId } = this.#metadata;
    const { controller } = keeper.image;
    if (registration.epoch === undefined) return;
    // What names this broker may be this session's, after a reply that never came.
    if (controller !== undefined && controller.id !== brokerId) return;
    const { client } = session;
    const tenure = await standForController(client, brokerId);
    if (tenure === undefined) {
      // Somebody else's node shows after this; if it is gone again, that is the next race.
      await keeper.refresh();
      if (keeper.image.controller !== undefined) return;
      await session.pause();
      this.#again = true;
      return;
    }
    if (client !== session.client || this.#stopped) return;
    this.#leaving.clear();
    this.#tenure = tenure;
    events.emit({ ev: 'controllerElected', controllerEpoch: tenure.epoch });
    events.flush();
    await keeper.refresh(true);
    this.#again = true;
  }

  /** One look at the cluster, and what has to be done about it. */
  async #look(tenure: Tenure): Promise<void> {
    const { keeper, brokerId, stored } = this.#metadata;
    await keeper.refresh();
    const view = keeper.view();
    const { controller } = view;
    if (controller?.id !== brokerId || controller.epoch !== tenure.epoch) {
      const other = controller === undefined ? 'nobody' : `broker ${controller.id}`;
      this.#deposed(tenure, `/controller names ${other}`);
      this.#again = true;
    }
    // It may also have ended while the image was read.
    if (this.#tenure !== tenure) return;
    const grounds = this.#grounds(tenure, view);
    const changes = dueChanges(view, grounds);
    if (changes.length === 0 && this.#rebalanceDue) {
      this.#rebalanceDue = false;
      const { imbalancePercent = IMBALANCE_PERCENT } = this.#options;
      changes.push(...preferredElections(view, grounds, imbalancePercent));
    }
    const { conflicts } = await storeStates(tenure, changes, stored);
    if (conflicts > 0) {
      this.#again = true;
      // The first time it was a leader's change of its ISR; what stays in the way is told, and waited for.
      if (this.#conflictsBefore) await this.#failed(`${conflicts} states could not be stored`);
    }
    this.#conflictsBefore = conflicts > 0;
    for (const topic of view.deletions) await this.#delete(tenure, topic);
  }

  async #delete(tenure: Tenure, topic: string): Promise<void> {
    if (this.#tenure !== tenure) return;
    try {
      await deleteMarkedTopic(tenure, topic);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      await this.#failed(error.message);
      this.#again = true;
    }
  }

  async #failed(reason: string): Promise<void> {
    this.#metadata.events.emit({ ev: 'controllerFailed', reason });
    await this.#metadata.session.pause();
  }

  #grounds(tenure: Tenure, view: ClusterView): Grounds {
    for (const [id, epoch] of this.#leaving) {
      if (view.brokers.get(id)?.epoch !== epoch) this.#leaving.delete(id);
    }
    const { defaults } = this.#metadata;
    return { controllerEpoch: tenure.epoch, defaults, leaving: new Set(this.#leaving.keys()) };
  }

  #deposed(tenure: Tenure, reason: string): void {
    if (this.#tenure === tenure) this.#resign(reason);
  }

  #resign(reason: string): void {
    const tenure = this.#tenure;
    if (tenure === undefined) return;
    this.#tenure = undefined;
    const { events } = this.#metadata;
    events.emit({ ev: 'controllerResigned', controllerEpoch: tenure.epoch, reason });
    events.flush();
  }
}
