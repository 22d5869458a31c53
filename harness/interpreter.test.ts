// Runs the interpreter against the memory cluster and against clients that misbehave, and reads what
// it recorded. Orders and counts are asserted, never lengths of time.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { repeat, stagger, steps } from '../history/combinators.ts';
import { linksBetween } from '../history/fault.ts';
import { faultRecords, pairOps } from '../history/op.ts';
import type { OpStep, Plan } from '../history/plan.ts';
import type { Nemesis, OpResult, Workload, WorkloadClient } from '../history/plugin.ts';
import { RunClock } from './clock.ts';
import { Interpreter, type InterpreterOptions, SetupError, TIMING } from './interpreter.ts';
import { type LineSink, Recorder } from './recorder.ts';
import { type MemoryCluster, memoryDriver, memorySystem, memoryWorkload } from './testing.ts';

const nowhere: LineSink = { append: () => undefined, close: () => undefined };
const runDir = mkdtempSync(join(tmpdir(), 'chaos-interpreter-'));
afterAll(() => rmSync(runDir, { recursive: true }));

const none: Nemesis = {
  name: 'none',
  description: '',
  needs: [],
  nodesMin: 1,
  *plan() {},
};

function scripted(plan: (nodes: readonly string[]) => Plan): Nemesis {
  return { ...none, name: 'scripted', plan: (context) => plan(context.nodes) };
}

async function memory(): Promise<{ cluster: MemoryCluster; workload: Workload }> {
  const driver = memoryDriver();
  const specs = ['n1', 'n2', 'n3'].map((name) => ({
    name,
    program: '',
    args: () => [],
    files: () => ({}),
    ports: {},
    published: [],
  }));
  const options = { runId: 't', specs, runDir, launchArgs: () => [], log: () => undefined };
  await driver.create(options);
  const cluster = driver.created[0]!;
  for (const node of cluster.nodes) await cluster.start(node);
  cluster.deeds.length = 0;
  return { cluster, workload: memoryWorkload(driver) };
}

interface Given {
  workload: Workload;
  nemesis?: Nemesis;
  cluster?: MemoryCluster;
  concurrency?: number;
  ratePerSecond?: number;
  signal?: AbortSignal;
  timing?: Partial<InterpreterOptions['timing']>;
  onPhase?: InterpreterOptions['onPhase'];
}

function prepare(given: Given) {
  const clock = new RunClock();
  const recorder = new Recorder(clock, nowhere);
  const { cluster } = given;
  const options: InterpreterOptions = {
    workload: given.workload,
    nemesis: given.nemesis ?? none,
    context: {
      nodes: cluster?.nodes ?? ['n1', 'n2', 'n3'],
      address: () => ({ host: '127.0.0.1', port: 1 }),
      concurrency: given.concurrency ?? 3,
      ratePerSecond: given.ratePerSecond ?? 0,
      seed: 1,
      options: {},
    },
    cluster: cluster ?? { inject: () => Promise.reject(new Error('nothing to inject into')) },
    observe: () =>
      cluster === undefined
        ? Promise.resolve({ nodes: [], roles: {} })
        : memorySystem.observe(cluster),
    recorder,
    clock,
    timing: {
      ...TIMING,
      warmupMs: 60,
      faultsMs: 120,
      afterHealMs: 30,
      recoveryMsMax: 500,
      retryMs: 200,
      retryPauseMs: 5,
      ...given.timing,
    },
  };
  if (given.signal !== undefined) options.signal = given.signal;
  if (given.onPhase !== undefined) options.onPhase = given.onPhase;
  return { interpreter: new Interpreter(options), recorder, clock };
}

/** A workload of one closed-loop thread whose client answers as told. */
function answering(answer: (n: number, step: OpStep) => Promise<OpResult>, load?: () => Plan) {
  const clients: { closed: boolean }[] = [];
  let n = 0;
  const workload: Workload = {
    name: 'answering',
    description: '',
    systems: [],
    defaultOptions: {},
    setup: () => steps([]),
    load: load ?? (() => repeat(() => steps([{ kind: 'op', f: 'read' }]), 10)),
    final: () => steps([]),
    client: () => {
      const client: WorkloadClient & { closed: boolean } = {
        closed: false,
        invoke: (step) => answer(n++, step),
        close: async () => void (client.closed = true),
      };
      clients.push(client);
      return client;
    },
    checkers: [],
  };
  return { workload, clients };
}

