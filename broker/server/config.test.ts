// A broker's configuration: what a file and flags give, and what is said of each mistake in them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { logConfig } from '../log/config.ts';
import { loadConfig } from './config.ts';

const dir = mkdtempSync(path.join(tmpdir(), 'chaos-broker-config-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const GOOD = [
  'broker.id=3',
  'listeners=INTERNAL://0.0.0.0:9092,EXTERNAL://:9093',
  'advertised.listeners=INTERNAL://n3:9092,EXTERNAL://127.0.0.1:19093',
  'inter.broker.listener.name=INTERNAL',
  'zookeeper.connect=n1:2181,n2:2181',
  'log.dirs=/data/kafka',
];

function load(lines: readonly string[], ...flags: string[]): ReturnType<typeof loadConfig> {
  const file = path.join(dir, 'server.properties');
  writeFileSync(file, lines.join('\n'));
  return loadConfig(['--config', file, ...flags]);
}

describe('a configuration', () => {
  it('gives listeners, endpoints and Kafka’s defaults', () => {
    const config = load(GOOD);
    expect(config).toMatchObject({
      brokerId: 3,
      coordinator: 'n1:2181,n2:2181',
      logDir: '/data/kafka',
      sessionTimeoutMs: 18_000,
      uncleanElection: false,
      endpoints: {
        INTERNAL: { host: 'n3', port: 9092 },
        EXTERNAL: { host: '127.0.0.1', port: 19_093 },
      },
      topics: { offsetsPartitions: 50, autoCreate: true },
      groups: { minSessionTimeoutMs: 6_000, initialRebalanceDelayMs: 3_000 },
    });
    expect(config.front.listeners).toEqual([
      { name: 'INTERNAL', host: '0.0.0.0', port: 9092 },
      { name: 'EXTERNAL', host: '0.0.0.0', port: 9093 },
    ]);
    expect(config.front.internalListener).toBe('INTERNAL');
    expect(config.events).toBeUndefined();
  });

  it('has settings of logs that a log takes, synced before they count', () => {
    const lines = [...GOOD, 'log.segment.bytes=4096', 'log.retention.ms=-1'];
    const { log } = load(lines);
    expect(logConfig(log)).toMatchObject({
      segmentBytes: 4096,
      retentionMs: -1,
      flushIntervalMessages: 1,
    });
  });

  it('keeps offsets of groups whatever the retention of logs is', () => {
    const { topics } = load([...GOOD, 'log.retention.ms=1000']);
    expect(topics.offsetsSettings).toMatchObject({ 'retention.ms': '-1', 'retention.bytes': '-1' });
  });

  it('has a budget for answers, in which there is a turn for the largest message', () => {
    const { front } = load(GOOD);
    expect(front).toMatchObject({ answerBytesMax: 256 * 1024 * 1024, turnBytes: 1_048_588 });
    const lines = ['queued.max.response.bytes=4000000', 'message.max.bytes=1000'];
    const less = load([...GOOD, ...lines]).front;
    expect(less).toMatchObject({ answerBytesMax: 4_000_000, turnBytes: 1_048_576 });
  });

  it('takes the id and the events from flags', () => {
    const flags = ['--broker-id', '7', '--events', 'e.jsonl', '--incarnation', '2', '--node', 'x'];
    const { brokerId, events } = load(GOOD, ...flags, '--event-base=-5');
    expect(brokerId).toBe(7);
    expect(events).toMatchObject({ level: 'state', node: 'x', incarnation: 2, baseNs: -5n });
    expect(load(GOOD, '--event-level', 'off').events).toBeUndefined();
  });

  it('takes names of Kafka that have no effect, and says so', () => {
    const { warnings } = load([...GOOD, 'num.io.threads=8']);
    expect(warnings).toEqual([expect.stringMatching(/:7: num.io.threads has no effect/)]);
  });

  it('takes what is seldom meant, and says so', () => {
    const lines = [
      'min.insync.replicas=3',
      'message.max.bytes=2000',
      'socket.request.max.bytes=1000',
    ];
    const { warnings } = load([...GOOD, ...lines]);
    expect(warnings).toEqual([
      expect.stringMatching(
        /:7: min.insync.replicas is 3, above default.replication.factor, which is 1/,
      ),
      expect.stringMatching(/:8: message.max.bytes is 2000, above socket.request.max.bytes/),
    ]);
  });

  const without = (name: string) => GOOD.filter((line) => !line.startsWith(`${name}=`));

  it.each<[string, readonly string[], RegExp]>([
    ['a name nobody knows', [...GOOD, 'x=1'], /:7: unknown key 'x', known are advertised/],
    ['no assignment', [...GOOD, 'x'], /:7: expected key=value, got 'x'/],
    ['a name twice', [...GOOD, 'broker.id=4'], /:7: broker.id was already given at .*:1/],
    ['no number', [...GOOD, 'num.partitions=many'], /expected a whole number of 1 to .*'many'/],
    ['a number too low', [...GOOD, 'min.insync.replicas=0'], /whole number of 1 to 32767/],
    ['no flag', [...GOOD, 'auto.create.topics.enable=yes'], /expected true or false, got 'yes'/],
    ['no id', without('broker.id'), /broker.id is missing/],
    ['no coordinator', without('zookeeper.connect'), /zookeeper.connect is missing/],
    [
      'a listener without a port',
      [...without('listeners'), 'listeners=INTERNAL://x'],
      /expected NAME:\/\/host:port, got 'INTERNAL:\/\/x'/,
    ],
    [
      'an endpoint nobody can connect to',
      without('advertised.listeners'),
      /INTERNAL needs a host that others can connect to/,
    ],
    [
      'an endpoint of no listener',
      [...without('advertised.listeners'), 'advertised.listeners=OTHER://h:1'],
      /expected one of INTERNAL, EXTERNAL, got 'OTHER'/,
    ],
    [
      'no listener for brokers',
      without('inter.broker.listener.name'),
      /inter.broker.listener.name: expected one of the advertised INTERNAL, EXTERNAL/,
    ],
    [
      'session timeouts the wrong way round',
      [...GOOD, 'group.max.session.timeout.ms=5'],
      /group.min.session.timeout.ms is 6000, above/,
    ],
    [
      'a coordinator under a path',
      [...without('zookeeper.connect'), 'zookeeper.connect=n1:2181/kafka'],
      /:6: zookeeper.connect: expected host:port.* got a path in 'n1:2181\/kafka'/,
    ],
    [
      'a coordinator at no port',
      [...without('zookeeper.connect'), 'zookeeper.connect=n1:99999'],
      /:6: zookeeper.connect: expected servers as host:port,.* got "n1:99999"/,
    ],
    [
      'two listeners at one port',
      [...without('listeners'), 'listeners=INTERNAL://x:1,EXTERNAL://x:1'],
      /expected a port for each listener, got 1 for INTERNAL and EXTERNAL/,
    ],
    [
      'an endpoint without a port',
      [...without('advertised.listeners'), 'advertised.listeners=INTERNAL://n3:0'],
      /INTERNAL needs a port of 1 to 65535, got 0/,
    ],
    ['two directories', [...without('log.dirs'), 'log.dirs=/a,/b'], /expected one directory/],
  ])('is refused for %s', (_what, lines, reason) => {
    expect(() => load(lines)).toThrow(reason);
  });

  it.each([
    [['--broker-id', 'x'], /--broker-id: expected a whole number/],
    [['--event-level', 'loud', '--events', 'f'], /expected one of off, state, all, got 'loud'/],
    [['--node', 'n'], /--node needs --events FILE/],
    [['--nonsense'], /usage: --config FILE/],
  ])('is refused with the flags %j', (flags, reason) => {
    expect(() => load(GOOD, ...flags)).toThrow(reason);
  });
});
