// Conformance of the synchronous forms on descriptors, positions, whole files and their attributes.
import path from 'node:path';
import { expect } from 'vitest';
import type { FsCase } from './conformance.ts';

export const fileCases: FsCase[] = [
  {
    name: 'writes and reads a whole file, as text and as bytes',
    run: ({ fs, dir }) => {
      const file = path.join(dir, 'f');
      fs.writeFileSync(file, 'grüß');
      expect(fs.readFileSync(file, 'utf8')).toBe('grüß');
      expect(fs.readFileSync(file)).toEqual(Buffer.from('grüß'));
      expect(fs.readFileSync(file, { encoding: 'hex' })).toBe(Buffer.from('grüß').toString('hex'));
    },
  },
  {
    name: 'writeFile replaces, appendFile appends, flag a appends',
    run: ({ fs, dir }) => {
      const file = path.join(dir, 'f');
      fs.writeFileSync(file, 'long content');
      fs.writeFileSync(file, 'ab');
      fs.appendFileSync(file, 'cd');
      fs.writeFileSync(file, 'ef', { flag: 'a' });
      expect(fs.readFileSync(file, 'latin1')).toBe('abcdef');
    },
  },
  {
    name: 'writeFile takes typed arrays, views and encodings',
    run: ({ fs, dir }) => {
      const file = path.join(dir, 'f');
      fs.writeFileSync(file, new Uint16Array([0x4241, 0x4443]));
      expect(fs.readFileSync(file, 'latin1')).toBe('ABCD');
      fs.writeFileSync(
        file,
        new DataView(Buffer.from('xyz').buffer, Buffer.from('').byteOffset, 0),
      );
      expect(fs.readFileSync(file).length).toBe(0);
      fs.writeFileSync(file, '4142', 'hex');
      expect(fs.readFileSync(file, 'latin1')).toBe('AB');
    },
  },
  {
    name: 'readFile and writeFile take a descriptor and go on at its position',
    run: ({ fs, dir }) => {
      const fd = fs.openSync(path.join(dir, 'f'), 'w+');
      fs.writeFileSync(fd, 'one');
      fs.writeFileSync(fd, 'two');
      expect(fs.readFileSync(fd, 'utf8')).toBe('');
      fs.closeSync(fd);
      expect(fs.readFileSync(path.join(dir, 'f'), 'utf8')).toBe('onetwo');
    },
  },
  {
    name: 'reads and writes move the position of the descriptor',
    run: ({ fs, dir }) => {
      const fd = fs.openSync(path.join(dir, 'f'), 'w+');
      expect(fs.writeSync(fd, 'abcdef')).toBe(6);
      expect(fs.writeSync(fd, Buffer.from('ghi'))).toBe(3);
      const buffer = Buffer.alloc(4);
      expect(fs.readSync(fd, buffer)).toBe(0);
      expect(fs.readSync(fd, buffer, 0, 4, 0)).toBe(4);
      expect(buffer.toString()).toBe('abcd');
      expect(fs.readSync(fd, buffer)).toBe(0);
      fs.closeSync(fd);
    },
  },
  {
    name: 'a given position is used and does not move the descriptor',
    run: ({ fs, dir }) => {
      const fd = fs.openSync(path.join(dir, 'f'), 'w+');
      fs.writeSync(fd, 'abc');
      expect(fs.writeSync(fd, Buffer.from('XYZ'), 1, 1, 0)).toBe(1);
      fs.writeSync(fd, 'def');
      expect(fs.readFileSync(path.join(dir, 'f'), 'utf8')).toBe('Ybcdef');
      fs.closeSync(fd);
    },
  },
  {
    name: 'read and write take options, bigint positions, and text with position and encoding',
    run: ({ fs, dir }) => {
      const fd = fs.openSync(path.join(dir, 'f'), 'w+');
      fs.writeSync(fd, '616263', 2, 'hex');
      const buffer = Buffer.alloc(5, '.');
      expect(fs.readSync(fd, buffer, { offset: 1, length: 3, position: 2n })).toBe(3);
      expect(buffer.toString()).toBe('.abc.');
      expect(fs.readSync(fd, buffer, 0, 5, 0n)).toBe(5);
      expect(buffer.toString('latin1')).toBe('\0\0abc');
      expect(fs.writeSync(fd, Buffer.from('zz'), 0, 1, 3)).toBe(1);
      expect(fs.readFileSync(path.join(dir, 'f'), 'latin1')).toBe('\0\0azc');
      fs.closeSync(fd);
    },
  },
  {
    name: 'writing past the end leaves zeros',
    run: ({ fs, dir }) => {
      const fd = fs.openSync(path.join(dir, 'f'), 'w');
      fs.writeSync(fd, 'x', 10_000);
      fs.closeSync(fd);
      const bytes = fs.readFileSync(path.join(dir, 'f'));
      expect(bytes.length).toBe(10_001);
      expect(bytes.subarray(0, 10_000).every((byte) => byte === 0)).toBe(true);
    },
  },
  {
    name: 'append mode ignores the position',
    run: ({ fs, dir }) => {
      const file = path.join(dir, 'f');
      fs.writeFileSync(file, 'base');
      const fd = fs.openSync(file, 'a+');
      fs.writeSync(fd, '1', 0);
      fs.writeSync(fd, '2');
      const buffer = Buffer.alloc(10);
      expect(fs.readSync(fd, buffer, 0, 10, 0)).toBe(6);
      fs.closeSync(fd);
      expect(fs.readFileSync(file, 'utf8')).toBe('base12');
    },
  },
  {
    name: 'readv and writev work through several buffers',
    run: ({ fs, dir }) => {
      const fd = fs.openSync(path.join(dir, 'f'), 'w+');
      expect(fs.writevSync(fd, [Buffer.from('ab'), Buffer.from('cde')])).toBe(5);
      expect(fs.writevSync(fd, [Buffer.from('Z')], 0)).toBe(1);
      const [first, second] = [Buffer.alloc(3), Buffer.alloc(4)];
      expect(fs.readvSync(fd, [first, second], 0)).toBe(5);
      expect([first.toString(), second.toString()]).toEqual(['Zbc', 'de\0\0']);
      fs.closeSync(fd);
    },
  },
  {
    name: 'r+ keeps the content, w empties it, w+ can be read',
    run: ({ fs, dir }) => {
      const file = path.join(dir, 'f');
      fs.writeFileSync(file, 'abcdef');
      const kept = fs.openSync(file, 'r+');
      fs.writeSync(kept, 'X');
      fs.closeSync(kept);
      expect(fs.readFileSync(file, 'utf8')).toBe('Xbcdef');
      fs.closeSync(fs.openSync(file, 'w'));
      expect(fs.statSync(file).size).toBe(0);
    },
  },
  {
    name: 'numeric flags, with O_EXCL and O_DSYNC',
    run: ({ fs, dir }) => {
      const file = path.join(dir, 'f');
      const { O_CREAT, O_EXCL, O_RDWR, O_DSYNC, O_APPEND } = fs.constants;
      const fd = fs.openSync(file, O_CREAT | O_EXCL | O_RDWR | O_DSYNC | O_APPEND, 0o600);
      fs.writeSync(fd, 'ab');
      fs.writeSync(fd, 'c', 0);
      fs.closeSync(fd);
      expect(fs.readFileSync(file, 'utf8')).toBe('abc');
      expect(fs.statSync(file).mode & 0o777).toBe(0o600);
      expect(() => fs.openSync(file, O_CREAT | O_EXCL | O_RDWR)).toThrow('EEXIST');
    },
  },
  {
    name: 'ftruncate and truncate cut, and grow with zeros',
    run: ({ fs, dir }) => {
      const file = path.join(dir, 'f');
      fs.writeFileSync(file, 'abcdef');
      const fd = fs.openSync(file, 'r+');
      fs.ftruncateSync(fd, 3);
      fs.ftruncateSync(fd, 5);
      fs.closeSync(fd);
      expect(fs.readFileSync(file, 'latin1')).toBe('abc\0\0');
      fs.truncateSync(file, 1);
      expect(fs.readFileSync(file, 'latin1')).toBe('a');
      fs.truncateSync(file);
      expect(fs.statSync(file).size).toBe(0);
    },
  },
  {
    name: 'what was cut off does not come back when the file grows over pages',
    run: ({ fs, dir }) => {
      const file = path.join(dir, 'f');
      fs.writeFileSync(file, Buffer.alloc(9000, 1));
      fs.truncateSync(file, 4100);
      fs.truncateSync(file, 9000);
      const bytes = fs.readFileSync(file);
      expect(bytes.lastIndexOf(1)).toBe(4099);
      expect(bytes.length).toBe(9000);
    },
  },
  {
    name: 'fsync of a file and of a directory',
    run: ({ fs, dir }) => {
      const fd = fs.openSync(path.join(dir, 'f'), 'w');
      fs.writeSync(fd, 'x');
      fs.fsyncSync(fd);
      fs.fdatasyncSync(fd);
      fs.closeSync(fd);
      const dirFd = fs.openSync(dir, 'r');
      fs.fsyncSync(dirFd);
      expect(fs.fstatSync(dirFd).isDirectory()).toBe(true);
      fs.closeSync(dirFd);
    },
  },
  {
    name: 'the fields of stat',
    run: ({ fs, dir }) => {
      const file = path.join(dir, 'f');
      fs.writeFileSync(file, Buffer.alloc(5000, 1));
      const stat = fs.statSync(file);
      expect(Object.keys(stat)).toEqual(
        expect.arrayContaining(['dev', 'mode', 'nlink', 'ino', 'size', 'blocks', 'mtimeMs']),
      );
      expect([stat.size, stat.nlink, stat.mode & 0o777]).toEqual([5000, 1, 0o644]);
      expect([stat.isFile(), stat.isDirectory(), stat.isSymbolicLink()]).toEqual([
        true,
        false,
        false,
      ]);
      expect([stat.isFIFO(), stat.isSocket(), stat.isBlockDevice()]).toEqual([false, false, false]);
      expect(stat.mtime).toBeInstanceOf(Date);
      expect(Math.abs(stat.mtime.getTime() - stat.mtimeMs)).toBeLessThanOrEqual(1);
      expect(fs.statSync(dir).isDirectory()).toBe(true);
      expect(stat).toBeInstanceOf(fs.Stats);
    },
  },
  {
    name: 'stat in big integers, and without a throw',
    run: ({ fs, dir }) => {
      const file = path.join(dir, 'f');
      fs.writeFileSync(file, 'abc');
      const stat = fs.statSync(file, { bigint: true });
      expect(stat.size).toBe(3n);
      expect(stat.mtimeNs / 1_000_000n).toBe(stat.mtimeMs);
      expect(stat.isFile()).toBe(true);
      expect(fs.statSync(path.join(dir, 'no'), { throwIfNoEntry: false })).toBeUndefined();
    },
  },
  {
    name: 'utimes sets the times, chmod the mode',
    run: ({ fs, dir }) => {
      const file = path.join(dir, 'f');
      fs.writeFileSync(file, '');
      fs.utimesSync(file, 1000, new Date(2_000_000));
      fs.chmodSync(file, 0o600);
      const { atimeMs, mtimeMs, mode } = fs.statSync(file);
      expect([atimeMs, mtimeMs, mode & 0o777]).toEqual([1_000_000, 2_000_000, 0o600]);
    },
  },
];
