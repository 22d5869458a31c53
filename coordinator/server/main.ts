// The coordinator as a program: reads its configuration, recovers from disk, joins its ensemble and
// serves clients until it is told to stop or must not go on.
import { randomBytes } from 'node:crypto';
import { EventLog, NO_EVENTS } from '../../wire/event-log.ts';
import { BoundedLog, logLine, printable } from '../../wire/server-log.ts';
import type { EventSink } from '../contract.ts';
import { recover } from '../storage/recovery.ts';
import { DataTree } from '../tree/data-tree.ts';
import { TxnPreparer } from '../tree/preparer.ts';
import { HeapSessionTracker } from '../tree/session-tracker.ts';
import { Replica } from '../zab/replica.ts';
import { loadConfig, type ServerConfig } from './config.ts';
import { ClientFront } from './front.ts';
import { serveMetrics } from './metrics.ts';
import { describeConfig, diskBytes } from './operator.ts';
import { secureTransport } from './secure.ts';

/** Bytes of recent transactions kept in memory for learners. */
const RECENT_BYTES_MAX = 32 * 1024 * 1024;

const EXIT_FATAL = 1;

function openEvents(config: ServerConfig): EventLog | undefined {
  const { events } = config;
  if (events === undefined || events.level === 'off') return undefined;
  return new EventLog(events);
}

async function serve(config: ServerConfig, eventLog: EventLog | undefined): Promise<void> {
  const events: EventSink = eventLog ?? NO_EVENTS;
  const fatal = (error: Error): void => {
    logLine(`stopping, because going on could break a promise: ${error.stack ?? error.message}`);
    events.emit({ ev: 'stop', reason: error.message });
    events.flush();
    process.exit(EXIT_FATAL);
  };
  process.on('uncaughtException', fatal);
  process.on('unhandledRejection', (reason) => {
    fatal(reason instanceof Error ? reason : new Error(String(reason)));
  });

  for (const warning of config.warnings) logLine(warning);
  const recovered = recover(config.dataDir, {
    preAllocBytes: config.preAllocBytes,
    snapRetainCount: config.snapRetainCount,
  });
  for (const warning of recovered.warnings) logLine(warning);
  const tree = new DataTree();
  const { snapshot } = recovered;
  if (snapshot !== null) tree.load(snapshot.chunks);
  const snapshotZxid = snapshot?.zxid ?? 0;

  const { secureClients, securePeers } = config;
  const strangers = new BoundedLog(logLine, () => performance.now());
  const refused = (peer: string, why: string) =>
    strangers.line(printable(`refused ${peer}: ${why}`));
  const replica = new Replica({
    config: {
      sid: config.sid,
      peers: config.peers,
      reaping: config.reaping,
      reconfigEnabled: config.reconfigEnabled,
      readOnlyMode: config.readOnlyMode,
      tickMs: config.tickTimeMs,
      initLimit: config.initLimit,
      silenceMsMax: Math.min(config.tickTimeMs * config.syncLimit, config.heartbeatTimeoutMs),
      transactionsPerEpochMax: config.transactionsPerEpochMax,
    },
    host: config.peerHost,
    events,
    tree,
    log: recovered.log,
    snapshots: recovered.snapshots,
    epochs: recovered.epochs,
    ensemble: recovered.ensemble,
    snapshotZxid,
    recovered: recovered.records(snapshotZxid),
    committed: recovered.committed,
    snapCount: config.snapCount,
    recentRecordsMax: config.commitLogCount,
    recentBytesMax: RECENT_BYTES_MAX,
    nowMs: () => performance.now(),
    wallMs: () => Date.now(),
    makePreparer: () => {
      const { extendedTypes, enforceQuota, limits } = config;
      const bounds = { limits: config, frameBytesMax: limits.frameBytesMax };
      return new TxnPreparer(tree, { extendedTypes, enforceQuota, warn: logLine, ...bounds });
    },
    makeSessionTracker: () => new HeapSessionTracker(),
    ...(securePeers === undefined ? {} : { transport: secureTransport(securePeers, refused) }),
    fatal,
  });
  const front = new ClientFront({
    tree,
    consensus: replica,
    events,
    config: {
      sid: config.sid,
      minSessionTimeoutMs: config.minSessionTimeoutMs,
      maxSessionTimeoutMs: config.maxSessionTimeoutMs,
      limits: config.limits,
      words: config.words,
      tickTimeMs: config.tickTimeMs,
      ...(config.superDigest === undefined ? {} : { superDigest: config.superDigest }),
    },
    operator: {
      configuration: () => describeConfig(config, replica.members),
      diskBytes: () => diskBytes(config.dataDir),
      log: logLine,
    },
    now: () => Date.now(),
    randomBytes,
  });
  const stop = async (signal: string): Promise<void> => {
    logLine(`stopping: ${signal}`);
    await front.close();
    await replica.stop(signal);
    events.emit({ ev: 'stop', reason: signal });
    eventLog?.close();
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      stop(signal).catch(fatal);
    });
  }
  await front.listen(config.clientPort, config.clientHost);
  if (secureClients !== undefined) await front.listenSecure(secureClients);
  await replica.start(front);
  if (config.metrics !== undefined) {
    const { host, port } = config.metrics;
    await serveMetrics(config.metrics, () => front.facts());
    logLine(`metrics are at http://${host}:${port}/metrics`);
  }
  logLine(`server ${config.sid} listens for clients on ${config.clientHost}:${config.clientPort}`);
}

async function main(): Promise<void> {
  let eventLog: EventLog | undefined;
  try {
    const config = loadConfig(process.argv.slice(2));
    eventLog = openEvents(config);
    await serve(config, eventLog);
  } catch (error) {
    const reason = (error as Error).message;
    logLine(`cannot start: ${reason}`);
    eventLog?.emit({ ev: 'stop', reason });
    eventLog?.close();
    process.exitCode = EXIT_FATAL;
    process.exit();
  }
}

await main();
