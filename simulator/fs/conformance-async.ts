// Conformance of the callback and promise forms, of FileHandle and of the streams.
import type { EventEmitter } from 'node:events';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import type { FsCase } from './conformance.ts';

async function textOf(stream: AsyncIterable<Buffer | string>): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk.toString();
  return text;
}

/** What a function with a callback gives it. */
function called(run: (callback: (...args: unknown[]) => void) => void): Promise<unknown[]> {
  return new Promise((resolve) => {
    run((...args) => resolve(args));
  });
}

const callbackCases: FsCase[] = [
  {
    name: 'callbacks: open, write, read, fsync, close hand out counts and buffers',
    run: async ({ fs, dir }) => {
      const file = path.join(dir, 'f');
      const [, fd] = (await called((done) => fs.open(file, 'w+', 0o644, done))) as [null, number];
      const data = Buffer.from('abcdef');
      expect(await called((done) => fs.write(fd, data, done))).toEqual([null, 6, data]);
      expect(await called((done) => fs.write(fd, 'XY', 1, done))).toEqual([null, 2, 'XY']);
      const buffer = Buffer.alloc(6);
      expect(await called((done) => fs.read(fd, buffer, 0, 6, 0, done))).toEqual([null, 6, buffer]);
      expect(buffer.toString()).toBe('aXYdef');
      expect(await called((done) => fs.fdatasync(fd, done))).toEqual([null]);
      expect(await called((done) => fs.fsync(fd, done))).toEqual([null]);
      expect(await called((done) => fs.close(fd, done))).toEqual([null]);
    },
  },
  {
    name: 'callbacks: read without a buffer, and with options',
    run: async ({ fs, dir }) => {
      fs.writeFileSync(path.join(dir, 'f'), 'abc');
      const fd = fs.openSync(path.join(dir, 'f'), 'r');
      const [, count, buffer] = (await called((done) => fs.read(fd, done))) as [
        null,
        number,
        Buffer,
      ];
      expect([count, buffer.length, buffer.toString('utf8', 0, 3)]).toEqual([3, 16_384, 'abc']);
      const given = Buffer.alloc(2);
      await called((done) => fs.read(fd, { buffer: given, position: 1 }, done));
      expect(given.toString()).toBe('bc');
      fs.closeSync(fd);
    },
  },
  {
    name: 'callbacks: whole files, directories, stat, exists',
    run: async ({ fs, dir }) => {
      const at = (name: string) => path.join(dir, name);
      expect(await called((done) => fs.mkdir(at('a/b'), { recursive: true }, done))).toEqual([
        null,
        at('a'),
      ]);
      expect(await called((done) => fs.writeFile(at('a/f'), 'text', done))).toEqual([null]);
      expect(await called((done) => fs.appendFile(at('a/f'), '!', done))).toEqual([null]);
      expect(await called((done) => fs.readFile(at('a/f'), 'utf8', done))).toEqual([null, 'text!']);
      expect(await called((done) => fs.readdir(at('a'), done))).toEqual([null, ['b', 'f']]);
      const [, stat] = await called((done) => fs.stat(at('a/f'), done));
      expect((stat as { size: number }).size).toBe(5);
      expect(await called((done) => fs.exists(at('a/f'), done))).toEqual([true]);
      expect(await called((done) => fs.rename(at('a/f'), at('g'), done))).toEqual([null]);
      expect(await called((done) => fs.rm(at('a'), { recursive: true }, done))).toEqual([null]);
      expect(await called((done) => fs.unlink(at('g'), done))).toEqual([null]);
      expect(fs.readdirSync(dir)).toEqual([]);
    },
  },
  {
    name: 'callbacks come later, never within the call',
    run: async ({ fs, dir }) => {
      const order: string[] = [];
      const done = called((callback) => {
        fs.stat(dir, (...args) => {
          order.push('callback');
          callback(...args);
        });
      });
      order.push('after the call');
      await done;
      expect(order).toEqual(['after the call', 'callback']);
    },
  },
  {
    name: 'a missing callback is refused',
    run: ({ fs, dir }) => {
      const open = fs.open as unknown as (path: string) => void;
      expect(() => open(dir)).toThrow('The "cb" argument must be of type function');
    },
  },
  {
    name: 'promisified read, write and exists',
    run: async ({ fs, dir }) => {
      const fd = fs.openSync(path.join(dir, 'f'), 'w+');
      const data = Buffer.from('abc');
      const written = await promisify(fs.write)(fd, data, 0, 3, 0);
      expect({ ...written }).toEqual({ bytesWritten: 3, buffer: data });
      const buffer = Buffer.alloc(3);
      const read = await promisify(fs.read)(fd, buffer, 0, 3, 0);
      expect({ ...read }).toEqual({ bytesRead: 3, buffer: data });
      expect(await promisify(fs.exists)(dir)).toBe(true);
      expect((await promisify(fs.stat)(dir)).isDirectory()).toBe(true);
      fs.closeSync(fd);
    },
  },
];

