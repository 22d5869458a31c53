// A broker put together from its parts, and taken apart again in the order that loses nothing: leaderships are
// handed over, then nobody is served any more, then the logs are closed, then the session ends.
import { randomUUID } from 'node:crypto';
import { errorNameOf } from '../../wire/kafka/error-codes.ts';
import { BoundedLog } from '../../wire/server-log.ts';
import { type EventSink, partitionKey } from '../contract.ts';
import { Controller } from '../controller/controller.ts';
import { GroupCoordinator } from '../groups/coordinator.ts';
import { logConfig } from '../log/config.ts';
import { LogDirectory } from '../log/log-directory.ts';
import { ClusterMetadata } from '../metadata/metadata.ts';
import { SessionFile } from '../metadata/session-file.ts';
import { LocalReplicas } from '../replica/local-replicas.ts';
import { replicaSettings, topicSettings } from '../replica/settings.ts';
import type { BrokerConfig } from './config.ts';
import { lockDirectory } from './directory-lock.ts';
import { BrokerFront } from './front.ts';
import { allHandlings } from './handlings.ts';
import { BrokerPeers } from './peers.ts';

export interface BrokerParts {
  readonly config: BrokerConfig;
  readonly events: EventSink;
  readonly log: (line: string) => void;
  /** Going on could break a promise: the process has to end. */
  readonly fatal: (error: Error) => void;
}

const CONTROLLED_SHUTDOWN_VERSION = 3;
/** How often a broker that waits for the coordinator says so. */
const WAITING_TOLD_MS = 5_000;

export class Broker {
  readonly #parts: BrokerParts;
  readonly #metadata: ClusterMetadata;
  readonly #controller: Controller;
  readonly #peers: BrokerPeers;
  readonly #replicas: LocalReplicas;
  readonly #groups: GroupCoordinator;
  readonly #front: BrokerFront;
  #stopping: Promise<void> | undefined;

  /**
   * Recovers the logs, registers and serves. Rejects when it cannot: with the disk's error, the system's or
   * the metadata's.
   */
  static async start(parts: BrokerParts): Promise<Broker> {
    const { config, events, log } = parts;
    const { brokerId, logDir } = config;
    lockDirectory(logDir);
    const opened = openLogs(config);
    const clean = opened.cleanBrokerEpoch !== null;
    const { loss } = opened.directory;
    const level = config.events?.level ?? 'off';
    events.emit({ ev: 'brokerStart', broker: brokerId, clean, lossy: loss.lossy, level });
    for (const { topic, partition, error } of opened.refused)
      log(`${partitionKey({ topic, partition })} is damaged: ${error.message}`);
    const offline = new Set(opened.refused.map(partitionKey));
    const { coordinator, sessionTimeoutMs, endpoints, minInsyncReplicas, uncleanElection } = config;
    const metadata = new ClusterMetadata({
      coordinator,
      sessionTimeoutMs,
      memory: new SessionFile({ dir: logDir, brokerId, log }),
      broker: {
        id: brokerId,
        endpoints,
        // As it is when it registers: it may have caught up since it started.
        get lossy() {
          return loss.lossy;
        },
        get offline() {
          return [...offline];
        },
      },
      events,
      defaults: { minInsyncReplicas, uncleanElection },
    });
    await startedAloud(metadata, config, log);
    const broker = new Broker(parts, metadata, opened, offline);
    await broker.#front.listen();
    broker.#controller.start();
    return broker;
  }

