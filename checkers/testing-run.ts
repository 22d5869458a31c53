// Whole correct runs for the tests of the checkers: clients over the scripted ensemble through a cut
// leader, killed servers, lost and surviving tails, snapshots, and final reads.
import type { Event } from '../history/event.ts';
import { linksBetween } from '../history/fault.ts';
import type { NodeEvent } from '../history/node-event.ts';
import type { RunRecord } from '../history/run-record.ts';
import type { Verdict } from '../history/verdict.ts';
import type { ScriptedServer } from './testing.ts';
import { ScriptedEnsemble } from './testing.ts';
import { recordOf, testConfig } from './testing-record.ts';

const KEYS = ['/k0', '/k1', '/k2'];

/** Clients of the ensemble: each process stays with one server and has one session at a time. */
class ScriptedClients {
  readonly #ensemble: ScriptedEnsemble;
  readonly #processes = new Map<string, number>();
  #processNext = 0;
  #valueNext = 1;

  constructor(ensemble: ScriptedEnsemble) {
    this.#ensemble = ensemble;
  }

  #at(node: string) {
    let process = this.#processes.get(node);
    if (process === undefined) {
      process = this.#processNext++;
      this.#processes.set(node, process);
    }
    return { process, node };
  }

  write(via: ScriptedServer, key: string, f: 'write' | 'cas' = 'write'): void {
    const value = this.#valueNext++;
    const who = this.#at(via.name);
    this.#ensemble.record({ ...who, type: 'invoke', f, key, value, due: this.#ensemble.tick() });
    this.#ensemble.replicate(this.#ensemble.propose(key, value));
    const cell = via.cells.get(key);
    const shown = { zxid: cell?.mzxid, mzxid: cell?.mzxid, version: cell?.version };
    const ok = { ...who, type: 'ok' as const, f, key, value, session: `s${who.process}` };
    this.#ensemble.record(JSON.parse(JSON.stringify({ ...ok, ...shown })));
  }

  read(via: ScriptedServer, key: string): void {
    const who = this.#at(via.name);
    this.#ensemble.record({ ...who, type: 'invoke', f: 'read', key });
    const cell = via.cells.get(key);
    const shown = { value: cell?.value, mzxid: cell?.mzxid, version: cell?.version };
    const zxids = { zxid: via.applied, syncZxid: via.applied };
    const ok = { ...who, type: 'ok' as const, f: 'read', key, session: `s${who.process}` };
    this.#ensemble.record(JSON.parse(JSON.stringify({ ...ok, ...shown, ...zxids })));
  }

  badVersion(via: ScriptedServer, key: string): void {
    const who = { ...this.#at(via.name), f: 'cas', key };
    this.#ensemble.record({ ...who, type: 'invoke', value: -1 });
    const session = `s${who.process}`;
    const error = 'BadVersion: expected 0';
    this.#ensemble.record({ ...who, type: 'fail', error, zxid: via.applied, session });
  }

  /** A write that nobody answers; `act` is what becomes of it. */
  unanswered(via: ScriptedServer, key: string, act: (value: number) => void): void {
    const value = this.#valueNext++;
    const who = { ...this.#at(via.name), f: 'write', key, value };
    this.#ensemble.record({ ...who, type: 'invoke', due: this.#ensemble.tick() });
    act(value);
    this.#ensemble.record({ ...who, type: 'info', error: 'Timeout: no reply' });
    this.#processes.delete(via.name);
  }

  some(count: number): void {
    const { random, leading, followers } = this.#ensemble;
    for (let i = 0; i < count; i++) {
      const via = random.pick([leading, ...followers]);
      const key = random.pick(KEYS);
      const draw = random.int(0, 9);
      if (draw < 4) this.write(via, key);
      else if (draw < 5) this.write(via, key, 'cas');
      else if (draw < 6) this.badVersion(via, key);
      else this.read(via, key);
    }
  }
}

/** A correct run of `count` servers, different for every seed; every checker finds it valid. */
export function correctRun(seed: number, count = 3): RunRecord {
  const ensemble = new ScriptedEnsemble(seed, count);
  const clients = new ScriptedClients(ensemble);
  ensemble.phase('boot');
  for (const server of ensemble.servers) ensemble.start(server);
  ensemble.elect(ensemble.servers);
  ensemble.phase('setup');
  for (const key of KEYS) clients.write(ensemble.leading, key);
  ensemble.phase('warmup');
  clients.some(20);
  clients.write(ensemble.leading, KEYS[0] as string, 'cas');
  ensemble.phase('faults');
  cutLeader(ensemble, clients);
  clients.some(10);
  ensemble.snapshot(ensemble.random.pick(ensemble.followers));
  killFollower(ensemble, clients);
  clients.some(10);
  killLeader(ensemble, clients);
  ensemble.phase('heal');
  clients.some(10);
  ensemble.phase('final');
  for (const key of KEYS) for (const server of ensemble.servers) clients.read(server, key);
  ensemble.phase('done');
  const config = testConfig(
    ensemble.servers.map((s) => s.name),
    seed,
  );
  return recordOf(config, ensemble.history, ensemble.nodeEvents);
}

/** The leader is cut off with a tail that is lost, or that a follower has and that survives. */
function cutLeader(ensemble: ScriptedEnsemble, clients: ScriptedClients): void {
  const { random } = ensemble;
  const old = ensemble.leading;
  const rest = [...ensemble.followers];
  const others = rest.map((s) => s.name);
  const fault = { kind: 'cut' as const, links: linksBetween([old.name], others) };
  const id = ensemble.inject(fault);
  const survives = random.bool();
  clients.unanswered(old, random.pick(KEYS), (value) => {
    const txn = ensemble.propose(random.pick(KEYS), value);
    if (!survives) return;
    const keeper = random.pick(rest);
    ensemble.append(keeper, txn);
    ensemble.fsync(keeper);
  });
  for (let i = random.int(0, 2); i > 0; i--) {
    clients.unanswered(old, random.pick(KEYS), (value) =>
      ensemble.propose(random.pick(KEYS), value),
    );
  }
  ensemble.elect(rest);
  ensemble.say(old, { ev: 'role', role: 'looking' });
  clients.some(10);
  ensemble.heal(id, fault);
  ensemble.join(old);
}

/** A follower dies with a record on disk that it had no time to speak of, or not to sync. */
function killFollower(ensemble: ScriptedEnsemble, clients: ScriptedClients): void {
  const { random } = ensemble;
  const follower = random.pick(ensemble.followers);
  const fault = { kind: 'kill' as const, nodes: [follower.name] };
  const id = ensemble.inject(fault);
  const last = random.bool();
  clients.unanswered(ensemble.leading, KEYS[0] as string, (value) => {
    const txn = ensemble.propose(KEYS[0] as string, value);
    if (!last) ensemble.append(follower, txn);
    ensemble.kill(follower, last ? txn : undefined);
    ensemble.replicate(txn);
  });
  clients.some(8);
  ensemble.start(follower);
  ensemble.heal(id, fault);
  if (random.bool()) {
    ensemble.joinCutShort(follower);
    ensemble.start(follower);
  }
  ensemble.join(follower);
}

function killLeader(ensemble: ScriptedEnsemble, clients: ScriptedClients): void {
  const { random } = ensemble;
  const leader = ensemble.leading;
  const fault = { kind: 'kill' as const, nodes: [leader.name] };
  const id = ensemble.inject(fault);
  const rest = [...ensemble.followers];
  clients.unanswered(leader, KEYS[1] as string, (value) => {
    if (random.bool()) ensemble.propose(KEYS[1] as string, value);
  });
  ensemble.kill(leader);
  ensemble.elect(rest);
  clients.some(8);
  ensemble.start(leader);
  ensemble.heal(id, fault);
  if (random.bool()) {
    ensemble.joinCutShort(leader);
    ensemble.start(leader);
  }
  ensemble.join(leader);
}

/** A copy of a run with its node events and history changed by `change`, numbered anew without gaps. */
export function altered(
  run: RunRecord,
  change: (nodeEvents: NodeEvent[], history: Event[]) => NodeEvent[] | undefined,
): RunRecord {
  const history = structuredClone(run.history);
  const copies = structuredClone(run.nodeEvents);
  const nodeEvents = change(copies, history) ?? copies;
  const next = new Map<string, number>();
  for (const event of nodeEvents) {
    const log = `${event.node}/${event.inc}`;
    event.seq = next.get(log) ?? 0;
    next.set(log, event.seq + 1);
  }
  return recordOf(structuredClone(run.config), history, nodeEvents);
}

/** All node events of one kind, in order. */
export function eventsOfKind<K extends NodeEvent['ev']>(
  events: readonly NodeEvent[],
  ev: K,
): Extract<NodeEvent, { ev: K }>[] {
  return events.filter((e): e is Extract<NodeEvent, { ev: K }> => e.ev === ev);
}

/** The kinds of a verdict's anomalies, each once. */
export function kinds(verdict: Verdict): string[] {
  return [...new Set(verdict.anomalies.map((anomaly) => anomaly.kind))];
}
