// Malformed, truncated, oversized, half-sent and merely odd requests against three brokers that serve: every bad
// connection is closed with a reason, no broker falls or loses a leadership, memory stays flat, and clients that
// do no wrong lose nothing. CHAOS_FUZZ_FRAMES=100000 makes it long.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { expect, it } from 'vitest';
import { BrokerClient, type ClusterImage, type Endpoint } from '../../broker/client/index.ts';
import { apiNameOf, type VersionRanges } from '../../wire/kafka/apis.ts';
import { decodeResponse } from '../../wire/kafka/protocol.ts';
import { batchesOf, verifyBatch } from '../../wire/kafka/record-batch.ts';
import { BrokerProcesses } from '../broker/brokers.testing.ts';
import { FUZZED_PARTITIONS, FUZZED_TOPIC, LAST, STRANGE_BROKER } from './broker-corpus.ts';
import { type Door, runBrokerStorm, type StormResult } from './broker-storm.ts';

const FRAMES = Number(process.env.CHAOS_FUZZ_FRAMES ?? 4_000);
const SEED = Number(process.env.CHAOS_FUZZ_SEED ?? 1);
const MINUTES_MAX = 30;
const MEGABYTE = 1024 * 1024;
/** The collector's slack: what a broker may hold more at the end than after the first part. */
const GROWTH_BYTES_MAX = 150 * MEGABYTE;
const TIMEOUT_MS = 20_000;
const IDS = [1, 2, 3];
const TOPIC = 'undisturbed';
/** Connections that say nothing, for all of the time. */
const SILENT = 30;
/** Connections that the brokers may have made among themselves meanwhile, one to and from each other. */
const BETWEEN_BROKERS_MAX = 4;
/** What a bounded log of a second may hold, and lines that are not a client's doing. */
const LINES_A_SECOND_MAX = 60;

async function spokenAt(port: number): Promise<VersionRanges> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.write(LAST);
  const frame = await new Promise<Buffer>((resolve, reject) => {
    let heard = Buffer.alloc(0);
    socket.once('error', reject);
    socket.on('data', (chunk) => {
      heard = Buffer.concat([heard, chunk]);
      if (heard.length >= 4 && heard.length >= 4 + heard.readInt32BE(0)) resolve(heard.subarray(4));
    });
  });
  socket.destroy();
  const { apiKeys } = decodeResponse('ApiVersions', 0, frame);
  return Object.fromEntries(
    apiKeys.map(({ apiKey, minVersion: min, maxVersion: max }) => [
      apiNameOf(apiKey),
      { min, max },
    ]),
  );
}

/** A client that nothing may happen to: each attempt to write and read a message has to succeed. */
class Witness {
  readonly values: string[] = [];
  readonly #client: BrokerClient;
  readonly #leader: Endpoint;
  readonly #of: { topic: string; partition: number };
  #stopping = false;

  constructor(client: BrokerClient, leader: Endpoint, partition: number) {
    this.#client = client;
    this.#leader = leader;
    this.#of = { topic: TOPIC, partition };
  }

  /** Waits until the leader knows that it leads: a fresh one is refused for a moment. */
  async ready(): Promise<void> {
    const end = () => this.#client.listOffset(this.#leader, this.#of, -1, TIMEOUT_MS).catch(String);
    await expect.poll(end, { timeout: TIMEOUT_MS }).toBe(0);
  }

  async run(): Promise<void> {
    while (!this.#stopping) {
      const value = `${this.#of.partition}:${this.values.length}`;
      const records = [{ timestampMs: Date.now(), value: Buffer.from(value) }];
      const at = await this.#client.produce(this.#leader, this.#of, records, TIMEOUT_MS);
      expect(at).toBe(this.values.length);
      this.values.push(value);
      const [read] = await this.#read(at);
      expect(read).toBe(value);
    }
  }

  async #read(offset: number): Promise<string[]> {
    const wanted = [{ ...this.#of, offset }];
    const [fetched] = await this.#client.fetch(this.#leader, wanted, 1_000, TIMEOUT_MS);
    expect(fetched?.error).toBeUndefined();
    return (fetched?.records ?? []).map((record) => String(record.value));
  }

  /** Stops, and reads everything from the beginning. */
  async stop(running: Promise<void>): Promise<string[]> {
    this.#stopping = true;
    await running;
    const all: string[] = [];
    while (all.length < this.values.length) {
      const more = await this.#read(all.length);
      if (more.length === 0) break;
      all.push(...more);
    }
    return all;
  }
}

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024;
}

function sockets(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:');
    } catch {
      // Closed between the two looks.
      return false;
    }
  }).length;
}