const handleCases: FsCase[] = [
  {
    name: 'promises: whole files and directories',
    run: async ({ promises: fs, dir }) => {
      const at = (name: string) => path.join(dir, name);
      expect(await fs.mkdir(at('a/b'), { recursive: true })).toBe(at('a'));
      await fs.writeFile(at('a/f'), 'text');
      await fs.appendFile(at('a/f'), Buffer.from('!'));
      expect(await fs.readFile(at('a/f'), { encoding: 'utf8' })).toBe('text!');
      await fs.copyFile(at('a/f'), at('a/g'));
      await fs.truncate(at('a/g'), 2);
      expect((await fs.stat(at('a/g'))).size).toBe(2);
      expect(await fs.readdir(at('a'))).toEqual(['b', 'f', 'g']);
      await fs.symlink('f', at('a/l'));
      expect(await fs.readlink(at('a/l'))).toBe('f');
      expect(await fs.realpath(at('a/l'))).toBe(`${await fs.realpath(dir)}/a/f`);
      expect(await fs.access(at('a/f'))).toBeUndefined();
      expect(await fs.mkdtemp(at('t-'))).toMatch(/t-\w{6}$/);
      await fs.rm(at('a'), { recursive: true, force: true });
      await expect(fs.access(at('a'))).rejects.toThrow('ENOENT');
    },
  },
  {
    name: 'promises: wrong arguments reject',
    run: async ({ promises: fs }) => {
      const bad = undefined as unknown as string;
      await expect(fs.readFile(bad)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
      await expect(fs.open(bad)).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
    },
  },
  {
    name: 'promises: writeFile of an iterable and of an async iterable',
    run: async ({ promises: fs, dir }) => {
      const file = path.join(dir, 'f');
      await fs.writeFile(file, ['a', 'b', 'c']);
      expect(await fs.readFile(file, 'utf8')).toBe('abc');
      await fs.writeFile(
        file,
        (async function* () {
          yield 'x';
          yield 'y';
        })(),
      );
      expect(await fs.readFile(file, 'utf8')).toBe('xy');
    },
  },
  {
    name: 'promises: an aborted signal',
    run: async ({ promises: fs, dir }) => {
      const signal = AbortSignal.abort();
      await expect(fs.writeFile(path.join(dir, 'f'), 'x', { signal })).rejects.toMatchObject({
        name: 'AbortError',
        code: 'ABORT_ERR',
      });
    },
  },
  {
    name: 'FileHandle: read, write, positions, vectors',
    run: async ({ promises: fs, dir }) => {
      const handle = await fs.open(path.join(dir, 'f'), 'w+');
      expect(typeof handle.fd).toBe('number');
      const data = Buffer.from('abcdef');
      expect({ ...(await handle.write(data, 1, 3)) }).toEqual({ bytesWritten: 3, buffer: data });
      expect({ ...(await handle.write('XY', 0)) }).toEqual({ bytesWritten: 2, buffer: 'XY' });
      await handle.writev([Buffer.from('1'), Buffer.from('2')]);
      const buffer = Buffer.alloc(5);
      expect((await handle.read(buffer, 0, 5, 0)).bytesRead).toBe(5);
      expect(buffer.toString()).toBe('XYd12');
      const small = Buffer.alloc(2);
      expect((await handle.read({ buffer: small, position: 3 })).bytesRead).toBe(2);
      expect((await handle.readv([small], 0)).bytesRead).toBe(2);
      expect(small.toString()).toBe('XY');
      await handle.close();
    },
  },
  {
    name: 'FileHandle: whole content, stat, sync, truncate',
    run: async ({ promises: fs, dir }) => {
      const file = path.join(dir, 'f');
      const handle = await fs.open(file, 'w+');
      await handle.writeFile('abc');
      await handle.appendFile('def');
      await handle.sync();
      await handle.datasync();
      await handle.truncate(4);
      expect((await handle.stat()).size).toBe(4);
      expect(await fs.readFile(file, 'utf8')).toBe('abcd');
      await handle.close();
      const again = await fs.open(file);
      expect(await again.readFile('utf8')).toBe('abcd');
      expect(await fs.readFile(again, 'utf8')).toBe('');
      await again.close();
    },
  },
  {
    name: 'FileHandle: closed once, then refuses',
    run: async ({ promises: fs, dir }) => {
      const handle = await fs.open(path.join(dir, 'f'), 'w');
      let closed = 0;
      (handle as unknown as EventEmitter).on('close', () => closed++);
      await Promise.all([handle.close(), handle.close()]);
      await handle.close();
      expect([handle.fd, closed]).toEqual([-1, 1]);
      await expect(handle.stat()).rejects.toMatchObject({ code: 'EBADF', message: 'file closed' });
      await expect(handle.read(Buffer.alloc(1))).rejects.toMatchObject({ syscall: 'read' });
    },
  },
  {
    name: 'FileHandle: await using closes it',
    run: async ({ promises: fs, dir }) => {
      const handle = await fs.open(path.join(dir, 'f'), 'w');
      await handle[Symbol.asyncDispose]();
      expect(handle.fd).toBe(-1);
    },
  },
  {
    name: 'FileHandle: streams and lines',
    run: async ({ promises: fs, dir }) => {
      const file = path.join(dir, 'f');
      const out = await fs.open(file, 'w');
      const stream = out.createWriteStream();
      await new Promise<void>((resolve) => stream.end('one\ntwo\n', () => resolve()));
      await new Promise<void>((resolve) =>
        stream.closed ? resolve() : stream.on('close', resolve),
      );
      expect(out.fd).toBe(-1);
      const lines: string[] = [];
      const input = await fs.open(file);
      for await (const line of input.readLines()) lines.push(line);
      expect(lines).toEqual(['one', 'two']);
    },
  },
  {
    name: 'opendir: by iteration, by promise',
    run: async ({ promises: fs, dir }) => {
      await fs.writeFile(path.join(dir, 'a'), '');
      await fs.mkdir(path.join(dir, 'b'));
      const names: string[] = [];
      for await (const entry of await fs.opendir(dir)) names.push(entry.name);
      expect(names.sort()).toEqual(['a', 'b']);
      const handle = await fs.opendir(dir);
      expect((await handle.read())?.parentPath).toBe(dir);
      await handle.close();
      await expect(fs.opendir(path.join(dir, 'no'))).rejects.toThrow(`opendir '${dir}/no'`);
    },
  },
];

const streamCases: FsCase[] = [
  {
    name: 'a write stream and a read stream carry a large file',
    run: async ({ fs, dir }) => {
      const file = path.join(dir, 'f');
      const out = fs.createWriteStream(file);
      const piece = 'x'.repeat(50_000);
      let waited = 0;
      for (let count = 0; count < 10; count++) {
        if (out.write(piece)) continue;
        waited++;
        await new Promise<void>((resolve) => out.once('drain', () => resolve()));
      }
      out.end('end');
      await new Promise<void>((resolve) => out.on('close', () => resolve()));
      expect(waited).toBeGreaterThan(0);
      expect(out.bytesWritten).toBe(500_003);
      const text = await textOf(fs.createReadStream(file, 'latin1'));
      expect([text.length, text.slice(-4)]).toEqual([500_003, 'xend']);
    },
  },
  {
    name: 'streams with start, end, flags and highWaterMark',
    run: async ({ fs, dir }) => {
      const file = path.join(dir, 'f');
      fs.writeFileSync(file, '0123456789');
      const part = fs.createReadStream(file, { start: 2, end: 6, highWaterMark: 2 });
      expect(await textOf(part)).toBe('23456');
      const out = fs.createWriteStream(file, { flags: 'r+', start: 4 });
      out.end('XY');
      await new Promise<void>((resolve) => out.on('close', () => resolve()));
      expect(fs.readFileSync(file, 'utf8')).toBe('0123XY6789');
      const more = fs.createWriteStream(file, { flags: 'a', flush: true });
      more.end('!');
      await new Promise<void>((resolve) => more.on('close', () => resolve()));
      expect(fs.readFileSync(file, 'utf8')).toBe('0123XY6789!');
    },
  },
  {
    name: 'a stream of a missing file emits the error, then closes',
    run: async ({ fs, dir }) => {
      const stream = fs.createReadStream(path.join(dir, 'no'));
      const error = await new Promise<Error>((resolve) => stream.on('error', resolve));
      await new Promise<void>((resolve) =>
        stream.closed ? resolve() : stream.on('close', () => resolve()),
      );
      expect(error.message).toBe(`ENOENT: no such file or directory, open '${dir}/no'`);
      expect(stream).toBeInstanceOf(fs.ReadStream);
    },
  },
  {
    name: 'the events of a read stream come in order',
    run: async ({ fs, dir }) => {
      fs.writeFileSync(path.join(dir, 'f'), 'abc');
      const order: string[] = [];
      const stream = fs.createReadStream(path.join(dir, 'f'));
      for (const event of ['open', 'ready', 'data', 'end', 'close']) {
        stream.on(event, () => order.push(event));
      }
      await new Promise<void>((resolve) => stream.on('close', () => resolve()));
      expect(order).toEqual(['open', 'ready', 'data', 'end', 'close']);
      expect([stream.bytesRead, stream.path]).toEqual([3, path.join(dir, 'f')]);
    },
  },
  {
    name: 'the callback form of opendir, and of realpath.native',
    run: async ({ fs, dir }) => {
      fs.writeFileSync(path.join(dir, 'a'), '');
      const [, handle] = await called((done) => fs.opendir(dir, done));
      const entry = await (handle as import('node:fs').Dir).read();
      expect(entry?.name).toBe('a');
      await (handle as import('node:fs').Dir).close();
      const [, real] = await called((done) => fs.realpath.native(dir, done));
      expect(real).toBe(fs.realpathSync.native(dir));
    },
  },
];

export const asynchronousCases: FsCase[] = [...callbackCases, ...handleCases, ...streamCases];
