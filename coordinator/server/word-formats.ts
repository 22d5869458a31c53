// How the answers to four-letter words are spelled, line by line, as ZooKeeper 3.8 spells them. Apart
// from the words, because several of them share a line.
import os from 'node:os';
import { type ConnectionFacts, modeOf, type ServerFacts } from './server-facts.ts';

export function hex(value: number): string {
  return (value < 0 ? BigInt.asUintN(64, BigInt(value)) : value).toString(16);
}

/** At most four decimals, as ZooKeeper prints averages (`0.0`, `1.25`). */
export function decimal(value: number): string {
  const rounded = Math.round(value * 10_000) / 10_000;
  return Number.isInteger(rounded) ? `${rounded}.0` : `${rounded}`;
}

/** One connection; the brief form leaves out its session. Source: ServerCnxn.dumpConnectionInfo. */
export function connectionLine(connection: ConnectionFacts, brief: boolean): string {
  const { peer, queued, traffic, session } = connection;
  const counts = `queued=${queued},recved=${traffic.received},sent=${traffic.sent}`;
  if (brief || session === 0) return ` /${peer}[1](${counts})`;
  const { lastOp, establishedMs, timeoutMs, lastXid, lastZxid, lastAnswerMs } = connection;
  const parts = [
    counts,
    `sid=0x${hex(session)}`,
    `lop=${lastOp}`,
    `est=${establishedMs}`,
    `to=${timeoutMs}`,
    ...(lastXid >= 0 ? [`lcxid=0x${hex(lastXid)}`] : []),
    `lzxid=0x${lastZxid < 0 ? 'f'.repeat(16) : hex(lastZxid)}`,
    `lresp=${lastAnswerMs}`,
    `llat=${traffic.latencyMsLast}`,
    `minlat=${traffic.latencyMsMin}`,
    `avglat=${Math.floor(traffic.latencyMsMean)}`,
    `maxlat=${traffic.latencyMsMax}`,
  ];
  return ` /${peer}[1](${parts.join(',')})`;
}

/** What srvr and stat end with. */
export function summary(facts: ServerFacts): string {
  const { received, sent, latencyMsMin, latencyMsMean, latencyMsMax } = facts.traffic;
  return [
    `Latency min/avg/max: ${latencyMsMin}/${decimal(latencyMsMean)}/${latencyMsMax}`,
    `Received: ${received}`,
    `Sent: ${sent}`,
    `Connections: ${facts.connectionCount}`,
    `Outstanding: ${facts.outstanding}`,
    `Zxid: 0x${hex(facts.lastApplied)}`,
    `Mode: ${modeOf(facts)}`,
    `Node count: ${facts.nodes}`,
    '',
  ].join('\n');
}

/** envi: ZooKeeper's lines, with the figures of a Node process in place of a JVM's. */
export function environment(version: string): string {
  const { heapUsed, heapTotal } = process.memoryUsage();
  const megabytes = (bytes: number) => `${Math.round(bytes / 1024 / 1024)}MB`;
  const rows: [string, string][] = [
    ['zookeeper.version', `${version}, built for node ${process.version}`],
    ['host.name', os.hostname()],
    ['node.version', process.version],
    ['node.v8.version', process.versions.v8],
    ['node.exec.path', process.execPath],
    ['os.name', os.type()],
    ['os.arch', os.arch()],
    ['os.version', os.release()],
    ['user.dir', process.cwd()],
    ['os.memory.free', megabytes(heapTotal - heapUsed)],
    ['os.memory.total', megabytes(heapTotal)],
  ];
  return `Environment:\n${rows.map(([name, value]) => `${name}=${value}\n`).join('')}`;
}
