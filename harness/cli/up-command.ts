// `chaos up` keeps a cluster running for other clients to use, and `chaos clean` removes what runs that
// were killed left behind.
import type { RunConfig } from '../../history/run-record.ts';
import { EXIT } from '../../history/verdict.ts';
import { boot } from '../boot.ts';
import { errorLine, Halt, monotonicNs } from '../clock.ts';
import type { Cluster, ClusterDriver } from '../cluster.ts';
import { composition, pickClusterFor, refuseAbsent } from '../config.ts';
import { BadArguments, lookUp } from '../names.ts';
import type { Registry } from '../registry-types.ts';
import { createRun } from '../store.ts';
import type { System } from '../system.ts';
import { Output, type Terminal } from './terminal.ts';

const CLEAN_PASSES_MAX = 40;
const CLEAN_PAUSE_MS = 250;

export interface UpRequest {
  system: string;
  nodes: number;
  cluster?: string;
}

/** Boots, prints the connect string, waits for Ctrl-C, cleans up; then exit 130 as any interruption. */
export async function upCommand(
  request: UpRequest,
  terminal: Terminal,
  registry: Registry,
): Promise<number> {
  const output = new Output(terminal, false);
  const say = (line: string) => void terminal.stderr.write(`${line}\n`);
  const system = lookUp('system', request.system, registry.systems, (entry) => entry.name);
  const halt = new Halt();
  const interrupt = () => halt.reach();
  if (terminal.signal.aborted) interrupt();
  terminal.signal.addEventListener('abort', interrupt, { once: true });
  let cluster: Cluster | undefined;
  let exit: number = EXIT.interrupted;
  try {
    refuseAbsent(system);
    const driver = await pickClusterFor(system, request.cluster, registry, say);
    const config = idleConfig(system, composition(system, request, registry), driver.kind);
    const runDir = createRun(terminal.storeDir, config.name, new Date(), config.seed, false);
    await boot({
      config,
      system,
      driver,
      runDir,
      baseNs: monotonicNs(),
      halt,
      log: say,
      onCluster: (made) => {
        cluster = made;
      },
      onExit: (node, how) => say(`${node} ended by itself: ${how}`),
    });
    if (cluster !== undefined && !halt.reached) {
      for (const [name, nodes] of servicesOf(config)) {
        output.line(`${name} ${connectString(cluster, nodes, system.clientPort)}`);
      }
      say('Ctrl-C ends it');
      await untilReached(terminal.signal);
    }
  } catch (error) {
    if (error instanceof BadArguments) throw error;
    if (halt.reached) say(errorLine(error));
    else {
      output.problem(errorLine(error));
      exit = EXIT.infrastructure;
    }
  } finally {
    terminal.signal.removeEventListener('abort', interrupt);
    await cluster?.close();
  }
  return exit;
}

function untilReached(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    // A timer keeps the process alive where the cluster itself holds no handle open.
    const alive = setInterval(() => undefined, 60_000);
    const end = () => {
      clearInterval(alive);
      resolve();
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}

/** What runs, by the name that its connect string is printed under, with its nodes. */
function servicesOf({ system, nodes, parts }: RunConfig): [string, string[]][] {
  return parts?.map((part) => [part.system, part.nodes]) ?? [[system, nodes]];
}

function connectString(cluster: Cluster, nodes: readonly string[], port: string): string {
  return nodes
    .map((node) => cluster.address(node, port))
    .map(({ host, port: number }) => `${host}:${number}`)
    .join(',');
}

/** The configuration of a cluster that nothing is run against. */
function idleConfig(
  system: System,
  { nodes, parts }: Pick<RunConfig, 'nodes' | 'parts'>,
  cluster: string,
): RunConfig {
  return {
    name: `up-${system.name}`,
    system: system.name,
    workload: 'none',
    nemesis: 'none',
    cluster,
    nodes,
    timeLimitMs: 0,
    ratePerSecond: 0,
    concurrency: 0,
    seed: 0,
    systemOptions: { ...system.defaultOptions },
    workloadOptions: {},
    recoveryMsMax: 0,
    eventLevel: 'state',
    ...(parts === undefined ? {} : { parts }),
  };
}

/** Removes what killed runs left; the store's files are the user's and stay. */
export async function cleanCommand(terminal: Terminal, registry: Registry): Promise<number> {
  const output = new Output(terminal, false);
  let exit: number = EXIT.valid;
  const removed = new Set<string>();
  for (const driver of registry.drivers) {
    const found = await driver.available();
    if (!found.ok) output.line(`${driver.kind} was not looked at: ${found.reason}`);
    if (!found.ok) continue;
    try {
      for await (const line of cleanUntilNothing(driver, terminal.storeDir)) {
        if (!removed.has(line)) output.line(line);
        removed.add(line);
      }
    } catch (error) {
      output.problem(`cleaning the ${driver.kind} cluster failed: ${errorLine(error)}`);
      exit = EXIT.infrastructure;
    }
  }
  if (removed.size > 0) output.line(`removed ${removed.size}`);
  else if (exit === EXIT.valid) output.line('nothing was left behind');
  return exit;
}

/**
 * Cleans until there is nothing more to remove. One pass is not always enough: another `clean` may be
 * at the same things, and what a daemon was asked for by a harness just killed may still be on its way.
 */
async function* cleanUntilNothing(
  driver: ClusterDriver,
  storeDir: string,
): AsyncGenerator<string, void, void> {
  for (let pass = 1; ; pass++) {
    try {
      const lines = await driver.clean(storeDir);
      if (lines.length === 0) return;
      yield* lines;
      if (pass >= CLEAN_PASSES_MAX)
        throw new Error(`there is still something: ${lines.join(', ')}`);
    } catch (error) {
      if (pass >= CLEAN_PASSES_MAX) throw error;
    }
    await new Promise((done) => setTimeout(done, CLEAN_PAUSE_MS));
  }
}
