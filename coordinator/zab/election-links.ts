// The network of elections: each server keeps one connection to every other member on which it tells
// its state, and listens for theirs. A link that falls silent is dropped and dialled anew, because a
// connection that sat through a partition can take many seconds to wake up.
import type net from 'node:net';
import type { EventSink } from '../contract.ts';
import type { Notification } from './election.ts';
import { Link } from './link.ts';
import { type EnsembleConfig, ensembleIfLater, SID_MAX } from './members.ts';
import { ELECTION_MESSAGES, type Message, PEER_PROTOCOL_VERSION, PEER_STATES } from './messages.ts';
import type { PeerTransport } from './transport.ts';

type Messages = typeof ELECTION_MESSAGES;
type ElectionLink = Link<Messages, Messages>;

/** Connections taken on the election port at a time. */
const INCOMING_MAX = 512;

export interface ElectionPeer {
  sid: number;
  host: string;
  port: number;
}

export interface ElectionLinksOptions {
  sid: number;
  peers: readonly ElectionPeer[];
  port: number;
  host: string | undefined;
  events: EventSink;
  transport: PeerTransport;
  /** A link that hears nothing for this long is dead, ms; also the patience of a dial. */
  silenceMsMax: number;
  notification(): Notification;
  /** The newest ensemble known to be committed; empty: that of the file. */
  ensemble(): string;
  onNotification(n: Notification, ensemble: EnsembleConfig | undefined): void;
  onReachabilityChanged(): void;
}

/** What is told just now. */
function notificationOf(options: ElectionLinksOptions): Message<Messages> {
  const { state, round, vote } = options.notification();
  const { leader, epoch, zxid } = vote;
  const ensemble = options.ensemble();
  const index = PEER_STATES.indexOf(state);
  return { type: 'notification', state: index, round, leader, epoch, zxid, ensemble };
}

/** Takes what server `sid` told; a string says what is wrong with it. */
function take(
  options: ElectionLinksOptions,
  sid: number,
  message: Extract<Message<Messages>, { type: 'notification' }>,
): string | undefined {
  const state = PEER_STATES[message.state];
  if (state === undefined) return `unknown state ${message.state}`;
  const { round, leader, epoch, zxid, ensemble } = message;
  let told: EnsembleConfig | undefined;
  try {
    told = ensembleIfLater(ensemble);
  } catch (error) {
    return (error as Error).message;
  }
  options.onNotification({ sid, state, round, vote: { leader, epoch, zxid } }, told);
  return undefined;
}

/** A connection we dialled, on which we tell and are answered pings. */
class Outgoing {
  readonly peer: ElectionPeer;
  readonly #options: ElectionLinksOptions;
  #link: ElectionLink | undefined;
  #socket: net.Socket | undefined;
  #redial: NodeJS.Timeout | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #pings = 0;
  #alive = false;
  #stopped = false;

  constructor(peer: ElectionPeer, options: ElectionLinksOptions) {
    this.peer = peer;
    this.#options = options;
    this.#dial();
  }

  /** Whether the peer answered within the limit. */
  get alive(): boolean {
    return this.#alive;
  }

  #dial(): void {
    const { sid, events, transport } = this.#options;
    const socket = transport.dial({ host: this.peer.host, port: this.peer.port });
    this.#socket = socket;
    const link: ElectionLink = new Link({
      socket,
      incoming: ELECTION_MESSAGES,
      outgoing: ELECTION_MESSAGES,
      events,
      onMessage: (message) => {
        if (message.type === 'notification') {
          const wrong = take(this.#options, this.peer.sid, message);
          if (wrong !== undefined) link.close(wrong);
          return;
        }
        if (message.type !== 'pong') return;
        this.#rearm();
        if (!this.#alive) {
          this.#alive = true;
          this.#options.onReachabilityChanged();
        }
      },
      onClose: () => this.#lost(),
    });
    this.#link = link;
    this.#rearm();
    socket.once(transport.dialled, () => {
      link.send({ type: 'hello', sid, version: PEER_PROTOCOL_VERSION });
      this.tell();
      this.ping();
    });
  }

