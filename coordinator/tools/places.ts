// Which files a path given to a tool means. A data directory may be named with or without its
// version-2, and a single file stands for itself.
import fs from 'node:fs';
import path from 'node:path';

const VERSION_DIRECTORY = 'version-2';

/** The folder with logs and snapshots. Throws when there is none. */
export function dataDirectory(given: string): string {
  const inside = path.join(given, VERSION_DIRECTORY);
  const dir = fs.existsSync(inside) ? inside : given;
  if (!fs.statSync(dir).isDirectory()) throw new Error(`expected a directory, got ${given}`);
  return dir;
}

/** Files `<prefix>.<zxid>` that a path means, in order of their zxid. Throws when there are none. */
export function filesOf(
  given: string,
  prefix: 'log' | 'snapshot',
): { file: string; zxid: number }[] {
  const stat = fs.statSync(given, { throwIfNoEntry: false });
  if (stat === undefined) throw new Error(`there is no ${given}`);
  const pattern = new RegExp(`^${prefix}\\.([0-9a-f]{1,16})$`);
  const zxidOf = (name: string) => {
    const digits = pattern.exec(name)?.[1];
    return digits === undefined ? undefined : Number.parseInt(digits, 16);
  };
  if (stat.isFile()) {
    const zxid = zxidOf(path.basename(given));
    if (zxid === undefined) {
      throw new Error(`expected a file named ${prefix}.<zxid in hexadecimal>, got ${given}`);
    }
    return [{ file: given, zxid }];
  }
  const dir = dataDirectory(given);
  const found = fs.readdirSync(dir).flatMap((name) => {
    const zxid = zxidOf(name);
    return zxid === undefined ? [] : [{ file: path.join(dir, name), zxid }];
  });
  if (found.length === 0) throw new Error(`there is no ${prefix} file in ${dir}`);
  return found.sort((a, b) => a.zxid - b.zxid);
}
