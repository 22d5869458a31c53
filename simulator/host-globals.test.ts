// A simulation leaves its own Node process as it found it, shares it with other simulations by turns, and
// lets in of native code what it was told.
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { loadProgram, simulate } from './index.ts';
import { runAlone, runs } from './testing.ts';

const TICKS = `
  let count = 0;
  setInterval(() => console.log(count++, Date.now(), Math.random()), 7);
`;

function state(): unknown[] {
  return [
    ...[Date, Math.random, setTimeout, process, Intl.DateTimeFormat, Error.prepareStackTrace],
    ...[Error.stackTraceLimit, process.env.TZ, Buffer.allocUnsafe, Date.prototype.constructor],
    ...[(async () => {}).constructor, Date.prototype.toLocaleString, Event.prototype.constructor],
  ];
}

describe('the host', () => {
  it('is as it was after a run, and after one that failed', async () => {
    const before = state();
    const sim = simulate({ seed: 1, processes: { p: await runs(TICKS) } });
    sim.start();
    let during = new Date().getTimezoneOffset();
    sim.at(5, () => {
      during = new Date().getTimezoneOffset();
    });
    await sim.runFor(10);
    expect(state()).toEqual(before);
    expect(during).toBe(0);
    await expect(sim.runUntil(() => false, { limitMs: 5 })).rejects.toThrow(/expected to reach/);
    expect(state()).toEqual(before);
  });

  it('has its own globals outside of the processes, also while one runs', async () => {
    const pids: number[] = [];
    const onLine = () => void pids.push(process.pid);
    const sim = simulate({ seed: 1, processes: { p: await runs(TICKS, { onLine }) } });
    sim.start();
    const seen: unknown[] = [];
    sim.at(5, () => seen.push(process.pid, Date.now() >= startedMs));
    const { pid } = process;
    const startedMs = Date.now();
    await sim.runFor(50);
    expect(seen).toEqual([pid, true]);
    expect(new Set(pids)).toEqual(new Set([pid]));
    expect(sim.process('p').output()[0]).toMatch(/^0 17672256000/);
  });
});

describe('several simulations in one Node process', () => {
  async function hashOf(seed: number): Promise<string> {
    const sim = simulate({ seed, processes: { p: await runs(TICKS) } });
    sim.start();
    for (let i = 0; i < 5; i++) await sim.runFor(50);
    return sim.summary().hash;
  }

  it('have the same traces one after another and at the same time', async () => {
    const alone = [await hashOf(1), await hashOf(2)];
    expect(alone[0]).not.toBe(alone[1]);
    expect(await Promise.all([hashOf(1), hashOf(2), hashOf(1)])).toEqual([...alone, alone[0]]);
  });
});

describe('what programs share', () => {
  it('is not changed by one for another: stopped clocks and formatters of stacks', async () => {
    const vain = await runs(
      'Date.now = () => 5; Error.prepareStackTrace = () => "mine"; console.log(Date.now(), new Error("x").stack)',
    );
    const other = await runs(
      'setTimeout(() => console.log(Date.now() > 5, new Error("x").stack), 50)',
    );
    const sim = simulate({ seed: 1, processes: { vain, other } });
    sim.start();
    await sim.runFor(100);
    expect(sim.process('vain').output()).toEqual(['5 mine']);
    expect(sim.process('other').output()[0]).toBe('true Error: x');
  });
});

describe('a module that comes late', () => {
  it('is imported by import() in a program without top-level await', async () => {
    const { output } = await runAlone(`
      import('node:path').then(({ default: path }) => console.log(path.join('a', 'b')));
      const name = ['no', 'such'].join('-');
      import(name).catch((error) => console.log(error.code));
    `);
    expect(output).toEqual(['a/b', 'MODULE_NOT_FOUND']);
  });

  it('is read line by line with node:readline', async () => {
    const { output } = await runAlone(`
      import readline from 'node:readline';
      import { Readable } from 'node:stream';
      const lines = readline.createInterface({ input: Readable.from(['a\\r', '\\nb', '\\nc']) });
      for await (const line of lines) console.log(JSON.stringify(line));
    `);
    expect(output).toEqual(['"a"', '"b"', '"c"']);
  });
});

describe('a native addon', () => {
  const folder = fileURLToPath(new URL('../node_modules/', import.meta.url));
  const name = readdirSync(folder).find((each) => /^lightningcss-/.test(each));

  it.skipIf(name === undefined)('is refused by name, and loaded when it was named', async () => {
    const source = `
      try {
        console.log(typeof require('${name}').transform);
      } catch (error) { console.log(error.message); }
    `;
    const file = fileURLToPath(new URL('./program.js', import.meta.url));
    const program = await loadProgram({ source, loader: 'js', file });
    const said = async (addons?: string[]) => {
      const options = addons === undefined ? {} : { addons };
      const sim = simulate({ seed: 1, processes: { p: { program } }, ...options });
      sim.start();
      await sim.runFor(10);
      return sim.process('p').output()[0];
    };
    expect(await said()).toContain(`does not offer the native addon of ${name}`);
    expect(await said([name ?? ''])).toBe('function');
  });
});

describe('a message channel', () => {
  it('delivers clones in order, in later events, and lets the process end once closed', async () => {
    const { output, exit } = await runAlone(`
      const { port1, port2 } = new MessageChannel();
      const sent = { n: 1 };
      port2.on('message', (data) => {
        console.log(data.n, data === sent);
        if (data.n === 2) port2.close();
      });
      port1.postMessage(sent);
      port1.postMessage({ n: 2 });
      console.log('first');
    `);
    expect(output).toEqual(['first', '1 false', '2 false']);
    expect(exit.code).toBe(0);
  });
});
