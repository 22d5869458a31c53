// The module `http` of one life: Node's own client, server and parser, with every connection a simulated
// one and the `Date` header by the process's clock.
import type { EventEmitter } from 'node:events';
import native from 'node:http';
import type { Duplex } from 'node:stream';
import { refused } from './errors.ts';
import type { Life } from './life.ts';

type Callback = (...args: unknown[]) => void;
type Options = Record<string, unknown>;
interface NetModule {
  connect(options: object): Duplex;
  createServer(options: object): EventEmitter & Record<string, unknown>;
}

/** Node looks for slow requests by a real timer; this is the longest it can be put off (24 days). */
const NEVER_MS = 2 ** 31 - 1;
/** What the listening socket answers in place of Node's server, which itself never listens. */
const FORWARDED = ['address', 'getConnections', 'ref', 'unref'] as const;

/** Makes the module for one life, over that life's `net`. */
export function createHttp(life: Life, net: unknown): Record<string, unknown> {
  const sockets = net as NetModule;
  class Agent extends native.Agent {
    override createConnection(options: object): Duplex {
      return sockets.connect(options);
    }
  }
  class ServerResponse extends native.ServerResponse {
    constructor(...args: ConstructorParameters<typeof native.ServerResponse>) {
      super(...args);
      this.sendDate = false;
      this.setHeader('Date', new Date(life.wallMs()).toUTCString());
    }
  }
  const globalAgent = new Agent({ keepAlive: true, timeout: 5000 });

  const request = (...args: unknown[]) => {
    const at = args.findIndex((a) => typeof a === 'object' && !(a instanceof URL));
    const options: Options = { agent: globalAgent, ...(at === -1 ? {} : (args[at] as Options)) };
    // Node takes `false` for a new agent of its own, and nothing for its global one.
    if (options.agent === false) options.agent = new Agent();
    options.agent ??= globalAgent;
    if (at === -1) args.splice(1, 0, options);
    else args[at] = options;
    life.syscall('http.request', String(options.host ?? options.hostname ?? ''));
    return new native.ClientRequest(
      ...(args as ConstructorParameters<typeof native.ClientRequest>),
    );
  };
  const get = (...args: unknown[]) => {
    const made = request(...args);
    made.end();
    return made;
  };

  const createServer = (options?: Options | Callback, handler?: Callback) => {
    const given = typeof options === 'function' ? {} : (options ?? {});
    const onRequest = typeof options === 'function' ? options : handler;
    const server = native.createServer({
      ServerResponse,
      ...given,
      connectionsCheckingInterval: NEVER_MS,
    });
    if (onRequest !== undefined) server.on('request', onRequest);
    return overSimulatedSockets(server, sockets);
  };
  function Server(options?: Options | Callback, handler?: Callback) {
    return createServer(options, handler);
  }
  function ClientRequest(...args: unknown[]) {
    return request(...args);
  }
  ClientRequest.prototype = native.ClientRequest.prototype;
  const own = { Agent, globalAgent, ServerResponse, ClientRequest, request, get };
  return { ...native, ...own, createServer, Server, ...refusedNames() };
}

/** What speaks to the real network, or sets something for the whole of Node. */
function refusedNames(): Record<string, unknown> {
  const names = ['WebSocket', 'setGlobalProxyFromEnv', 'setMaxIdleHTTPParsers'];
  return Object.fromEntries(
    names.map((name) => [
      name,
      function refusedFunction() {
        throw refused(`http.${name}`);
      },
    ]),
  );
}

/** Lets a server of Node's own take its connections from a simulated listening socket. */
function overSimulatedSockets(server: native.Server, sockets: NetModule): native.Server {
  const listener = sockets.createServer({ allowHalfOpen: true });
  for (const name of ['listening', 'error', 'close', 'drop']) {
    listener.on(name, (...args: unknown[]) => server.emit(name, ...args));
  }
  listener.on('connection', (socket: unknown) => server.emit('connection', socket));
  const call = (name: string, args: unknown[]) =>
    (listener[name] as (...args: unknown[]) => unknown).apply(listener, args);
  const listen = (...args: unknown[]) => {
    const callback = typeof args.at(-1) === 'function' ? (args.pop() as Callback) : undefined;
    if (callback !== undefined) server.once('listening', callback);
    call('listen', args);
    return server;
  };
  const close = (...args: unknown[]) => {
    server.closeIdleConnections();
    call('close', args);
    return server;
  };
  Object.assign(server, { listen, close });
  for (const name of FORWARDED) {
    Object.assign(server, {
      [name]: (...args: unknown[]) => {
        const result = call(name, args);
        return result === listener ? server : result;
      },
    });
  }
  Object.defineProperty(server, 'listening', { get: () => listener.listening });
  return server;
}
