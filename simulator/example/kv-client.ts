// A client of the key-value store that writes one key after the other, each once, and remembers what
// was acknowledged. It tries one server after the other until one of them says that it is done.
//
//   node kv-client.ts <all names, comma separated> <writers>
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

interface Answer {
  ok?: boolean;
  value?: string;
}

const PORT = 7000;
const TIMEOUT_MS = 300;
const PAUSE_MS_MAX = 150;

const [all = '', writers = '1'] = process.argv.slice(2);
const servers = all.split(',');
const acknowledged: string[] = [];
let next = 1;
let leader = 0;
let writing = true;

/** One request over a connection of its own; undefined when there is no answer. */
function request(server: string, message: object): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect(PORT, server);
    const timer = setTimeout(() => socket.destroy(), TIMEOUT_MS);
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk) => {
      text += chunk;
      if (text.endsWith('\n')) socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(text.endsWith('\n') ? (JSON.parse(text) as Answer) : undefined);
    });
    socket.write(`${JSON.stringify(message)}\n`);
  });
}

/** Asks until a server has done it. */
async function insist(message: object): Promise<Answer> {
  for (;;) {
    const at = leader;
    const answer = await request(servers[at] ?? '', message);
    if (answer?.ok) return answer;
    if (leader === at) leader = (at + 1) % servers.length;
    await sleep(Math.random() * PAUSE_MS_MAX);
  }
}

async function write(): Promise<void> {
  while (writing) {
    const key = `k${next++}`;
    await insist({ type: 'put', key, value: `value of ${key}` });
    acknowledged.push(key);
    console.log(`acknowledged ${key}`);
    await sleep(Math.random() * PAUSE_MS_MAX);
  }
}

/** Ends the writing, reads back all that was acknowledged, and tells what is not there. */
export async function missing(): Promise<{ acknowledged: number; missing: string[] }> {
  writing = false;
  await done;
  const lost: string[] = [];
  for (const key of acknowledged) {
    const { value } = await insist({ type: 'get', key });
    if (value !== `value of ${key}`) lost.push(key);
  }
  return { acknowledged: acknowledged.length, missing: lost };
}

const done = Promise.all(Array.from({ length: Number(writers) }, write));
