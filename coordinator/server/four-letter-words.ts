// ZooKeeper's four-letter words: plain-text questions a person or a probe sends over netcat. Scripts
// and monitors parse the answers, so they keep the format of ZooKeeper 3.8.
import { monitorRows, processRows } from './metric-rows.ts';
import type { ConnectionFacts, OperatorView, ServerFacts } from './server-facts.ts';
import { modeOf, SERVER_VERSION } from './server-facts.ts';
import { connectionLine, decimal, environment, hex, summary } from './word-formats.ts';

export const WORD_BYTES = 4;
/** stmk brings a mask of eight bytes. */
const MASK_BYTES = 8;
const NOT_SERVING = 'This ZooKeeper instance is not currently serving requests';

/** The paths each session watches. */
export type WatchesBySession = ReadonlyMap<number, ReadonlySet<string>>;

/** What the words are answered from. */
export interface WordSource {
  readonly words: ReadonlySet<string>;
  readonly operator: OperatorView;
  facts(): ServerFacts;
  connections(): ConnectionFacts[];
  sessions(): Iterable<{ id: number; timeoutMs: number }>;
  ephemerals(session: number): ReadonlySet<string>;
  watches(): WatchesBySession;
  resetTraffic(): void;
  resetConnections(): void;
}

type Answer = (source: WordSource) => string;

/** Which kinds of trace ZooKeeper writes by default; this server writes none and keeps the number. */
let traceMask = 306n;

const ALWAYS: Readonly<Record<string, Answer>> = {
  ruok: () => 'imok',
  isro: (source) => {
    const { serving, readOnly } = source.facts();
    return readOnly ? 'ro' : serving ? 'rw' : 'null';
  },
  gtmk: () => `${traceMask}`,
  stmk: () => `${traceMask}`,
};

const WHILE_SERVING: Readonly<Record<string, Answer>> = {
  srvr: (source) => `${versionLine()}${summary(source.facts())}`,
  stat: (source) => {
    const lines = source.connections().map((each) => `${connectionLine(each, true)}\n`);
    return `${versionLine()}Clients:\n${lines.join('')}\n${summary(source.facts())}`;
  },
  mntr: (source) => {
    const facts = source.facts();
    const rows = [
      ['version', `${SERVER_VERSION}, built for node ${process.version}`] as const,
      ['server_state', modeOf(facts)] as const,
      ['peer_state', peerState(facts)] as const,
      ...[...monitorRows(facts), ...processRows()].map(
        ({ name, value }) => [name, name === 'avg_latency' ? decimal(value) : value] as const,
      ),
      ['last_processed_zxid', `0x${hex(facts.lastApplied)}`] as const,
      ['last_committed_zxid', `0x${hex(facts.status.lastCommitted)}`] as const,
      ['last_logged_zxid', `0x${hex(facts.status.lastLogged)}`] as const,
    ];
    return rows.map(([name, value]) => `zk_${name}\t${value}\n`).join('');
  },
  conf: (source) => source.operator.configuration(),
  cons: (source) => {
    const lines = source.connections().map((each) => `${connectionLine(each, false)}\n`);
    return `${lines.join('')}\n`;
  },
  crst: (source) => {
    source.resetConnections();
    return 'Connection stats reset.\n';
  },
  srst: (source) => {
    source.resetTraffic();
    return 'Server stats reset.\n';
  },
  dirs: (source) => {
    const { snapshots, logs } = source.operator.diskBytes();
    return `datadir_size: ${snapshots}\nlogdir_size: ${logs}\n`;
  },
  dump,
  envi: () => environment(SERVER_VERSION),
  hash: (source) => {
    const { lastApplied, digest } = source.facts();
    return `${hex(lastApplied)}: ${digest}\n`;
  },
  wchs: (source) => {
    const watches = source.watches();
    const paths = new Set([...watches.values()].flatMap((each) => [...each]));
    const total = [...watches.values()].reduce((sum, each) => sum + each.size, 0);
    return `${watches.size} connections watching ${paths.size} paths\nTotal watches:${total}\n`;
  },
  wchc: (source) => {
    const groups = [...source.watches()].map(
      ([session, paths]) => `0x${hex(session)}\n${indented(paths)}`,
    );
    return `${groups.join('')}\n`;
  },
  wchp: (source) => {
    const byPath = new Map<string, string[]>();
    for (const [session, paths] of source.watches()) {
      for (const path of paths) {
        byPath.set(path, [...(byPath.get(path) ?? []), `0x${hex(session)}`]);
      }
    }
    return `${[...byPath].map(([path, ids]) => `${path}\n${indented(ids)}`).join('')}\n`;
  },
};

/** Every word there is. */
export const FOUR_LETTER_WORDS: ReadonlySet<string> = new Set([
  ...Object.keys(ALWAYS),
  ...Object.keys(WHILE_SERVING),
]);

/** Whether four bytes that open a connection are a word (they can be no frame length allowed here). */
export function isFourLetterWord(word: string): boolean {
  return FOUR_LETTER_WORDS.has(word);
}

/** Bytes a word takes on the wire, with what it must bring. */
export function wordBytes(word: string): number {
  return word === 'stmk' ? WORD_BYTES + MASK_BYTES : WORD_BYTES;
}

/** The whole answer to a word; `request` is all that was sent of it. */
export function answerFourLetterWord(request: Buffer, source: WordSource): string {
  const word = request.toString('latin1', 0, WORD_BYTES);
  if (!source.words.has(word)) {
    return `${word} is not executed because it is not in the whitelist.\n`;
  }
  if (word === 'stmk') traceMask = request.readBigInt64BE(WORD_BYTES);
  const always = ALWAYS[word];
  if (always !== undefined) return always(source);
  const answer = WHILE_SERVING[word];
  const { serving, readOnly } = source.facts();
  if (answer === undefined || !(serving || readOnly)) return `${NOT_SERVING}\n`;
  return answer(source);
}

function versionLine(): string {
  return `Zookeeper version: ${SERVER_VERSION}\n`;
}

function peerState({ status }: ServerFacts): string {
  return `${status.role} - broadcast`;
}

function indented(lines: Iterable<string>): string {
  return [...lines].map((line) => `\t${line}\n`).join('');
}

/** Sessions as a follower of ZooKeeper lists them, who owns ephemeral nodes, and connections. */
function dump(source: WordSource): string {
  const sessions = [...source.sessions()].sort((a, b) => a.id - b.id);
  const owners = sessions.filter(({ id }) => source.ephemerals(id).size > 0);
  const connections = source.connections().map((each) => `${connectionLine(each, true)}\n`);
  return [
    'SessionTracker dump:\n',
    `Global Sessions(${sessions.length}):\n`,
    ...sessions.map(({ id, timeoutMs }) => `0x${hex(id)}\t${timeoutMs}ms\n`),
    'ephemeral nodes dump:\n',
    `Sessions with Ephemerals (${owners.length}):\n`,
    ...owners.map(({ id }) => `0x${hex(id)}:\n${indented(source.ephemerals(id))}`),
    'Connections dump:\n',
    `Connections (${connections.length}):\n`,
    ...connections,
  ].join('');
}
