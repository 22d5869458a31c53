// What a program may rely on of timers, promises of timers and abort signals: cases that run unchanged
// against Node's own and against the simulated ones. Each throws if it does not hold.
import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import timers from 'node:timers';
import {
  scheduler,
  setTimeout as sleep,
  setInterval as ticks,
  setImmediate as turn,
} from 'node:timers/promises';
import { promisify } from 'node:util';

export const timerCases: Record<string, () => Promise<void>> = {
  'timers of one delay fire in the order of their making': async () => {
    const order: number[] = [];
    for (let i = 0; i < 50; i++) setTimeout(() => order.push(i), 5);
    await sleep(20);
    assert.deepEqual(
      order,
      Array.from({ length: 50 }, (_, i) => i),
    );
  },

  'a shorter timer made later fires first': async () => {
    const order: string[] = [];
    setTimeout(() => order.push('long'), 60);
    setTimeout(() => order.push('short'), 5);
    await sleep(90);
    assert.deepEqual(order, ['short', 'long']);
  },

  'ticks and promises run before the next timer': async () => {
    const order: string[] = [];
    const step = (name: string) => () => {
      order.push(name);
      void Promise.resolve().then(() => order.push(`${name} promise`));
      process.nextTick(() => order.push(`${name} tick`));
      queueMicrotask(() => order.push(`${name} microtask`));
    };
    setTimeout(step('a'), 5);
    setTimeout(step('b'), 5);
    await sleep(20);
    const of = (name: string) => [name, `${name} tick`, `${name} promise`, `${name} microtask`];
    assert.deepEqual(order, [...of('a'), ...of('b')]);
  },

  'immediates run in order, one made by another a turn later': async () => {
    const order: string[] = [];
    setImmediate(() => {
      order.push('one');
      setImmediate(() => order.push('three'));
    });
    setImmediate(() => order.push('two'));
    for (let i = 0; i < 5; i++) await turn();
    assert.deepEqual(order, ['one', 'two', 'three']);
  },

  'what was cleared does not fire': async () => {
    const order: string[] = [];
    const timeout = setTimeout(() => order.push('timeout'), 1);
    const numbered = setTimeout(() => order.push('numbered'), 1);
    const immediate = setImmediate(() => order.push('immediate'));
    const interval = setInterval(() => order.push('interval'), 1);
    clearTimeout(timeout);
    clearTimeout(Number(numbered));
    clearImmediate(immediate);
    clearInterval(interval);
    clearTimeout(undefined);
    await sleep(15);
    assert.deepEqual(order, []);
  },

  'an interval repeats until cleared from within': async () => {
    let count = 0;
    await new Promise<void>((resolve) => {
      const interval = setInterval(() => {
        if (++count < 4) return;
        clearInterval(interval);
        resolve();
      }, 2);
    });
    await sleep(15);
    assert.equal(count, 4);
  },

  'refresh starts the wait anew': async () => {
    const order: string[] = [];
    const refreshed = setTimeout(() => order.push('refreshed'), 40);
    setTimeout(() => refreshed.refresh(), 30);
    setTimeout(() => order.push('between'), 55);
    await sleep(110);
    assert.deepEqual(order, ['between', 'refreshed']);
  },

  'ref, unref, hasRef and arguments': async () => {
    const seen: unknown[] = [];
    const timer = setTimeout((...args: unknown[]) => seen.push(...args), 1, 'a', 2);
    assert.equal(timer.hasRef(), true);
    assert.equal(timer.unref(), timer);
    assert.equal(timer.hasRef(), false);
    timer.ref();
    await sleep(10);
    assert.deepEqual(seen, ['a', 2]);
    assert.throws(() => setTimeout('code' as never, 1), { code: 'ERR_INVALID_ARG_TYPE' });
  },

  'promises of timers give their value and can be aborted': async () => {
    assert.equal(await sleep(1, 'value'), 'value');
    assert.equal(await turn('now'), 'now');
    assert.equal(await promisify(setTimeout)(1, 'promisified'), 'promisified');
    assert.equal(await timers.promises.setTimeout(1, 'module'), 'module');
    await scheduler.wait(1);
    const controller = new AbortController();
    const waiting = sleep(10_000, null, { signal: controller.signal });
    controller.abort(new Error('why'));
    const error = await waiting.catch((reason: Error) => reason);
    assert.ok(error instanceof Error);
    assert.equal(error.name, 'AbortError');
    assert.equal((error as NodeJS.ErrnoException).code, 'ABORT_ERR');
    assert.equal((error.cause as Error).message, 'why');
  },

  'an interval of promises ticks and stops': async () => {
    let count = 0;
    for await (const value of ticks(2, 'tick')) {
      assert.equal(value, 'tick');
      if (++count === 3) break;
    }
    assert.equal(count, 3);
  },

  'AbortSignal.timeout aborts with a TimeoutError': async () => {
    const signal = AbortSignal.timeout(5);
    assert.ok(signal instanceof AbortSignal);
    assert.equal(signal.aborted, false);
    // The signal alone does not keep a program running.
    const keep = setInterval(() => {}, 1);
    await once(signal, 'abort');
    clearInterval(keep);
    assert.equal((signal.reason as Error).name, 'TimeoutError');
    const any = AbortSignal.any([signal, new AbortController().signal]);
    assert.equal(any.aborted, true);
  },

  'clocks go on while a timer waits, and agree': async () => {
    const wall = Date.now();
    const monotonic = performance.now();
    const nanoseconds = process.hrtime.bigint();
    const pair = process.hrtime();
    await sleep(25);
    assert.ok(Date.now() - wall >= 24);
    assert.ok(performance.now() - monotonic >= 24);
    assert.ok(process.hrtime.bigint() - nanoseconds >= 24_000_000n);
    const [seconds, rest] = process.hrtime(pair);
    assert.ok(seconds * 1e9 + rest >= 24e6);
    const date = new Date();
    assert.ok(date instanceof Date);
    assert.ok(Math.abs(date.getTime() - Date.now()) < 1000);
    assert.equal(new Date(0).toISOString(), '1970-01-01T00:00:00.000Z');
    assert.equal(typeof Date(), 'string');
  },

  'an async context follows timers and promises': async () => {
    const storage = new AsyncLocalStorage<string>();
    const seen: (string | undefined)[] = [];
    await storage.run('inside', async () => {
      setTimeout(() => seen.push(storage.getStore()), 1);
      setImmediate(() => seen.push(storage.getStore()));
      process.nextTick(() => seen.push(storage.getStore()));
      await sleep(10);
      seen.push(storage.getStore());
    });
    assert.deepEqual(seen, ['inside', 'inside', 'inside', 'inside']);
    assert.equal(storage.getStore(), undefined);
  },
};
