// A simulated program that says everything it can find out about the outside, and the hash of its trace: the
// test runs this in processes that differ in all of it.
import { loadProgram, simulate } from './index.ts';

const SOURCE = `
  import asyncHooks from 'node:async_hooks';
  import { randomBytes, randomUUID, webcrypto } from 'node:crypto';
  import fs from 'node:fs';
  import os from 'node:os';
  import path from 'node:path';
  import url from 'node:url';
  import util from 'node:util';

  const say = (what, value) => console.log(what, util.inspect(value, { depth: 4 }));
  const attempt = (fn) => { try { return fn(); } catch (error) { return error.code ?? error.message; } };
  const date = new Date();
  say('dates', [Date.now(), date, String(date), new date.constructor(), Date(), date.getTimezoneOffset()]);
  say('identity', [date.constructor === Date, date instanceof Date, (() => {}).constructor === Function]);
  say('local', [date.toLocaleString(), date.toLocaleDateString(), date.toLocaleTimeString('de-DE')]);
  say('zone', Intl.DateTimeFormat().resolvedOptions());
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' });
  say('formatted', [format.format(), format.formatToParts(), new format.constructor().format()]);
  say('numbers', [(1234567.891).toLocaleString(), (12345n).toLocaleString(), [1234.5, date].toLocaleString()]);
  say('order', [['ä', 'z', 'a', 'Z'].sort((a, b) => a.localeCompare(b)), 'I'.toLocaleLowerCase()]);
  say('languages', [new Intl.NumberFormat().resolvedOptions(), new Intl.Collator().resolvedOptions()]);
  say('made', [
    Function('return Date.now()')(), Function('return typeof this.process.pid')(),
    (() => {}).constructor('return process.pid')(), await (async () => {}).constructor('return Date.now()')(),
    [...(function* () {}).constructor('yield Math.random()')()],
  ]);
  const self = Function('return this')();
  const plain = (0, [function () { return this; }])[1 - 1].call(undefined) ?? self;
  for (const world of [self, plain, globalThis, Object.getPrototypeOf(globalThis)]) {
    say('world', [
      world.Date.now(), world.process.pid, world.process.env, world.performance.now(), world.Math.random(),
      attempt(() => world.fetch('http://127.0.0.1:1')), attempt(() => world.eval('1')),
      world.crypto.getRandomValues(new Uint8Array(4)),
    ]);
  }
  say('chance', [Math.random(), randomBytes(4), randomUUID(), webcrypto.randomUUID(), crypto.randomUUID()]);
  say('digest', Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from('x'))).toString('hex'));
  say('memory', [process.memoryUsage(), process.memoryUsage.rss(), Buffer.allocUnsafe(64), Buffer.allocUnsafeSlow(8)]);
  say('usage', [process.cpuUsage(), process.resourceUsage(), process.threadCpuUsage(), performance.eventLoopUtilization()]);
  say('clocks', [process.hrtime(), process.hrtime.bigint(), process.uptime(), performance.now(), performance.timeOrigin]);
  say('event', [new Event('x').timeStamp, new AbortController().signal.constructor.timeout.length]);
  say('process', [process.pid, process.ppid, process.argv, process.env, process.cwd(), process.title, process.execPath, process.execArgv]);
  say('machine', [
    os.hostname(), os.networkInterfaces(), os.cpus(), os.loadavg(), os.freemem(), os.totalmem(), os.uptime(),
    os.userInfo(), os.release(), os.version(), os.tmpdir(), os.homedir(), os.availableParallelism(),
  ]);
  say('files', [attempt(() => fs.readdirSync('/')), attempt(() => fs.readFileSync('/etc/hostname'))]);
  say('paths', [path.resolve('x'), path.relative('/a', 'b'), path.win32.resolve('x'), url.pathToFileURL('x').href]);
  say('module', [__filename, __dirname, typeof require, attempt(() => require(['/etc/hostname'][0]))]);
  say('stack', [new Error('here').stack, util.getCallSites()]);
  Error.prepareStackTrace = (_error, sites) => sites.map((site) => site.getFileName());
  say('sites', new Error('there').stack);
  Error.prepareStackTrace = undefined;
  say('ids', [attempt(() => asyncHooks.executionAsyncId()), new asyncHooks.AsyncResource('x').asyncId()]);
  say('refs', [new WeakRef({ a: 1 }).deref(), new FinalizationRegistry(() => {}).register({}, 1)]);
  say('colour', util.styleText('red', 'text'));
  say('globals', Object.getOwnPropertyNames(globalThis).sort());
  const { port1, port2 } = new MessageChannel();
  port2.onmessage = ({ data }) => { say('message', data); port2.close(); };
  port1.postMessage({ at: new Date() });
  say('import', Object.keys(await import('node:path')).length);
  const v8 = await import('node:v8');
  say('clone', v8.deserialize(v8.serialize({ a: [1, date] })));
  setTimeout((started) => say('later', [Date.now() - started, new Error('x').stack]), 1234, Date.now());
  await util.promisify(setImmediate)();
  say('end', Date.now());
`;

const program = await loadProgram({ source: SOURCE, loader: 'js' });
const sim = simulate({ seed: 7, processes: { p: { program } } });
sim.start();
await sim.runUntil(() => !sim.process('p').running);
const lines = sim.process('p').output();
process.stdout.write(`${JSON.stringify({ hash: sim.summary().hash, lines })}\n`);
