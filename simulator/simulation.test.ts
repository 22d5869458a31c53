// A program's life in the simulation: its globals, modules, end and failures, and that the same seed
// gives the same run to the last event.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { firstDifference, simulate } from './index.ts';
import { CLIENT, ECHO_SERVER, runAlone, runs } from './testing.ts';

describe('determinism', () => {
  const script = fileURLToPath(new URL('determinism.testing.ts', import.meta.url));
  const fresh = (seed: string): string =>
    execFileSync(process.execPath, [script, seed], { encoding: 'utf8' });

  it('one seed gives one trace in two fresh Node processes, another seed another', () => {
    const first = fresh('7');
    expect(JSON.parse(first)).toMatchObject({ hash: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(fresh('7')).toBe(first);
    expect(fresh('8')).not.toBe(first);
  });

  it('the first difference of two runs is found by checkpoints, then by the lines between', async () => {
    const processes = { s: await runs(ECHO_SERVER), c: await runs(CLIENT, { argv: ['s'] }) };
    const run = async (faulty: boolean, record = { from: 0, to: 0 }) => {
      const sim = simulate({ seed: 1, processes, trace: { checkpointEvery: 100, record } });
      sim.start('s');
      await sim.runFor(20);
      sim.start('c');
      await sim.runFor(1000);
      if (faulty) sim.network.cut('c', 's');
      await sim.runFor(1000);
      return { summary: sim.summary(), lines: sim.trace.recorded() };
    };
    const [a, b] = [await run(false), await run(true)];
    const window = firstDifference(a.summary, b.summary)!;
    expect(window.to - window.from).toBe(100);
    const [left, right] = [await run(false, window), await run(true, window)];
    const at = left.lines.findIndex((line, i) => line !== right.lines[i]);
    expect(right.lines[at]).toMatch(/ cut - c>s$/);
    expect(firstDifference(a.summary, (await run(false)).summary)).toBeUndefined();
  });
});

describe('a program', () => {
  it('ends by itself when nothing is left, after beforeExit and exit', async () => {
    const { output, exit } = await runAlone(`
      process.once('beforeExit', () => { console.log('beforeExit'); setTimeout(() => console.log('more'), 5); });
      process.on('exit', (code) => console.log('exit', code));
      process.exitCode = 4;
      setTimeout(() => {}, 1e6).unref();
    `);
    expect(output).toEqual(['beforeExit', 'more', 'exit 4']);
    expect(exit).toEqual({ code: 4, signal: null });
  });

  it('does nothing more after process.exit', async () => {
    const { output, exit } = await runAlone(`
      setTimeout(() => console.log('never'), 1);
      try { process.exit(3); } catch { console.log('never'); } finally { setTimeout(() => {}, 1); }
    `);
    expect(output).toEqual([]);
    expect(exit.code).toBe(3);
  });

  it.each([
    ['throw new Error("boom")', 1, /boom/],
    ['setTimeout(() => { throw new Error("boom") }, 5)', 1, /boom/],
    ['process.nextTick(() => { throw new Error("boom") })', 1, /boom/],
    ['queueMicrotask(() => { throw new Error("boom") })', 1, /boom/],
    ['Promise.reject(new Error("boom"))', 1, /boom/],
    [
      'import { EventEmitter } from "node:events"; new EventEmitter().emit("error", new Error("boom"))',
      1,
      /boom/,
    ],
    ['await new Promise(() => {})', 13, /^$/],
  ])('a failure that nobody catches ends it: %s', async (source, code, text) => {
    const { output, exit } = await runAlone(source);
    expect(exit.code).toBe(code);
    expect(output[0] ?? '').toMatch(text);
  });

  it('may catch its own failures, which do not reach the other processes', async () => {
    const { output } = await runAlone(`
      process.on('uncaughtException', (error, origin) => console.log(origin, error.message));
      process.on('unhandledRejection', (reason) => console.log('rejection', reason.message));
      setTimeout(() => { throw new Error('one') }, 1);
      setTimeout(() => Promise.reject(new Error('two')), 2);
      setTimeout(() => process.nextTick(() => { throw new Error('three') }), 3);
    `);
    expect(output).toEqual(['uncaughtException one', 'rejection two', 'uncaughtException three']);
  });

  it('hears signals, and dies of those that it does not hear', async () => {
    const sim = simulate({
      seed: 1,
      processes: {
        p: await runs(`
          process.on('SIGTERM', (signal) => { console.log(signal); });
          setInterval(() => {}, 1000);
        `),
      },
    });
    sim.start();
    await sim.runFor(10);
    sim.process('p').kill('SIGTERM');
    await sim.runFor(10);
    expect(sim.process('p').output()).toEqual(['SIGTERM']);
    sim.process('p').kill('SIGINT');
    expect(sim.process('p').exits).toMatchObject([{ code: null, signal: 'SIGINT' }]);
  });

  it('finds no real time, chance or machine, and the same ones with the same seed', async () => {
    const source = `
      import os from 'node:os';
      import { randomBytes, randomInt, createHash } from 'node:crypto';
      import { performance as perf } from 'node:perf_hooks';
      console.log(Math.random(), randomBytes(4).toString('hex'), randomInt(1e6), crypto.randomUUID());
      console.log(new Date().toISOString(), Date.now(), performance.now(), perf.now());
      console.log(os.hostname(), process.pid, process.hrtime.bigint(), process.cwd());
      console.log(new Function('return typeof setTimeout + Date.now()')());
      console.log(createHash('md5').update('x').digest('hex'), globalThis.Date === Date);
      console.log(crypto.getRandomValues(new Uint16Array(2)), import.meta.url);
    `;
    const first = await runAlone(source, { cwd: '/srv' });
    const second = await runAlone(source, { cwd: '/srv' });
    const other = await runAlone(source, { cwd: '/srv' }, 2);
    expect(first.output).toHaveLength(6);
    expect(second.output).toEqual(first.output);
    expect(other.output[0]).not.toBe(first.output[0]);
    expect(first.output[1]).toContain('2026-01-01T00:00:00');
    expect(first.output[2]).toMatch(/^p 100 \d+n \/srv$/);
  });

  it('keeps its globals and modules to itself', async () => {
    const source = `
      globalThis.shared = (globalThis.shared ?? 0) + 1;
      console.log(globalThis.shared, process.env.NAME, process.argv.slice(2).join());
    `;
    const sim = simulate({
      seed: 1,
      processes: {
        a: await runs(source, { env: { NAME: 'a' }, argv: ['x', 'y'] }),
        b: await runs(source, { env: { NAME: 'b' }, host: 'a' }),
      },
    });
    sim.start();
    await sim.runFor(100);
    expect(sim.process('a').output()).toEqual(['1 a x,y']);
    expect(sim.process('b').output()).toEqual(['1 b ']);
    expect(Reflect.get(globalThis, 'shared')).toBeUndefined();
  });

  it('may be CommonJS, use createRequire, dynamic import and top-level await', async () => {
    const commonJs = await runAlone(`
      const { setTimeout: sleep } = require('timers/promises');
      module.exports = { answer: 42 };
      sleep(1).then(() => console.log(typeof require, __filename.endsWith('program.ts'), this === exports));
    `);
    expect(commonJs.output).toEqual(['function true true']);
    const esm = await runAlone(`
      import { createRequire } from 'node:module';
      import path, { join as joined } from 'node:path';
      import * as util from 'node:util';
      const text = \`
import net from "node:net";
\`;
      const { hostname } = await import('node:os');
      const require = createRequire(import.meta.url);
      console.log(joined('a', 'b'), path.sep, util.format('%d', 1), hostname(), text.trim());
      console.log(require('node:fs') === process.getBuiltinModule('fs'));
    `);
    expect(esm.output).toEqual(['a/b / 1 p import net from "node:net";', 'true']);
  });

  it.each([
    ["import cp from 'node:child_process'; cp.spawn('ls')", 'child_process.spawn'],
    ["import tls from 'node:tls'; tls.connect(1)", 'tls.connect'],
    ["import { Worker } from 'node:worker_threads'; new Worker('x')", 'worker_threads.Worker'],
    ["import net from 'node:net'; net.connect('/tmp/socket')", 'local (unix) sockets'],
    ["import zlib from 'node:zlib'; zlib.createGzip()", 'zlib.createGzip'],
    ["await fetch('http://x')", 'fetch'],
    ["new BroadcastChannel('x')", 'BroadcastChannel'],
  ])('is refused what is not simulated, by name: %s', async (source, name) => {
    const { output, exit } = await runAlone(source);
    expect(exit.code).toBe(1);
    expect(output[0]).toContain(`the simulator does not offer ${name}`);
  });

  it('carries an async context through sockets and files', async () => {
    const { output } = await runAlone(`
      import { AsyncLocalStorage } from 'node:async_hooks';
      import { readFile, writeFile } from 'node:fs/promises';
      import { lookup } from 'node:dns';
      const storage = new AsyncLocalStorage();
      await storage.run('inside', async () => {
        await writeFile('/tmp/x', 'text');
        console.log(await readFile('/tmp/x', 'utf8'), storage.getStore());
        lookup('p', () => console.log(storage.getStore()));
      });
      console.log(storage.getStore());
    `);
    expect(output).toEqual(['text inside', 'undefined', 'inside']);
  });

  it('that spins on the clock is told so', async () => {
    const { output } = await runAlone('const end = Date.now() + 5; while (Date.now() < end);');
    expect(output[0]).toContain('virtual time stands still while code runs');
  });

  it('gets thread-pool work as events', async () => {
    const { output } = await runAlone(`
      import zlib from 'node:zlib';
      import { promisify } from 'node:util';
      import { lookup } from 'node:dns/promises';
      import { pbkdf2, randomBytes } from 'node:crypto';
      const packed = await promisify(zlib.gzip)('text');
      console.log((await promisify(zlib.gunzip)(packed)).toString());
      console.log((await promisify(randomBytes)(3)).length, (await lookup('p')).address);
      pbkdf2('a', 'b', 1, 8, 'sha1', (error, key) => console.log(error, key.length));
    `);
    expect(output).toEqual(['text', '3 10.0.0.1', 'null 8']);
  });
});

describe('http', () => {
  it('runs over simulated sockets, keeps connections, and dates by the virtual clock', async () => {
    const sim = simulate({
      seed: 1,
      processes: {
        s: await runs(`
          import http from 'node:http';
          let connections = 0;
          http.createServer((request, response) => {
            let body = '';
            request.on('data', (data) => { body += data; });
            request.on('end', () => response.end(request.method + request.url + body + connections));
          }).on('connection', () => connections++).listen(80, () => console.log('listening'));
        `),
        c: await runs(`
          import http from 'node:http';
          import { once } from 'node:events';
          for (let i = 0; i < 3; i++) {
            const request = http.request('http://s/path', { method: 'POST' });
            request.end('x'.repeat(i));
            const [response] = await once(request, 'response');
            const chunks = [];
            for await (const chunk of response) chunks.push(chunk);
            console.log(response.statusCode, Buffer.concat(chunks).toString());
            if (i === 0) console.log(response.headers.date);
          }
          http.get({ host: 's', port: 81 }).on('error', (error) => {
            console.log(error.code);
            process.exit();
          });
        `),
      },
    });
    sim.start('s');
    await sim.runUntil(() => sim.process('s').output().length > 0);
    sim.start('c');
    await sim.runUntil(() => !sim.process('c').running);
    expect(sim.process('c').output()).toEqual([
      '200 POST/path1',
      'Thu, 01 Jan 2026 00:00:00 GMT',
      '200 POST/pathx1',
      '200 POST/pathxx1',
      'ECONNREFUSED',
    ]);
  });
});

describe('the driver', () => {
  it('calls what a program exports and waits for it', async () => {
    const sim = simulate({
      seed: 1,
      processes: {
        p: await runs(`
          import { setTimeout as sleep } from 'node:timers/promises';
          export async function work(n) { await sleep(1000); return n * 2; }
          export default 'something else';
          await new Promise(() => { setInterval(() => {}, 1e6); });
        `),
      },
    });
    sim.start();
    await sim.runFor(10);
    const result = sim
      .process('p')
      .call((exports: { work(n: number): Promise<number> }) => exports.work(21));
    expect(await sim.runUntil(result)).toBe(42);
    expect(sim.nowMs).toBe(1010);
  });

  it('learns that a process died during a call', async () => {
    const source = 'export const never = () => new Promise(() => {}); setInterval(() => {}, 1e6);';
    const sim = simulate({ seed: 1, processes: { p: await runs(source) } });
    sim.start();
    await sim.runFor(10);
    const call = sim.process('p').call((exports: { never(): Promise<void> }) => exports.never());
    sim.at(100, () => sim.process('p').kill());
    await expect(sim.runUntil(call)).rejects.toThrow("'p' ended before the call did");
    await expect(sim.process('p').call(() => 1)).rejects.toThrow("expected 'p' to run");
  });

  it('is told why a goal was not reached, and of unknown names', async () => {
    const sim = simulate({ seed: 1, processes: { p: await runs('') } });
    sim.start();
    await expect(sim.runUntil(() => false, { limitMs: 50 })).rejects.toThrow(/p ended \(0\)/);
    expect(() => sim.process('q')).toThrow("unknown process 'q': known are p");
    expect(() => sim.network.cut('p', 'q')).toThrow("unknown host 'q': known are p");
  });

  it('has its own failures thrown, not taken for a process', async () => {
    const sim = simulate({ seed: 1 });
    sim.at(5, () => {
      throw new Error('mine');
    });
    await expect(sim.runFor(10)).rejects.toThrow('mine');
  });
});
