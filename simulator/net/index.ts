// The module `net` of one life of a simulated process. Classes are made per life, since `new
// net.Socket()` must know whose socket it is.
import net from 'node:net';
import { type Callback, connectArguments } from './arguments.ts';
import type { NetContext } from './context.ts';
import { SimulatedServer, type SimulatedServerOptions } from './server.ts';
import { SimulatedSocket, type SimulatedSocketOptions } from './socket.ts';

/** Makes the module for the life that `context` stands for. */
export function createNet(context: NetContext): Record<string, unknown> {
  class Socket extends SimulatedSocket {
    constructor(options?: SimulatedSocketOptions) {
      super(context, options);
    }
  }
  class Server extends SimulatedServer {
    constructor(options?: SimulatedServerOptions | Callback, onConnection?: Callback) {
      super(context, (socketOptions) => new Socket(socketOptions), options, onConnection);
    }
  }
  const connect = (...args: unknown[]) => {
    const [options] = connectArguments(args);
    const socket = new Socket(options as SimulatedSocketOptions);
    if (typeof options.timeout === 'number') socket.setTimeout(options.timeout);
    return socket.connect(...args);
  };
  let autoSelectFamily = true;
  let attemptTimeoutMs = 250;
  return {
    // Node lets both be called without `new`, and old packages do.
    Socket: callable(Socket),
    Stream: callable(Socket),
    Server: callable(Server),
    connect,
    createConnection: connect,
    createServer: (options?: SimulatedServerOptions | Callback, onConnection?: Callback) =>
      new Server(options, onConnection),
    isIP: net.isIP,
    isIPv4: net.isIPv4,
    isIPv6: net.isIPv6,
    BlockList: net.BlockList,
    SocketAddress: net.SocketAddress,
    getDefaultAutoSelectFamily: () => autoSelectFamily,
    setDefaultAutoSelectFamily: (value: boolean) => {
      autoSelectFamily = value;
    },
    getDefaultAutoSelectFamilyAttemptTimeout: () => attemptTimeoutMs,
    setDefaultAutoSelectFamilyAttemptTimeout: (value: number) => {
      attemptTimeoutMs = value;
    },
  };
}

function callable<T extends abstract new (...args: never[]) => object>(Class: T): T {
  return new Proxy(Class, {
    apply: (target, _self, args) => Reflect.construct(target, args),
  });
}
