// Faults, durability and crash points of the simulated disk, one by one.
import { expect, test } from 'vitest';
import { ProcessDeath } from '../host.ts';
import { SimulatedDisk } from './disk.ts';
import type { DiskFault } from './faults.ts';
import { createFs } from './fs.ts';
import { stream, TestHost } from './testing.ts';

function machine(seed = 1, options: Partial<ConstructorParameters<typeof SimulatedDisk>[0]> = {}) {
  const disk = new SimulatedDisk({ random: stream(seed), ...options });
  const host = new TestHost(seed);
  return { disk, host, ...createFs(host, disk) };
}

const MANY = Array.from({ length: 60 }, (_, seed) => seed);

test('a synced file in a synced directory survives every power loss, exactly', () => {
  for (const seed of MANY) {
    const { fs, disk } = machine(seed);
    fs.mkdirSync('/data/log', { recursive: true });
    const fd = fs.openSync('/data/log/a', 'w');
    fs.writeSync(fd, 'committed');
    fs.fsyncSync(fd);
    for (const dir of ['/', '/data', '/data/log']) {
      const dirFd = fs.openSync(dir, 'r');
      fs.fsyncSync(dirFd);
      fs.closeSync(dirFd);
    }
    fs.writeSync(fd, ' and a tail');
    disk.powerLoss();
    // Of the tail anything may be left: its bytes, its length alone, or nothing.
    const content = disk.contentOf('/data/log/a')?.toString('latin1') as string;
    expect(content.slice(0, 9)).toBe('committed');
    expect(['', ' and a tail', '\0'.repeat(11)]).toContain(content.slice(9));
  }
});

test('a synced file whose name was not synced can be lost, and in one journal it cannot', () => {
  const lost = { strict: 0, journal: 0 };
  for (const namespace of ['strict', 'journal'] as const) {
    for (const seed of MANY) {
      const { fs, disk } = machine(seed, { namespace });
      fs.writeFileSync('/a', 'x', { flush: true });
      disk.powerLoss();
      if (disk.contentOf('/a') === null) lost[namespace]++;
    }
  }
  expect(lost.strict).toBeGreaterThan(0);
  expect(lost.journal).toBe(0);
});

test('a rename is atomic: the name leads to the old file or to the new one', () => {
  const seen = new Set<string>();
  for (const seed of MANY) {
    const { fs, disk } = machine(seed);
    disk.seedFile('/f', 'old');
    fs.writeFileSync('/f.tmp', 'new', { flush: true });
    fs.renameSync('/f.tmp', '/f');
    disk.powerLoss();
    seen.add(String(disk.contentOf('/f')));
  }
  expect(seen).toEqual(new Set(['old', 'new']));
});

test('a rename without an fsync before it can leave an empty file', () => {
  const seen = new Set<string>();
  for (const seed of MANY) {
    const { fs, disk } = machine(seed);
    disk.seedFile('/f', 'old');
    fs.writeFileSync('/f.tmp', 'new');
    fs.renameSync('/f.tmp', '/f');
    disk.powerLoss();
    seen.add(String(disk.contentOf('/f')));
  }
  expect(seen).toContain('');
});

test('the last write can be torn at a sector', () => {
  const sizes = new Set<number>();
  for (const seed of MANY) {
    const { fs, disk } = machine(seed);
    disk.seedFile('/f', '');
    fs.writeFileSync('/f', Buffer.alloc(2048, 7));
    disk.powerLoss();
    sizes.add(disk.contentOf('/f')?.length as number);
  }
  expect([...sizes].sort((a, b) => a - b)).toEqual([0, 512, 1024, 1536, 2048]);
});

test('a buffer that is used again after the write does not change what survives', () => {
  for (const seed of MANY) {
    const { fs, disk } = machine(seed);
    disk.seedFile('/f', '....');
    const buffer = Buffer.from('data');
    const fd = fs.openSync('/f', 'r+');
    fs.writeSync(fd, buffer);
    buffer.fill('!');
    disk.powerLoss();
    expect(['....', 'data']).toContain(disk.contentOf('/f')?.toString());
  }
});

test('a sync of one directory takes with it what a rename between two builds on', () => {
  for (const seed of MANY) {
    const { fs, disk } = machine(seed);
    disk.seedDirectory('/from');
    disk.seedDirectory('/to');
    fs.writeFileSync('/from/f', 'x', { flush: true });
    fs.renameSync('/from/f', '/to/f');
    const fd = fs.openSync('/to', 'r');
    fs.fsyncSync(fd);
    disk.powerLoss();
    expect([fs.readdirSync('/from'), fs.readdirSync('/to')]).toEqual([[], ['f']]);
  }
});

test('a directory that moves never ends up within itself', () => {
  for (const seed of MANY) {
    const { fs, disk } = machine(seed);
    disk.seedFile('/r/a/m/b/file', 'x');
    disk.seedDirectory('/s');
    fs.renameSync('/r/a/m/b', '/s/b');
    fs.renameSync('/r/a', '/s/b/a');
    disk.powerLoss();
    expect(disk.list().filter(({ path }) => path.endsWith('/file')).length).toBe(1);
    expect(disk.list().filter(({ path }) => path.endsWith('/m')).length).toBe(1);
  }
});

