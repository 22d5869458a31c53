// A configuration is read as ZooKeeper reads it, and every mistake in it is named with its line.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from './config.ts';
import { KNOWN_KEYS } from './config-file.ts';

let dir: string;
beforeEach(() => {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'chaos-config-'));
});
afterEach(() => {
  fs.rmSync(dir, { recursive: true, force: true });
});

const THREE = [
  'server.1=a:2888:3888',
  'server.3=c:2888:3888:participant',
  'server.2=[::1]:2888:3888',
];

function load(lines: string[], ...flags: string[]) {
  const file = path.join(dir, 'zoo.cfg');
  fs.writeFileSync(file, lines.join('\n'));
  return loadConfig(['--config', file, ...flags]);
}

/** The message of the error that loading gives. */
function complaint(lines: string[], ...flags: string[]): string {
  try {
    load(lines, ...flags);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message.replaceAll(dir, '');
  }
  throw new Error('expected a ConfigError, the configuration was accepted');
}

describe('a configuration', () => {
  it('of one line is a standalone server with the defaults of ZooKeeper', () => {
    expect(load([`dataDir=${dir}/data`])).toEqual({
      sid: 1,
      dataDir: `${dir}/data`,
      clientPort: 2181,
      clientHost: '0.0.0.0',
      peers: [{ sid: 1, host: '127.0.0.1', peerPort: 0, electionPort: 0 }],
      peerHost: '127.0.0.1',
      tickTimeMs: 2000,
      initLimit: 10,
      syncLimit: 5,
      heartbeatTimeoutMs: 1_500,
      minSessionTimeoutMs: 4000,
      maxSessionTimeoutMs: 40_000,
      limits: {
        frameBytesMax: 1_048_575,
        connectionsPerAddressMax: 60,
        connectionsMax: 0,
        outstandingMax: 1000,
        connectionOutstandingMax: 1000,
        connectionOutputBytesMax: 1024 * 1024,
        totalOutputBytesMax: 64 * 1024 * 1024,
      },
      nodesMax: 0,
      dataBytesMax: 0,
      words: new Set(['srvr']),
      warnings: [],
      snapCount: 100_000,
      snapRetainCount: 3,
      preAllocBytes: 64 * 1024 * 1024,
      commitLogCount: 500,
      transactionsPerEpochMax: 4_294_967_295,
      extendedTypes: true,
      readOnlyMode: false,
      reconfigEnabled: false,
      enforceQuota: false,
      reaping: { checkMs: 60_000, perMinuteMax: 10_000, unusedMsMax: 0 },
    });
  });

  it('takes every key, comments and spaces', () => {
    const config = load(
      [
        '# an ensemble',
        ` dataDir = ${dir} `,
        '',
        'tickTime=100',
        'initLimit=20',
        'syncLimit=8',
        'clientPort=2200',
        'clientPortAddress=127.0.0.1',
        'snapCount=500',
        'autopurge.snapRetainCount=4',
        'minSessionTimeout=300',
        'maxSessionTimeout=9000',
        'jute.maxbuffer=2000000',
        'preAllocSize=1024',
        'commitLogCount=50',
        'transactionsPerEpoch=700',
        'globalOutstandingLimit=64',
        'maxClientCnxns=0',
        'maxCnxns=500',
        'connectionOutstandingLimit=32',
        'connectionOutputLimit=100000',
        'totalOutputLimit=9000000',
        'nodeCountLimit=1000',
        'dataSizeLimit=5000000000',
        '4lw.commands.whitelist=ruok, mntr',
        'metricsProvider.httpHost=127.0.0.1',
        'metricsProvider.httpPort=7000',
        ...THREE,
      ],
      '--myid',
      '2',
    );
    expect(config).toMatchObject({
      sid: 2,
      dataDir: dir,
      peerHost: '::1',
      tickTimeMs: 100,
      initLimit: 20,
      syncLimit: 8,
      clientPort: 2200,
      clientHost: '127.0.0.1',
      snapCount: 500,
      snapRetainCount: 4,
      minSessionTimeoutMs: 300,
      maxSessionTimeoutMs: 9000,
      limits: {
        frameBytesMax: 2_000_000,
        connectionsPerAddressMax: 0,
        connectionsMax: 500,
        outstandingMax: 64,
        connectionOutstandingMax: 32,
        connectionOutputBytesMax: 100_000,
        totalOutputBytesMax: 9_000_000,
      },
      nodesMax: 1000,
      dataBytesMax: 5_000_000_000,
      words: new Set(['ruok', 'mntr']),
      metrics: { host: '127.0.0.1', port: 7000 },
      preAllocBytes: 1024 * 1024,
      commitLogCount: 50,
      transactionsPerEpochMax: 700,
    });
    expect(config.peers.map((peer) => peer.sid)).toEqual([1, 2, 3]);
    expect(config.peers[2]).toEqual({ sid: 3, host: 'c', peerPort: 2888, electionPort: 3888 });
    expect(config.events).toBeUndefined();
  });

  it('takes the address of clients from a server line, for who asks which servers there are', () => {
    const servers = [
      'server.1=a:2888:3888;2182',
      'server.2=b:2888:3888:participant;10.0.0.2:2183',
      'server.3=c:2888:3888',
    ];
    const config = load([`dataDir=${dir}`, ...servers], '--myid', '2');
    const addresses = config.peers.map(({ clientAddress }) => clientAddress);
    expect(addresses).toEqual(['0.0.0.0:2182', '10.0.0.2:2183', undefined]);
    expect(config.clientPort).toBe(2183);
    const given = load([`dataDir=${dir}`, 'clientPort=9', ...servers], '--myid', '2');
    expect(given.clientPort).toBe(9);
  });

  it('takes what decides about access lists, quotas and the end of nodes', () => {
    const superDigest = 'super:xQJmxLMiHGwaqBvst5y6rkB6HQs=';
    const config = load([
      `dataDir=${dir}`,
      `DigestAuthenticationProvider.superDigest=${superDigest}`,
      'extendedTypesEnabled=false',
      'enforceQuota=true',
      'znode.container.checkIntervalMs=500',
      'znode.container.maxPerMinute=60',
      'znode.container.maxNeverUsedIntervalMs=9000',
    ]);
    expect(config).toMatchObject({ superDigest, extendedTypes: false, enforceQuota: true });
    expect(config.reaping).toEqual({ checkMs: 500, perMinuteMax: 60, unusedMsMax: 9000 });
    const bad = 'DigestAuthenticationProvider.superDigest=super:plain';
    expect(() => load([`dataDir=${dir}`, bad])).toThrow(/base64 of the SHA-1/);
    expect(() => load([`dataDir=${dir}`, 'enforceQuota=maybe'])).toThrow(/true, false/);
  });

  it('takes its id from the file in dataDir, and the flag before it', () => {
    fs.writeFileSync(path.join(dir, 'myid'), '3\n');
    expect(load([`dataDir=${dir}`, ...THREE]).sid).toBe(3);
    expect(load([`dataDir=${dir}`, ...THREE], '--myid', '1').sid).toBe(1);
  });

  it('takes the flags of whoever watches', () => {
    const flags = [
      '--events',
      `${dir}/e`,
      '--event-level',
      'all',
      '--event-base',
      '12345678901234',
    ];
    const config = load([`dataDir=${dir}`], ...flags, '--incarnation', '7', '--node', 'n9');
    expect(config.events).toEqual({
      path: `${dir}/e`,
      level: 'all',
      node: 'n9',
      incarnation: 7,
      baseNs: 12_345_678_901_234n,
    });
    expect(load([`dataDir=${dir}`], '--event-level', 'off').events).toBeUndefined();
  });
});

