// Keeps the processes of a run in a file beside its log, with their start times. After a crash of the
// harness `clean` finds there what is left, and never kills a stranger that got a pid anew.
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive, type ProcessStamp, pidSpace, stampOf } from '../owner.ts';

const FILE_NAME = 'processes.json';
/** `store/<name>/<run>` and some more. */
const DEPTH_MAX = 5;

interface Contents {
  owner: ProcessStamp;
  /** Where the pids mean something. */
  space: string;
  processes: (ProcessStamp & { node: string })[];
}

/** The processes of one run. */
export class ProcessList {
  readonly #file: string;
  readonly #owner = stampOf(process.pid);
  readonly #processes = new Map<string, ProcessStamp>();
  #turn: Promise<void> = Promise.resolve();

  constructor(runDir: string) {
    this.#file = join(runDir, FILE_NAME);
  }

  /** Records a node's process; resolves when it is in the file. */
  add(node: string, stamp: ProcessStamp): Promise<void> {
    this.#processes.set(node, stamp);
    return this.#write();
  }

  /** Forgets a node's process. */
  delete(node: string): Promise<void> {
    this.#processes.delete(node);
    return this.#write();
  }

  /** Removes the file: everything in it has ended. */
  close(): Promise<void> {
    this.#turn = this.#turn.then(() => rm(this.#file, { force: true }));
    return this.#turn;
  }

  #write(): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      const processes = [...this.#processes].map(([node, stamp]) => ({ node, ...stamp }));
      const contents: Contents = { owner: this.#owner, space: pidSpace(), processes };
      await writeFile(`${this.#file}.new`, `${JSON.stringify(contents, null, 2)}\n`);
      await rename(`${this.#file}.new`, this.#file);
    });
    return this.#turn;
  }
}

async function findLists(dir: string, depth: number): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
  const here = entries.filter((e) => e.isFile() && e.name === FILE_NAME);
  // A run's own directory holds its list; what lies below are its nodes' files.
  if (here.length > 0) return [join(dir, FILE_NAME)];
  if (depth === 0) return [];
  const folders = entries.filter((entry) => entry.isDirectory());
  const below = await Promise.all(folders.map((e) => findLists(join(dir, e.name), depth - 1)));
  return below.flat();
}

function parseList(text: string): Contents | undefined {
  try {
    const contents = JSON.parse(text) as Partial<Contents>;
    const whole = contents.owner !== undefined && Array.isArray(contents.processes);
    return whole ? (contents as Contents) : undefined;
  } catch {
    return undefined;
  }
}

/** Kills what is left of runs under `storeDir` whose harness is gone; a line for each process. */
export async function killLeftovers(storeDir: string): Promise<string[]> {
  const lines: string[] = [];
  for (const file of await findLists(storeDir, DEPTH_MAX)) {
    const list = parseList(await readFile(file, 'utf8').catch(() => ''));
    if (list === undefined || list.space !== pidSpace() || isAlive(list.owner)) continue;
    for (const { node, ...stamp } of list.processes) {
      if (!isAlive(stamp)) continue;
      process.kill(stamp.pid, 'SIGKILL');
      lines.push(`killed process ${stamp.pid} (${node}) of ${file}`);
    }
    await rm(file, { force: true });
    lines.push(`removed ${file}`);
  }
  return lines;
}
