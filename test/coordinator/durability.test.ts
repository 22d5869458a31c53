// Nothing acknowledged is lost: all servers are killed -9 under load, again and again on the same
// disks, and every writer's part of the tree is a prefix of what it wrote that holds all it was told.
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { CoordinatorClient } from '../../coordinator/client/index.ts';
import { Random } from '../../history/random.ts';
import { Ensemble } from './ensemble.ts';
import { type Part, Writer } from './writer.ts';

const ROUNDS = Number(process.env.CHAOS_KILL_ROUNDS ?? 8);
const SEED = Number(process.env.CHAOS_KILL_SEED ?? 1);
const ROUND_MS_MAX = 20_000;
const WRITERS_A_SERVER = 2;
const LOAD = '/load';
const READS_UNDER_WAY = 500;

let ensemble: Ensemble;

afterEach(({ task }) => ensemble?.close(task.result?.state === 'fail'));

/** Writers on every server; kills all servers at some moment and returns when every writer knows. */
async function loadAndKill(round: number, random: Random): Promise<Writer[]> {
  const acknowledgementsWanted = random.int(50, 1_200);
  let acknowledged = 0;
  let enough: () => void = () => undefined;
  const loaded = new Promise<void>((resolve) => {
    enough = resolve;
  });
  const onAcknowledged = () => {
    if (++acknowledged === acknowledgementsWanted) enough();
  };
  const clients: CoordinatorClient[] = [];
  const writers = ensemble.nodes.flatMap((node) =>
    Array.from({ length: WRITERS_A_SERVER }, (_, i) => {
      const client = ensemble.client([node], { oneAttempt: true });
      clients.push(client);
      const root = `${LOAD}/${round}-${node}-${i}`;
      return new Writer(client, root, random.int(1, 64), onAcknowledged);
    }),
  );
  await Promise.all(writers.map((writer) => writer.connect()));
  const ended = Promise.all(writers.map((writer) => writer.run()));
  await Promise.race([loaded, ended]);
  expect(acknowledged).toBeGreaterThanOrEqual(acknowledgementsWanted);
  await killAll(random);
  await ended;
  for (const client of clients) client.abandon();
  return writers;
}

/** All at once or, as often, one after the other within some milliseconds. */
async function killAll(random: Random): Promise<void> {
  const nodes = random.shuffle(ensemble.nodes);
  const apartMs = random.bool() ? random.int(1, 40) : 0;
  const kills = nodes.map(async (node, i) => {
    if (apartMs > 0) await delay(i * apartMs);
    await ensemble.kill(node);
  });
  await Promise.all(kills);
}

/** A writer's part of the tree as one client sees it. */
async function partOf(client: CoordinatorClient, writer: Writer): Promise<Part | undefined> {
  const { root } = writer;
  if ((await client.exists(root)).stat === null) return undefined;
  const { data, stat } = await client.getData(root);
  const { children } = await client.getChildren(root);
  const part: Part = { data: String(data), version: stat.version, children: new Map() };
  for (let at = 0; at < children.length; at += READS_UNDER_WAY) {
    const names = children.slice(at, at + READS_UNDER_WAY);
    const read = names.map((name) => client.getData(`${root}/${name}`));
    for (const [i, result] of (await Promise.all(read)).entries()) {
      part.children.set(names[i] ?? '', String(result.data));
    }
  }
  return part;
}

/** What is wrong with these writers' parts at every server. */
async function problemsEverywhere(writers: readonly Writer[]): Promise<string[]> {
  const everywhere = await Promise.all(
    ensemble.nodes.map(async (node) => {
      const client = ensemble.client([node]);
      await client.sync(LOAD);
      const problems: string[] = [];
      for (const writer of writers) {
        const wrong = writer.problems(await partOf(client, writer));
        problems.push(...wrong.map((problem) => `${node}: ${problem}`));
      }
      await client.close();
      return problems;
    }),
  );
  return everywhere.flat();
}

describe('kill -9 of all servers under load', () => {
  test(
    `every acknowledged write is there after each of ${ROUNDS} rounds`,
    async () => {
      const random = new Random(SEED, 'kills');
      ensemble = await Ensemble.serving({ size: 3, systemOptions: { snapCount: 150 } });
      await ensemble.client(ensemble.nodes).create(LOAD, null);
      const all: Writer[] = [];
      const logFiles = new Set<string>();
      for (let round = 1; round <= ROUNDS; round++) {
        const writers = await loadAndKill(round, random);
        all.push(...writers);
        await ensemble.startAll();
        const refused = writers.filter((writer) => writer.refused);
        expect(refused.map(({ failure }) => failure?.message)).toEqual([]);
        expect((await problemsEverywhere(writers)).slice(0, 10)).toEqual([]);
        for (const file of logFilesNow()) logFiles.add(file);
        if (round % 10 === 0) report(round, all);
      }
      expect((await problemsEverywhere(all)).slice(0, 10)).toEqual([]);
      report(ROUNDS, all);
      expectWorkWasDone(all);
      for (const node of ensemble.nodes) {
        const written = [...logFiles].filter((file) => file.startsWith(`${node}/`));
        expect(written.length).toBeGreaterThan(1);
      }
    },
    ROUNDS * ROUND_MS_MAX,
  );
});

function report(rounds: number, writers: readonly Writer[]): void {
  const sent = writers.reduce((sum, { writes }) => sum + writes.length, 0);
  const acknowledged = writers.reduce((sum, writer) => sum + writer.acknowledged, 0);
  const saved = ensemble.nodes.map((node) => ensemble.eventsOf(node, 'snapSaved').length);
  console.log(
    `${rounds} rounds: ${acknowledged} of ${sent} writes acknowledged; ` +
      `snapshots saved ${saved.join(', ')}`,
  );
}

/** The log's files of every server just now, `node/file`. */
function logFilesNow(): string[] {
  return ensemble.nodes.flatMap((node) => {
    const dataDir = join(ensemble.cluster.nodeDir(node), 'data');
    const names = readdirSync(dataDir, { recursive: true, encoding: 'utf8' });
    return names
      .map((name) => basename(name))
      .filter((name) => name.startsWith('log.'))
      .map((name) => `${node}/${name}`);
  });
}

/** The kills struck writes under way, and recovery had snapshots and new log files to deal with. */
function expectWorkWasDone(writers: readonly Writer[]): void {
  const unknown = writers.filter(({ writes, acknowledged }) => acknowledged < writes.length);
  expect(unknown.length).toBeGreaterThan(writers.length / 2);
  for (const node of ensemble.nodes) {
    expect(ensemble.eventsOf(node, 'snapSaved').length).toBeGreaterThan(0);
    const starts = ensemble.eventsOf(node, 'start');
    expect(starts).toHaveLength(ROUNDS + 1);
    // Never behind what it had: recovered state only grows.
    for (const [i, start] of starts.entries()) {
      if (i > 0) expect(start.applied).toBeGreaterThanOrEqual(starts[i - 1]?.applied ?? 0);
    }
  }
}