async function silentOnes(ports: readonly number[]): Promise<Socket[]> {
  const all = Array.from({ length: SILENT }, (_, at) =>
    connect({ port: ports[at % ports.length] as number, host: '127.0.0.1' }),
  );
  await Promise.all(all.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
  return all;
}

/** Ends of the fuzzed partitions: as consumers see them, or as brokers do on their own listener. */
async function ends(client: BrokerClient, leaders: readonly Endpoint[], replicaId: number) {
  const asked = leaders.map(async (leader, partitionIndex) => {
    const topics = [{ name: FUZZED_TOPIC, partitions: [{ partitionIndex, timestamp: -1 }] }];
    const answer = await client.ask(leader, 'ListOffsets', { replicaId, topics }, TIMEOUT_MS);
    return answer.topics[0]?.partitions[0]?.offset;
  });
  return await Promise.all(asked);
}

/** Waits until consumers see all that was appended: it is replicated, acknowledged or not. */
async function allSeen(client: BrokerClient, brokers: BrokerProcesses, image: ClusterImage) {
  const leaders = Array.from({ length: FUZZED_PARTITIONS }, (_, partition) => {
    return image.partitions.get(`${FUZZED_TOPIC}-${partition}`)?.leader ?? -1;
  });
  const outer = leaders.map((id) => image.brokers.get(id) as Endpoint);
  const inner = leaders.map((id) => ({ host: '127.0.0.1', port: brokers.portsOf(id).internal }));
  const appended = await ends(client, inner, STRANGE_BROKER);
  await expect.poll(() => ends(client, outer, -1), { timeout: TIMEOUT_MS }).toEqual(appended);
}

/** Reads all that the storm left in its topic, batch by batch, and sums every one. */
async function readFuzzed(client: BrokerClient, image: ClusterImage): Promise<number> {
  let records = 0;
  for (let partition = 0; partition < FUZZED_PARTITIONS; partition++) {
    const view = image.partitions.get(`${FUZZED_TOPIC}-${partition}`);
    const leader = image.brokers.get(view?.leader ?? -1) as Endpoint;
    let offset = 0;
    for (;;) {
      const partitions = [{ partition, fetchOffset: offset, partitionMaxBytes: MEGABYTE }];
      const topics = [{ topic: FUZZED_TOPIC, partitions }];
      const answer = await client.ask(
        leader,
        'Fetch',
        { maxWaitMs: 0, minBytes: 0, topics },
        TIMEOUT_MS,
      );
      const found = answer.responses[0]?.partitions[0];
      expect(found?.errorCode).toBe(0);
      let next = offset;
      for (const { bytes } of batchesOf(found?.records ?? Buffer.alloc(0))) {
        const { baseOffset, lastOffset, recordCount } = verifyBatch(bytes);
        expect(baseOffset).toBe(next);
        next = lastOffset + 1;
        records += recordCount;
      }
      if (next === offset) {
        expect(next).toBe(found?.highWatermark);
        break;
      }
      offset = next;
    }
  }
  return records;
}

/** Waits until every replica of every partition is in sync. */
async function allInSync(client: BrokerClient): Promise<ClusterImage> {
  let image: ClusterImage | undefined;
  const lagging = async (): Promise<string[]> => {
    const found = await client.metadata([TOPIC, FUZZED_TOPIC], TIMEOUT_MS);
    image = found;
    return [...found.partitions].flatMap(([name, { isr }]) => (isr.length < 3 ? [name] : []));
  };
  await expect.poll(lagging, { timeout: TIMEOUT_MS }).toEqual([]);
  return image as ClusterImage;
}

const leaderships = ({ partitions }: ClusterImage) =>
  [...partitions].map(([name, { leader, leaderEpoch }]) => `${name} ${leader} ${leaderEpoch}`);

function checkLogs(
  brokers: BrokerProcesses,
  storms: readonly StormResult[],
  seconds: number,
): void {
  let closed = 0;
  for (const id of IDS) {
    const output = brokers.outputOf(id);
    expect(output.split('\n').filter((line) => /a request failed/.test(line))).toEqual([]);
    expect(output).not.toMatch(/a request failed|stopping|unhandled/i);
    const reasons = brokers.eventsOf(id).filter(({ ev }) => ev === 'connectionClosed');
    for (const { reason } of reasons) expect(reason).toMatch(/\w/);
    closed += reasons.length;
    const lines = output.split('\n').length;
    expect(lines).toBeLessThan(100 + LINES_A_SECOND_MAX * (seconds + 2));
    expect(output).toMatch(/connection of \S+ closed: expected/);
  }
  const ended = storms.reduce((sum, { endedByBroker }) => sum + endedByBroker, 0);
  expect(closed).toBeGreaterThanOrEqual(ended);
}

it(
  `brokers stand ${FRAMES} bad frames`,
  async () => {
    const brokers = new BrokerProcesses({
      'min.insync.replicas': '2',
      'auto.create.topics.enable': 'false',
    });
    const bootstrap: Endpoint[] = [];
    const client = new BrokerClient({ bootstrap, clientId: 'witness' });
    const silent: Socket[] = [];
    try {
      await brokers.start();
      const ports = IDS.map((id) => brokers.portsOf(id));
      bootstrap.push(...ports.map(({ external: port }) => ({ host: '127.0.0.1', port })));
      for (const [name, count] of [
        [TOPIC, 3],
        [FUZZED_TOPIC, FUZZED_PARTITIONS],
      ] as const)
        await client.createTopic(name, count, 3, {}, TIMEOUT_MS);
      const doors: Door[] = [];
      for (const { external, internal } of ports)
        for (const port of [external, internal]) doors.push({ port, spoken: await spokenAt(port) });
      const image = await allInSync(client);
      const pids = IDS.map((id) => brokers.pidOf(id));
      const memory = () => pids.map(residentBytes);
      const witnesses = [0, 1, 2].map((partition) => {
        const leader = image.partitions.get(`${TOPIC}-${partition}`)?.leader ?? -1;
        return new Witness(client, image.brokers.get(leader) as Endpoint, partition);
      });
      await Promise.all(witnesses.map((witness) => witness.ready()));
      const running = witnesses.map((witness) => witness.run());
      // How each ended is told when it is awaited.
      for (const each of running) each.catch(() => undefined);
      const socketsBefore = pids.map(sockets);
      silent.push(...(await silentOnes(doors.map(({ port }) => port))));

      const began = performance.now();
      // The first part fills caches.
      const firstFrames = Math.min(FRAMES / 4, 20_000);
      const storm = (seed: number, frames: number) =>
        runBrokerStorm({ seed, frames, width: 32, doors });
      const first = await storm(SEED, firstFrames);
      const memoryBefore = memory();
      const second = await storm(SEED + 1, FRAMES - firstFrames);
      const memoryAfter = memory();
      const seconds = (performance.now() - began) / 1000;

      expect([...first.faults, ...second.faults]).toEqual([]);
      expect(IDS.map((id) => brokers.pidOf(id))).toEqual(pids);
      for (const socket of silent) {
        expect(socket.destroyed).toBe(false);
        socket.destroy();
      }
      const read = await Promise.all(
        witnesses.map((each, at) => each.stop(running[at] as Promise<void>)),
      );
      expect(read).toEqual(witnesses.map(({ values }) => values));
      const left = () => pids.map((pid, at) => sockets(pid) - (socketsBefore[at] as number));
      const most = (all: readonly number[]) => Math.max(...all);
      await expect
        .poll(() => most(left()), { timeout: TIMEOUT_MS })
        .toBeLessThanOrEqual(BETWEEN_BROKERS_MAX);
      const after = await allInSync(client);
      expect(leaderships(after)).toEqual(leaderships(image));
      await allSeen(client, brokers, after);
      const fuzzed = await readFuzzed(client, after);
      checkLogs(brokers, [first, second], seconds);
      report([first, second], { seconds, memoryBefore, memoryAfter, witnesses, fuzzed });
      for (const [at, bytes] of memoryAfter.entries())
        expect(bytes).toBeLessThan((memoryBefore[at] as number) + GROWTH_BYTES_MAX);

      // What was taken in has to be read again by who starts anew, after a kill and after a stop.
      await brokers.end(1, 'SIGKILL');
      expect(await brokers.end(2, 'SIGTERM')).toBe(0);
      await Promise.all([brokers.startBroker(1), brokers.startBroker(2)]);
      expect(await readFuzzed(client, await allInSync(client))).toBe(fuzzed);
    } finally {
      for (const socket of silent) socket.destroy();
      client.close();
      await brokers.stop();
    }
  },
  MINUTES_MAX * 60_000,
);

interface Figures {
  readonly seconds: number;
  readonly memoryBefore: readonly number[];
  readonly memoryAfter: readonly number[];
  readonly witnesses: readonly Witness[];
  readonly fuzzed: number;
}

function report(storms: readonly StormResult[], figures: Figures): void {
  const sum = (pick: (storm: StormResult) => number) =>
    storms.reduce((all, each) => all + pick(each), 0);
  const megabytes = (all: readonly number[]) =>
    all.map((bytes) => Math.round(bytes / MEGABYTE)).join(' ');
  const produced = new Map<string, number>();
  for (const [name, count] of storms.flatMap((storm) => [...storm.produced]))
    produced.set(name, (produced.get(name) ?? 0) + count);
  console.log(
    `${sum(({ frames }) => frames)} frames over ${sum(({ connections }) => connections)} connections in ` +
      `${figures.seconds.toFixed(0)} s; ${sum(({ answered }) => answered)} answered, ` +
      `${sum(({ endedByBroker }) => endedByBroker)} closed with a reason, ` +
      `${sum(({ leftHalf }) => leftHalf)} left half-sent, ${sum(({ leftWaiting }) => leftWaiting)} left ` +
      `waiting; memory ${megabytes(figures.memoryBefore)} MB, then ${megabytes(figures.memoryAfter)} MB; ` +
      `${figures.witnesses.map(({ values }) => values.length).join(' ')} undisturbed writes; ` +
      `${figures.fuzzed} records kept; produced ${JSON.stringify(Object.fromEntries(produced))}`,
  );
}
