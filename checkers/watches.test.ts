// The watch checker against histories written by hand: what a client may hear is valid, and each broken
// promise, one notification altered, is found under its name.
import { describe, expect, it } from 'vitest';
import type { Event, Heard } from '../history/event.ts';
import { recordOf, testConfig } from './testing-record.ts';
import { kinds } from './testing-run.ts';
import { watches } from './watches.ts';

const PATH = '/w/a';

/** One client that watches and another that writes, one operation after the other. */
class Script {
  readonly history: Event[] = [];
  #zxid = 100;

  op(f: string, key: string, given: unknown, end: Partial<Event>, session = 'watcher'): void {
    const process = session === 'watcher' ? 0 : 1;
    const time = this.history.length * 1e6;
    const both = { process, f, key, ...(given === undefined ? {} : { value: given }) };
    this.history.push({ ...both, index: this.history.length, time, type: 'invoke' });
    const ok = { index: this.history.length, time: time + 1e5, type: 'ok' as const };
    this.history.push({ ...both, ...ok, node: 'n1', session, connection: 1, ...end });
  }

  write(key = PATH): number {
    this.op('write', key, this.#zxid, { zxid: ++this.#zxid, mzxid: this.#zxid }, 'writer');
    return this.#zxid;
  }

  look(heard: Heard[] = [], more: Partial<Event> = {}, key = PATH): void {
    const value = { data: this.#zxid - 1, watch: true };
    this.op('get', key, { watch: true }, { value, zxid: this.#zxid, heard, ...more });
  }

  async judge() {
    return await watches.check(recordOf(testConfig(['n1', 'n2', 'n3']), this.history, []));
  }
}

const changed = (path = PATH, connection = 1): Heard => ({ type: 'dataChanged', path, connection });

/** Writes, each heard of with the next look. */
function told(rounds: number): Script {
  const script = new Script();
  script.write();
  script.look();
  for (let i = 0; i < rounds; i++) {
    script.write();
    script.look([changed()]);
  }
  return script;
}

describe('watches', () => {
  it('finds a client that was told of everything valid', async () => {
    expect(await told(30).judge()).toMatchObject({
      outcome: 'valid',
      evidence: { notifications: 30 },
    });
  });

  it('says nothing of a run without watches', async () => {
    expect(await new Script().judge()).toMatchObject({ outcome: 'unknown', anomalies: [] });
  });

  it('finds a change shown before it was told', async () => {
    const script = told(3);
    script.write();
    script.look([]);
    expect(kinds(await script.judge())).toEqual(['watch-missed']);
  });

  it('finds a watch that fired twice, and one that nobody set', async () => {
    const script = told(3);
    script.write();
    script.look([changed(), changed()]);
    expect(kinds(await script.judge())).toEqual(['fired-unasked']);
    const other = told(3);
    other.look([changed('/w/other')]);
    expect(kinds(await other.judge())).toEqual(['fired-unasked']);
  });

  it('finds a watch that fired although nothing changed', async () => {
    const script = told(3);
    script.look([changed()]);
    expect(kinds(await script.judge())).toEqual(['fired-for-nothing']);
  });

  it('finds notifications in another order than the changes', async () => {
    const script = new Script();
    script.write('/w/a');
    script.write('/w/b');
    script.look([], {}, '/w/a');
    script.look([], {}, '/w/b');
    script.write('/w/a');
    script.write('/w/b');
    script.look([changed('/w/b'), changed('/w/a')]);
    expect(kinds(await script.judge())).toEqual(['fired-out-of-order']);
  });

  it('lets a new connection tell what was missed, in any order, but tell it', async () => {
    const script = new Script();
    script.write('/w/a');
    script.write('/w/b');
    script.look([], {}, '/w/a');
    script.look([], {}, '/w/b');
    script.write('/w/a');
    script.write('/w/b');
    script.look([changed('/w/b', 2), changed('/w/a', 2)], { connection: 2 });
    expect(kinds(await script.judge())).toEqual([]);
    const silent = told(3);
    silent.write();
    silent.look([], { connection: 2 });
    expect(kinds(await silent.judge())).toEqual(['watch-missed']);
  });

  it('does not ask for a watch that a lost reply may have set or not', async () => {
    const script = told(3);
    script.op('get', '/w/b', { watch: true }, { type: 'fail', error: 'Timeout: no reply' });
    script.write('/w/b');
    script.look([]);
    script.look([changed('/w/b')]);
    expect(kinds(await script.judge())).toEqual([]);
  });

  it('lets a look without an answer set a watch after an older one has fired, and no more than that', async () => {
    const script = told(3);
    script.op('get', PATH, { watch: true }, { type: 'fail', error: 'Timeout: no reply' });
    script.write();
    script.look([changed(PATH)], {}, '/w/other');
    script.write();
    script.look([changed(PATH)], {}, '/w/other');
    expect(kinds(await script.judge())).toEqual([]);
    script.write();
    script.look([changed(PATH)], {}, '/w/other');
    expect(kinds(await script.judge())).toEqual(['fired-unasked']);
  });

  it('finds one who waited in vain in a settled cluster', async () => {
    const script = told(3);
    script.write();
    const { history } = script;
    script.op('await', PATH, { timeoutMs: 3_000 }, { value: { fired: false } });
    const end = history.at(-1) as Event;
    end.time += 3e9;
    expect(kinds(await script.judge())).toEqual(['told-late']);
  });
});
