// How servers reach each other: plain TCP, or whatever else gives sockets (server/secure.ts). Consensus
// knows of no more than this.
import net from 'node:net';

export interface PeerTransport {
  /** A listener, not yet listening, that hands over connections that may be spoken on. */
  listener(taken: (socket: net.Socket) => void): net.Server;
  dial(to: { host: string; port: number }): net.Socket;
  /** The event of a dialled socket after which it may be spoken on. */
  readonly dialled: 'connect' | 'secureConnect';
}

export const PLAIN_TRANSPORT: PeerTransport = {
  listener: (taken) => net.createServer(taken),
  dial: (to) => net.connect(to),
  dialled: 'connect',
};
