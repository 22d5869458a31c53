// The figures a server gives, each named and explained once: mntr prints them, and so do the metrics
// in Prometheus' format. Names are ZooKeeper's where it has one.
import type { ServerFacts } from './server-facts.ts';

/** One figure. */
export interface MetricRow {
  /** Without a prefix. */
  name: string;
  value: number;
  type: 'counter' | 'gauge';
  help: string;
}

function gauge(name: string, value: number, help: string): MetricRow {
  return { name, value, type: 'gauge', help };
}

function counter(name: string, value: number, help: string): MetricRow {
  return { name, value, type: 'counter', help };
}

/** The figures of the service. */
export function monitorRows(facts: ServerFacts): MetricRow[] {
  const { status, traffic } = facts;
  const rows = [
    gauge('avg_latency', traffic.latencyMsMean, 'mean time from request to answer, ms'),
    gauge('max_latency', traffic.latencyMsMax, 'longest time from request to answer, ms'),
    gauge('min_latency', traffic.latencyMsMin, 'shortest time from request to answer, ms'),
    counter('packets_received', traffic.received, 'frames taken from clients'),
    counter('packets_sent', traffic.sent, 'frames put for clients'),
    gauge('num_alive_connections', facts.connectionCount, 'connections with a session'),
    gauge('outstanding_requests', facts.outstanding, 'requests taken and not answered'),
    gauge('unsent_bytes', facts.unsentBytes, 'output that waits for slow clients'),
    counter('connection_rejected', facts.refused, 'connections refused by a limit'),
    counter('connection_drop_count', facts.closed, 'connections closed with a reason'),
    gauge('znode_count', facts.nodes, 'znodes in the tree'),
    gauge('watch_count', facts.watches, 'watches set at this server'),
    gauge('ephemerals_count', facts.ephemerals, 'ephemeral znodes in the tree'),
    gauge('approximate_data_size', facts.dataBytes, 'bytes of paths and data in the tree'),
    gauge('global_sessions', facts.sessions, 'sessions of the ensemble'),
    gauge('quorum_size', status.voters, 'voters of the ensemble'),
    gauge('epoch', status.epoch, 'term of the leader that this server knows'),
    gauge('uptime', Math.round(facts.uptimeMs), 'time since the start of the server, ms'),
  ];
  if (status.role !== 'leading') return rows;
  const synced = status.syncedFollowers;
  return [
    ...rows,
    gauge('learners', synced + status.syncedObservers, 'servers that follow this leader'),
    gauge('synced_followers', synced, 'followers in step with this leader'),
    gauge('synced_observers', status.syncedObservers, 'learners without a vote in step with it'),
  ];
}

/** The figures of the process, in place of a JVM's. */
export function processRows(): MetricRow[] {
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return [
    gauge('process_resident_memory_bytes', rss, 'memory of the process'),
    gauge('process_heap_used_bytes', heapUsed, 'JavaScript heap in use'),
    gauge('process_heap_total_bytes', heapTotal, 'JavaScript heap taken'),
    gauge('process_external_bytes', external, 'memory of buffers outside of the heap'),
    counter('process_cpu_seconds_total', (user + system) / 1e6, 'processor time of the process'),
  ];
}
