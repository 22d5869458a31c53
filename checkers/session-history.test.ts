// What clients alone can say of ephemeral nodes, on histories written by hand: names that change hands and
// nodes that a client deleted are told from nodes that outlive their session or are lost.
import { describe, expect, it } from 'vitest';
import type { Event } from '../history/event.ts';
import { Findings } from './evidence.ts';
import { judgeHistory } from './session-history.ts';
import { recordOf, testConfig } from './testing-record.ts';

const NAME = '/names/a';
const TIMEOUT_MS = 1_000;

class Names {
  readonly history: Event[] = [];
  #zxid = 100;
  #nowNs = 0;

  op(session: string, f: string, value: unknown, end: Partial<Event>, key = NAME): void {
    const both = { process: Number(session.slice(1)), f, key };
    const at = (): { index: number; time: number } => {
      this.#nowNs += 1e6;
      return { index: this.history.length, time: this.#nowNs };
    };
    this.history.push({ ...both, ...at(), type: 'invoke', value });
    const ended = { type: 'ok' as const, node: 'n1', session, connection: 1, zxid: this.#zxid };
    this.history.push({ ...both, ...at(), ...ended, ...end });
  }

  take(session: string, end: Partial<Event> = {}): void {
    this.#zxid += 1;
    const value = { path: NAME, data: session };
    this.op(session, 'create-ephemeral', { sequential: false, data: session }, { value, ...end });
  }

  release(session: string, end: Partial<Event> = {}): void {
    this.#zxid += 1;
    this.op(session, 'delete', undefined, end);
  }

  abandon(session: string): void {
    const nowhere = { value: { burst: [] }, zxid: undefined };
    this.op(session, 'abandon', { burst: [] }, nowhere as unknown as Partial<Event>);
    this.#nowNs += 10 * TIMEOUT_MS * 1e6;
    // Somebody else's transaction.
    this.#zxid += 1;
  }

  look(session: string, owner: string | undefined): void {
    const missing = { type: 'fail', error: 'NoNode' } as const;
    const end = owner === undefined ? missing : { value: { data: owner, owner } };
    this.op(session, 'get', undefined, end);
  }

  list(session: string, names: string[]): void {
    this.op(session, 'children', undefined, { value: names }, '/names');
  }

  kinds(): string[] {
    const findings = new Findings();
    const run = recordOf(testConfig(['n1', 'n2', 'n3']), this.history, []);
    judgeHistory(run, 0, () => TIMEOUT_MS, findings);
    return findings.verdict('test', '').anomalies.map(({ kind }) => kind);
  }
}

describe('a name', () => {
  it('may change hands once its session was given up', () => {
    const names = new Names();
    names.take('s1');
    names.abandon('s1');
    names.take('s2');
    names.look('s3', 's2');
    names.list('s3', ['a']);
    expect(names.kinds()).toEqual([]);
  });

  it('that nobody took again is still that of the session given up', () => {
    for (const see of ['look', 'list'] as const) {
      const names = new Names();
      names.take('s1');
      names.abandon('s1');
      if (see === 'look') names.look('s3', 's1');
      else names.list('s3', ['a']);
      expect(names.kinds()).toEqual(['ephemeral-never-expired']);
    }
  });

  it('may have been taken by one who was not answered', () => {
    const names = new Names();
    names.take('s1');
    names.take('s2', { type: 'info', error: 'Timeout', zxid: undefined } as unknown as Event);
    names.abandon('s1');
    names.list('s3', ['a']);
    expect(names.kinds()).toEqual([]);
    names.look('s3', 's1');
    expect(names.kinds()).toEqual(['ephemeral-never-expired']);
  });

  it('is gone when it was given back, and not before', () => {
    const names = new Names();
    names.take('s1');
    names.look('s3', undefined);
    names.look('s1', 's1');
    expect(names.kinds()).toEqual(['live-ephemeral-missing']);
    const given = new Names();
    given.take('s1');
    given.release('s1');
    given.look('s3', undefined);
    given.take('s1');
    given.look('s1', 's1');
    expect(given.kinds()).toEqual([]);
    given.look('s3', undefined);
    given.look('s1', 's1');
    expect(given.kinds()).toEqual(['live-ephemeral-missing']);
  });
});
