// The program of a holder container: it keeps a node's network namespace alive, loads nft rules into
// it, and probes peers from inside it. It outlives the server that shares its namespace.
import { spawn } from 'node:child_process';
import { createServer, type Socket } from 'node:net';
import { type Message, onMessages, reply } from '../lines.ts';
import { CONTROL_PORT, echoServer, PROBE_PORT, probe } from '../probe.ts';
import { cutRules, type NamespaceCuts, readCounters, standingRules } from './rules.ts';

const NFT_OUTPUT_MAX = 1024 * 1024;

/** What the harness passes in the environment as CHAOS_HOLDER. */
export interface HolderConfig {
  subnet: string;
  token: string;
  /** Only load the rules, list them and end: whether this kernel can do it at all. */
  tryOnly?: boolean;
}

function nft(args: string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('nft', args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let output = '';
    let complaint = '';
    child.stdout.on('data', (bytes: Buffer) => {
      if (output.length < NFT_OUTPUT_MAX) output += bytes.toString('utf8');
    });
    child.stderr.on('data', (bytes: Buffer) => {
      if (complaint.length < NFT_OUTPUT_MAX) complaint += bytes.toString('utf8');
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`nft ${args.join(' ')} ended with ${code}: ${complaint.trim()}`));
    });
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

const listRules = (): Promise<string> => nft(['list', 'table', 'inet', 'chaos'], '');

async function answer(question: Message): Promise<Message> {
  if (question.ask === 'cuts') {
    await nft(['-f', '-'], cutRules(question.cuts as NamespaceCuts));
    return {};
  }
  if (question.ask === 'counters') return { counters: readCounters(await listRules()) };
  if (question.ask === 'probe') {
    const { host, port, timeoutMs } = question as { host: string; port: number; timeoutMs: number };
    return { result: await probe(host, port, timeoutMs) };
  }
  throw new Error(`unknown question '${String(question.ask)}'; known: cuts, counters, probe`);
}

function serve(token: string): void {
  const control = createServer((socket: Socket) => {
    let welcome = false;
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    onMessages(socket, (message) => {
      if (!welcome) {
        if (message.token !== token) socket.destroy();
        else {
          welcome = true;
          // From where the harness comes its clients come too.
          void reply(socket, message, () => ({ hello: true, from: socket.remoteAddress }));
        }
        return;
      }
      void reply(socket, message, answer);
    });
  });
  control.listen(CONTROL_PORT, '0.0.0.0');
  echoServer().listen(PROBE_PORT, '0.0.0.0');
}

async function main(): Promise<void> {
  const config = JSON.parse(process.env.CHAOS_HOLDER ?? '{}') as HolderConfig;
  await nft(['-f', '-'], standingRules(config.subnet));
  if (config.tryOnly === true) {
    const counters = readCounters(await listRules());
    process.stdout.write(`${JSON.stringify(counters)}\n`);
    return;
  }
  serve(config.token);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
