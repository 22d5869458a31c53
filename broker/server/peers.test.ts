// Requests between brokers over real sockets: answers, silence, a broker that is gone, and one that moved.
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { BrokerInfo } from '../contract.ts';
import { MemoryMetadata, MemoryReplicas } from '../testing.ts';
import { LoneBroker } from './lone-broker.testing.ts';
import { BrokerPeers, PeerError } from './peers.ts';

const OTHER = 2;
const EVENTS = { detailed: false, emit: () => {}, flush: () => {} };

let broker: LoneBroker | undefined;
let mute: Server | undefined;
let peers: BrokerPeers;
afterEach(async () => {
  peers.close();
  await broker?.stop();
  mute?.close();
  broker = undefined;
  mute = undefined;
});

/** Peers that know one other broker; `known` may be changed. */
function knowing(port: number): {
  call: typeof BrokerPeers.prototype.call;
  known: Map<number, BrokerInfo>;
} {
  const known = new Map<number, BrokerInfo>();
  known.set(OTHER, registered(port));
  const metadata = new MemoryMetadata(1, new MemoryReplicas(), known);
  peers = new BrokerPeers({
    metadata,
    events: EVENTS,
    listener: 'INTERNAL',
    clientId: 'broker-1',
    frameBytesMax: 1_000_000,
    timeoutMs: 60_000,
  });
  return { call: peers.call.bind(peers), known };
}

function registered(port: number): BrokerInfo {
  const endpoints = { INTERNAL: { host: '127.0.0.1', port } };
  return { id: OTHER, epoch: 1, endpoints, lossy: false };
}

/** Takes connections and says nothing. */
async function silent(): Promise<number> {
  mute = createServer((socket) => void socket.on('error', () => {})).listen(0, '127.0.0.1');
  await once(mute, 'listening');
  return (mute.address() as { port: number }).port;
}

async function serving(): Promise<LoneBroker> {
  broker = await new LoneBroker().start();
  return broker;
}

describe('peers', () => {
  it('get the answers to what they ask, many at once', async () => {
    const { call } = knowing((await serving()).port('INTERNAL'));
    const answers = await Promise.all(
      [1, 2, 3].map((brokerId) => call(OTHER, 'ControlledShutdown', 3, { brokerId })),
    );
    expect(answers.map(({ errorCode }) => errorCode)).toEqual([0, 0, 0]);
    expect(broker?.shutdowns.map(([id]) => id)).toEqual([1, 2, 3]);
  });

  it('reject for a broker that is not registered, or does not answer in time', async () => {
    const { call } = knowing(await silent());
    const strange = call(9, 'Metadata', 6, { topics: [] });
    await expect(strange).rejects.toThrow(/broker 9: it is not registered/);
    const late = call(OTHER, 'Metadata', 6, { topics: [] }, { timeoutMs: 20 });
    await expect(late).rejects.toThrow(PeerError);
    await expect(late).rejects.toThrow(/no answer within 20 ms/);
  });

  it('give up when they are told to, and ask again at once', async () => {
    const { call, known } = knowing(await silent());
    const giving = new AbortController();
    const asked = call(OTHER, 'Metadata', 6, { topics: [] }, { signal: giving.signal });
    giving.abort();
    await expect(asked).rejects.toThrow(/given up/);
    known.set(OTHER, registered((await serving()).port('INTERNAL')));
    expect((await call(OTHER, 'Metadata', 6, { topics: [] })).brokers).toHaveLength(1);
  });

  it('pause after a failure, and reach a broker that came back', async () => {
    const first = await serving();
    const port = first.port('INTERNAL');
    const { call, known } = knowing(port);
    await call(OTHER, 'Metadata', 6, { topics: [] });
    await first.stop();
    broker = undefined;
    await expect(call(OTHER, 'Metadata', 6, { topics: [] })).rejects.toThrow(PeerError);
    known.set(OTHER, registered((await serving()).port('INTERNAL')));
    for (;;) {
      const answer = await call(OTHER, 'Metadata', 6, { topics: [] }).catch(() => undefined);
      if (answer !== undefined) break;
      await new Promise((resolve) => setImmediate(resolve));
    }
  });
});
