// Malformed, truncated, oversized and half-sent frames against an ensemble that serves: every bad
// connection is closed with a reason, no server falls or is voted out, memory stays flat, and the
// sessions of others notice nothing. CHAOS_FUZZ_FRAMES=1000000 makes it long.
import { expect, it } from 'vitest';
import { CoordinatorClient, type SessionState } from '../../coordinator/client/index.ts';
import { BareEnsemble, type BareServer } from '../coordinator/bare-ensemble.ts';
import { runStorm } from './storm.ts';

const FRAMES = Number(process.env.CHAOS_FUZZ_FRAMES ?? 6_000);
const SEED = Number(process.env.CHAOS_FUZZ_SEED ?? 1);
const MINUTES_MAX = 30;
const MEGABYTE = 1024 * 1024;
/** The collector's slack: what a server may hold more at the end than after the first part. */
const GROWTH_BYTES_MAX = 150 * MEGABYTE;

/** A client that nothing may happen to: writes, reads and watches until it is told to stop. */
class Witness {
  readonly states: SessionState[] = [];
  readonly #client: CoordinatorClient;
  readonly #path: string;
  #stopping = false;
  writes = 0;
  fired = 0;

  constructor(server: BareServer) {
    const servers = `127.0.0.1:${server.ports.client}`;
    const onState = (state: SessionState) => void this.states.push(state);
    this.#client = new CoordinatorClient({ servers, sessionTimeoutMs: 20_000, onState });
    this.#path = `/witness-of-${server.sid}`;
  }

  async run(): Promise<void> {
    await this.#client.create(this.#path, Buffer.from('0'), { flags: 1 });
    for (let n = 1; !this.#stopping; n++) {
      const before = await this.#client.getData(this.#path, () => {
        this.fired++;
      });
      expect(before.data?.toString()).toBe(String(n - 1));
      await this.#client.setData(this.#path, Buffer.from(String(n)));
      this.writes++;
    }
  }

  async stop(running: Promise<void>): Promise<void> {
    this.#stopping = true;
    await running;
    await this.#client.close();
  }
}

async function figure(ensemble: BareEnsemble, name: string): Promise<number[]> {
  const all = await Promise.all(ensemble.servers.map((server) => ensemble.figures(server)));
  return all.map((figures) => Number(figures.get(name)));
}

it(
  `stands ${FRAMES} bad frames`,
  async () => {
    const lines = () => ['nodeCountLimit=3000', 'dataSizeLimit=50000000', 'snapCount=20000'];
    await using ensemble = await BareEnsemble.serving({ size: 3, lines });
    const { servers } = ensemble;
    const memory = () => figure(ensemble, 'process_resident_memory_bytes');
    const epochs = await figure(ensemble, 'epoch');
    const witnesses = servers.map((server) => new Witness(server));
    const running = witnesses.map((witness) => witness.run());
    const storm = (seed: number, frames: number) =>
      runStorm({ seed, frames, peerFrames: frames / 20, width: 48, servers });

    const began = performance.now();
    // The first part fills caches and the tree up to its bounds.
    const first = await storm(SEED, Math.min(FRAMES / 4, 50_000));
    const memoryBefore = await memory();
    const second = await storm(SEED + 1, FRAMES - first.frames);
    const memoryAfter = await memory();
    const seconds = (performance.now() - began) / 1000;

    ensemble.failIfEnded();
    expect([...first.leftOpen, ...second.leftOpen]).toEqual([]);
    await Promise.all(witnesses.map((witness, at) => witness.stop(running[at] as Promise<void>)));
    for (const { states, writes, fired } of witnesses) {
      expect(states).toEqual(['connecting', 'connected', 'closed']);
      expect(writes).toBeGreaterThan(0);
      expect(fired).toBe(writes);
    }
    expect(await figure(ensemble, 'epoch')).toEqual(epochs);
    const dropped = (await figure(ensemble, 'connection_drop_count')).reduce((a, b) => a + b, 0);
    expect(dropped).toBeGreaterThanOrEqual(first.endedByServer + second.endedByServer);
    const megabytes = (all: number[]) => all.map((bytes) => Math.round(bytes / MEGABYTE)).join(' ');
    console.log(
      `${first.frames + second.frames} frames and ${first.peerFrames + second.peerFrames} to peer ` +
        `ports over ${first.connections + second.connections} connections in ` +
        `${seconds.toFixed(0)} s; ${dropped} closed with a reason, ` +
        `${first.leftHalf + second.leftHalf} left half-sent; memory ${megabytes(memoryBefore)} MB, ` +
        `then ${megabytes(memoryAfter)} MB; ${witnesses.map(({ writes }) => writes).join(' ')} ` +
        'undisturbed writes',
    );
    for (const [at, bytes] of memoryAfter.entries()) {
      expect(bytes).toBeLessThan((memoryBefore[at] as number) + GROWTH_BYTES_MAX);
    }
  },
  MINUTES_MAX * 60_000,
);
