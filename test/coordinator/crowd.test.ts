// A leader with a crowd on it: sessions that do nothing, and clients that ask for much and read nothing.
// It serves the others all the same. CHAOS_CROWD_IDLE and CHAOS_CROWD_SLOW set how many.
import { connect, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { CoordinatorClient } from '../../coordinator/client/index.ts';
import { Op } from '../../coordinator/protocol/codes.ts';
import { PathWatchRequest, RequestHeader } from '../../coordinator/protocol/records.ts';
import { ByteWriter } from '../../wire/bytes.ts';
import { frame } from '../../wire/frames.ts';
import { hello } from '../fuzz/corpus.ts';
import { BareEnsemble, type BareServer } from './bare-ensemble.ts';
import { until } from './ensemble.ts';

const IDLE = Number(process.env.CHAOS_CROWD_IDLE ?? 300);
const SLOW = Number(process.env.CHAOS_CROWD_SLOW ?? 40);
const AT_ONCE = 100;
const READS_EACH = 200;
const NODE_BYTES = 100_000;
const WRITES = 50;
const MINUTES_MAX = 10;

function readFrame(path: string): Buffer {
  const w = new ByteWriter();
  RequestHeader.write(w, { xid: 1, type: Op.getData });
  PathWatchRequest.write(w, { path, watch: false });
  return frame(w.view());
}

/** Connects with a session; resolves at its welcome. */
function open(server: BareServer, at: number): Promise<Socket> {
  const localAddress = `127.0.${1 + (at % 50)}.1`;
  const socket = connect({ host: '127.0.0.1', port: server.ports.client, localAddress });
  socket.setNoDelay(true);
  socket.write(hello());
  return new Promise((resolve, reject) => {
    socket.once('data', () => resolve(socket));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the server hung up before its welcome')));
  });
}

async function crowd(server: BareServer, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    const more = Math.min(AT_ONCE, count - sockets.length);
    const opening = Array.from({ length: more }, (_, i) => open(server, sockets.length + i));
    sockets.push(...(await Promise.all(opening)));
  }
  // The server lets go of slow readers, which is what it should.
  for (const socket of sockets) socket.on('error', () => undefined);
  return sockets;
}

it(
  `serves with ${IDLE} idle sessions and ${SLOW} slow readers`,
  async () => {
    const lines = () => ['minSessionTimeout=300000', 'maxSessionTimeout=600000'];
    await using ensemble = await BareEnsemble.serving({ size: 3, lines });
    const leader = await ensemble.leader();
    const epoch = (await ensemble.figures(leader)).get('epoch');
    const client = new CoordinatorClient({ servers: `127.0.0.1:${leader.ports.client}` });
    await client.create('/large', Buffer.alloc(NODE_BYTES, 1));
    const idle = await crowd(leader, IDLE);
    const slow = await crowd(leader, SLOW);
    const asked = Buffer.concat(Array.from({ length: READS_EACH }, () => readFrame('/large')));
    for (const socket of slow) {
      socket.pause();
      socket.write(asked);
    }
    const began = performance.now();
    for (let i = 0; i < WRITES; i++) await client.setData('/large', Buffer.alloc(NODE_BYTES, i));
    const writeMs = (performance.now() - began) / WRITES;
    const during = await ensemble.figures(leader);
    const allGone = (figures: Map<string, string>) =>
      Number(figures.get('connection_drop_count')) >= SLOW;
    const after = await until('slow readers are let go', () => ensemble.figures(leader), allGone);
    expect(Number(after.get('num_alive_connections'))).toBe(IDLE + 1);
    expect(after.get('epoch')).toBe(epoch);
    expect(await ensemble.state(leader)).toBe('leader');
    ensemble.failIfEnded();
    const megabytes = (name: string) => Math.round(Number(during.get(name)) / 1024 / 1024);
    console.log(
      `${IDLE} idle, ${SLOW} slow: a write of ${NODE_BYTES} bytes took ${writeMs.toFixed(1)} ms; ` +
        `${megabytes('unsent_bytes')} MB unsent, ` +
        `${megabytes('process_resident_memory_bytes')} MB resident`,
    );
    for (const socket of [...idle, ...slow]) socket.destroy();
    await client.close();
  },
  MINUTES_MAX * 60_000,
);