  #rearm(): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#link?.abort('silent'), this.#options.silenceMsMax);
  }

  #lost(): void {
    clearTimeout(this.#watchdog);
    const was = this.#alive;
    this.#alive = false;
    this.#link = undefined;
    if (this.#stopped) return;
    this.#redial = setTimeout(() => this.#dial(), this.#options.silenceMsMax / 10);
    if (was) this.#options.onReachabilityChanged();
  }

  tell(): void {
    if (this.#socket?.connecting !== false) return;
    this.#link?.send(notificationOf(this.#options));
  }

  ping(): void {
    if (this.#socket?.connecting !== false) return;
    this.#pings += 1;
    this.#link?.send({ type: 'ping', number: this.#pings });
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#redial);
    clearTimeout(this.#watchdog);
    this.#link?.close('stopping');
  }
}

/** All election links of one server. */
export class ElectionLinks {
  readonly #options: ElectionLinksOptions;
  readonly #outgoing = new Map<number, Outgoing>();
  readonly #incoming = new Set<ElectionLink>();
  readonly #incomingBySid = new Map<number, ElectionLink>();
  #server: net.Server | undefined;
  #started = false;
  #pinger: NodeJS.Timeout | undefined;

  constructor(options: ElectionLinksOptions) {
    this.#options = options;
  }

  /** Listens and begins to dial. Rejects when the port cannot be had. */
  async start(): Promise<void> {
    const { peers, port, host, silenceMsMax } = this.#options;
    const server = this.#options.transport.listener((socket) => this.#accept(socket));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, () => {
        server.off('error', reject);
        resolve();
      });
    });
    this.#started = true;
    this.setPeers(peers);
    this.#pinger = setInterval(() => {
      for (const out of this.#outgoing.values()) out.ping();
    }, silenceMsMax / 4);
  }

  /** From now on these are dialled, and no others. */
  setPeers(peers: readonly ElectionPeer[]): void {
    if (!this.#started) return;
    const wanted = new Map(peers.map((peer) => [peer.sid, peer]));
    for (const [sid, out] of this.#outgoing) {
      const peer = wanted.get(sid);
      if (peer?.host === out.peer.host && peer.port === out.peer.port) continue;
      this.#outgoing.delete(sid);
      out.stop();
    }
    for (const peer of peers) {
      if (this.#outgoing.has(peer.sid)) continue;
      this.#outgoing.set(peer.sid, new Outgoing(peer, this.#options));
    }
  }

  #accept(socket: net.Socket): void {
    if (this.#incoming.size >= INCOMING_MAX) {
      socket.destroy();
      return;
    }
    let sid: number | undefined;
    const drop = () => link.abort('silent');
    let watchdog = setTimeout(drop, this.#options.silenceMsMax);
    const link: ElectionLink = new Link({
      socket,
      incoming: ELECTION_MESSAGES,
      outgoing: ELECTION_MESSAGES,
      events: this.#options.events,
      onMessage: (message) => {
        clearTimeout(watchdog);
        watchdog = setTimeout(drop, this.#options.silenceMsMax);
        if (message.type === 'hello') {
          const { version } = message;
          if (version !== PEER_PROTOCOL_VERSION || message.sid < 1 || message.sid > SID_MAX) {
            return link.close(`expected a server of 1 to ${SID_MAX}, got ${message.sid}`);
          }
          sid = message.sid;
          // What an older connection still holds back is older news: it must not arrive after this.
          this.#incomingBySid.get(sid)?.abort('replaced by a newer connection');
          this.#incomingBySid.set(sid, link);
        } else if (message.type === 'ping') {
          link.send({ type: 'pong', number: message.number });
        } else if (message.type === 'notification' && sid !== undefined) {
          const wrong = take(this.#options, sid, message);
          if (wrong !== undefined) link.close(wrong);
        }
      },
      onClose: () => {
        clearTimeout(watchdog);
        this.#incoming.delete(link);
        if (sid !== undefined && this.#incomingBySid.get(sid) === link) {
          this.#incomingBySid.delete(sid);
        }
      },
    });
    this.#incoming.add(link);
  }

  broadcast(): void {
    for (const out of this.#outgoing.values()) out.tell();
    for (const sid of this.#incomingBySid.keys()) if (!this.#outgoing.has(sid)) this.tell(sid);
  }

  /** Also one that is no member is told, on the connection on which it asked. */
  tell(sid: number): void {
    const out = this.#outgoing.get(sid);
    if (out !== undefined) out.tell();
    else this.#incomingBySid.get(sid)?.send(notificationOf(this.#options));
  }

  /** Servers that answer pings just now. */
  reachable(): number[] {
    return [...this.#outgoing.values()].filter((out) => out.alive).map((out) => out.peer.sid);
  }

  stop(): void {
    this.#started = false;
    clearInterval(this.#pinger);
    this.#server?.close();
    for (const out of this.#outgoing.values()) out.stop();
    for (const link of [...this.#incoming]) link.close('stopping');
  }
}
