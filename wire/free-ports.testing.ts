// Ports for servers under test, which are killed and started again. They lie below what systems give to clients
// and what clusters of processes take, and each test worker has its own: nobody gets one while its server is down.
import { createServer, type Server } from 'node:net';

const FIRST = 2_000;
const LANES = 4;
const LANE_PORTS = 1_500;
const ATTEMPTS_MAX = 1_000;

/** Listens on a port of 127.0.0.1; undefined where it is taken. */
function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

/** Distinct ports on 127.0.0.1 that were free a moment ago. Throws when too many are taken. */
export async function freePorts(count: number): Promise<number[]> {
  const lane = Number(process.env.VITEST_POOL_ID ?? 0) % LANES;
  const held = new Map<number, Server>();
  for (let attempt = 0; held.size < count && attempt < ATTEMPTS_MAX; attempt++) {
    const port = FIRST + lane * LANE_PORTS + Math.floor(Math.random() * LANE_PORTS);
    const server = held.has(port) ? undefined : await listen(port);
    if (server !== undefined) held.set(port, server);
  }
  // All are held until the last is found, so that none is given out twice.
  await Promise.all([...held.values()].map((s) => new Promise((resolve) => s.close(resolve))));
  if (held.size < count) {
    const range = `${FIRST + lane * LANE_PORTS} to ${FIRST + (lane + 1) * LANE_PORTS - 1}`;
    throw new Error(`found ${held.size} free ports of ${count} from ${range}; end other servers`);
  }
  return [...held.keys()];
}
