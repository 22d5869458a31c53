// The ephemeral workload's client against a real front and tree: what it says of every outcome, and that
// sessions are dropped, carried over and closed as it says.
import { afterEach, describe, expect, it } from 'vitest';
import { LoneServer } from '../coordinator/server/lone-server.testing.ts';
import type { OpStep } from '../history/plan.ts';
import type { OpResult, WorkloadClient, WorkloadContext } from '../history/plugin.ts';
import { directory, ephemeral } from '../workloads/ephemeral.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const DIRECTORY = directory(0);

async function serve(): Promise<LoneServer> {
  const server = await new LoneServer().start();
  cleanups.push(() => server.front.close());
  return server;
}

function clientOf(server: LoneServer, thread = 0, concurrency = 1): WorkloadClient {
  const context: WorkloadContext = {
    nodes: ['n1', 'n2'],
    address: () => server.address,
    concurrency,
    ratePerSecond: 0,
    timeLimitMs: 1_000,
    seed: 1,
    options: { sessionTimeoutMs: 20_000, opTimeoutMs: 2_000 },
  };
  const client = ephemeral.client(context, thread);
  cleanups.push(() => client.close());
  return client;
}

const op = (f: string, rest: Partial<OpStep> = {}): OpStep => ({ kind: 'op', f, ...rest });
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Made ready: the directory is there and the client has a session. */
async function ready(): Promise<{ server: LoneServer; client: WorkloadClient; opened: OpResult }> {
  const server = await serve();
  const client = clientOf(server);
  const created = await client.invoke(op('create', { key: DIRECTORY, value: 0 }));
  expect(created).toMatchObject({ type: 'ok', version: 0, node: 'n1' });
  return { server, client, opened: await client.invoke(op('open')) };
}

const create = (client: WorkloadClient, name: string, sequential = false) =>
  client.invoke(op('create-ephemeral', { key: `${DIRECTORY}/${name}`, value: { sequential } }));

const list = async (client: WorkloadClient) =>
  (await client.invoke(op('children', { key: DIRECTORY }))).value;

