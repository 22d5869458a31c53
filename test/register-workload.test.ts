// The register workload's client against a real front and tree: what it says of every outcome, and that
// a history it records passes the checkers that will judge it.
import { createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { linearizable } from '../checkers/linearizability/index.ts';
import { sessionOrder } from '../checkers/session-order.ts';
import { LoneServer } from '../coordinator/server/lone-server.testing.ts';
import type { Event } from '../history/event.ts';
import { pairOps } from '../history/op.ts';
import type { Completion, OpStep } from '../history/plan.ts';
import type { WorkloadClient, WorkloadContext } from '../history/plugin.ts';
import { Random } from '../history/random.ts';
import type { RunRecord } from '../history/run-record.ts';
import { register } from '../workloads/register.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function serve(): Promise<LoneServer> {
  const server = await new LoneServer().start();
  cleanups.push(() => server.front.close());
  return server;
}

function contextOf(port: number, options: Record<string, number> = {}): WorkloadContext {
  return {
    nodes: ['n1'],
    address: () => ({ host: '127.0.0.1', port }),
    concurrency: 6,
    ratePerSecond: 0,
    timeLimitMs: 1_000,
    seed: 5,
    options: { keys: 4, opsPerKey: 50, ...options },
  };
}

function clientOf(context: WorkloadContext, thread = 0): WorkloadClient {
  const client = register.client(context, thread);
  cleanups.push(() => client.close());
  return client;
}

const op = (f: string, value?: unknown): OpStep => ({ kind: 'op', f, key: 'k0000', value });

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('register client', () => {
  it('shows zxids, versions, session and node of everything that happened', async () => {
    const server = await serve();
    const client = clientOf(contextOf(server.port));
    const created = await client.invoke(op('create', 1));
    const { zxid } = created;
    expect(created).toMatchObject({ type: 'ok', mzxid: zxid, version: 0, node: 'n1' });
    const written = await client.invoke(op('write', 2));
    expect(written).toMatchObject({ type: 'ok', zxid: zxid! + 1, mzxid: zxid! + 1, version: 1 });
    expect(await client.invoke(op('read'))).toEqual({
      type: 'ok',
      value: 2,
      zxid: zxid! + 1,
      syncZxid: zxid! + 1,
      mzxid: zxid! + 1,
      version: 1,
      node: 'n1',
      session: created.session,
    });
    expect(await client.invoke(op('cas', { expected: 1, to: 3 }))).toMatchObject({ version: 2 });
    const refused = await client.invoke(op('cas', { expected: 1, to: 4 }));
    expect(refused).toMatchObject({ type: 'fail', error: 'BadVersion', zxid: zxid! + 3 });
    const again = await client.invoke(op('create', 5));
    expect(again).toMatchObject({ type: 'fail', error: 'NodeExists', zxid: zxid! + 4 });
    const missing = await client.invoke({ ...op('read'), key: 'k9999' });
    expect(missing).toMatchObject({ type: 'fail', error: 'NoNode', syncZxid: zxid! + 4 });
  });

  it('knows nothing of a write whose answer was lost, and fails a read', async () => {
    const server = await serve();
    const context = contextOf(server.port);
    for (const [f, type] of [
      ['write', 'info'],
      ['read', 'fail'],
    ] as const) {
      const client = clientOf(context);
      await client.invoke(op('create', 1));
      server.hold();
      const pending = client.invoke(op(f, 2));
      while (server.held.length === 0) await turn();
      server.front.stopServing('a test');
      const { session } = await pending;
      expect(await pending).toMatchObject({
        type,
        error: expect.stringMatching(/^ConnectionLoss: /),
      });
      server.release();
      server.front.serve();
      // The session goes on at the next operation, and no connection was made before it.
      expect(await client.invoke(op('read'))).toMatchObject({ type: 'ok', value: 2, session });
    }
  });

  it('ends what takes too long: info after it was sent, fail before', async () => {
    const server = await serve();
    const client = clientOf(contextOf(server.port, { opTimeoutMs: 300 }));
    await client.invoke(op('create', 1));
    server.hold();
    const timeout = { error: expect.stringMatching(/^Timeout: /) };
    expect(await client.invoke(op('write', 2))).toMatchObject({ type: 'info', ...timeout });
    const stranger = clientOf(contextOf(server.port, { opTimeoutMs: 50 }));
    expect(await stranger.invoke(op('write', 3))).toMatchObject({ type: 'fail', ...timeout });
    server.release();
  });

  it('fails what no server took, without a connection left behind', async () => {
    const sockets = new Set<Socket>();
    const closing = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.destroy();
    });
    cleanups.push(() => closing.close());
    await new Promise<void>((resolve) => closing.listen(0, '127.0.0.1', resolve));
    const { port } = closing.address() as { port: number };
    const client = clientOf(contextOf(port));
    for (const f of ['write', 'read', 'create']) {
      expect(await client.invoke(op(f, 1))).toMatchObject({
        type: 'fail',
        error: expect.stringMatching(/^ConnectionRefused: /),
      });
    }
    while (sockets.size > 0) await turn();
  });

  it('opens a new session when the last one is over', async () => {
    const server = await serve();
    const client = clientOf(contextOf(server.port));
    const { session } = await client.invoke(op('create', 1));
    server.expire(Number.parseInt(session ?? '', 16));
    let result = await client.invoke(op('read'));
    while (result.type !== 'ok') result = await client.invoke(op('read'));
    expect(result.session).not.toBe(session);
  });
});

