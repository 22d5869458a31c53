// What an operator asks of the program rather than of its state: the configuration in force and the
// room its files take.
import fs from 'node:fs';
import path from 'node:path';
import type { Peer } from '../zab/context.ts';
import type { ServerConfig } from './config.ts';

/**
 * The configuration as `conf` prints it: ZooKeeper's names first, then this server's own, then the
 * ensemble in force.
 */
export function describeConfig(config: ServerConfig, members: readonly Peer[]): string {
  const { limits, peers, sid } = config;
  const self = peers.find((peer) => peer.sid === sid);
  const rows: [string, string | number][] = [
    ['clientPort', config.clientPort],
    ['secureClientPort', config.secureClients?.port ?? -1],
    ['dataDir', path.join(config.dataDir, 'version-2')],
    ['tickTime', config.tickTimeMs],
    ['maxClientCnxns', limits.connectionsPerAddressMax],
    ['minSessionTimeout', config.minSessionTimeoutMs],
    ['maxSessionTimeout', config.maxSessionTimeoutMs],
    ['serverId', sid],
    ['initLimit', config.initLimit],
    ['syncLimit', config.syncLimit],
    ['electionAlg', 3],
    ['electionPort', self?.electionPort ?? 0],
    ['quorumPort', self?.peerPort ?? 0],
    ['peerType', self?.observer === true ? 1 : 0],
    ['sslQuorum', String(config.securePeers !== undefined)],
    ['jute.maxbuffer', limits.frameBytesMax],
    ['maxCnxns', limits.connectionsMax],
    ['globalOutstandingLimit', limits.outstandingMax],
    ['connectionOutstandingLimit', limits.connectionOutstandingMax],
    ['connectionOutputLimit', limits.connectionOutputBytesMax],
    ['totalOutputLimit', limits.totalOutputBytesMax],
    ['nodeCountLimit', config.nodesMax],
    ['dataSizeLimit', config.dataBytesMax],
    ['snapCount', config.snapCount],
    ['autopurge.snapRetainCount', config.snapRetainCount],
    ['preAllocSize', config.preAllocBytes / 1024],
    ['commitLogCount', config.commitLogCount],
    ['transactionsPerEpoch', config.transactionsPerEpochMax],
    ['4lw.commands.whitelist', [...config.words].sort().join(',')],
    ['metricsProvider.httpPort', config.metrics?.port ?? -1],
  ];
  const servers = members.map(({ sid: id, host, peerPort, electionPort, observer }) => {
    const role = observer === true ? 'observer' : 'participant';
    return `server.${id}=${host}:${peerPort}:${electionPort}:${role}\n`;
  });
  return `${rows.map(([key, value]) => `${key}=${value}\n`).join('')}membership: \n${servers.join('')}`;
}

/** Bytes that snapshots and log segments take. Throws what the file system throws. */
export function diskBytes(dataDir: string): { snapshots: number; logs: number } {
  const dir = path.join(dataDir, 'version-2');
  const bytes = { snapshots: 0, logs: 0 };
  for (const name of fs.readdirSync(dir)) {
    const of = name.startsWith('snapshot.') ? 'snapshots' : 'logs';
    if (of === 'logs' && !name.startsWith('log.')) continue;
    // A purge may remove it between the listing and the look.
    bytes[of] += fs.statSync(path.join(dir, name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return bytes;
}