  private constructor(
    parts: BrokerParts,
    metadata: ClusterMetadata,
    opened: ReturnType<typeof LogDirectory.open>,
    offline: Set<string>,
  ) {
    const { config, events, log, fatal } = parts;
    const { brokerId } = config;
    this.#parts = parts;
    this.#metadata = metadata;
    this.#controller = new Controller(metadata, config.rebalancing);
    this.#peers = new BrokerPeers({
      metadata,
      events,
      listener: config.front.internalListener,
      clientId: `broker-${brokerId}`,
      frameBytesMax: config.frameBytesMax,
      timeoutMs: config.requestTimeoutMs,
    });
    this.#replicas = new LocalReplicas({
      context: {
        brokerId,
        brokerEpoch: () => metadata.registration.epoch ?? -1,
        metadata,
        peers: this.#peers,
        events,
        settings: replicaSettings(config.replication),
        monotonicMs: () => performance.now(),
        onDamage: (tp, damaged) => {
          if (damaged) offline.add(tp);
          else offline.delete(tp);
          metadata.announce();
        },
        onFatal: fatal,
      },
      opened,
      logSettings: config.log,
    });
    this.#groups = new GroupCoordinator({
      brokerId,
      replicas: this.#replicas,
      metadata,
      events,
      config: config.groups,
      wallMs: () => Date.now(),
      newId: () => randomUUID(),
      log,
    });
    const caused = new BoundedLog(log, () => performance.now());
    const handlings = allHandlings({
      brokerId,
      metadata,
      replicas: this.#replicas,
      groups: this.#groups,
      controller: this.#controller,
      topicDefaults: config.topics,
      answerBytesMax: config.answerBytesMax,
      metadataBytesMax: config.groups.offsetMetadataBytesMax,
      brokerSettings: config.settings,
      topicSettings: topicDefaults(config),
      log: (line) => caused.line(line),
    });
    const failed = (error: Error): void =>
      caused.line(`a request failed: ${error.stack ?? error.message}`);
    this.#front = new BrokerFront({ config: config.front, handlings, events, log, failed });
  }

  /** Stops in order; a second call waits for the first. Rejects when a disk fails. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    await this.#handOver();
    this.#groups.close();
    await this.#front.close();
    this.#controller.stop();
    await this.#replicas.close();
    this.#peers.close();
    await this.#metadata.close();
  }

  /** Asks the controller to let others lead what this broker leads, as often as the settings allow. */
  async #handOver(): Promise<void> {
    const { config, log } = this.#parts;
    if (config.controlledShutdown === undefined) return;
    const { retriesMax, backoffMs } = config.controlledShutdown;
    for (let attempt = 0; attempt <= retriesMax; attempt++) {
      try {
        const remaining = await this.#askController();
        if (remaining === 0) return;
        log(`${remaining} partitions have nobody else to lead them`);
      } catch (error) {
        log(`the controller did not take over: ${(error as Error).message}`);
      }
      if (attempt < retriesMax) await new Promise((resolve) => setTimeout(resolve, backoffMs));
    }
    log('stopping without having handed over everything');
  }

  /** How many partitions this broker still leads after the controller was asked. */
  async #askController(): Promise<number> {
    const { brokerId } = this.#parts.config;
    const { controller } = this.#metadata.image;
    const brokerEpoch = this.#metadata.registration.epoch ?? -1;
    if (controller === undefined) throw new Error('there is no controller now');
    if (controller.id === brokerId) {
      const remaining = await this.#controller.controlledShutdown(brokerId, brokerEpoch);
      return remaining.length;
    }
    const version = CONTROLLED_SHUTDOWN_VERSION;
    const body = { brokerId, brokerEpoch };
    const answer = await this.#peers.call(controller.id, 'ControlledShutdown', version, body);
    if (answer.errorCode !== 0) throw new Error(`it answered ${errorNameOf(answer.errorCode)}`);
    return answer.remainingPartitions.length;
  }
}

function openLogs(config: BrokerConfig): ReturnType<typeof LogDirectory.open> {
  try {
    return LogDirectory.open(config.logDir, { configFor: () => logConfig(config.log) });
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`log.dirs: expected a directory to keep logs in, got ${message}`, {
      cause: error,
    });
  }
}

/** Waits for the coordinator as long as it takes, and says so. */
async function startedAloud(
  metadata: ClusterMetadata,
  { coordinator }: BrokerConfig,
  log: (line: string) => void,
): Promise<void> {
  const waiting = setInterval(() => {
    log(`waiting for the coordinator at ${coordinator} (zookeeper.connect)`);
  }, WAITING_TOLD_MS);
  try {
    await metadata.start();
  } finally {
    clearInterval(waiting);
  }
}

/** What a topic has where it says nothing, by the topic's names. */
function topicDefaults(config: BrokerConfig): ReadonlyMap<string, string> {
  const { minInsyncReplicas, uncleanElection } = config;
  const minIsr = topicSettings({}, { log: config.log, minIsr: minInsyncReplicas }).minIsr;
  return new Map([
    ...Object.entries(config.log),
    ['min.insync.replicas', String(minIsr)],
    ['unclean.leader.election.enable', String(uncleanElection)],
    ['cleanup.policy', 'delete'],
    ['compression.type', 'producer'],
    ['message.timestamp.type', 'CreateTime'],
  ]);
}