describe('register workload', () => {
  it('records a history that its checkers find right', async () => {
    const server = await serve();
    const context = contextOf(server.port);
    const history: Event[] = [];
    const start = process.hrtime.bigint();
    const record = (event: Omit<Event, 'index' | 'time'>) => {
      const time = Number(process.hrtime.bigint() - start);
      const full = { ...event, index: history.length, time };
      history.push(full);
      return full;
    };
    const told = new Map<number, Completion>();
    const run = async (thread: number, plan: ReturnType<typeof register.load>, count: number) => {
      const client = clientOf(context, thread);
      let result = plan.next(told.get(thread) as Completion);
      for (let i = 0; result.done !== true; ) {
        const { kind, ...step } = result.value as OpStep;
        expect(kind).toBe('op');
        record({ process: thread, type: 'invoke', ...step });
        const outcome = await client.invoke({ kind, ...step });
        const event = record({ process: thread, ...step, ...outcome });
        told.set(thread, { kind: 'op', event });
        if (++i === count) return;
        result = plan.next({ kind: 'op', event });
      }
    };
    record({ process: 'harness', type: 'info', f: 'phase', value: 'setup' });
    await run(0, register.setup(context, 0), 100);
    told.clear();
    const load = (thread: number) => register.load(context, thread, new Random(5, `t${thread}`));
    const plans = Array.from({ length: 6 }, (_, thread) => load(thread));
    for (const phase of ['warmup', 'faults', 'heal']) {
      record({ process: 'harness', type: 'info', f: 'phase', value: phase });
      await Promise.all(plans.map((plan, thread) => run(thread, plan, 150)));
    }
    const ops = pairOps(history);
    const cas = ops.filter(({ f }) => f === 'cas');
    expect(cas.filter(({ type }) => type === 'ok').length).toBeGreaterThan(20);
    const config = { seed: 1 } as RunRecord['config'];
    const judged: RunRecord = {
      config,
      history,
      ops,
      nodeEvents: [],
      nodeEventGaps: [],
      faults: [],
    };
    for (const checker of [linearizable, sessionOrder]) {
      const verdict = await checker.check(judged);
      expect(verdict.anomalies).toEqual([]);
      expect(verdict).toMatchObject({ outcome: 'valid' });
    }
  });
});
