// The workload `service-discovery`: servers come and go as ephemeral nodes that record the accesses they got;
// clients keep the list by watching it and send each access to the least loaded.
import { discovery } from '../checkers/discovery.ts';
import { tree } from '../checkers/tree.ts';
import { watches } from '../checkers/watches.ts';
import type { Event } from '../history/event.ts';
import type { OpStep, Plan } from '../history/plan.ts';
import type { Workload, WorkloadContext } from '../history/plugin.ts';
import type { Random } from '../history/random.ts';
import { createAll, finalReads, onTree, paced, rest, settledLists } from './pacing.ts';

const ROOT = '/chaos/services';
/** One thread of so many is a server. */
const SERVERS_EACH = 3;
const LIFE_MS_MAX = 4_000;
const AWAY_MS_MAX = 500;
const DEATH = 0.5;
/** How a client's operations are drawn; the rest are accesses, each after a look at one server. */
const SHARE = { list: 0.2, mark: 0.03 } as const;

/** A server's life: registers, lives, dies or leaves, and comes back under another number. */
function* serve(context: WorkloadContext, thread: number, random: Random): Plan {
  for (;;) {
    let path: string | undefined;
    const value = { sequential: true, data: { load: 0, by: `t${thread}` } };
    const made = yield { kind: 'op', f: 'create-ephemeral', key: `${ROOT}/s-`, value };
    if (made.kind === 'op' && made.event.type === 'ok') {
      path = (made.event.value as { path: string }).path;
      yield { kind: 'sleep', ms: random.int(1, LIFE_MS_MAX) };
      yield { kind: 'op', f: 'get', key: path };
    }
    if (path !== undefined && random.bool(DEATH)) yield { kind: 'op', f: 'delete', key: path };
    else yield { kind: 'op', f: 'abandon', value: { burst: [] } };
    yield { kind: 'sleep', ms: random.int(1, AWAY_MS_MAX) };
    yield* rest(context, random);
  }
}

interface Seen {
  load: number;
  version: number;
}

/** What a client knows of the servers. */
class Balancer {
  readonly #thread: number;
  readonly #random: Random;
  #servers = new Map<string, Seen | undefined>();
  #sent = 0;

  constructor(thread: number, random: Random) {
    this.#thread = thread;
    this.#random = random;
  }

  next(): OpStep {
    const random = this.#random;
    const point = random.float();
    if (point < SHARE.list || this.#servers.size === 0) {
      return { kind: 'op', f: 'children', key: ROOT, value: { watch: true } };
    }
    const by = `t${this.#thread}-${++this.#sent}`;
    if (point < SHARE.list + SHARE.mark) return { kind: 'op', f: 'write', key: ROOT, value: by };
    const unknown = [...this.#servers].find(([, seen]) => seen === undefined);
    if (unknown !== undefined) return { kind: 'op', f: 'get', key: unknown[0] };
    const known = [...this.#servers] as [string, Seen][];
    const least = Math.min(...known.map(([, { load }]) => load));
    const [path, seen] = random.pick(known.filter(([, { load }]) => load === least));
    const set = { op: 'set', path, data: { load: seen.load + 1, by }, version: seen.version };
    return { kind: 'op', f: 'multi', key: path, value: { ops: [set] } };
  }

  learn({ f, type, key = '', value, version = 0, error = '', heard = [] }: Event): void {
    if (heard.some(({ path }) => path === ROOT)) this.#servers.clear();
    if (f === 'children' && type === 'ok') {
      const names = value as string[];
      const old = this.#servers;
      this.#servers = new Map(names.map((name) => [`${ROOT}/${name}`, old.get(`${ROOT}/${name}`)]));
    } else if (f === 'get' && type === 'ok') {
      const { load } = (value as { data: { load: number } }).data;
      if (this.#servers.has(key)) this.#servers.set(key, { load, version });
    } else if (/^NoNode\b/.test(error)) this.#servers.delete(key);
    else if (f === 'multi' && this.#servers.has(key)) this.#servers.set(key, undefined);
  }
}

function load(context: WorkloadContext, thread: number, random: Random): Plan {
  if (thread % SERVERS_EACH === 0) return serve(context, thread, random);
  const balancer = new Balancer(thread, random);
  const learn = (event: Event): void => balancer.learn(event);
  return paced(context, thread, random, () => balancer.next(), learn);
}

/** Everybody begins anew; some servers register once more, and everybody must be shown just these. */
function* final(context: WorkloadContext, thread: number): Plan {
  yield { kind: 'op', f: 'open' };
  let path: string | undefined;
  if (thread % SERVERS_EACH === 0) {
    const value = { sequential: true, data: { load: 0, by: `t${thread} at last` } };
    const made = yield { kind: 'op', f: 'create-ephemeral', key: `${ROOT}/s-`, value };
    if (made.kind === 'op' && made.event.type === 'ok') {
      path = (made.event.value as { path: string }).path;
    }
  }
  yield* settledLists(context, ROOT);
  if (path !== undefined) yield { kind: 'op', f: 'get', key: path };
  yield* finalReads(context, thread, [ROOT]);
}

/** Steps: `create-ephemeral` registers a server, `children` lists, `multi` records an access. */
export const serviceDiscovery: Workload = {
  name: 'service-discovery',
  description: 'servers come and go, clients learn of it and balance on the recorded load',
  ...onTree(true),
  setup: (context, thread) => createAll(context, thread, [ROOT], (key) => `setup ${key}`),
  load,
  final,
  checkers: [discovery, watches, tree],
};
