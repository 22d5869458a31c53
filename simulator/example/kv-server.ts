// A small replicated key-value store: one primary, the others back it up. A write is appended to a file
// and sent to the backups, and acknowledged when a majority of the servers has it on disk.
//
//   node kv-server.ts <name> <all names, comma separated>
//
// Plain Node, as one writes it: nothing in this file knows that it can be simulated. It has a bug.
import fs from 'node:fs';
import net from 'node:net';
import { promisify } from 'node:util';

interface Entry {
  term: number;
  /** Empty for the marker that a new primary, or a read, puts into the log. */
  key: string;
  value?: string;
}

type Message =
  | { type: 'vote'; term: number; from: string; length: number; lastTerm: number }
  | { type: 'append'; term: number; at: number; entries: Entry[] }
  | { type: 'put'; key: string; value: string }
  | { type: 'get'; key: string };

interface Answer {
  term: number;
  ok?: boolean;
  value?: string;
  length?: number;
}

const PORT = 7000;
const HEARTBEAT_MS = 50;
const TAKEOVER_MS = 200;
const RECONNECT_MS = 100;
const SILENCE_MS = 500;
const LOG = '/data/log';
const VOTE = '/data/vote';

const [me = '', all = ''] = process.argv.slice(2);
const names = all.split(',');
const peers = names.filter((name) => name !== me);
const majority = Math.floor(names.length / 2) + 1;

// ---- what is on disk -------------------------------------------------------------------------

fs.mkdirSync('/data', { recursive: true });
const file = fs.openSync(LOG, 'a+');
syncFolder('/');
syncFolder('/data');

const log: Entry[] = [];
/** Where in the file each entry ends. */
const ends: number[] = [];

function append(entry: Entry): void {
  const line = `${JSON.stringify(entry)}\n`;
  fs.writeSync(file, line);
  remember(entry, line);
}

function remember(entry: Entry, line: string): void {
  log.push(entry);
  ends.push((ends.at(-1) ?? 0) + Buffer.byteLength(line));
}

function truncate(length: number): void {
  log.length = ends.length = length;
  fs.ftruncateSync(file, ends.at(-1) ?? 0);
  fs.fsyncSync(file);
}

/** Takes the log up to the first line that a loss of power tore. */
function recover(): void {
  for (const line of fs.readFileSync(LOG, 'utf8').split('\n').slice(0, -1)) {
    try {
      remember(JSON.parse(line) as Entry, `${line}\n`);
    } catch {
      break;
    }
  }
  truncate(log.length);
}

const fsync = promisify(fs.fsync);
let flushing: Promise<void> | undefined;

/** Resolves when all that was appended is on disk; writers that come together share one fsync. */
async function flush(): Promise<void> {
  flushing ??= fsync(file).finally(() => {
    flushing = undefined;
  });
  return flushing;
}

function syncFolder(path: string): void {
  const folder = fs.openSync(path, 'r');
  fs.fsyncSync(folder);
  fs.closeSync(folder);
}

function saveVote(): void {
  const draft = fs.openSync(`${VOTE}.new`, 'w');
  fs.writeSync(draft, JSON.stringify({ term, votedFor }));
  fs.fsyncSync(draft);
  fs.closeSync(draft);
  fs.renameSync(`${VOTE}.new`, VOTE);
  syncFolder('/data');
}

// ---- who is the primary ----------------------------------------------------------------------

let term = 0;
let votedFor = '';
let primary = false;
let takeover: NodeJS.Timeout | undefined;
/** How much of the log each server has on disk, as far as the primary knows. */
const onDisk = new Map<string, number>();
/** The connections of the primary to its backups. */
const backups = new Map<string, net.Socket>();
let waiting: { length: number; done(ok: boolean): void }[] = [];

function heard(): void {
  clearTimeout(takeover);
  takeover = setTimeout(takeOver, TAKEOVER_MS * (1 + Math.random()));
}

/** Another has a higher term than ours: it leads, or tries to. */
function stepDown(to: number): void {
  if (primary) console.log(`steps down in term ${to}`);
  [term, votedFor, primary] = [to, '', false];
  saveVote();
  for (const socket of backups.values()) socket.destroy();
  for (const { done } of waiting.splice(0)) done(false);
  heard();
}

function takeOver(): void {
  heard();
  [term, votedFor] = [term + 1, me];
  saveVote();
  const [since, length, lastTerm] = [term, log.length, log.at(-1)?.term ?? 0];
  let votes = 1;
  for (const peer of peers) {
    const socket = net.connect(PORT, peer);
    socket.setTimeout(SILENCE_MS, () => socket.destroy()).on('error', () => {});
    send(socket, { type: 'vote', term, from: me, length, lastTerm });
    receive(socket, (answer: Answer) => {
      socket.destroy();
      if (answer.term > term) stepDown(answer.term);
      else if (answer.ok && term === since && ++votes === majority) lead();
    });
  }
}

