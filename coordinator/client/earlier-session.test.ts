import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { LoneServer } from '../server/lone-server.testing.ts';
import { type ClientOptions, CoordinatorClient, CreateFlag } from './index.ts';

const clients: CoordinatorClient[] = [];
const servers: LoneServer[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.abandon();
  for (const server of servers.splice(0)) await server.front.close();
});

async function serve(): Promise<LoneServer> {
  const server = await new LoneServer().start();
  servers.push(server);
  return server;
}

function client(server: LoneServer, options: Partial<ClientOptions> = {}): CoordinatorClient {
  const made = new CoordinatorClient({ servers: [server.address], retryPauseMs: 1, ...options });
  clients.push(made);
  return made;
}

describe('a session of an earlier client', () => {
  it('is gone on with, and ended with all that hangs on it', async () => {
    const server = await serve();
    // It does not come back by itself, as one whose process is stopped.
    const first = client(server, { oneAttempt: true });
    await first.create('/e', null, { flags: CreateFlag.ephemeral });
    const key = first.sessionKey;
    expect(key.id).toBe(first.sessionId);
    const second = client(server, { earlier: key });
    await second.connect();
    expect(second.sessionId).toBe(key.id);
    expect((await second.exists('/e')).stat?.ephemeralOwner).toBe(key.id);
    expect(await second.close()).toBe(true);
    expect(server.tree.counts().sessions).toBe(0);
    expect((await client(server).exists('/e')).stat).toBeNull();
    // Who had it learns of its end as of an expiry.
    await expect(first.sync('/')).rejects.toMatchObject({ name: 'SessionExpired' });
    expect(first.state).toBe('expired');
  });

  it('is over where the server says so: ended, never there, or with another password', async () => {
    const server = await serve();
    const first = client(server);
    await first.connect();
    const { id, password } = first.sessionKey;
    const wrong = { id, password: randomBytes(password.length) };
    const unheardOf = { id: id + 1_000_000n, password };
    for (const key of [wrong, unheardOf]) {
      const other = client(server, { earlier: key });
      await expect(other.connect()).rejects.toMatchObject({ name: 'SessionExpired' });
      expect(other.state).toBe('expired');
      expect(await other.close()).toBe(true);
    }
    expect((await first.exists('/')).stat).not.toBeNull();
    await first.close();
    const late = client(server, { earlier: { id, password } });
    await expect(late.connect()).rejects.toMatchObject({ name: 'SessionExpired' });
  });

  it('is not said to be over by a close that nobody heard', async () => {
    const server = await serve();
    const first = client(server);
    await first.connect();
    first.drop();
    expect(await first.close()).toBe(false);
    expect(server.tree.counts().sessions).toBe(1);
  });
});
