// The stack composed: which workloads its services get for which names, and how two workloads are one to the
// interpreter without either seeing the other.
import { describe, expect, it } from 'vitest';
import type { Plan } from '../history/plan.ts';
import type { Workload, WorkloadContext } from '../history/plugin.ts';
import { Random } from '../history/random.ts';
import type { RunPart } from '../history/run-record.ts';
import { BadArguments } from './names.ts';
import { partsFor, workloadName, workloadOf } from './parts.ts';
import { workloads } from './plugins.ts';
import { stack } from './systems/stack.ts';

const { services = [] } = stack;
const parts = (names?: string) => partsFor({ ...stack, services }, names, 3, workloads);

describe('names', () => {
  it('give each service its workload, and its usual one where none is named', () => {
    expect(workloadName(parts())).toBe('register+log');
    expect(workloadName(parts('group'))).toBe('register+group');
    expect(workloadName(parts('idempotent+bank'))).toBe('bank+idempotent');
    expect(parts().map(({ nodes }) => nodes)).toEqual([
      ['c1', 'c2', 'c3'],
      ['b1', 'b2', 'b3'],
    ]);
  });

  it.each([
    ['register+bank', /one workload for the coordinator, got register and bank/],
    ['regster+log', /unknown workload "regster"; did you mean register/],
    ['', /unknown workload ""/],
  ])('%j is refused', (names, message) => {
    expect(() => parts(names)).toThrow(BadArguments);
    expect(() => parts(names)).toThrow(message);
  });
});

interface Call {
  part: string;
  what: string;
  thread: number;
  context: WorkloadContext;
}

/** A workload that notes how it is called. */
function noting(name: string, calls: Call[]): Workload {
  function* note(what: string, context: WorkloadContext, thread: number) {
    calls.push({ part: name, what, thread, context });
    yield { kind: 'sleep', ms: 1 } as const;
  }
  return {
    name,
    description: name,
    systems: [name],
    defaultOptions: {},
    setup: (context, thread) => note('setup', context, thread),
    load: (context, thread) => note('load', context, thread),
    final: (context, thread) => note('final', context, thread),
    client: () => ({ invoke: async () => ({ type: 'ok' }), close: async () => undefined }),
    checkers: [],
  };
}

function walk(plan: Plan): void {
  while (plan.next({ kind: 'slept' }).done !== true);
}

describe('two workloads as one', () => {
  const part = (name: string, nodes: string[]): RunPart => ({
    system: name,
    workload: name,
    nodes,
    systemOptions: {},
    workloadOptions: { of: name },
  });
  const both = [part('below', ['c1', 'c2', 'c3']), part('above', ['b1', 'b2', 'b3'])];

  it.each([2, 3, 4, 6, 9, 10])(
    'are set up once a node and loaded by all of %i threads',
    (threads) => {
      const calls: Call[] = [];
      const config = { workload: 'below+above', parts: both };
      const one = workloadOf(config, [noting('below', calls), noting('above', calls)]);
      const context: WorkloadContext = {
        nodes: both.flatMap(({ nodes }) => nodes),
        address: () => ({ host: '', port: 0 }),
        concurrency: threads,
        ratePerSecond: 100,
        timeLimitMs: 1,
        seed: 1,
        options: {},
      };
      // As the interpreter calls it: one setup a node, by the threads in turn.
      for (let node = 0; node < context.nodes.length; node++) walk(one.setup(context, node));
      for (let thread = 0; thread < threads; thread++) {
        walk(one.load(context, thread, new Random(1, 'x')));
      }
      for (const { part: name, context: seen } of calls) {
        expect(seen.nodes).toEqual(both.find(({ system }) => system === name)?.nodes);
        expect(seen).toMatchObject({ ratePerSecond: 50, options: { of: name } });
      }
      const threadsOf = (name: string, what: string) =>
        calls
          .filter((call) => call.part === name && call.what === what)
          .map(({ thread }) => thread);
      for (const name of ['below', 'above']) {
        expect(threadsOf(name, 'setup').sort()).toEqual([0, 1, 2]);
        const own = calls.find((call) => call.part === name)?.context.concurrency;
        expect(threadsOf(name, 'load')).toEqual(Array.from({ length: own ?? 0 }, (_, i) => i));
      }
      expect(calls.filter(({ what }) => what === 'load')).toHaveLength(threads);
    },
  );
});
