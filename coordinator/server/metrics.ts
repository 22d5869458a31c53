// Metrics in Prometheus' text format and a health check over HTTP, for monitoring systems. It is open
// only where metricsProvider.httpPort says so, and answers few questions at a time.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type MetricRow, monitorRows, processRows } from './metric-rows.ts';
import { modeOf, type ServerFacts } from './server-facts.ts';
import { LATENCY_BUCKETS_MS, type LatencyHistogram } from './traffic.ts';

const CONNECTIONS_MAX = 16;
const HEADER_BYTES_MAX = 8 * 1024;
const REQUEST_MS_MAX = 5_000;
const TEXT = 'text/plain; version=0.0.4; charset=utf-8';

function histogram(name: string, help: string, latencies: LatencyHistogram): string {
  let below = 0;
  const buckets = LATENCY_BUCKETS_MS.map((bound, at) => {
    below += latencies.buckets[at] as number;
    return `${name}_bucket{le="${bound}"} ${below}\n`;
  });
  return [
    `# HELP ${name} ${help}\n# TYPE ${name} histogram\n`,
    ...buckets,
    `${name}_bucket{le="+Inf"} ${latencies.count}\n`,
    `${name}_sum ${latencies.sumMs}\n${name}_count ${latencies.count}\n`,
  ].join('');
}

function line({ name, help, type, value }: MetricRow): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`;
}

/** All figures in Prometheus' text format, version 0.0.4. */
export function prometheusText(facts: ServerFacts): string {
  const modes = ['leader', 'follower', 'observer', 'read-only', 'looking'].map(
    (mode) => `server_state{state="${mode}"} ${modeOf(facts) === mode ? 1 : 0}\n`,
  );
  return [
    ...[...monitorRows(facts), ...processRows()].map(line),
    '# HELP serving whether clients are served, 1 or 0\n# TYPE serving gauge\n',
    `serving ${facts.serving ? 1 : 0}\n`,
    '# HELP server_state the role of this server\n# TYPE server_state gauge\n',
    ...modes,
    histogram('readlatency', 'time from a read to its answer, ms', facts.reads),
    histogram('updatelatency', 'time from a write or sync to its answer, ms', facts.writes),
  ].join('');
}

/** Serves `/metrics` and `/health`. Rejects when the port cannot be had. */
export async function serveMetrics(
  at: { host: string; port: number },
  facts: () => ServerFacts,
): Promise<Server> {
  const server = createServer({ maxHeaderSize: HEADER_BYTES_MAX }, (request, response) => {
    answer(request, response, facts);
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.headersTimeout = REQUEST_MS_MAX;
  server.requestTimeout = REQUEST_MS_MAX;
  server.keepAliveTimeout = REQUEST_MS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
  return server;
}

function answer(request: IncomingMessage, response: ServerResponse, facts: () => ServerFacts) {
  const path = (request.url ?? '').split('?')[0];
  const reply = (status: number, type: string, body: string) => {
    response.writeHead(status, { 'content-type': type });
    response.end(request.method === 'HEAD' ? undefined : body);
  };
  // What a probe sends along is of no use here.
  request.resume();
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    reply(405, 'text/plain', 'expected GET or HEAD\n');
  } else if (path === '/metrics') reply(200, TEXT, prometheusText(facts()));
  else if (path === '/health') {
    const seen = facts();
    const { serving, status, lastApplied } = seen;
    const health = { serving, role: modeOf(seen), epoch: status.epoch, lastApplied };
    reply(serving ? 200 : 503, 'application/json', `${JSON.stringify(health)}\n`);
  } else reply(404, 'text/plain', 'known are /metrics and /health\n');
}
