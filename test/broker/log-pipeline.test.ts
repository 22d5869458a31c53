// A log pipeline as it is built in earnest: rsyslog follows a file and ships its lines to three brokers, a group
// reads them, and the leader of a partition dies half-way and comes back. No line is lost, and those that came
// twice are counted.
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../coordinator/ensemble.ts';
import { endStarted, Started } from '../coordinator/started.ts';
import { BrokerProcesses } from './brokers.testing.ts';
import { describeInstalled } from './installed.testing.ts';
import { Member, shared } from './members.testing.ts';
import { Onlooker } from './onlooker.testing.ts';

const NEEDED = {
  name: 'rsyslog with omkafka',
  probe: ['sh', '-c', 'rsyslogd -v && ls /usr/lib/*/rsyslog/omkafka.so'],
  install: 'apt-get install rsyslog rsyslog-kafka',
} as const;
const MEMBER = fileURLToPath(new URL('./members/kafkajs.ts', import.meta.url));
const TOPIC = 'lines';
const PARTITIONS = 3;
const LINES = 6_000;
const CHUNK = 200;
/** How far the file may be ahead of the readers, so that lines are under way whenever a broker dies. */
const AHEAD = 1_000;
let brokers: BrokerProcesses;
let look: Onlooker;

/** Lines as a web server writes them, each another, with what a shipper may stumble over. */
const lineOf = (at: number): string => {
  const oddities = ['"quoted\\"', 'tab\there', 'grüße 東京', '%msg% %%', '{"json": [1, null]}', ''];
  const agent = `Mozilla/5.0 (${'x'.repeat((at * 37) % 700)}) ${oddities[at % oddities.length]}`;
  const time = new Date(1_700_000_000_000 + at * 7).toISOString();
  return `192.0.2.${at % 256} - - [${time}] "GET /item/${at} HTTP/1.1" 200 ${at * 13} "${agent}"`;
};

/**
 * rsyslog's configuration: what it cannot send it keeps, and sends again. A line that finds the queue full has to
 * wait: by default rsyslog gives it up after two seconds. The action has no queue of its own, where the same
 * would happen.
 */
function configOf(dir: string, file: string): string {
  const addresses = brokers.addresses.map((address) => `"${address}"`).join(', ');
  return `
global(workDirectory="${dir}")
module(load="imfile" mode="inotify")
module(load="omkafka")
template(name="line" type="string" string="%msg%")
input(type="imfile" file="${file}" tag="web" ruleset="ship")
ruleset(
  name="ship" queue.type="LinkedList" queue.filename="ship" queue.saveOnShutdown="on"
  queue.timeoutEnqueue="3600000"
) {
  action(
    type="omkafka" broker=[${addresses}] topic="${TOPIC}" partitions.auto="on" template="line"
    confParam=["acks=all", "compression.codec=gzip", "linger.ms=5", "retry.backoff.ms=50"]
    resubmitOnFailure="on" keepFailedMessages="on" failedMsgFile="${dir}/failed"
    action.resumeRetryCount="-1" action.resumeInterval="1"
  )
}
`;
}

/** Starts a rsyslogd of our own; gives it and the file that it follows. */
function startShipper(): { shipper: Started; file: string; dir: string } {
  const dir = path.join(brokers.dir, 'rsyslog');
  const file = path.join(dir, 'web.log');
  const config = path.join(dir, 'rsyslog.conf');
  mkdirSync(dir);
  writeFileSync(file, '');
  writeFileSync(config, configOf(dir, file));
  const shipper = new Started('rsyslogd', ['-n', '-f', config, '-i', path.join(dir, 'pid')]);
  return { shipper, file, dir };
}

describeInstalled(NEEDED, () => {
  beforeAll(async () => {
    brokers = await new BrokerProcesses({ 'min.insync.replicas': '2' }).start();
    look = new Onlooker(brokers);
  }, 60_000);
  afterAll(async () => {
    endStarted();
    look?.close();
    await brokers?.stop();
  });

  it('loses no line when the leader of a partition is killed half-way and returns', async ({
    annotate,
  }) => {
    await look.createTopic(TOPIC, PARTITIONS);
    const args = [MEMBER, brokers.addresses.join(','), 'readers', TOPIC];
    const group = [1, 2].map(() => new Member(new Started(process.execPath, args)));
    await shared(group, PARTITIONS);
    const { shipper, file, dir } = startShipper();
    const lines = Array.from({ length: LINES }, (_, at) => lineOf(at));
    const read = (): Set<string> =>
      new Set(group.flatMap(({ reads }) => reads.map(({ value }) => value)));
    let written = 0;
    /** Writes on, never far ahead, until so many lines have been read. */
    const readUpTo = (wanted: number): Promise<number> =>
      until(
        `${wanted} lines are read`,
        () => {
          const { size } = read();
          while (written < LINES && written < size + AHEAD) {
            const chunk = lines.slice(written, written + CHUNK);
            appendFileSync(file, chunk.map((line) => `${line}\n`).join(''));
            written += chunk.length;
          }
          return size;
        },
        (size) => size >= wanted,
      );

    await readUpTo(LINES / 2);
    const { id } = await look.leader(TOPIC, 0);
    const killed = brokers.end(id, 'SIGKILL');
    await readUpTo((LINES * 3) / 4);
    await killed;
    const returned = brokers.startBroker(id);
    await readUpTo(LINES);
    await returned;
    await look.inSync(TOPIC, PARTITIONS);

    shipper.child.kill('SIGTERM');
    expect(await shipper.end()).toBe(0);
    expect(existsSync(path.join(dir, 'failed'))).toBe(false);
    const stored: string[] = [];
    for (let partition = 0; partition < PARTITIONS; partition++) {
      stored.push(...(await look.values(TOPIC, partition)));
      await look.sameBytesEverywhere(TOPIC, partition);
    }
    expect([...new Set(stored)].sort()).toEqual([...lines].sort());
    expect([...read()].sort()).toEqual([...lines].sort());
    const reads = group.reduce((sum, member) => sum + member.reads.length, 0);
    const twice = `${stored.length - LINES} lines stored twice, ${reads - stored.length} read again`;
    await annotate(`${LINES} lines: ${twice}`);
    await Promise.all(group.map((member) => member.end('SIGTERM')));
  }, 120_000);
});