function lead(): void {
  console.log(`leads in term ${term} with ${log.length} entries`);
  primary = true;
  clearTimeout(takeover);
  onDisk.clear();
  // With an entry of its own term on a majority's disks, all that came before it is safe as well.
  propose({ term, key: '' }, () => {});
  for (const peer of peers) replicate(peer, term);
}

// ---- replication -----------------------------------------------------------------------------

/** Keeps a connection to a backup: the whole log first, then what is new. */
function replicate(peer: string, since: number): void {
  if (!primary || term !== since) return;
  const socket = net.connect(PORT, peer);
  socket.setTimeout(SILENCE_MS, () => socket.destroy()).on('error', () => {});
  let beat: NodeJS.Timeout | undefined;
  socket.on('connect', () => {
    backups.set(peer, socket);
    send(socket, { type: 'append', term: since, at: 0, entries: log });
    const nothing = () => ({ type: 'append' as const, term: since, at: log.length, entries: [] });
    beat = setInterval(() => send(socket, nothing()), HEARTBEAT_MS);
  });
  socket.on('close', () => {
    clearInterval(beat);
    backups.delete(peer);
    setTimeout(() => replicate(peer, since), RECONNECT_MS);
  });
  receive(socket, (answer: Answer) => {
    if (answer.term > term) return stepDown(answer.term);
    if (primary && term === since) committed(peer, answer.length ?? 0);
  });
}

function propose(entry: Entry, done: (ok: boolean) => void): void {
  append(entry);
  const { length } = log;
  waiting.push({ length, done });
  const message = { type: 'append' as const, term, at: length - 1, entries: [entry] };
  for (const socket of backups.values()) send(socket, message);
  void flush().then(() => {
    if (primary && term === entry.term) committed(me, length);
  });
}

function committed(name: string, length: number): void {
  onDisk.set(name, length);
  const lengths = names.map((each) => onDisk.get(each) ?? 0).sort((a, b) => b - a);
  const safe = lengths[majority - 1] ?? 0;
  const done = waiting.filter((each) => each.length <= safe);
  waiting = waiting.filter((each) => each.length > safe);
  for (const each of done) each.done(true);
}

// ---- serving ---------------------------------------------------------------------------------

function handle(message: Message, answer: (answer: Answer) => void): void {
  if ('term' in message && message.term > term) stepDown(message.term);
  if (message.type === 'vote') {
    const lastTerm = log.at(-1)?.term ?? 0;
    const behind =
      message.lastTerm < lastTerm || (message.lastTerm === lastTerm && message.length < log.length);
    const free = votedFor === '' || votedFor === message.from;
    const ok = message.term === term && free && !behind;
    if (ok) {
      votedFor = message.from;
      saveVote();
      heard();
    }
    answer({ term, ok });
  } else if (message.type === 'append') {
    if (message.term < term) {
      answer({ term });
      return;
    }
    heard();
    for (const [i, entry] of message.entries.entries()) {
      const at = message.at + i;
      if (at < log.length && log[at]?.term !== entry.term) truncate(at);
      if (at === log.length) append(entry);
    }
    const length = message.at + message.entries.length;
    void flush().then(() => answer({ term, length }));
  } else if (!primary) {
    answer({ term, ok: false });
  } else if (message.type === 'put') {
    propose({ term, key: message.key, value: message.value }, (ok) => answer({ term, ok }));
  } else {
    // A read goes through the log as well: only who still leads may answer it.
    const last = log.findLast((entry) => entry.key === message.key)?.value;
    const value = last === undefined ? {} : { value: last };
    propose({ term, key: '' }, (ok) => answer({ term, ok, ...value }));
  }
}

function send(socket: net.Socket, message: Message | Answer): void {
  if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
}

function receive<T>(socket: net.Socket, take: (message: T) => void): void {
  let rest = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(JSON.parse(line) as T);
  });
}

recover();
if (fs.existsSync(VOTE)) ({ term, votedFor } = JSON.parse(fs.readFileSync(VOTE, 'utf8')));
console.log(`starts in term ${term} with ${log.length} entries`);
net
  .createServer((socket) => {
    socket.on('error', () => {});
    receive(socket, (message: Message) => handle(message, (answer) => send(socket, answer)));
  })
  .listen(PORT);
heard();
