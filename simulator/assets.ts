// Files that a package carries beside its code and finds by `import.meta.url`. A bundle is one file and has no
// place of its own on the simulated disk, so each such file is put there, and its name in the code with it.
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Plugin } from 'esbuild';

/** A file of the real disk that a program reads, by its path on the simulated one. */
export interface Asset {
  readonly path: string;
  readonly content: Buffer;
}

/** `new URL('./name', import.meta.url)`, as bundlers know it. */
const REFERENCE = /new URL\(\s*(['"])(\.{1,2}\/[^'"]+)\1\s*,\s*import\.meta\.url\s*\)/g;
const SOURCE = /\.[cm]?[jt]s$/;
/** Beside the program's own file; the content's hash in the path makes it part of the program's. */
const FOLDER = '/app/assets';

const contentIfFile = (file: string): Buffer | undefined =>
  statSync(file, { throwIfNoEntry: false })?.isFile() === true ? readFileSync(file) : undefined;

/** Notes every file that a source refers to, and makes the reference one to the simulated disk. */
export function collectingAssets(found: Map<string, Asset>): Plugin {
  const take = (file: string, content: Buffer): Asset => {
    const sum = createHash('sha256').update(content).digest('hex').slice(0, 16);
    const asset = { path: `${FOLDER}/${sum}/${path.basename(file)}`, content };
    found.set(asset.path, asset);
    return asset;
  };
  return {
    name: 'assets',
    setup(bundling) {
      bundling.onLoad({ filter: SOURCE }, ({ path: source }) => {
        const text = readFileSync(source, 'utf8');
        if (!text.includes('import.meta.url')) return undefined;
        let changed = false;
        const contents = text.replace(REFERENCE, (all, _quote, name: string) => {
          const file = path.resolve(path.dirname(source), name);
          const content = contentIfFile(file);
          if (content === undefined || SOURCE.test(file)) return all;
          changed = true;
          return `new URL(${JSON.stringify(take(file, content).path)}, 'file:///')`;
        });
        if (!changed) return undefined;
        return { contents, loader: /ts$/.test(source) ? 'ts' : 'js' };
      });
    },
  };
}