test('an O_DSYNC write is durable when it returns', () => {
  for (const seed of MANY) {
    const { fs, disk } = machine(seed);
    disk.seedFile('/f', '');
    const fd = fs.openSync('/f', fs.constants.O_WRONLY | fs.constants.O_DSYNC);
    fs.writeSync(fd, 'durable');
    disk.powerLoss();
    expect(disk.contentOf('/f')?.toString()).toBe('durable');
  }
});

test('an fsync covers what was written before it started, and nothing more', async () => {
  const { fs, promises, disk } = machine();
  disk.seedFile('/f', '');
  const handle = await promises.open('/f', 'r+');
  await handle.write('first');
  const syncing = handle.sync();
  const writing = handle.write('second');
  await Promise.all([syncing, writing]);
  expect(disk.durableContentOf('/f')?.toString()).toBe('first');
  expect(fs.readFileSync('/f', 'utf8')).toBe('firstsecond');
  await handle.datasync();
  expect(disk.durableContentOf('/f')?.toString()).toBe('firstsecond');
  await handle.close();
});

test('concurrent writes of one descriptor take effect in the order of the calls', async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const { promises, disk } = machine(seed);
    const handle = await promises.open('/f', 'a');
    await Promise.all(['a', 'b', 'c', 'd', 'e'].map((text) => handle.write(text)));
    expect(disk.contentOf('/f')?.toString()).toBe('abcde');
  }
});

test('calls on different files finish in any order', async () => {
  const orders = new Set<string>();
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    const { promises } = machine(seed);
    const order: string[] = [];
    await Promise.all(
      ['a', 'b', 'c'].map(async (name) => {
        await promises.writeFile(`/${name}`, name);
        order.push(name);
      }),
    );
    orders.add(order.join(''));
  }
  expect(orders.size).toBeGreaterThan(1);
});

test('the same seed gives the same trace, another seed another one', async () => {
  const traces = await Promise.all(
    [7, 7, 8].map(async (seed) => {
      const { promises, host } = machine(seed);
      await Promise.all([1, 2, 3].map((file) => promises.writeFile(`/f${file}`, 'x')));
      await promises.mkdtemp('/tmp/x-');
      return host.trace;
    }),
  );
  expect(traces[0]).toEqual(traces[1]);
  expect(traces[0]).not.toEqual(traces[2]);
});

test('EIO: the nth write fails without effect, the others do not', () => {
  const { fs, disk } = machine();
  disk.setFault({ kind: 'eio', operations: ['write'], nth: 2, paths: ['/f'] });
  const fd = fs.openSync('/f', 'w');
  fs.writeSync(fd, 'a');
  expect(() => fs.writeSync(fd, 'b')).toThrow('EIO: i/o error, write');
  fs.writeSync(fd, 'c');
  fs.writeFileSync('/g', 'other files are left alone');
  expect(disk.contentOf('/f')?.toString()).toBe('ac');
  expect(disk.faultReport()).toMatchObject([{ matched: 3, struck: 1 }]);
});

test('EIO of an fsync: the next one succeeds, and the data can be gone all the same', () => {
  let gone = 0;
  for (const seed of MANY) {
    const { fs, disk } = machine(seed);
    disk.seedFile('/f', '');
    const heal = disk.setFault({ kind: 'eio', operations: ['fsync'] });
    const fd = fs.openSync('/f', 'r+');
    fs.writeSync(fd, 'data');
    expect(() => fs.fsyncSync(fd)).toThrow('EIO: i/o error, fsync');
    heal();
    fs.fsyncSync(fd);
    expect(fs.readFileSync('/f', 'utf8')).toBe('data');
    disk.powerLoss();
    if (disk.contentOf('/f')?.toString() !== 'data') gone++;
  }
  expect(gone).toBeGreaterThan(0);
  expect(gone).toBeLessThan(MANY.length);
});

test('ENOSPC by fault, and by capacity with a short write first', () => {
  const { fs, disk } = machine();
  const heal = disk.setFault({ kind: 'enospc', paths: ['/full/'] });
  fs.mkdirSync('/full');
  const refused = "ENOSPC: no space left on device, open '/full/f'";
  expect(() => fs.writeFileSync('/full/f', 'x')).toThrow(refused);
  heal();
  fs.writeFileSync('/full/f', 'x');
  disk.setCapacity(disk.usedBytes() + 2 * 4096);
  const fd = fs.openSync('/full/f', 'r+');
  expect(fs.writeSync(fd, Buffer.alloc(20_000, 1))).toBe(3 * 4096);
  expect(() => fs.writeSync(fd, 'more')).toThrow('ENOSPC: no space left on device, write');
  expect(() => fs.mkdirSync('/d')).toThrow('ENOSPC');
  fs.writeSync(fd, 'inside', 0);
  fs.ftruncateSync(fd, 0);
  fs.mkdirSync('/d');
  expect(fs.readdirSync('/full')).toEqual(['f']);
});

