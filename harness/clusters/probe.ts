// A probe asks one question of the network: do bytes get from here to there and back? It runs in a
// node's network namespace or process, so it sees exactly what the node's own connections see.
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Where every node echoes probes, seen from its peers. Below the kernels' ephemeral ports. */
export const PROBE_PORT = 31_002;
/** Where a holder takes orders. */
export const CONTROL_PORT = 31_001;

const PING = 'chaos?';

/** How a probe ended, with the time it took. */
export interface ProbeResult {
  ok: boolean;
  /** `echo`, or what went wrong: `timeout`, an error's code, `closed`. */
  how: string;
  ms: number;
}

/** A server that sends back what it gets. It does not keep its process alive. */
export function echoServer(): Server {
  const server = createServer((socket: Socket) => {
    socket.unref();
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  server.unref();
  return server;
}

/** Connects, sends a few bytes and waits for their echo, all within `timeoutMs`. Never rejects. */
export function probe(host: string, port: number, timeoutMs: number): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const start = process.hrtime.bigint();
    const socket = connect({ host, port });
    let received = '';
    const finish = (ok: boolean, how: string): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on('error', () => {});
      socket.destroy();
      resolve({ ok, how, ms: Math.round(Number(process.hrtime.bigint() - start) / 1e4) / 100 });
    };
    const timer = setTimeout(() => finish(false, 'timeout'), timeoutMs);
    socket.on('connect', () => socket.write(PING));
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1');
      if (received === PING) finish(true, 'echo');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => finish(false, error.code ?? 'error'));
    socket.on('close', () => finish(false, 'closed'));
  });
}
