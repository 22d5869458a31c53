// The last lists of a directory, on histories written by hand: who stayed is shown by every server and nobody
// else, what was lost or left over is found, and lists made too soon say nothing.
import { describe, expect, it } from 'vitest';
import type { Event } from '../history/event.ts';
import { discovery } from './discovery.ts';
import { recordOf, testConfig } from './testing-record.ts';
import { kinds } from './testing-run.ts';

const NODES = ['n1', 'n2', 'n3'];
const LATER_MS = 10_000;

/** Clients 1 and 2 leave, 1 and 3 register after the heal, and everybody lists. */
class Services {
  readonly history: Event[] = [];
  #nowNs = 0;
  #zxid = 10;

  constructor() {
    this.register(1, 's-0');
    this.register(2, 's-1');
    this.#record({ process: 'harness', type: 'info', f: 'phase', value: 'final' });
    this.open(1);
    this.open(2);
    this.register(1, 's-2', 'b');
    this.register(3, 's-3');
  }

  #record(fields: Omit<Event, 'index' | 'time'>): void {
    this.#nowNs += 1e6;
    this.history.push({ ...fields, index: this.history.length, time: this.#nowNs });
  }

  op(process: number, invoke: Partial<Event> & { f: string }, end: Partial<Event>): void {
    this.#record({ process, ...invoke, type: 'invoke' });
    this.#record({ process, ...invoke, type: 'ok', zxid: ++this.#zxid, connection: 1, ...end });
  }

  register(process: number, name: string, session = 'a', type: Event['type'] = 'ok'): void {
    const value = { path: `/services/${name}`, data: 0 };
    const invoke = { f: 'create-ephemeral', key: '/services/s-', value: { sequential: true } };
    this.op(process, invoke, { type, node: 'n1', session: `${process}${session}`, value });
  }

  open(process: number): void {
    this.op(process, { f: 'open' }, { node: 'n1', session: `${process}b` });
  }

  wait(ms = LATER_MS): this {
    this.#nowNs += ms * 1e6;
    return this;
  }

  list(names: string[], nodes = NODES): this {
    for (const node of nodes) {
      const invoke = { f: 'children', key: '/services', node };
      this.op(4, invoke, { value: names, session: `observer at ${node}` });
    }
    return this;
  }

  async judge() {
    return await discovery.check(recordOf(testConfig(NODES), this.history, []));
  }
}

describe('discovery', () => {
  it('is valid when every server shows those who stayed', async () => {
    const verdict = await new Services().wait().list(['s-2', 's-3']).judge();
    expect(verdict).toMatchObject({ outcome: 'valid', evidence: { entriesAtLast: 2 } });
  });

  it('finds one who stayed and is not shown by some server', async () => {
    const services = new Services().wait().list(['s-2', 's-3']).list(['s-2'], ['n2']);
    expect(kinds(await services.judge())).toEqual(['entry-missing']);
  });

  it('finds one who left before the heal, or was lost after it', async () => {
    const left = new Services().wait().list(['s-1', 's-2', 's-3']);
    expect(kinds(await left.judge())).toEqual(['entry-left-over']);
    const lost = new Services();
    lost.register(3, 's-4', 'a', 'info');
    lost.wait().list(['s-2', 's-3']);
    expect(kinds(await lost.judge())).toEqual(['entry-left-over']);
  });

  it('says nothing of lists made too soon, or not through every server', async () => {
    const soon = new Services().wait(100).list(['s-0', 's-1', 's-2', 's-3']);
    expect(await soon.judge()).toMatchObject({ outcome: 'unknown', anomalies: [] });
    const partly = new Services().wait().list(['s-2', 's-3'], ['n1', 'n2']);
    expect(await partly.judge()).toMatchObject({ outcome: 'unknown', anomalies: [] });
    expect(await new Services().judge()).toMatchObject({ outcome: 'unknown' });
  });
});
