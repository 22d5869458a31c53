// The harness inside the simulation: the interpreter with a workload and a nemesis, as one process of
// its own machine. It ends with a restart of all servers, and has them show what they recovered from disk.
import type { WorkloadContext } from '../../../history/plugin.ts';
import { errorLine, RunClock } from '../../clock.ts';
import { Interpreter } from '../../interpreter.ts';
import { workloadOf } from '../../parts.ts';
import { nemeses, systems, workloads } from '../../plugins.ts';
import { Recorder } from '../../recorder.ts';
import type { SystemView } from '../../system.ts';
import { BRIDGE, type Bridge } from './bridge.ts';

const READY_MS_MAX = 60_000;
const POLL_MS = 50;
const EXIT_POLL_MS = 100;
/** How long the servers have to apply the last write everywhere. */
const SETTLE_MS = 1_500;

type Context = Omit<WorkloadContext, 'timeLimitMs'>;

const bridge = (globalThis as unknown as Record<symbol, Bridge>)[BRIDGE] as Bridge;
const { config, cluster, timing } = bridge;
const clock = new RunClock(0n);
const recorder = new Recorder(clock, { append: (text) => bridge.append(text), close() {} });

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Waits until `missing` finds nothing; if it is not so in time the run has failed. */
async function until(missing: SystemView['notReady'], what: string): Promise<boolean> {
  const deadline = clock.now() + READY_MS_MAX * 1e6;
  for (;;) {
    const why = await missing(cluster);
    if (why === undefined) return true;
    if (clock.now() > deadline) {
      bridge.error(`not ${what} within ${READY_MS_MAX} ms of simulated time: ${why}`);
      return false;
    }
    await sleep(POLL_MS);
  }
}

function watchExits(): void {
  for (const { node, how, because } of cluster.unexpectedExits()) {
    const value = because === undefined ? {} : { value: { because } };
    recorder.record({
      process: 'harness',
      type: 'info',
      f: 'node-exit',
      node,
      error: how,
      ...value,
    });
    // A server that stops because its disk fails keeps its word; the heal starts it again.
    if (because === undefined) bridge.error(`${node} ended by itself: ${how}`);
  }
}

/** Kills and starts every server, and waits until all of them have recovered. */
async function restartAll(system: SystemView, context: Context): Promise<void> {
  const fault = { kind: 'kill' as const, nodes: [...cluster.nodes] };
  const killed = await cluster.inject(fault);
  await killed.heal();
  if (!(await until((nodes) => system.notReady(nodes), 'ready'))) return;
  const coordinators = (config.parts ?? [config]).find((part) => part.system === 'coordinator');
  if (coordinators !== undefined) await lastWrite({ ...context, nodes: coordinators.nodes });
  if (system.notWhole !== undefined) await until(system.notWhole, 'whole');
  // Sessions are left open: a close that the history does not know would need explaining.
  await sleep(SETTLE_MS);
}

/** Has one write applied by all servers of a coordinator. */
async function lastWrite(context: Context): Promise<void> {
  const workload = workloads.find(({ name }) => name === 'register');
  const deadline = clock.now() + READY_MS_MAX * 1e6;
  // A packet may be lost and an attempt with it; each key is new, so any attempt may have happened.
  for (let attempt = 0; ; attempt++) {
    const client = workload?.client({ ...context, timeLimitMs: 0 }, attempt);
    const key = `last-${attempt}`;
    const written = await client?.invoke({ kind: 'op', f: 'create', key, value: 1 });
    if (written?.type === 'ok') return;
    if (clock.now() > deadline) {
      bridge.error(`no write after the last restart: ${written?.error}`);
      return;
    }
    await sleep(POLL_MS);
  }
}

async function main(): Promise<void> {
  const workload = workloadOf(config, workloads);
  const nemesis = nemeses.find(({ name }) => name === config.nemesis);
  const system = systems.find(({ name }) => name === config.system);
  if (nemesis === undefined || system === undefined) {
    const wanted = `system ${config.system} or nemesis ${config.nemesis}`;
    throw new Error(`there is no ${wanted} in the simulator`);
  }
  recorder.record({ process: 'harness', type: 'info', f: 'phase', value: 'boot' });
  for (const node of cluster.nodes) cluster.start(node);
  if (!(await until((nodes) => system.notReady(nodes), 'ready'))) return;
  const exits = setInterval(watchExits, EXIT_POLL_MS);
  const context = {
    nodes: config.nodes,
    address: (node: string) => cluster.address(node, system.clientPort),
    concurrency: config.concurrency,
    ratePerSecond: config.ratePerSecond,
    seed: config.seed,
    options: config.workloadOptions,
  };
  const observed = () => system.observe(cluster);
  const nemesisOptions = config.nemesisOptions ?? {};
  const seen = { context, cluster, observe: observed, recorder, clock };
  const parts = { workload, nemesis, nemesisOptions, timing, ...seen };
  await new Interpreter(parts).run();
  clearInterval(exits);
  watchExits();
  await restartAll(system, context);
  watchExits();
}

try {
  await main();
} catch (error) {
  bridge.error(errorLine(error));
}
recorder.close();
bridge.done();
