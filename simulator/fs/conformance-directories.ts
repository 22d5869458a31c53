// Conformance of the synchronous forms on directories, names and links.
import path from 'node:path';
import { expect } from 'vitest';
import type { FsCase } from './conformance.ts';

export const directoryCases: FsCase[] = [
  {
    name: 'mkdir, readdir, rmdir',
    run: ({ fs, dir }) => {
      expect(fs.mkdirSync(path.join(dir, 'd'))).toBeUndefined();
      fs.writeFileSync(path.join(dir, 'd', 'b'), '');
      fs.writeFileSync(path.join(dir, 'd', 'a'), '');
      expect(fs.readdirSync(path.join(dir, 'd'))).toEqual(['a', 'b']);
      fs.unlinkSync(path.join(dir, 'd', 'a'));
      fs.unlinkSync(path.join(dir, 'd', 'b'));
      fs.rmdirSync(path.join(dir, 'd'));
      expect(fs.readdirSync(dir)).toEqual([]);
    },
  },
  {
    name: 'mkdir recursive answers the first directory made',
    run: ({ fs, dir }) => {
      const deep = path.join(dir, 'a', 'b', 'c');
      expect(fs.mkdirSync(deep, { recursive: true })).toBe(path.join(dir, 'a'));
      expect(fs.mkdirSync(deep, { recursive: true })).toBeUndefined();
      expect(fs.mkdirSync(path.join(deep, 'd'), { recursive: true })).toBe(path.join(deep, 'd'));
      expect(fs.statSync(deep).isDirectory()).toBe(true);
    },
  },
  {
    name: 'readdir with file types, as buffers, and recursive',
    run: ({ fs, dir }) => {
      fs.mkdirSync(path.join(dir, 'd', 'e'), { recursive: true });
      fs.writeFileSync(path.join(dir, 'd', 'f'), '');
      fs.symlinkSync('d', path.join(dir, 'l'));
      const entries = fs.readdirSync(dir, { withFileTypes: true });
      const kinds = entries.map((each) => [each.name, each.isDirectory(), each.isSymbolicLink()]);
      expect(new Set(kinds.map(String))).toEqual(new Set(['d,true,false', 'l,false,true']));
      expect(entries[0]?.parentPath).toBe(dir);
      expect(fs.readdirSync(dir, { encoding: 'buffer' })).toEqual([
        Buffer.from('d'),
        Buffer.from('l'),
      ]);
      expect(new Set(fs.readdirSync(dir, { encoding: 'utf8', recursive: true }))).toEqual(
        new Set(['d', 'l', 'd/e', 'd/f', 'l/e', 'l/f']),
      );
      const deep = fs.readdirSync(dir, { recursive: true, withFileTypes: true });
      expect(new Set(deep.map(({ name }) => name))).toEqual(new Set(['d', 'l', 'e', 'f']));
    },
  },
  {
    name: 'mkdtemp makes a new directory each time',
    run: ({ fs, dir }) => {
      const [a, b] = [fs.mkdtempSync(path.join(dir, 'x-')), fs.mkdtempSync(path.join(dir, 'x-'))];
      expect(a).toMatch(/x-[A-Za-z0-9]{6}$/);
      expect(a).not.toBe(b);
      expect(fs.statSync(b).isDirectory()).toBe(true);
    },
  },
  {
    name: 'rename replaces a file, moves between directories, and moves directories',
    run: ({ fs, dir }) => {
      const at = (...names: string[]) => path.join(dir, ...names);
      fs.mkdirSync(at('d'));
      fs.writeFileSync(at('a'), 'A');
      fs.writeFileSync(at('b'), 'B');
      fs.renameSync(at('a'), at('b'));
      expect(fs.readFileSync(at('b'), 'utf8')).toBe('A');
      fs.renameSync(at('b'), at('d', 'c'));
      fs.renameSync(at('d'), at('e'));
      expect(fs.readFileSync(at('e', 'c'), 'utf8')).toBe('A');
      expect(fs.readdirSync(dir)).toEqual(['e']);
      fs.mkdirSync(at('empty'));
      fs.renameSync(at('e'), at('empty'));
      expect(fs.readdirSync(at('empty'))).toEqual(['c']);
    },
  },
  {
    name: 'rename of a file onto itself, or onto another name of it, does nothing',
    run: ({ fs, dir }) => {
      const [a, b] = [path.join(dir, 'a'), path.join(dir, 'b')];
      fs.writeFileSync(a, 'A');
      fs.linkSync(a, b);
      fs.renameSync(a, a);
      fs.renameSync(a, b);
      expect(fs.readdirSync(dir)).toEqual(['a', 'b']);
    },
  },
  {
    name: 'a descriptor survives unlink and rename of its file',
    run: ({ fs, dir }) => {
      const file = path.join(dir, 'f');
      const fd = fs.openSync(file, 'w+');
      fs.writeSync(fd, 'abc');
      fs.renameSync(file, `${file}2`);
      fs.writeSync(fd, 'def');
      expect(fs.readFileSync(`${file}2`, 'utf8')).toBe('abcdef');
      fs.unlinkSync(`${file}2`);
      expect(fs.existsSync(`${file}2`)).toBe(false);
      expect(fs.fstatSync(fd).nlink).toBe(0);
      const buffer = Buffer.alloc(6);
      expect(fs.readSync(fd, buffer, 0, 6, 0)).toBe(6);
      fs.writeFileSync(file, 'new');
      expect(fs.readSync(fd, buffer, 0, 6, 0)).toBe(6);
      fs.closeSync(fd);
    },
  },
  {
    name: 'two descriptors of one file have positions of their own',
    run: ({ fs, dir }) => {
      const file = path.join(dir, 'f');
      fs.writeFileSync(file, 'abcdef');
      const [one, two] = [fs.openSync(file, 'r'), fs.openSync(file, 'r+')];
      const buffer = Buffer.alloc(2);
      fs.readSync(one, buffer, 0, 2, null);
      fs.writeSync(two, 'XYZ');
      fs.readSync(one, buffer, 0, 2, null);
      expect(buffer.toString()).toBe('Zd');
      fs.closeSync(one);
      fs.closeSync(two);
    },
  },
  {
    name: 'rm: a file, a tree, and nothing with force',
    run: ({ fs, dir }) => {
      const at = (...names: string[]) => path.join(dir, ...names);
      fs.mkdirSync(at('d', 'e'), { recursive: true });
      fs.writeFileSync(at('d', 'e', 'f'), '');
      fs.symlinkSync(at('d'), at('d', 'e', 'back'));
      fs.writeFileSync(at('g'), '');
      fs.rmSync(at('g'));
      fs.rmSync(at('d'), { recursive: true });
      fs.rmSync(at('no'), { force: true });
      fs.rmSync(at('no', 'no'), { force: true, recursive: true });
      expect(fs.readdirSync(dir)).toEqual([]);
    },
  },
  {
    name: 'copyFile copies content, and replaces',
    run: ({ fs, dir }) => {
      const [a, b] = [path.join(dir, 'a'), path.join(dir, 'b')];
      fs.writeFileSync(a, 'content');
      fs.writeFileSync(b, 'something longer');
      fs.copyFileSync(a, b);
      fs.appendFileSync(a, '!');
      expect(fs.readFileSync(b, 'utf8')).toBe('content');
    },
  },
  {
    name: 'existsSync and accessSync',
    run: ({ fs, dir }) => {
      fs.writeFileSync(path.join(dir, 'f'), '');
      expect(fs.existsSync(path.join(dir, 'f'))).toBe(true);
      expect(fs.existsSync(path.join(dir, 'f', 'g'))).toBe(false);
      expect(fs.existsSync(path.join(dir, 'g'))).toBe(false);
      expect(fs.accessSync(path.join(dir, 'f'), fs.constants.R_OK)).toBeUndefined();
    },
  },
  {
    name: 'symbolic links: followed by open, told apart by lstat, read by readlink',
    run: ({ fs, dir }) => {
      const [target, link] = [path.join(dir, 'target'), path.join(dir, 'link')];
      fs.symlinkSync('target', link);
      expect(fs.existsSync(link)).toBe(false);
      fs.writeFileSync(link, 'through');
      expect(fs.readFileSync(target, 'utf8')).toBe('through');
      expect([fs.lstatSync(link).isSymbolicLink(), fs.statSync(link).isFile()]).toEqual([
        true,
        true,
      ]);
      expect(fs.readlinkSync(link)).toBe('target');
      expect(fs.realpathSync(link)).toBe(fs.realpathSync(target));
      fs.unlinkSync(link);
      expect(fs.existsSync(target)).toBe(true);
    },
  },
  {
    name: 'hard links share the content and count',
    run: ({ fs, dir }) => {
      const [a, b] = [path.join(dir, 'a'), path.join(dir, 'b')];
      fs.writeFileSync(a, 'x');
      fs.linkSync(a, b);
      fs.appendFileSync(b, 'y');
      expect(fs.readFileSync(a, 'utf8')).toBe('xy');
      expect(fs.statSync(a).nlink).toBe(2);
      expect(fs.statSync(a).ino).toBe(fs.statSync(b).ino);
      fs.unlinkSync(a);
      expect(fs.statSync(b).nlink).toBe(1);
    },
  },
  {
    name: 'paths with dots, double slashes and a slash at the end, as Buffer and as URL',
    run: ({ fs, dir }) => {
      fs.mkdirSync(`${dir}/d/`);
      fs.writeFileSync(`${dir}//d/./../d/f`, 'x');
      expect(fs.readFileSync(Buffer.from(`${dir}/d/f`), 'utf8')).toBe('x');
      expect(fs.readFileSync(new URL(`file://${dir}/d/f`), 'utf8')).toBe('x');
      expect(fs.readdirSync(`${dir}/d/`)).toEqual(['f']);
      expect(fs.realpathSync(`${dir}/d/../d/f`)).toBe(`${fs.realpathSync(dir)}/d/f`);
    },
  },
  {
    name: 'opendirSync reads entry by entry',
    run: ({ fs, dir }) => {
      fs.writeFileSync(path.join(dir, 'a'), '');
      fs.mkdirSync(path.join(dir, 'b'));
      const handle = fs.opendirSync(dir);
      const names: string[] = [];
      for (let each = handle.readSync(); each !== null; each = handle.readSync()) {
        names.push(`${each.name} ${each.isFile()}`);
      }
      handle.closeSync();
      expect(names.sort()).toEqual(['a true', 'b false']);
      expect(() => handle.readSync()).toThrow('closed');
    },
  },
];
