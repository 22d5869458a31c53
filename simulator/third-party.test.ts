// Other people's code in the simulator: ioredis, an unmodified package from npm, against a few lines of
// server, under a partition. What it does there it does again, to the last event, from the same seed.
import { describe, expect, it } from 'vitest';
import { type Simulation, simulate } from './index.ts';
import { runs } from './testing.ts';

/** Speaks enough of Redis' protocol (RESP2) for SET, GET and INCR. */
const SERVER = `
  import net from 'node:net';
  const data = new Map();
  const bulk = (text) => text === undefined ? '$-1\\r\\n' : '$' + text.length + '\\r\\n' + text + '\\r\\n';
  const commands = {
    hello: () => '-NOPROTO unsupported protocol version\\r\\n',
    info: () => bulk('redis_version:7.0.0\\r\\nloading:0\\r\\n'),
    set: (key, value) => { data.set(key, value); return '+OK\\r\\n'; },
    get: (key) => bulk(data.get(key)),
    incr: (key) => {
      const value = Number(data.get(key) ?? 0) + 1;
      data.set(key, String(value));
      return ':' + value + '\\r\\n';
    },
  };
  net.createServer((socket) => {
    console.log('accepted');
    let text = '';
    socket.setEncoding('utf8');
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      text += chunk;
      for (;;) {
        const found = /^\\*(\\d+)\\r\\n/.exec(text);
        if (found === null) return;
        let rest = text.slice(found[0].length);
        const words = [];
        while (words.length < Number(found[1])) {
          const size = /^\\$(\\d+)\\r\\n/.exec(rest);
          const from = size?.[0].length ?? 0;
          if (size === null || rest.length < from + Number(size[1]) + 2) return;
          words.push(rest.slice(from, from + Number(size[1])));
          rest = rest.slice(from + Number(size[1]) + 2);
        }
        text = rest;
        const [name, ...args] = words;
        const command = commands[name.toLowerCase()];
        socket.write(command === undefined ? '-ERR unknown command\\r\\n' : command(...args));
      }
    });
  }).listen(6379);
`;

/** Counts with INCR, and tells what its connection goes through. */
const CLIENT = `
  import { Redis } from 'ioredis';
  const redis = new Redis({
    host: 'redis',
    connectTimeout: 1000,
    maxRetriesPerRequest: null,
    retryStrategy: () => 200,
    autoResendUnfulfilledCommands: true,
    ...JSON.parse(process.env.OPTIONS ?? '{}'),
  });
  for (const event of ['connect', 'ready', 'close', 'reconnecting']) {
    redis.on(event, () => console.log(event));
  }
  redis.on('error', (error) => console.log('error', error.code ?? error.message));
  export const incr = (key) => redis.incr(key);
  export const set = (key, value) => redis.set(key, value);
  export const get = (key) => redis.get(key);
  export const status = () => redis.status;
`;

interface Client {
  incr(key: string): Promise<number>;
  set(key: string, value: string): Promise<string>;
  get(key: string): Promise<string | null>;
  status(): string;
}

async function started(seed: number, options: object = {}): Promise<Simulation> {
  const env = { OPTIONS: JSON.stringify(options) };
  const sim = simulate({
    seed,
    processes: { redis: await runs(SERVER), client: await runs(CLIENT, { env }) },
  });
  sim.start('redis');
  await sim.runFor(20);
  sim.start('client');
  await sim.runUntil(() => sim.process('client').output().includes('ready'), {
    limitMs: 5_000,
  });
  return sim;
}

function call<T>(sim: Simulation, fn: (client: Client) => T | Promise<T>): Promise<T> {
  return sim.process('client').call(fn);
}

function cutBoth(sim: Simulation, how: 'cut' | 'heal'): void {
  sim.network[how]('client', 'redis');
  sim.network[how]('redis', 'client');
}

/** Commands before, during and after a partition that the client notices; all their results. */
async function partitioned(seed: number) {
  const sim = await started(seed, { socketTimeout: 1000 });
  const before = await sim.runUntil(call(sim, (client) => client.set('key', 'before')));
  cutBoth(sim, 'cut');
  const during = [1, 2, 3].map(() => call(sim, (client) => client.incr('counter')));
  const read = call(sim, (client) => client.get('key'));
  let settled = 0;
  for (const promise of [...during, read]) void promise.then(() => settled++);
  await sim.runFor(10_000);
  const settledUnderCut = settled;
  const underCut = sim.process('client').output();
  cutBoth(sim, 'heal');
  const results = await sim.runUntil(Promise.all([...during, read]));
  return { sim, before, settledUnderCut, underCut, results, summary: sim.summary() };
}

describe('ioredis, unmodified', () => {
  it('talks to a server', async () => {
    const sim = await started(1);
    expect(await sim.runUntil(call(sim, (client) => client.set('key', 'value')))).toBe('OK');
    expect(await sim.runUntil(call(sim, (client) => client.get('key')))).toBe('value');
    expect(await sim.runUntil(call(sim, (client) => client.get('nothing')))).toBeNull();
  });

  it('gives up on a connection under a partition, and ends its commands after the heal', async () => {
    const { sim, before, settledUnderCut, underCut, results } = await partitioned(2);
    expect(before).toBe('OK');
    expect(settledUnderCut).toBe(0);
    expect(underCut).toContain('close');
    expect(underCut.filter((line) => line === 'reconnecting').length).toBeGreaterThan(1);
    expect(results?.[3]).toBe('before');
    // A command without an answer is sent again: what arrived before counts twice, as in reality.
    const counts = results?.slice(0, 3) as number[];
    expect(counts[1]).toBe((counts[0] ?? 0) + 1);
    expect(counts[2]).toBe((counts[0] ?? 0) + 2);
    expect(sim.process('redis').output().length).toBeGreaterThan(1);
  });

  it('queues commands while it has no connection', async () => {
    const sim = await started(3);
    sim.process('redis').kill();
    await sim.runFor(2000);
    expect(await sim.runUntil(call(sim, (client) => client.status()))).not.toBe('ready');
    const queued = call(sim, (client) => client.set('key', 'queued'));
    await sim.runFor(2000);
    sim.start('redis');
    expect(await sim.runUntil(queued)).toBe('OK');
    expect(await sim.runUntil(call(sim, (client) => client.get('key')))).toBe('queued');
  });

  it('does the same from the same seed, and something else from another', async () => {
    const [first, second, other] = [
      await partitioned(4),
      await partitioned(4),
      await partitioned(5),
    ];
    expect(second.summary).toEqual(first.summary);
    expect(other.summary.hash).not.toBe(first.summary.hash);
  });
});
