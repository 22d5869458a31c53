// The scenario of the example: three servers and a client in a simulation, faults drawn from the seed,
// and one property: every write that was acknowledged can be read at the end.
import { fileURLToPath } from 'node:url';
import { loadProgram, type Program, type RandomStream, simulate } from '../index.ts';

const SERVERS = ['a', 'b', 'c'];
const WRITERS = 2;
const FAULTS_MIN = 2;
const FAULTS_MAX = 7;
const FAULTS_MS = 1_500;
const FAULT_MS_MAX = 600;
const AFTER_MS = 200;
const LIMIT_MS = 60_000;
/** Lines of the trace that are kept for the story. */
const STORY_LINES = 20_000;

/** A fault as plain data: stored, printed, and taken away one by one. */
export type Fault = { atMs: number; forMs: number } & (
  | { kind: 'cut'; from: string; to: string }
  | { kind: 'kill'; host: string }
  | { kind: 'power loss'; hosts: string[] }
);

export interface Outcome {
  acknowledged: number;
  /** Keys that were acknowledged and are not there. */
  missing: string[];
  /** Proves that two runs were the same. */
  hash: string;
  virtualMs: number;
  /** The last lines of the trace: virtual ns, what, whose, details. */
  trace: string[];
}

export interface Programs {
  server: Program;
  client: Program;
}

/** Bundles both programs; a test hands in a plugin that mends the server on its way in. */
export async function loadPrograms(
  plugins: Parameters<typeof loadProgram>[1] = {},
): Promise<Programs> {
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const [server, client] = await Promise.all([
    loadProgram(path('kv-server.ts'), plugins),
    loadProgram(path('kv-client.ts')),
  ]);
  return { server, client };
}

/** The faults of a seed. They are drawn apart from the run, so that one can be left out. */
export function faultsOf(seed: number): Fault[] {
  const random = simulate({ seed }).random('faults');
  const count = FAULTS_MIN + random.int(FAULTS_MAX - FAULTS_MIN + 1);
  return Array.from({ length: count }, () => draw(random)).sort((x, y) => x.atMs - y.atMs);
}

function draw(random: RandomStream): Fault {
  const when = { atMs: 500 + random.int(FAULTS_MS), forMs: 50 + random.int(FAULT_MS_MAX) };
  const first = random.int(SERVERS.length);
  const host = SERVERS[first] ?? '';
  const other = SERVERS[(first + 1 + random.int(SERVERS.length - 1)) % SERVERS.length] ?? '';
  switch (random.int(4)) {
    case 0:
    case 1:
      return { ...when, kind: 'cut', from: host, to: other };
    case 2:
      return { ...when, kind: 'kill', host };
    default:
      return { ...when, kind: 'power loss', hosts: random.int(4) === 0 ? SERVERS : [host] };
  }
}

/** One run: the same seed, faults and programs give the same run to the last event. */
export async function run(
  seed: number,
  faults: readonly Fault[],
  { server, client }: Programs,
): Promise<Outcome> {
  const all = SERVERS.join(',');
  const sim = simulate({ seed, trace: { keepLast: STORY_LINES } });
  for (const name of SERVERS) sim.add(name, { program: server, argv: [name, all] });
  const clients = sim.add('client', { program: client, argv: [all, `${WRITERS}`] });
  sim.start();

  const startAgain = (hosts: string[]) => {
    for (const host of hosts) if (!sim.process(host).running) sim.start(host);
  };
  for (const fault of faults) {
    const endMs = fault.atMs + fault.forMs;
    if (fault.kind === 'cut') {
      sim.at(fault.atMs, () => sim.network.cut(fault.from, fault.to));
      sim.at(endMs, () => sim.network.heal(fault.from, fault.to));
    } else if (fault.kind === 'kill') {
      sim.at(fault.atMs, () => sim.process(fault.host).kill());
      sim.at(endMs, () => startAgain([fault.host]));
    } else {
      sim.at(fault.atMs, () => {
        for (const host of fault.hosts) sim.powerLoss(host);
      });
      sim.at(endMs, () => startAgain(fault.hosts));
    }
  }
  const endMs = Math.max(0, ...faults.map((fault) => fault.atMs + fault.forMs));
  await sim.runFor(endMs + AFTER_MS);

  type Client = typeof import('./kv-client.ts');
  const check = clients.call((exports: Client) => exports.missing());
  const found = await sim.runUntil(check, { limitMs: LIMIT_MS });
  if (found === undefined) throw new Error('expected the client to tell what is missing');
  const { hash } = sim.summary();
  return { ...found, hash, virtualMs: sim.nowMs, trace: sim.trace.last() };
}