const ok = async (): Promise<OpResult> => ({ type: 'ok' });

describe('phases', () => {
  it('go from setup to done, with load in warm-up, faults and heal', async () => {
    const { cluster, workload } = await memory();
    const { interpreter, recorder } = prepare({ cluster, workload });
    expect(await interpreter.run()).toBe('complete');
    const phases = recorder.events.filter((e) => e.f === 'phase');
    const names = phases.map((e) => e.value);
    expect(names).toEqual(['setup', 'warmup', 'faults', 'heal', 'final', 'done']);
    const ops = pairOps(recorder.events);
    for (const [i, phase] of phases.slice(0, -1).entries()) {
      const within = ops.filter(
        (op) => op.invoke.index > phase.index && op.invoke.index < phases[i + 1]!.index,
      );
      expect(within.length, String(phase.value)).toBeGreaterThan(0);
    }
    expect(recorder.events.map((e) => e.index)).toEqual(recorder.events.map((_, i) => i));
    const times = recorder.events.map((e) => e.time);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(times.every(Number.isSafeInteger)).toBe(true);
  });

  it('sets up once a node even with fewer threads', async () => {
    const { cluster, workload } = await memory();
    const { interpreter, recorder } = prepare({ cluster, workload, concurrency: 1 });
    await interpreter.run();
    const until = recorder.events.findIndex((e) => e.value === 'warmup');
    const setup = recorder.events.slice(0, until).filter((e) => e.type === 'invoke');
    expect(setup.map((e) => e.key)).toEqual(['/r0', '/r1', '/r2']);
  });

  it('refuse to go on when setup never ends ok', async () => {
    const failing = answering(async () => ({ type: 'fail', error: 'NoAuth' }));
    failing.workload.setup = () => steps([{ kind: 'op', f: 'create', key: '/a' }]);
    const { interpreter, recorder } = prepare({ workload: failing.workload });
    await expect(interpreter.run()).rejects.toThrow(SetupError);
    expect(recorder.counts.fail).toBeGreaterThan(3);
  });

  it('try a final read again as a new operation until it ends ok', async () => {
    const { workload } = answering(async (n) => (n < 2 ? { type: 'info' } : { type: 'ok' }));
    workload.load = () => steps([]);
    workload.final = () => steps([{ kind: 'op', f: 'read', node: 'n2' }]);
    const { interpreter, recorder } = prepare({ workload, concurrency: 1 });
    await interpreter.run();
    const ops = pairOps(recorder.events);
    expect(ops.map((op) => op.type)).toEqual(['info', 'info', 'ok']);
    expect(ops.map((op) => op.process)).toEqual([0, 1, 2]);
    expect(ops.every((op) => op.invoke.node === 'n2')).toBe(true);
  });

  it('end with the error of a plan that throws, and heal first', async () => {
    const { cluster, workload } = await memory();
    const nemesis = scripted(function* ([a = '']) {
      yield { kind: 'inject', fault: { kind: 'pause', nodes: [a] } };
      throw new Error('a bug in the plan');
    });
    const { interpreter } = prepare({ cluster, workload, nemesis });
    await expect(interpreter.run()).rejects.toThrow('a bug in the plan');
    expect(cluster.deeds).toEqual(['inject pause n1', 'heal pause n1']);
  });
});

