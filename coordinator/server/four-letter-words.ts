// ZooKeeper's four-letter words: plain-text questions a person or a probe sends over netcat. Scripts
// and monitors parse the answers, so they keep the format of ZooKeeper 3.8.
import type { ServerStatus } from '../contract.ts';
import { zxidHex } from '../zxid.ts';

export const WORD_BYTES = 4;

/** The release whose protocol and formats are spoken here. */
export const SERVER_VERSION = '3.8.0-chaos';

const NOT_SERVING = 'This ZooKeeper instance is not currently serving requests';
const ANSWERED = ['ruok', 'srvr', 'stat', 'mntr'];
/** Words of ZooKeeper 3.8 that this server knows and leaves out. */
const REFUSED = [
  'conf',
  'cons',
  'crst',
  'dirs',
  'dump',
  'envi',
  'gtmk',
  'hash',
  'isro',
  'srst',
  'stmk',
  'wchc',
  'wchp',
  'wchs',
];
const WORDS = new Set([...ANSWERED, ...REFUSED]);

/** Packets and latencies since the server's start. */
export class Traffic {
  received = 0;
  sent = 0;
  /** From a request's arrival to its answer. */
  latencyMsMin = 0;
  latencyMsMax = 0;
  #sumMs = 0;
  #answers = 0;

  get latencyMsMean(): number {
    return this.#answers === 0 ? 0 : this.#sumMs / this.#answers;
  }

  answered(elapsedMs: number): void {
    // The wall clock may have been set back meanwhile.
    const ms = Math.max(0, elapsedMs);
    this.latencyMsMin = this.#answers === 0 ? ms : Math.min(this.latencyMsMin, ms);
    this.latencyMsMax = Math.max(this.latencyMsMax, ms);
    this.#sumMs += ms;
    this.#answers++;
  }
}

/** What the words report. */
export interface ServerFacts {
  serving: boolean;
  status: ServerStatus;
  lastApplied: number;
  traffic: Traffic;
  outstanding: number;
  connections: { peer: string; queued: number; received: number; sent: number }[];
  nodes: number;
  watches: number;
  ephemerals: number;
  sessions: number;
  dataBytes: number;
}

/** Whether four bytes that open a connection are a word (they can be no frame length allowed here). */
export function isFourLetterWord(word: string): boolean {
  return WORDS.has(word);
}

/** The whole answer to a word. */
export function answerFourLetterWord(word: string, facts: ServerFacts): string {
  if (word === 'ruok') return 'imok';
  if (!ANSWERED.includes(word)) {
    return `${word} is not executed because it is not in the whitelist.\n`;
  }
  if (!facts.serving) return `${NOT_SERVING}\n`;
  if (word === 'mntr') return mntr(facts);
  const clients = word === 'stat' ? clientLines(facts) : '';
  return `Zookeeper version: ${SERVER_VERSION}\n${clients}${summary(facts)}`;
}

function mode({ role }: ServerStatus): string {
  return { leading: 'leader', following: 'follower', looking: 'looking' }[role];
}

function clientLines({ connections }: ServerFacts): string {
  const lines = connections.map(
    ({ peer, queued, received, sent }) =>
      ` /${peer}[1](queued=${queued},recved=${received},sent=${sent})\n`,
  );
  return `Clients:\n${lines.join('')}\n`;
}

function summary(facts: ServerFacts): string {
  const { received, sent, latencyMsMin, latencyMsMean, latencyMsMax } = facts.traffic;
  return [
    `Latency min/avg/max: ${latencyMsMin}/${decimal(latencyMsMean)}/${latencyMsMax}`,
    `Received: ${received}`,
    `Sent: ${sent}`,
    `Connections: ${facts.connections.length}`,
    `Outstanding: ${facts.outstanding}`,
    `Zxid: ${zxidHex(facts.lastApplied)}`,
    `Mode: ${mode(facts.status)}`,
    `Node count: ${facts.nodes}`,
    '',
  ].join('\n');
}

function mntr(facts: ServerFacts): string {
  const { status, traffic } = facts;
  const rows: [string, string | number][] = [
    ['version', `${SERVER_VERSION}`],
    ['server_state', mode(status)],
    ['peer_state', status.role === 'leading' ? 'leading - broadcast' : 'following - broadcast'],
    ['avg_latency', decimal(traffic.latencyMsMean)],
    ['max_latency', traffic.latencyMsMax],
    ['min_latency', traffic.latencyMsMin],
    ['packets_received', traffic.received],
    ['packets_sent', traffic.sent],
    ['num_alive_connections', facts.connections.length],
    ['outstanding_requests', facts.outstanding],
    ['znode_count', facts.nodes],
    ['watch_count', facts.watches],
    ['ephemerals_count', facts.ephemerals],
    ['approximate_data_size', facts.dataBytes],
    ['global_sessions', facts.sessions],
    ['quorum_size', status.voters],
    ['epoch', status.epoch],
    ['last_processed_zxid', zxidHex(facts.lastApplied)],
    ['last_committed_zxid', zxidHex(status.lastCommitted)],
    ['last_logged_zxid', zxidHex(status.lastLogged)],
  ];
  if (status.role === 'leading') {
    rows.push(['learners', status.syncedFollowers], ['synced_followers', status.syncedFollowers]);
  }
  return rows.map(([name, value]) => `zk_${name}\t${value}\n`).join('');
}

/** At most four decimals, as ZooKeeper prints averages (`0.0`, `1.25`). */
function decimal(value: number): string {
  const rounded = Math.round(value * 10_000) / 10_000;
  return Number.isInteger(rounded) ? `${rounded}.0` : `${rounded}`;
}
