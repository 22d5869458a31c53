// kafka-python against three brokers: it asks for old versions of everything, and guesses from what is offered which
// release of Kafka it speaks to. Its scripts check what they see; here members and brokers are killed.
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../coordinator/ensemble.ts';
import { endStarted, parts, Started } from '../coordinator/started.ts';
import { BrokerProcesses } from './brokers.testing.ts';
import { describeInstalled } from './installed.testing.ts';
import { Member, testGroups } from './members.testing.ts';
import { Onlooker } from './onlooker.testing.ts';

// Not the first python3 of the path: Debian's has Debian's modules.
const PYTHON = '/usr/bin/python3';
const NEEDED = {
  name: 'kafka-python',
  probe: [PYTHON, '-c', 'import kafka'],
  install: 'apt-get install python3-kafka',
} as const;
/** Messages written one after the other, a part of them before the leader dies. */
const STEADY = 100;
let brokers: BrokerProcesses;
let look: Onlooker;

function script(name: string, ...args: string[]): Started {
  const path = fileURLToPath(new URL(`./kafka-python/${name}`, import.meta.url));
  // -B: no compiled files beside the sources.
  return new Started(PYTHON, ['-B', path, brokers.addresses.join(','), ...args]);
}
const member = (group: string, topic: string): Member =>
  new Member(script('member.py', group, topic));

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

  it('writes and reads plain and packed messages, which the brokers keep as they came', async () => {
    await look.createTopic('packed', 2);
    expect(await parts(script('messages.py'))).toHaveLength(6);
    for (const [partition, name] of ['none', 'gzip'].entries()) {
      const batches = await look.batches('packed', partition);
      expect(new Set(batches.map(({ header }) => header.compression))).toEqual(new Set([name]));
      await look.sameBytesEverywhere('packed', partition);
    }
  }, 120_000);

  it('makes, grows, describes and deletes topics, and sees brokers and groups', async () => {
    expect(await parts(script('topics.py'))).toHaveLength(6);
  }, 120_000);

  testGroups(() => look, member);

  it('loses no acknowledged message when the leader dies', async () => {
    await look.createTopic('steady', 1);
    const { id } = await look.leader('steady', 0);
    const producer = script('steady.py', 'steady', String(STEADY));
    await until(
      'some are there',
      () => producer.lines.length,
      (count) => count >= 20,
    );
    await brokers.end(id, 'SIGKILL');
    await producer.succeeded();
    expect(producer.lines).toHaveLength(STEADY);
    // One at a time: where an answer was lost a message may be there twice, side by side.
    const values = await look.values('steady', 0);
    expect(values.filter((value, at) => value !== values[at - 1])).toEqual(producer.lines);
    await brokers.startBroker(id);
    await look.inSync('steady', 1);
    await look.sameBytesEverywhere('steady', 0);
  }, 120_000);
});
