// The coordinator as a program: reads its configuration, recovers from disk, joins its ensemble and
// serves clients until it is told to stop or must not go on.
import { randomBytes } from 'node:crypto';
import { BoundedLog, logLine, printable } from '../../wire/server-log.ts';
import { runServer, type ServerProcess } from '../../wire/server-program.ts';
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

async function serve(config: ServerConfig, server: ServerProcess): Promise<void> {
  const { events, fatal } = server;
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
  server.stopOnSignals(async (signal) => {
    await front.close();
    await replica.stop(signal);
  });
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

await runServer({ stopEvent: 'stop', load: () => loadConfig(process.argv.slice(2)), serve });
