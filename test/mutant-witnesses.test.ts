// A directed witness for each planted bug: the patched code is reached and answers otherwise than the clean
// code, shown apart from any search. Where one call is enough it is made here, else a stored scenario shows it.
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { CreateFlag, Op } from '../coordinator/protocol/codes.ts';
import {
  GetDataResponse,
  PathWatchRequest,
  SetDataRequest,
} from '../coordinator/protocol/records.ts';
import { makeZxid } from '../coordinator/zxid.ts';
import { ROOT } from '../harness/bundle.ts';
import { MUTANT_SCENARIOS, readScenario, scenarioFiles } from '../harness/swarm/scenario.ts';
import { FAULTS_WANTED } from '../harness/swarm/shrink.ts';
import { mutants } from '../mutants/index.ts';
import { directory, load, type Question } from './witnesses/patched.ts';

/** Asks the code, clean or patched, one question; the answers are compared. */
const ASKED: Record<string, Question> = {
  Z01: {
    clean: true,
    planted: false,
    async ask(id) {
      const file = 'zab/vote';
      const { beats } = await load<typeof import('../coordinator/zab/vote.ts')>([file], id);
      return beats({ leader: 1, epoch: 1, zxid: 9 }, { leader: 2, epoch: 1, zxid: 8 });
    },
  },
  Z03: {
    clean: [2, 3, 3],
    planted: [1, 2, 2],
    async ask(id) {
      const file = 'zab/vote';
      const { quorumSize } = await load<typeof import('../coordinator/zab/vote.ts')>([file], id);
      return [3, 4, 5].map(quorumSize);
    },
  },
  Z04: {
    clean: 3,
    planted: 0,
    async ask(id) {
      const file = 'storage/epochs';
      type Epochs = typeof import('../coordinator/storage/epochs.ts');
      const { EpochStore } = await load<Epochs>([file], id);
      const dir = directory();
      EpochStore.open(dir).setAccepted(3);
      return EpochStore.open(dir).accepted;
    },
  },
  Z21: {
    clean: 'trunc',
    planted: 'diff',
    ask: (id) => synchronisedBy(id),
  },
  Z40: {
    clean: 'error',
    planted: 'create',
    async ask(id) {
      type Tree = typeof import('../coordinator/tree/testing.ts');
      const { ask, SoloLeader } = await load<Tree>(['tree/testing'], id);
      const leader = new SoloLeader();
      const session = leader.open();
      leader.prepare({ op: Op.closeSession, body: Buffer.alloc(0) }, session);
      const late = ask.create('/late', '', { flags: CreateFlag.ephemeral });
      return leader.prepare(late, session).body.type;
    },
  },
  Z54: { clean: 'new', planted: 'old', ask: (id) => readBehindWrite(id) },
  Z55: { clean: 'refused', planted: 'welcome', ask: (id) => clientAhead(id) },
};

/** How a leader whose log has (1,1) (1,2) (2,1) answers a learner that ends in (1,3). */
async function synchronisedBy(id?: string): Promise<string | undefined> {
  type Zab = typeof import('../coordinator/zab/synchronise.ts') &
    typeof import('../coordinator/zab/recent-log.ts') &
    typeof import('../coordinator/storage/testing.ts');
  const files = ['zab/synchronise', 'zab/recent-log', 'storage/testing'];
  const { synchronise, RecentLog, setData } = await load<Zab>(files, id);
  const recent = new RecentLog({ recordsMax: 10, bytesMax: 10_000 });
  for (const zxid of [makeZxid(1, 1), makeZxid(1, 2), makeZxid(2, 1)]) recent.add(setData(zxid));
  const sent: string[] = [];
  const link = { send: ({ type }: { type: string }) => sent.push(type) };
  const context = { recent, tree: { lastApplied: 0 }, events: { emit() {} } };
  const learner = { sid: 2, lastZxid: makeZxid(1, 3), link };
  synchronise(context as never, learner as never, 3, recent.last);
  return sent[0];
}

type Lone = typeof import('../coordinator/server/lone-server.testing.ts') &
  typeof import('../coordinator/server/raw-client.testing.ts');
const LONE = ['lone-server', 'raw-client'].map((name) => `server/${name}.testing`);

/** What a read sent right behind its own session's write returns. */
async function readBehindWrite(id?: string): Promise<string> {
  const { LoneServer, RawClient } = await load<Lone>(LONE, id);
  const server = await new LoneServer().start();
  const client = await new RawClient(server.port).open();
  try {
    const write = (xid: number, data: string) =>
      client.send([
        xid,
        Op.setData,
        SetDataRequest as never,
        { path: '/', data: Buffer.from(data), version: -1 },
      ]);
    write(1, 'old');
    await client.reply();
    server.hold();
    write(2, 'new');
    client.send([3, Op.getData, PathWatchRequest as never, { path: '/', watch: false }]);
    // The answer to the ping says that the read before it has arrived.
    client.send([-2, Op.ping]);
    await client.reply();
    server.release();
    const [, read] = await client.replies(2);
    return String(GetDataResponse.read((read as NonNullable<typeof read>).body).data);
  } finally {
    client.socket.destroy();
    await server.front.close();
  }
}

/** How a server receives a client that has seen more than it has. */
async function clientAhead(id?: string): Promise<string> {
  const { LoneServer, RawClient } = await load<Lone>(LONE, id);
  const server = await new LoneServer().start();
  const client = new RawClient(server.port);
  try {
    client.hello({ lastZxidSeen: makeZxid(7, 7) });
    return await client.welcome().then(
      () => 'welcome',
      () => 'refused',
    );
  } finally {
    client.socket.destroy();
    await server.front.close();
  }
}

describe('a directed witness', () => {
  it.each(Object.entries(ASKED))('of %s answers otherwise', async (id, witness) => {
    expect(await witness.ask()).toEqual(witness.clean);
    expect(await witness.ask(id)).toEqual(witness.planted);
  });

  test.each(mutants.map(({ id, witness }) => [id, witness]))('is named for %s', (id, witness) => {
    if (witness.startsWith('test/witnesses/')) {
      expect(readFileSync(join(ROOT, witness), 'utf8')).toContain(`  ${id}: {`);
      return;
    }
    const asked = Object.keys(ASKED).includes(id);
    const named = asked ? 'test/mutant-witnesses.test.ts' : `scenarios/mutants/${id}.json`;
    expect(witness).toBe(named);
  });
});

describe('a scenario that is kept', () => {
  const files = scenarioFiles(MUTANT_SCENARIOS);
  it.each(files.map((file) => [basename(file, '.json'), file]))(
    'of %s is of that bug',
    (id, file) => {
      const { config, foundBy, expects, rounds, seeds, guarantee } = readScenario(file);
      expect(mutants.map((mutant) => mutant.id)).toContain(id);
      expect(config.mutant).toBe(id);
      expect(guarantee).toBe(mutants.find((mutant) => mutant.id === id)?.guarantee);
      expect(expects).toBe('invalid');
      expect(foundBy[0]).toBe(config.seed);
      for (const seed of foundBy) expect(seeds).toContain(seed);
      expect(rounds.length).toBeLessThanOrEqual(FAULTS_WANTED);
    },
  );
});