test('bit rot changes one bit on the platter for good, and never what is only in the cache', () => {
  const { fs, disk } = machine();
  disk.seedFile('/f', Buffer.alloc(1024));
  fs.writeFileSync('/cached', Buffer.alloc(1024));
  const heal = disk.setFault({ kind: 'bit-rot', times: 1 });
  const bitsIn = (bytes: Buffer) =>
    bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
  expect(bitsIn(fs.readFileSync('/cached'))).toBe(0);
  disk.seedFile('/f', Buffer.alloc(1024, 255));
  const first = fs.readFileSync('/f');
  heal();
  expect(bitsIn(first)).toBe(8 * 1024 - 1);
  expect(fs.readFileSync('/f')).toEqual(first);
  disk.powerLoss();
  expect(disk.contentOf('/f')).toEqual(first);
  expect(disk.rot('/f', 3, 0b1)).toBe(true);
  expect(disk.rot('/f', 5000)).toBe(false);
});

test('a misdirected read brings bytes of another place, and only once', () => {
  const seen = new Set<string>();
  for (const seed of MANY.slice(0, 20)) {
    const { fs, disk } = machine(seed);
    const content = Buffer.concat(['a', 'b', 'c', 'd'].map((text) => Buffer.alloc(512, text)));
    disk.seedFile('/f', content);
    disk.setFault({ kind: 'misdirected-read', times: 1 });
    const fd = fs.openSync('/f', 'r');
    const buffer = Buffer.alloc(10);
    expect(fs.readSync(fd, buffer, 0, 10, 512)).toBe(10);
    seen.add(buffer.toString());
    expect(fs.readFileSync('/f')).toEqual(content);
  }
  expect(seen).toEqual(new Set(['a', 'b', 'c', 'd'].map((text) => text.repeat(10))));
});

test('slow fsyncs take as long as told', async () => {
  const { promises, host, disk } = machine();
  disk.setFault({ kind: 'slow-fsync', delayMs: 500 });
  const handle = await promises.open('/f', 'w');
  const before = host.nowNs();
  await handle.sync();
  expect(host.nowNs() - before).toBeGreaterThanOrEqual(500e6);
  await handle.close();
});

test('a fault whose data make no sense is refused', () => {
  const { disk } = machine();
  const unknown = { kind: 'fire' } as unknown as DiskFault;
  expect(() => disk.setFault(unknown)).toThrow('known are eio, enospc, slow-fsync');
  expect(() => disk.setFault({ kind: 'eio', probability: 2 })).toThrow('expected 0 to 1');
  expect(() => disk.setFault({ kind: 'eio', nth: 0 })).toThrow('a whole number from 1');
});

test('a death before the effect leaves nothing, after it everything; cleanup is dead too', () => {
  const contents: (string | undefined)[] = [];
  for (let call = 1; call <= 6; call++) {
    const { fs, host, disk } = machine();
    host.diesAtCall = call;
    expect(() => {
      try {
        fs.writeFileSync('/f', 'data');
      } finally {
        expect(() => fs.unlinkSync('/f')).toThrow(ProcessDeath);
      }
    }).toThrow(ProcessDeath);
    contents.push(disk.contentOf('/f')?.toString());
  }
  // Before and after: open, write, close.
  expect(contents).toEqual([undefined, '', '', 'data', 'data', 'data']);
});

test('a death in the middle of asynchronous work has no later effect', async () => {
  const effects = new Set<string>();
  for (let call = 1; call <= 9; call++) {
    const { host, disk, fs } = machine();
    host.diesAtCall = call;
    const { promise, resolve } = Promise.withResolvers<void>();
    host.onDeath(resolve);
    try {
      fs.writeFile('/f', 'data', () => expect.fail('expected no callback in a dead process'));
    } catch (error) {
      expect(error).toBeInstanceOf(ProcessDeath);
    }
    await promise;
    effects.add(String(disk.contentOf('/f')));
  }
  expect(effects).toEqual(new Set(['null', '', 'data']));
});

test('the working directory, and output through descriptors 1 and 2', () => {
  const disk = new SimulatedDisk({ random: stream(1) });
  const written: string[] = [];
  disk.seedFile('/srv/app/config', 'here');
  const { fs } = createFs(new TestHost(), disk, {
    cwd: () => '/srv/app',
    writeOutput: (fd, bytes) => written.push(`${fd} ${Buffer.from(bytes).toString()}`),
  });
  expect(fs.readFileSync('config', 'utf8')).toBe('here');
  expect(fs.realpathSync('../app/./config')).toBe('/srv/app/config');
  fs.writeSync(1, 'out');
  fs.writeSync(2, 'err');
  expect(written).toEqual(['1 out', '2 err']);
});

test('a file that is never synced does not grow its list of changes without end', () => {
  const { fs, disk } = machine();
  const fd = fs.openSync('/log', 'a');
  for (let line = 0; line < 20_000; line++) fs.writeSync(fd, 'x');
  expect(disk.unsynced().files[0]?.changes).toBeLessThanOrEqual(8192);
  expect(disk.contentOf('/log')?.length).toBe(20_000);
});
