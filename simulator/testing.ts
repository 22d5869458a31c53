// Small programs and helpers for the tests of the simulator.
import { loadProgram, type ProcessOptions, type Simulation, simulate } from './index.ts';

/** A process that runs the given TypeScript source. */
export async function runs(
  source: string,
  options: Omit<ProcessOptions, 'program'> = {},
): Promise<ProcessOptions> {
  return { ...options, program: await loadProgram({ source }) };
}

/** Runs one program alone to its end, and gives its output and how it ended. */
export async function runAlone(
  source: string,
  options: Omit<ProcessOptions, 'program'> = {},
  seed = 1,
): Promise<{
  output: string[];
  exit: { code: number | null; signal: string | null };
  sim: Simulation;
}> {
  const sim = simulate({ seed, processes: { p: await runs(source, options) } });
  sim.start();
  const process = sim.process('p');
  await sim.runUntil(() => !process.running);
  const { code, signal } = process.exits.at(-1)!;
  return { output: process.output(), exit: { code, signal }, sim };
}

/** Answers every byte that it gets on port 4000, and prints what happens to its connections. */
export const ECHO_SERVER = `
  import net from 'node:net';
  net.createServer((socket) => {
    console.log('accepted');
    socket.on('data', (data) => socket.write(data));
    socket.on('end', () => console.log('end'));
    socket.on('error', (error) => console.log('error', error.code));
    socket.on('close', () => console.log('close'));
  }).listen(4000);
`;

/** Sends a counted message every 10 ms to the host named and prints what comes back. */
export const CLIENT = `
  import net from 'node:net';
  const socket = net.connect(4000, process.argv[2]);
  let sent = 0;
  socket.setEncoding('utf8');
  socket.on('connect', () => {
    console.log('connect');
    setInterval(() => socket.write((sent++) + ';'), 10);
  });
  socket.on('data', (data) => console.log('data', data));
  socket.on('end', () => console.log('end'));
  socket.on('error', (error) => console.log('error', error.code, error.syscall));
  socket.on('close', () => { console.log('close'); process.exit(); });
`;

/** The numbers that CLIENT got back, in order. */
export function numbersOf(lines: readonly string[]): number[] {
  const data = lines.filter((line) => line.startsWith('data ')).map((line) => line.slice(5));
  return data
    .join('')
    .split(';')
    .filter((text) => text !== '')
    .map(Number);
}
