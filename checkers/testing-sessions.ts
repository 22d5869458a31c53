// Correct runs with sessions and ephemeral nodes for the tests of the sessions checker: clients of the
// scripted ensemble that open, make, look, close and give up, through a change of the leader.
import type { Event } from '../history/event.ts';
import type { CoordinatorEvent, NodeEvent } from '../history/node-event.ts';
import type { RunRecord } from '../history/run-record.ts';
import type { ScriptedServer } from './testing.ts';
import { ScriptedEnsemble } from './testing.ts';
import { recordOf, testConfig } from './testing-record.ts';

/** Sessions' timeout; the script's clock moves by tenths of a millisecond. */
export const TIMEOUT_MS = 20;
export const DIRECTORY = '/chaos/ephemeral/t0';

type Shown = Partial<Pick<Event, 'value' | 'zxid' | 'session' | 'error'>>;

interface ScriptedSession {
  id: string;
  process: number;
  via: ScriptedServer;
  nodes: Set<string>;
}

/** Clients with sessions: every transaction's effects are told by each server that applies it. */
export class ScriptedSessions {
  readonly ensemble: ScriptedEnsemble;
  readonly #effects = new Map<number, CoordinatorEvent[]>();
  /** Ephemeral nodes by path, with their owners. */
  readonly alive = new Map<string, string>();
  #processes = 0;
  #names = 0;

  constructor(seed: number, count = 3) {
    this.ensemble = new ScriptedEnsemble(seed, count);
    for (const server of this.ensemble.servers) this.ensemble.start(server);
    this.ensemble.elect(this.ensemble.servers);
  }

  /** Commits one transaction with these effects; returns its zxid. */
  commit(effects: (zxid: number) => CoordinatorEvent[]): number {
    const { ensemble } = this;
    const txn = ensemble.propose('/k', this.#names++);
    this.#effects.set(txn.zxid, effects(txn.zxid));
    ensemble.replicate(txn);
    return txn.zxid;
  }

  /** One operation, both ends recorded. */
  op(
    session: Pick<ScriptedSession, 'process' | 'via'>,
    f: string,
    key: string | undefined,
    act: () => Shown,
    type: 'ok' | 'fail' | 'info' = 'ok',
  ): void {
    const who = { process: session.process, f, ...(key === undefined ? {} : { key }) };
    this.ensemble.record({ ...who, type: 'invoke' });
    const shown = act();
    const node = f === 'abandon' ? {} : { node: session.via.name };
    this.ensemble.record({ ...who, ...node, ...shown, type });
  }

  open(via: ScriptedServer): ScriptedSession {
    const session = { id: '', process: this.#processes++, via, nodes: new Set<string>() };
    this.op(session, 'open', undefined, () => {
      this.commit((zxid) => {
        session.id = zxid.toString(16);
        return [{ ev: 'sessionOpened', session: session.id, timeoutMs: TIMEOUT_MS, zxid }];
      });
      return { session: session.id, value: { timeoutMs: TIMEOUT_MS } };
    });
    return session;
  }

  create(session: ScriptedSession): string {
    const path = `${DIRECTORY}/n${this.#names}`;
    this.op(session, 'create-ephemeral', path, () => {
      const zxid = this.commit((at) => [
        { ev: 'ephemeralCreated', session: session.id, path, zxid: at },
      ]);
      this.alive.set(path, session.id);
      session.nodes.add(path);
      return { zxid, session: session.id, value: { path } };
    });
    return path;
  }

  exists(session: ScriptedSession, path: string): void {
    this.op(session, 'exists', path, () => {
      const owner = this.alive.get(path);
      const value = owner === undefined ? { exists: false } : { exists: true, owner };
      return { value, zxid: session.via.applied, session: session.id };
    });
  }

  children(session: ScriptedSession): void {
    this.op(session, 'children', DIRECTORY, () => {
      const value = [...this.alive.keys()].map((path) => path.slice(DIRECTORY.length + 1)).sort();
      return { value, zxid: session.via.applied, session: session.id };
    });
  }

  #end(session: ScriptedSession): number {
    const zxid = this.commit((at) => [
      { ev: 'sessionClosed', session: session.id, zxid: at },
      ...[...session.nodes].map((path) => ({ ev: 'deleted' as const, path, zxid: at })),
    ]);
    for (const path of session.nodes) this.alive.delete(path);
    return zxid;
  }

  close(session: ScriptedSession): void {
    this.op(session, 'close', undefined, () => ({
      zxid: this.#end(session),
      session: session.id,
      value: { around: [] },
    }));
  }

  abandon(session: ScriptedSession): void {
    this.op(session, 'abandon', undefined, () => ({ session: session.id, value: { burst: [] } }));
  }

  expire(session: ScriptedSession): void {
    const { ensemble } = this;
    const silentMs = TIMEOUT_MS + 1;
    const expired = { session: session.id, silentMs, timeoutMs: TIMEOUT_MS };
    ensemble.say(ensemble.leading, { ev: 'sessionExpired', ...expired });
    this.#end(session);
  }

  /** Comes back with a session that is over. */
  refused(session: ScriptedSession): void {
    const error = 'SessionExpired: the session is over';
    this.op(session, 'reattach', undefined, () => ({ error, session: session.id }), 'fail');
  }

  wait(ms: number): void {
    const until = this.ensemble.tick() + ms * 1e6;
    while (this.ensemble.tick() < until);
  }

  /** The run: every apply is followed by what its transaction did to sessions. */
  record(): RunRecord {
    const nodeEvents: NodeEvent[] = [];
    const next = new Map<string, number>();
    const push = (event: NodeEvent): void => {
      const log = `${event.node}/${event.inc}`;
      const seq = next.get(log) ?? 0;
      next.set(log, seq + 1);
      nodeEvents.push({ ...event, seq });
    };
    for (const event of this.ensemble.nodeEvents) {
      push(event);
      if (event.ev !== 'apply') continue;
      const { t, node, inc } = event;
      for (const effect of this.#effects.get(event.zxid) ?? []) {
        push({ t, node, inc, seq: 0, ...effect });
      }
    }
    const config = {
      ...testConfig(this.ensemble.servers.map(({ name }) => name)),
      workload: 'ephemeral',
    };
    return recordOf(config, this.ensemble.history, nodeEvents);
  }
}

/** A correct run: closes, an expiry, a leader change that sessions survive, and looks at everything. */
export function sessionScript(seed: number, count = 3): ScriptedSessions {
  const script = new ScriptedSessions(seed, count);
  const { ensemble } = script;
  const via = () => ensemble.random.pick([ensemble.leading, ...ensemble.followers]);
  const living = Array.from({ length: 3 }, () => script.open(via()));
  const given = script.open(via());
  for (const session of [...living, given]) {
    for (let i = ensemble.random.int(2, 4); i > 0; i--) script.create(session);
    script.children(session);
  }
  script.abandon(given);
  const old = ensemble.leading;
  ensemble.kill(old);
  ensemble.elect([...ensemble.followers]);
  ensemble.start(old);
  ensemble.join(old);
  for (let round = 0; round < 4; round++) {
    const brief = script.open(via());
    const path = script.create(brief);
    script.exists(brief, path);
    script.children(living[round % 3] as ScriptedSession);
    script.close(brief);
    script.exists(living[0] as ScriptedSession, path);
  }
  script.wait(TIMEOUT_MS + 1);
  script.expire(given);
  script.refused(given);
  for (const session of living) {
    script.create(session);
    for (const path of [...session.nodes, ...given.nodes]) script.exists(session, path);
    script.children(session);
  }
  return script;
}
