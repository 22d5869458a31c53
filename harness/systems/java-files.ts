// What of this machine a Java program needs around it: the virtual machine, its configuration, its
// libraries. A container has none of these, and lending them is quicker than copying 200 MB.
import { execFileSync } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

const LDD_TIMEOUT_MS = 60_000;
/** Below `lib` of the virtual machine: what a server without a screen loads. */
const LIBRARIES = ['server/libjvm', 'libjava', 'libjimage', 'libnet', 'libnio', 'libzip'];

/** A virtual machine with all that it reads of this machine. */
export interface JavaFiles {
  /** The binary itself, behind all links. */
  binary: string;
  /** Absolute paths of files and folders, to be found at the same place wherever it runs. */
  needed: string[];
}

/** Finds it by any link to its binary. Throws, with what to do, when something of it is missing. */
export function javaFiles(link: string): JavaFiles {
  const binary = realpathSync(link);
  const home = dirname(dirname(binary));
  const config = join(home, 'lib', 'jvm.cfg');
  const libraries = LIBRARIES.map((name) => join(home, 'lib', `${name}.so`));
  const absent = [config, ...libraries].find((file) => !existsSync(file));
  if (absent !== undefined) {
    throw new Error(
      `expected a Java of version 9 or newer at ${home}, but there is no ${absent}; ` +
        'install one (apt-get install default-jre-headless)',
    );
  }
  const needed = new Set([home]);
  // Debian keeps the configuration in /etc and leaves links to it.
  const configured = dirname(realpathSync(config));
  if (!isBelow(configured, home)) needed.add(configured);
  for (const file of sharedLibraries([binary, ...libraries])) {
    if (!isBelow(file, home)) needed.add(file);
  }
  return { binary, needed: [...needed] };
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}

/** The loader and the shared libraries that binaries ask for, where they were found. */
function sharedLibraries(binaries: readonly string[]): string[] {
  const options = { encoding: 'utf8', timeout: LDD_TIMEOUT_MS } as const;
  const told = execFileSync('ldd', [...binaries], options);
  return [...told.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].map((match) => match[1] as string);
}
