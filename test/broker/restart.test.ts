// A broker that was killed is there again at once: it ends the session that its death left open, instead of
// waiting for it to time out. The timeouts here are longer than any test waits.
import { afterEach, describe, expect, it } from 'vitest';
import type { SessionMemory } from '../../broker/metadata/session.ts';
import type { SessionKey } from '../../coordinator/client/index.ts';
import { BrokerProcesses } from './brokers.testing.ts';
import { MetadataBrokers, until } from './metadata-brokers.ts';

const LIMIT_MS = 120_000;
const NEVER_MS = '600000';

const ended: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const end of ended.splice(0)) await end();
});

async function cluster(): Promise<MetadataBrokers> {
  const made = await MetadataBrokers.start();
  ended.push(() => made.close());
  return made;
}

/** What a disk would keep. */
function memory(): SessionMemory & { key: SessionKey | undefined } {
  return {
    key: undefined,
    recall() {
      return this.key;
    },
    keep(key) {
      this.key = key;
    },
    forget() {
      this.key = undefined;
    },
  };
}

describe('a broker whose earlier life left its session open', () => {
  // The coordinator of these tests lets no session expire by itself.
  it('registers without waiting for it to time out; who still had it is fenced', async () => {
    const brokers = await cluster();
    const shared = memory();
    const one = await brokers.add(1);
    const before = await brokers.add(2, { memory: shared });
    const { sessionId } = before.session.client;
    expect(shared.key?.id).toBe(sessionId);
    const epoch = before.registration.epoch as number;
    // The earlier life knows of no memory's change: it is another process.
    const copied = { ...memory(), key: shared.key };
    const after = brokers.make(2, { memory: copied });
    const lost = new Promise<void>((resolve) => before.session.onLost(resolve));
    await Promise.all([after.start(), lost]);
    expect(before.registration.epoch).toBeUndefined();
    expect(after.registration.epoch).toBeGreaterThan(epoch);
    await until(one, ({ brokers: live }) => live.get(2)?.epoch === after.registration.epoch);
    const session = sessionId.toString(16);
    expect(brokers.said.get(after)).toContainEqual({
      ev: 'earlierSessionEnded',
      session,
      outcome: 'closed',
    });
    expect(brokers.names(after)).not.toContain('registrationWaits');
    expect(brokers.names(before)).toEqual(['registered', 'sessionLost', 'registrationWaits']);
  });

  it('goes on where that session is over, or the key is another one', async () => {
    const brokers = await cluster();
    const first = brokers.client();
    await first.connect();
    const { sessionKey } = first;
    const wrong = { ...sessionKey, password: Buffer.alloc(16, 1) };
    for (const [id, key] of [wrong, sessionKey].entries()) {
      if (key === sessionKey) await first.close();
      const kept = { ...memory(), key };
      const broker = await brokers.add(id + 1, { memory: kept });
      expect(brokers.said.get(broker)?.[0]).toMatchObject({
        ev: 'earlierSessionEnded',
        outcome: 'over',
      });
      expect(kept.key).toEqual(broker.session.client.sessionKey);
    }
  });

  it('keeps the key of each new session, and none after an orderly end', async () => {
    const brokers = await cluster();
    const kept = memory();
    const one = await brokers.add(1, { memory: kept });
    const { id } = one.session.client.sessionKey;
    brokers.expire(one);
    await until(one, () => one.registration.epoch !== undefined && kept.key?.id !== id);
    expect(kept.key).toEqual(one.session.client.sessionKey);
    await one.close();
    expect(kept.key).toBeUndefined();
  });

  it('is stopped while nobody answers it', async () => {
    const brokers = await cluster();
    const first = brokers.client();
    await first.connect();
    brokers.server.hold();
    const kept = { ...memory(), key: first.sessionKey };
    const one = brokers.make(1, { memory: kept, startTimeoutMs: 1 });
    await expect(one.start()).rejects.toThrow(/could not register/);
    await one.close();
    expect(brokers.names(one)).not.toContain('registered');
    brokers.server.release();
  });
});

describe('a broker that starts while coordinators come and go', () => {
  it('comes up although the connection of its first read is lost', async () => {
    const brokers = await cluster();
    const one = brokers.make(1);
    let connections = 0;
    one.session.onConnected((client) => {
      connections++;
      if (connections === 1) client.drop();
    });
    await one.start();
    expect(connections).toBe(2);
    // What it read first may be older than its registration.
    await until(one, ({ brokers: live }) => live.get(1)?.epoch === one.registration.epoch);
    expect(one.registration.epoch).toBeGreaterThan(0);
  });
});

describe('a broker that was killed', () => {
  it('serves again long before its session would have timed out', {
    timeout: LIMIT_MS,
  }, async () => {
    const settings = { 'zookeeper.session.timeout.ms': NEVER_MS };
    const processes = new BrokerProcesses(settings, { maxSessionTimeout: NEVER_MS });
    ended.push(() => processes.stop());
    await processes.start(2);
    await processes.end(1, 'SIGKILL');
    await processes.startBroker(1);
    const said = processes.eventsOf(1).map(({ ev }) => ev);
    const second = said.slice(said.lastIndexOf('brokerStart'));
    expect(second).toEqual(expect.arrayContaining(['earlierSessionEnded', 'registered']));
    expect(second).not.toContain('registrationWaits');
    await processes.end(1, 'SIGTERM');
    await processes.startBroker(1);
    const third = processes.eventsOf(1).map(({ ev }) => ev);
    expect(third.slice(third.lastIndexOf('brokerStart'))).not.toContain('earlierSessionEnded');
  });
});