describe('clients', () => {
  it('replace the process after info, with a new client and the id plus concurrency', async () => {
    const { workload, clients } = answering(async (n) => ({ type: n % 2 === 0 ? 'info' : 'ok' }));
    const { interpreter, recorder } = prepare({ workload, concurrency: 1 });
    await interpreter.run();
    const processes = pairOps(recorder.events).map((op) => op.process);
    expect(processes).toEqual([0, 1, 1, 2, 2, 3, 3, 4, 4, 5]);
    expect(clients).toHaveLength(6);
    expect(clients.every((client) => client.closed)).toBe(true);
  });

  it('step process ids by the concurrency', async () => {
    const { workload } = answering(async () => ({ type: 'info' }));
    workload.load = () => repeat(() => steps([{ kind: 'op', f: 'read' }]), 3);
    const { interpreter, recorder } = prepare({ workload, concurrency: 4 });
    await interpreter.run();
    const ids = pairOps(recorder.events).map((op) => Number(op.process));
    expect(ids.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it('a rejected and a thrown operation are info with the message', async () => {
    const { workload } = answering((n) => {
      if (n === 0) return Promise.reject(new Error('lost the connection'));
      if (n === 1) throw new Error('broke at once');
      return ok();
    });
    const { interpreter, recorder } = prepare({ workload, concurrency: 1 });
    await interpreter.run();
    const ops = pairOps(recorder.events);
    expect(ops[0]?.completion?.error).toBe('lost the connection');
    expect(ops[1]?.completion?.error).toBe('broke at once');
    expect(ops.slice(0, 3).map((op) => op.type)).toEqual(['info', 'info', 'ok']);
  });

  it('a silent client ends info by the guard, and its late answer is not recorded', async () => {
    const late: (() => void)[] = [];
    const { workload } = answering((n) =>
      n === 0 ? new Promise((resolve) => late.push(() => resolve({ type: 'ok' }))) : ok(),
    );
    workload.load = () => repeat(() => steps([{ kind: 'op', f: 'read' }]), 2);
    workload.final = () => {
      for (const answer of late) answer();
      return steps([{ kind: 'op', f: 'read' }]);
    };
    const timing = { guardMs: 50 };
    const { interpreter, recorder } = prepare({ workload, concurrency: 1, timing });
    await interpreter.run();
    const ops = pairOps(recorder.events);
    expect(ops[0]?.completion?.error).toMatch(/guard-timeout/);
    expect(ops.length).toBeGreaterThan(1);
    expect(ops.slice(1).map((op) => [op.process, op.type])).toEqual(
      ops.slice(1).map(() => [1, 'ok']),
    );
  });

  it('never invoke before due, and record due from the start of the run', async () => {
    const intervalNs = 20e6;
    const { workload } = answering(ok, () =>
      stagger(
        { intervalNs, firstNs: 5e6 },
        repeat(() => steps([{ kind: 'op', f: 'read' }]), 5),
      ),
    );
    const { interpreter, recorder } = prepare({ workload, concurrency: 1 });
    await interpreter.run();
    const warmup = recorder.events.find((e) => e.value === 'warmup')!;
    const invokes = recorder.events.filter((e) => e.type === 'invoke');
    const dues = invokes.map((e) => (e.due ?? 0) - warmup.time);
    const expected = [0, 1, 2, 3, 4].map((i) => 5e6 + i * intervalNs);
    for (const [i, due] of dues.entries()) {
      expect(Math.abs(due - expected[i]!)).toBeLessThan(5e6);
      expect(invokes[i]!.time).toBeGreaterThanOrEqual(invokes[i]!.due!);
    }
    expect(dues[1]! - dues[0]!).toBe(intervalNs);
  });

  it('operations that are overdue are invoked at once and keep their due', async () => {
    const { workload } = answering(
      async (n) => {
        if (n === 0) await new Promise((resolve) => setTimeout(resolve, 30));
        return { type: 'ok' };
      },
      () =>
        stagger(
          { intervalNs: 1e6 },
          repeat(() => steps([{ kind: 'op', f: 'read' }]), 10),
        ),
    );
    const { interpreter, recorder } = prepare({ workload, concurrency: 1 });
    await interpreter.run();
    const dues = recorder.events.filter((e) => e.type === 'invoke').map((e) => e.due ?? 0);
    expect(dues.map((due) => due - dues[0]!)).toEqual(dues.map((_, i) => i * 1e6));
  });

  it('a client that never waits does not starve the timers', async () => {
    const { workload } = answering(ok, () => repeat(() => steps([{ kind: 'op', f: 'read' }])));
    const { interpreter, recorder } = prepare({ workload });
    await interpreter.run();
    expect(recorder.counts.ok).toBeGreaterThan(1000);
  });
});

describe('nemesis', () => {
  const isolate = (nodes: readonly string[]) =>
    ({ kind: 'cut', links: linksBetween([nodes[0]!], nodes.slice(1)) }) as const;

  it('records injections and heals with their verification', async () => {
    const { cluster, workload } = await memory();
    const nemesis = scripted(function* (nodes) {
      const injected = yield { kind: 'inject', fault: isolate(nodes) };
      if (injected.kind !== 'injected') throw new Error('expected the injection');
      yield { kind: 'sleep', ms: 20 };
      yield { kind: 'heal', id: injected.id };
    });
    const { interpreter, recorder } = prepare({ cluster, workload, nemesis });
    await interpreter.run();
    const [record] = faultRecords(recorder.events);
    expect(record).toMatchObject({
      id: 0,
      injection: { verified: true },
      heal: { verified: true },
    });
    expect(record?.healed).toBeGreaterThan(record?.injected ?? Number.POSITIVE_INFINITY);
    expect(pairOps(recorder.events).some((op) => op.type === 'info')).toBe(true);
  });

  it('heals in the heal phase what the plan left, and waits for recovery', async () => {
    const { cluster, workload } = await memory();
    const nemesis = scripted(function* (nodes) {
      yield { kind: 'inject', fault: isolate(nodes) };
      for (;;) yield { kind: 'sleep', ms: 1000 };
    });
    const { interpreter, recorder } = prepare({ cluster, workload, nemesis });
    await interpreter.run();
    const heal = recorder.events.find((e) => e.f === 'heal' && e.type === 'ok');
    const phase = (name: string) => recorder.events.find((e) => e.value === name)!.index;
    expect(heal?.index).toBeGreaterThan(phase('heal'));
    const after = pairOps(recorder.events).filter(
      (op) => op.invoke.index > heal!.index && op.invoke.index < phase('final') && op.type === 'ok',
    );
    const nodes = new Set(after.map((op) => op.completion?.node));
    expect([...nodes].sort()).toEqual(['n1', 'n2', 'n3']);
  });

  it('records an unverified and a failed injection as info', async () => {
    const { cluster, workload } = await memory();
    cluster.quirks.unverified = true;
    const nemesis = scripted(function* (nodes) {
      yield { kind: 'inject', fault: isolate(nodes) };
    });
    const first = prepare({ cluster, workload, nemesis });
    await first.interpreter.run();
    expect(faultRecords(first.recorder.events)[0]?.injection.verified).toBe(false);
    const second = prepare({ workload: answering(ok).workload, nemesis });
    await second.interpreter.run();
    const [record] = faultRecords(second.recorder.events);
    expect(record?.injection).toEqual({
      verified: false,
      evidence: 'inject failed: nothing to inject into',
    });
  });
});

describe('interruption', () => {
  it.each(['setup', 'warmup', 'faults', 'heal', 'final'])('in %s heals and stops', async (when) => {
    const { cluster, workload } = await memory();
    const nemesis = scripted(function* () {
      yield { kind: 'inject', fault: { kind: 'pause', nodes: ['n2'] } };
      for (;;) yield { kind: 'sleep', ms: 1000 };
    });
    const abort = new AbortController();
    const { interpreter, recorder } = prepare({
      cluster,
      workload,
      nemesis,
      signal: abort.signal,
      onPhase: (phase) => {
        if (phase === when) setImmediate(() => abort.abort());
      },
    });
    expect(await interpreter.run()).toBe('interrupted');
    const injected = cluster.deeds.filter((deed) => deed.startsWith('inject'));
    const healed = cluster.deeds.filter((deed) => deed.startsWith('heal'));
    expect(healed).toHaveLength(injected.length);
    expect(injected).toHaveLength(['setup', 'warmup'].includes(when) ? 0 : 1);
    expect(recorder.events.filter((e) => e.f === 'phase').at(-1)?.value).toBe(when);
    const later = recorder.events.length;
    await new Promise((resolve) => setImmediate(resolve));
    expect(recorder.events).toHaveLength(later);
  });
});
