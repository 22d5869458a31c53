// ZooKeeper's own shell, zkCli.sh, driven line by line: one JVM serves a whole test. What a command prints
// and what watches print, at any time, are told apart.
import { existsSync } from 'node:fs';
import { until } from './ensemble.ts';
import { Started } from './started.ts';

const ZKCLI = '/usr/share/zookeeper/bin/zkCli.sh';
/** Says nothing to the server and always the same, so it shows where a command's output ends. */
const MARK = { command: 'printwatches', line: 'printwatches is on' };
const NOTICE = 'WatchedEvent state:';

/** Why zkCli.sh cannot be used here; undefined if it can. */
export function missingZkCli(): string | undefined {
  return existsSync(ZKCLI) ? undefined : `no ${ZKCLI}; apt-get install zookeeper`;
}

export class ZkCli {
  readonly #started: Started;
  #read = 0;
  /** What watches printed so far: `SyncConnected NodeCreated /a`. */
  readonly notices: string[] = [];

  constructor(connectString: string) {
    // Both outputs on one pipe keep the order in which they are written.
    const line = `exec "${ZKCLI}" -timeout 20000 -server "$0" 2>&1`;
    this.#started = new Started('sh', ['-c', line, connectString]);
  }

  /** The lines that a command prints, without empty ones and spaces at their ends. */
  async run(command: string): Promise<string[]> {
    this.#started.say(command);
    this.#started.say(MARK.command);
    const printed: string[] = [];
    for (;;) {
      const line = (await this.#started.line(this.#read++)).trimEnd();
      if (line === MARK.line) return printed;
      if (!this.#isNotice(line) && line !== '') printed.push(line);
    }
  }

  /** Waits until watches have printed as many notices in all, and gives those from `from` on. */
  async noticesFrom(from: number, count: number): Promise<string[]> {
    const look = async () => {
      await this.run('version');
      return this.notices.slice(from);
    };
    return until(`${count} notices`, look, (seen) => seen.length >= count);
  }

  /** Ends it; gives its exit code. */
  async quit(): Promise<number> {
    this.#started.say('quit');
    return this.#started.end();
  }

  #isNotice(line: string): boolean {
    if (line === 'WATCHER::') return true;
    const found = /^WatchedEvent state:(\w+) type:(\w+) path:(\S+)$/.exec(line);
    if (found !== null) this.notices.push(found.slice(1).join(' '));
    else if (line.startsWith(NOTICE)) throw new Error(`expected a watch's notice, got ${line}`);
    return found !== null;
  }
}
