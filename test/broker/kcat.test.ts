// kcat, and so librdkafka, against three brokers: the client that most others are built on. It packs with every
// codec, verifies CRCs as it reads, and counts its batches so that none is written twice.
import {
  Consumer,
  type Message,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { COMPRESSIONS, type Compression, stampBatch } from '../../wire/kafka/record-batch.ts';
import { until } from '../coordinator/ensemble.ts';
import { endStarted, Started } from '../coordinator/started.ts';
import { BrokerProcesses } from './brokers.testing.ts';
import { describeInstalled } from './installed.testing.ts';
import { Member, memberLine, type ReadLine, testGroups } from './members.testing.ts';
import { Onlooker } from './onlooker.testing.ts';

const NEEDED = { name: 'kcat', probe: ['kcat', '-V'], install: 'apt-get install kcat' } as const;
const MESSAGES = Array.from({ length: 200 }, (_, at) => ({
  key: `key-${at}`,
  value: `välue ${at} `.repeat(20),
}));
const LINES = MESSAGES.map(({ key, value }) => `${key}\t${value}`);
let brokers: BrokerProcesses;
let look: Onlooker;

const settings = (given: Readonly<Record<string, string>>): string[] =>
  Object.entries(given).flatMap(([name, value]) => ['-X', `${name}=${value}`]);
const kcatArgs = (...args: string[]): string[] => [
  '-b',
  brokers.addresses.join(','),
  '-E',
  ...args,
];
/** Runs kcat to its end and gives the lines that it wrote. */
async function kcat(args: readonly string[], input = ''): Promise<string[]> {
  const { stdout } = await execa('kcat', kcatArgs(...args), { input });
  return stdout.split('\n');
}
const readAll = (topic: string, partition: number): Promise<string[]> => {
  const from = ['-C', '-t', topic, '-p', String(partition), '-o', 'beginning', '-e', '-q'];
  return kcat([
    ...from,
    ...settings({ 'check.crcs': 'true', 'fetch.wait.max.ms': '50' }),
    '-f',
    '%o\t%k\t%s\n',
  ]);
};

const PREFIX = /^% Group \S+ rebalanced \(memberid \S+\): (assigned|revoked):(.*)$/;
const kcatLine: ReadLine = (line) => {
  const [, what, list = ''] = PREFIX.exec(line) ?? [];
  if (what === undefined) return memberLine(line);
  const partitions = [...list.matchAll(/\[(\d+)\]/g)].map(([, id]) => Number(id));
  return { assigned: what === 'assigned' ? partitions : [] };
};
function member(group: string, topic: string): Member {
  const given = settings({
    'auto.offset.reset': 'earliest',
    'session.timeout.ms': '3000',
    'heartbeat.interval.ms': '200',
    'fetch.wait.max.ms': '100',
    'check.crcs': 'true',
  });
  const args = kcatArgs('-G', group, ...given, '-u', '-f', 'read %p %o %s\n', topic);
  // One pipe for both, so that what it was given and what it read stay in order.
  return new Member(new Started('sh', ['-c', 'exec kcat "$@" 2>&1', 'kcat', ...args]), kcatLine);
}

describeInstalled(NEEDED, () => {
  beforeAll(async () => {
    brokers = await new BrokerProcesses({ 'min.insync.replicas': '2' }).start();
    look = new Onlooker(brokers);
  }, 120_000);
  afterAll(async () => {
    endStarted();
    look?.close();
    await brokers?.stop();
  });

  it('sees the brokers where clients reach them', async () => {
    const [line = ''] = await kcat(['-L', '-J']);
    const seen = JSON.parse(line) as { brokers: { id: number; name: string }[] };
    expect(seen.brokers.map(({ name }) => name).sort()).toEqual([...brokers.addresses].sort());
    expect(seen.brokers.map(({ id }) => id).sort()).toEqual([1, 2, 3]);
  });

  it('writes and reads batches of every codec; not a byte of them changes on the way', async () => {
    await Promise.all(
      ['packed', 'again'].map((topic) => look.createTopic(topic, COMPRESSIONS.length)),
    );
    const check = async (name: Compression, partition: number): Promise<void> => {
      const to = ['-P', '-t', 'packed', '-p', String(partition), '-K', '\t', '-X', 'acks=all'];
      await kcat([...to, '-z', name], LINES.join('\n'));
      const expected = LINES.map((line, at) => `${at}\t${line}`);
      expect((await readAll('packed', partition)).slice(0, LINES.length)).toEqual(expected);
      const batches = await look.batches('packed', partition);
      expect(new Set(batches.map(({ header }) => header.compression))).toEqual(new Set([name]));
      await look.sameBytesEverywhere('packed', partition);
      // What librdkafka packed is sent once more, byte by byte: only offset and leader epoch may differ.
      for (const { bytes } of batches) await look.sendBatch('again', partition, bytes);
      const again = await look.batches('again', partition);
      const bare = (list: typeof batches) =>
        list.map(({ bytes }) => {
          const copy = Buffer.from(bytes);
          stampBatch(copy, 0, 0, 0);
          return copy.toString('hex');
        });
      expect(bare(again)).toEqual(bare(batches));
    };
    await Promise.all(COMPRESSIONS.map(check));
    const [found] = await kcat(['-Q', '-t', 'packed:0:-1']);
    expect(found).toBe(`packed [0] offset ${LINES.length}`);
  }, 120_000);

  it('and @platformatic/kafka read what the other packed', async () => {
    const options = { clientId: 'test', bootstrapBrokers: brokers.addresses };
    const consumer = new Consumer({
      ...options,
      groupId: 'cross',
      maxWaitTime: 100,
      deserializers: stringDeserializers,
    });
    const stream = await consumer.consume({ topics: ['packed'], mode: 'earliest' });
    const read = COMPRESSIONS.map((): Message<string, string, string, string>[] => []);
    stream.on('data', (message) => read[message.partition]?.push(message));
    const all = COMPRESSIONS.length * LINES.length;
    await until(
      'all is read',
      () => read.flat().length,
      (count) => count >= all,
    );
    await stream.close();
    await consumer.close();
    for (const each of read)
      expect(each.map(({ key, value }) => ({ key, value }))).toEqual(MESSAGES);

    await look.createTopic('theirs', COMPRESSIONS.length);
    const producer = new Producer({ ...options, serializers: stringSerializers });
    const check = async (compression: Compression, partition: number): Promise<void> => {
      const messages = MESSAGES.map((message) => ({ ...message, topic: 'theirs', partition }));
      await producer.send({ messages, acks: -1, compression });
      const expected = LINES.map((line, at) => `${at}\t${line}`);
      expect((await readAll('theirs', partition)).slice(0, LINES.length)).toEqual(expected);
    };
    await Promise.all(COMPRESSIONS.map(check));
    await producer.close();
  }, 120_000);

  testGroups(() => look, member);

  it('an idempotent producer leaves every message once and in order while the leader dies', async () => {
    await look.createTopic('once', 1);
    const lines = Array.from({ length: 2_000 }, (_, at) => `once-${at}`);
    const given = settings({
      acks: 'all',
      'enable.idempotence': 'true',
      'linger.ms': '1',
      'retry.backoff.ms': '50',
    });
    const producer = new Started('kcat', kcatArgs('-P', '-t', 'once', '-p', '0', '-q', ...given));
    for (const line of lines.slice(0, 1_000)) producer.say(line);
    await until(
      'some are there',
      () => look.values('once', 0),
      ({ length }) => length > 0,
    );
    const { id } = await look.leader('once', 0);
    const killed = brokers.end(id, 'SIGKILL');
    for (const line of lines.slice(1_000)) producer.say(line);
    producer.child.stdin?.end();
    await killed;
    expect(`${await producer.end()} ${producer.errors}`).toBe('0 ');
    expect(await look.values('once', 0)).toEqual(lines);
    await brokers.startBroker(id);
    await look.inSync('once', 1);
    await look.sameBytesEverywhere('once', 0);
  }, 120_000);
});