describe("the operator's guide", () => {
  it('names every key there is', () => {
    const guide = fs.readFileSync(path.join(import.meta.dirname, '..', 'README.md'), 'utf8');
    const missing = KNOWN_KEYS.filter((key) => {
      const family = key.startsWith('znode.container.') ? 'znode.container.*' : key;
      const suffix = key === 'metricsProvider.httpHost' ? '.httpHost' : family;
      return !guide.includes(suffix);
    });
    expect(missing).toEqual([]);
  });
});

describe('a key of ZooKeeper without effect', () => {
  it('is taken with a warning that says why', () => {
    const { warnings } = load([`dataDir=${dir}`, 'autopurge.purgeInterval=1', 'electionAlg=3']);
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toMatch(/zoo.cfg:2: autopurge.purgeInterval has no effect: old snapshots/);
  });
});

describe('a mistake', () => {
  it('in what is secured is named', () => {
    const secure = ['dataDir=/d', 'secureClientPort=2281'];
    expect(complaint(secure)).toContain('ssl.keyStore.location is missing, secureClientPort needs');
    expect(complaint([...secure, 'ssl.keyStore.location=/none.pem'])).toMatch(
      /cannot read ssl.keyStore.location of .*zoo.cfg:3.*ENOENT/,
    );
    fs.writeFileSync(path.join(dir, 'x.pem'), 'no certificate');
    expect(complaint([...secure, `ssl.keyStore.location=${dir}/x.pem`])).toContain(
      'expected a PEM',
    );
    expect(complaint([...secure, 'ssl.clientAuth=maybe'])).toContain('one of need, want, none');
    expect(complaint(['dataDir=/d', 'sslQuorum=true'])).toContain('ssl.quorum.keyStore.location');
    expect(complaint(['dataDir=/d', 'sslQuorum=yes'])).toContain('expected one of true, false');
    expect(complaint(['dataDir=/d', '4lw.commands.whitelist=ruok,nope'])).toMatch(
      /unknown word 'nope', known are conf, cons, .* and \*/,
    );
  });

  const ok = 'dataDir=/d';

  it('is named with its place', () => {
    expect(complaint(['tickTime=100'])).toContain('dataDir is missing');
    expect(complaint([ok, 'tickTimes=1'])).toMatch(/zoo.cfg:2: unknown key 'tickTimes'.*server.N/);
    expect(complaint([ok, 'tickTime'])).toContain("zoo.cfg:2: expected key=value, got 'tickTime'");
    expect(complaint([ok, 'tickTime=0'])).toContain('tickTime: expected a whole number of 1 to');
    expect(complaint([ok, 'tickTime=2s'])).toContain("got '2s'");
    expect(complaint([ok, 'clientPort=70000'])).toContain('clientPort: expected a whole number');
    expect(complaint([ok, ok])).toContain('dataDir was already given at /zoo.cfg:1');
    expect(complaint([ok, 'maxSessionTimeout=10'])).toContain('above maxSessionTimeout');
  });

  it('in the servers is told', () => {
    const one = 'server.1=a:1:2';
    expect(complaint([ok, one])).toContain('which server is this?');
    expect(complaint([ok, one], '--myid', '4')).toContain(
      'myid is 4, but the server.N lines are for 1',
    );
    expect(complaint([ok, one], '--myid', 'x')).toContain('--myid: expected');
    expect(complaint([ok, 'server.1=a:1'], '--myid', '1')).toContain('host:peerPort:electionPort');
    expect(complaint([ok, 'server.x=a:1:2'], '--myid', '1')).toContain(
      'server.x: expected a whole',
    );
    expect(complaint([ok, one, 'server.01=b:1:2'], '--myid', '1')).toContain('defined twice');
    expect(complaint([ok, one, 'server.2=a:3:1'], '--myid', '1')).toContain(
      'a:1 is already taken by server.1',
    );
    expect(complaint([ok, 'server.1=a:1:1'], '--myid', '1')).toContain('already taken');
    expect(complaint([ok, 'server.1=a:1:2:observer'], '--myid', '1')).toContain(
      'expected a participant',
    );
    expect(complaint([ok, 'server.1=a:1:2:boss'], '--myid', '1')).toContain("'boss' is no role");
    expect(complaint([ok, 'clientPort=2', one], '--myid', '1')).toContain('also in server.1');
  });

  it('answers isro where reads are served without a quorum', () => {
    const config = load([ok, 'readonlymode.enabled=true']);
    expect([config.readOnlyMode, [...config.words]]).toEqual([true, ['srvr', 'isro']]);
  });

  it('takes the role from the line of the server', () => {
    const lines = [ok, 'server.1=a:1:2', 'server.2=b:1:2:observer;2181', 'peerType=observer'];
    expect(load(lines, '--myid', '2')).toMatchObject({
      peers: [{ sid: 1 }, { sid: 2, observer: true }],
      warnings: [],
    });
    expect(load(lines, '--myid', '1').warnings[0]).toMatch(/peerType is observer.*participant/);
  });

  it('in the flags is told', () => {
    expect(() => loadConfig([])).toThrow('--config is missing');
    expect(() => loadConfig(['--config', `${dir}/none`])).toThrow('cannot read the configuration');
    expect(() => loadConfig(['--nope'])).toThrow(/--nope[\s\S]*usage: --config FILE/);
    expect(complaint([ok], '--event-level', 'all')).toContain('needs --events FILE');
    expect(complaint([ok], '--events', 'e', '--event-level', 'x')).toContain('off, state, all');
    expect(complaint([ok], '--events', 'e', '--event-base', '1e9')).toContain('nanoseconds');
  });
});