describe('ephemeral client', () => {
  it('shows session, node and zxid of all that happened', async () => {
    const { client, opened } = await ready();
    expect(opened).toMatchObject({ type: 'ok', value: { timeoutMs: 20_000 }, node: 'n1' });
    const { session } = opened;
    const made = await create(client, 'a');
    expect(made).toMatchObject({ type: 'ok', value: { path: `${DIRECTORY}/a` }, session });
    const second = await create(client, 's-', true);
    expect((second.value as { path: string }).path).toMatch(/\/s-\d{10}$/);
    const key = `${DIRECTORY}/a`;
    const owned = { type: 'ok', value: { exists: true, owner: session }, zxid: second.zxid };
    expect(await client.invoke(op('exists', { key }))).toMatchObject({ ...owned, node: 'n1' });
    const missing = await client.invoke(op('exists', { key: `${DIRECTORY}/b` }));
    expect(missing).toMatchObject({ type: 'ok', value: { exists: false } });
    expect(await list(client)).toHaveLength(2);
    expect(await create(client, 'a')).toMatchObject({ type: 'fail', error: 'NodeExists' });
    const written = await client.invoke(op('write', { key: DIRECTORY, value: 7 }));
    expect(written).toMatchObject({ type: 'ok', version: 1, session });
    const read = await client.invoke(op('read', { key: DIRECTORY, node: 'n2' }));
    expect(read).toMatchObject({ type: 'ok', value: 7, version: 1, node: 'n2' });
    expect(read.mzxid).toBe(written.mzxid);
    expect(read.session).not.toBe(session);
  });

  it('closes with creations around the close: the one behind is never made', async () => {
    const { client, opened } = await ready();
    await create(client, 'a');
    const around = { before: `${DIRECTORY}/before`, after: `${DIRECTORY}/after` };
    const closed = await client.invoke(op('close', { value: around }));
    expect(closed).toMatchObject({
      type: 'ok',
      session: opened.session,
      value: { around: [around.before, around.after] },
    });
    expect(await client.invoke(op('close'))).toEqual({ type: 'fail', error: 'NoSession' });
    const next = await client.invoke(op('open'));
    expect(next.session).not.toBe(opened.session);
    expect(await list(client)).toEqual([]);
  });

  it('gives a session up without a word: it lives until the servers let it expire', async () => {
    const { server, client, opened } = await ready();
    await create(client, 'a');
    const burst = [`${DIRECTORY}/b`, `${DIRECTORY}/c`];
    const given = await client.invoke(op('abandon', { value: { burst } }));
    expect(given).toEqual({ type: 'ok', value: { burst }, session: opened.session });
    const observed = () => client.invoke(op('children', { key: DIRECTORY, node: 'n2' }));
    let names = (await observed()).value as string[];
    while (names.length < 3) names = (await observed()).value as string[];
    expect(names).toEqual(['a', 'b', 'c']);
    server.expire(Number.parseInt(opened.session ?? '', 16));
    expect((await observed()).value).toEqual([]);
    expect(await client.invoke(op('reattach', { value: { node: 'n2' } }))).toEqual({
      type: 'fail',
      error: 'NoSession',
    });
  });

  it('carries its session over to another server on a new connection', async () => {
    const { server, client, opened } = await ready();
    await create(client, 'a');
    const { session } = opened;
    const before = server.eventNames.filter((ev) => ev === 'sessionAttached').length;
    const back = await client.invoke(op('reattach', { value: { node: 'n2' } }));
    const place = { node: 'n2', session, connection: 2 };
    expect(back).toEqual({ type: 'ok', value: { node: 'n2' }, ...place });
    const attached = server.eventNames.filter((ev) => ev === 'sessionAttached').length;
    expect(attached).toBe(before + 1);
    expect(await list(client)).toEqual(['a']);
    expect((await create(client, 'b')).node).toBe('n2');
  });

  it('says so when the session that it comes back with is over', async () => {
    const { server, client, opened } = await ready();
    server.front.stopServing('a test');
    server.expire(Number.parseInt(opened.session ?? '', 16));
    server.front.serve();
    let told = await client.invoke(op('reattach', { value: { node: 'n2' } }));
    // Until it has seen its connection end it can still be told that.
    while (told.error?.startsWith('ConnectionLoss')) {
      told = await client.invoke(op('reattach', { value: { node: 'n2' } }));
    }
    const { session } = opened;
    const error = expect.stringMatching(/^SessionExpired/);
    expect(told).toMatchObject({ type: 'fail', error, session });
    expect((await client.invoke(op('children', { key: DIRECTORY }))).session).not.toBe(session);
  });

  it('knows nothing of a creation or a close whose answer was lost, and fails a look', async () => {
    for (const [f, type] of [
      ['create-ephemeral', 'info'],
      ['close', 'info'],
      ['write', 'info'],
      ['read', 'fail'],
    ] as const) {
      const { server, client, opened } = await ready();
      server.hold();
      const value = f === 'write' ? 1 : f === 'create-ephemeral' ? { sequential: false } : {};
      const pending = client.invoke(op(f, { key: `${DIRECTORY}`, value }));
      while (server.held.length === 0) await turn();
      server.front.stopServing('a test');
      const error = expect.stringMatching(/^ConnectionLoss: /);
      expect(await pending).toMatchObject({ type, error, session: opened.session });
      server.release();
    }
  });

  it('of a keeper comes back by itself', async () => {
    const server = await serve();
    const client = clientOf(server, 4, 5);
    const { session } = await client.invoke(op('open'));
    server.front.stopServing('a test');
    server.front.serve();
    const seen = () => server.eventNames.filter((ev) => ev === 'sessionAttached').length;
    while (seen() < 2) await turn();
    const looked = await client.invoke(op('exists', { key: '/' }));
    expect(looked).toMatchObject({ type: 'ok', session });
  });

  it('refuses what it does not know', async () => {
    const { client } = await ready();
    await expect(client.invoke(op('swim', { key: DIRECTORY }))).rejects.toThrow(/swim; known: /);
    await expect(client.invoke(op('exists'))).rejects.toThrow(/expected a path/);
  });
});
