// node-zookeeper-client with promises and types: it has neither, and a test wants to await its answers and
// to read what it told of its state and its watches.
import { createRequire } from 'node:module';
import { until } from './ensemble.ts';

/** What it makes of a Stat: 64-bit figures stay bytes. */
export interface NodeStat {
  czxid: Buffer;
  mzxid: Buffer;
  pzxid: Buffer;
  version: number;
  cversion: number;
  aversion: number;
  ephemeralOwner: Buffer;
  dataLength: number;
  numChildren: number;
}

export interface NodeAcl {
  permission: number;
  id: { scheme: string; id: string };
}

/** An operation's result in a transaction. */
export interface NodeResult {
  type: number;
  path?: string;
  err?: number;
  stat?: NodeStat;
}

interface Transaction {
  create(path: string, ...more: (Buffer | number | NodeAcl[])[]): Transaction;
  setData(path: string, data: Buffer, version?: number): Transaction;
  check(path: string, version?: number): Transaction;
  remove(path: string, version?: number): Transaction;
  commit(done: (error: Error | null | undefined, results?: NodeResult[]) => void): void;
}

type Notice = { getName(): string; getPath(): string };

interface Client {
  connect(): void;
  close(): void;
  on(event: 'state', listener: (state: { name: string }) => void): void;
  on(event: string, listener: () => void): void;
  getSessionId(): Buffer;
  getSessionPassword(): Buffer;
  getSessionTimeout(): number;
  addAuthInfo(scheme: string, auth: Buffer): void;
  transaction(): Transaction;
  connectionManager: { socket: { remotePort?: number } };
}

export interface NodeOptions {
  sessionTimeout?: number;
  retries?: number;
  sessionId?: Buffer;
  sessionPassword?: Buffer;
}

interface Library {
  createClient(servers: string, options: NodeOptions & { spinDelay: number }): Client;
  CreateMode: Record<string, number>;
  Permission: Record<'READ' | 'WRITE' | 'CREATE' | 'DELETE' | 'ADMIN' | 'ALL', number>;
  ACL: (new (
    permission: number,
    id: object,
  ) => NodeAcl) & {
    OPEN_ACL_UNSAFE: NodeAcl[];
    CREATOR_ALL_ACL: NodeAcl[];
  };
  Id: new (scheme: string, id: string) => { scheme: string; id: string };
}

export const zookeeper: Library = createRequire(import.meta.url)('node-zookeeper-client');

interface Results {
  create: [path: string];
  exists: [stat: NodeStat | null];
  getData: [data: Buffer | undefined, stat: NodeStat];
  setData: [stat: NodeStat];
  getChildren: [names: string[], stat: NodeStat];
  getACL: [acl: NodeAcl[], stat: NodeStat];
  setACL: [stat: NodeStat];
  remove: [];
  mkdirp: [path: string];
}

const open = new Set<NodeClient>();

/** Closes all that were opened. */
export function closeNodeClients(): void {
  for (const client of open) client.raw.close();
  open.clear();
}

export class NodeClient {
  readonly raw: Client;
  /** The events it emitted about its connection, in order. */
  readonly states: string[] = [];
  /** What its watches told: `NODE_CREATED /a`. */
  readonly notices: string[] = [];
  readonly watch = (notice: Notice): void => {
    this.notices.push(`${notice.getName()} ${notice.getPath()}`);
  };

  constructor(servers: string, options: NodeOptions = {}) {
    this.raw = zookeeper.createClient(servers, { spinDelay: 50, ...options });
    open.add(this);
    for (const event of ['connected', 'disconnected', 'expired', 'authenticationFailed']) {
      this.raw.on(event, () => this.states.push(event));
    }
    this.raw.connect();
  }

  /** Waits until it has emitted these events about its connection, and no others. */
  async tells(...states: string[]): Promise<void> {
    const wanted = states.join();
    await until(
      wanted,
      () => this.states.join(),
      (seen) => seen === wanted,
    );
  }

  /** Does an operation; rejects with its error, whose name is ZooKeeper's. */
  call<M extends keyof Results>(method: M, ...args: unknown[]): Promise<Results[M]> {
    const methods = this.raw as unknown as Record<M, (...all: unknown[]) => void>;
    return new Promise((resolve, reject) => {
      methods[method](...args, (error: Error | null | undefined, ...results: unknown[]) => {
        if (error) reject(error);
        else resolve(results as Results[M]);
      });
    });
  }

  /** The name of the error that an operation fails with. */
  async failure(method: keyof Results, ...args: unknown[]): Promise<string> {
    return this.call(method, ...args).then(
      (results) => `no error, but ${JSON.stringify(results)}`,
      (error: Error) => error.name,
    );
  }

  /** Commits a transaction; an error comes with the results of its operations. */
  commit(transaction: Transaction): Promise<{ error: string | null; results: NodeResult[] }> {
    return new Promise((resolve) => {
      transaction.commit((error, results = []) => {
        resolve({ error: error?.name ?? null, results });
      });
    });
  }

  get session(): string {
    return this.raw.getSessionId().toString('hex');
  }

  /** The port of the server it is connected to. */
  get port(): number | undefined {
    return this.raw.connectionManager.socket.remotePort;
  }
}
