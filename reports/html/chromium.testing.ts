// Drives Debian's Chromium over its debugging pipe, for the tests that look at a page in a browser.
// A pipe and not a port: nothing listens, and the browser ends when the test does.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

const CHROMIUM = '/usr/bin/chromium';
const REPLY_MS_MAX = 50_000;
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--hide-scrollbars',
  '--remote-debugging-pipe',
];

/** Whether there is a browser to test with. */
export const chromiumFound = existsSync(CHROMIUM);

type Fields = Record<string, unknown>;

/** A page opened in a browser of its own. */
export interface BrowserPage extends AsyncDisposable {
  /** Console errors and warnings, uncaught exceptions, and what the browser itself logged. */
  problems: string[];
  /** URLs of all requests, the page's own included. */
  requests: string[];
  /** Evaluates an expression and awaits its promise. Throws what it throws. */
  evaluate(expression: string): Promise<unknown>;
  /** Sends any command of the debugging protocol to the page. */
  send(method: string, params?: Fields): Promise<Fields>;
  screenshot(path: string): Promise<void>;
}

/** Opens a URL in a fresh browser and waits for its load event. */
export async function openPage(
  url: string,
  options: { dark?: boolean; width?: number; height?: number } = {},
): Promise<BrowserPage> {
  const { dark = false, width = 1400, height = 1000 } = options;
  const profile = await mkdtemp(join(tmpdir(), 'chaos-chromium-'));
  const browser = spawn(CHROMIUM, [...FLAGS, `--user-data-dir=${profile}`, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    // What it leaves in the temporary folder when it is killed goes with its profile.
    env: { ...process.env, TMPDIR: profile },
  });
  const pipe = new DebuggingPipe(browser);
  const close = async (): Promise<void> => {
    const ended = new Promise((resolve) => browser.once('close', resolve));
    if (browser.exitCode === null) {
      browser.kill('SIGKILL');
      await ended;
    }
    await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  };
  try {
    const { targetId } = await pipe.send('Target.createTarget', { url: 'about:blank' });
    const attached = await pipe.send('Target.attachToTarget', { targetId, flatten: true });
    const session = attached.sessionId as string;
    const send = (method: string, params: Fields = {}): Promise<Fields> =>
      pipe.send(method, params, session);
    const seen = listen(pipe);
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await send(`${domain}.enable`);
    await send('Emulation.setDeviceMetricsOverride', {
      width,
      height,
      deviceScaleFactor: 1,
      mobile: false,
    });
    const scheme = { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' };
    await send('Emulation.setEmulatedMedia', { features: [scheme] });
    const loaded = pipe.once('Page.loadEventFired');
    await send('Page.navigate', { url });
    await loaded;
    return {
      ...seen,
      send,
      evaluate: (expression) => evaluate(send, expression),
      async screenshot(path) {
        const { data } = await send('Page.captureScreenshot', { format: 'png' });
        await writeFile(path, Buffer.from(data as string, 'base64'));
      },
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function evaluate(
  send: (method: string, params: Fields) => Promise<Fields>,
  expression: string,
): Promise<unknown> {
  const answer = await send('Runtime.evaluate', {
    expression,
    awaitPromise: true,
    returnByValue: true,
  });
  if (answer.exceptionDetails !== undefined) {
    throw new Error(`in the page: ${JSON.stringify(answer.exceptionDetails)}`);
  }
  return (answer.result as Fields).value;
}

function listen(pipe: DebuggingPipe): { problems: string[]; requests: string[] } {
  const problems: string[] = [];
  const requests: string[] = [];
  pipe.on((method, params) => {
    if (method === 'Network.requestWillBeSent')
      requests.push((params.request as { url: string }).url);
    else if (method === 'Runtime.exceptionThrown') problems.push(JSON.stringify(params));
    else if (method === 'Log.entryAdded') problems.push(JSON.stringify(params));
    else if (
      method === 'Runtime.consoleAPICalled' &&
      /error|warning|assert/.test(`${params.type}`)
    ) {
      problems.push(JSON.stringify(params.args));
    }
  });
  return { problems, requests };
}

type Listener = (method: string, params: Fields) => void;
interface Waiting {
  resolve: (result: Fields) => void;
  reject: (error: Error) => void;
}

/** Messages are JSON, each ended by a zero byte. */
class DebuggingPipe {
  readonly #out: Writable;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Set<Listener>();
  #id = 0;
  #chunks: Buffer[] = [];

  constructor(browser: ChildProcess) {
    this.#out = browser.stdio[3] as Writable;
    const fail = (why: string): void => {
      for (const { reject } of this.#waiting.values()) reject(new Error(why));
      this.#waiting.clear();
    };
    // A write into a browser that is gone fails here; the exit below says so to whoever waits.
    this.#out.on('error', (error) => fail(`the pipe to chromium broke: ${error.message}`));
    browser.once('error', (error) => fail(`chromium did not start: ${error.message}`));
    browser.once('exit', (code, signal) => fail(`chromium ended: ${code ?? signal}`));
    (browser.stdio[4] as Readable).on('data', (chunk: Buffer) => this.#read(chunk));
  }

  on(listener: Listener): void {
    this.#listeners.add(listener);
  }

  once(wanted: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no ${wanted} came`)), REPLY_MS_MAX);
      const listener: Listener = (method) => {
        if (method !== wanted) return;
        clearTimeout(timer);
        this.#listeners.delete(listener);
        resolve();
      };
      this.#listeners.add(listener);
    });
  }

  send(method: string, params: Fields = {}, sessionId?: string): Promise<Fields> {
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${method}`)), REPLY_MS_MAX);
      this.#waiting.set(id, {
        resolve: (result) => {
          clearTimeout(timer);
          resolve(result);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
      this.#out.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  #read(chunk: Buffer): void {
    let rest = chunk;
    for (let end = rest.indexOf(0); end !== -1; end = rest.indexOf(0)) {
      this.#chunks.push(rest.subarray(0, end));
      const message = JSON.parse(Buffer.concat(this.#chunks).toString()) as Fields;
      this.#chunks = [];
      rest = rest.subarray(end + 1);
      this.#dispatch(message);
    }
    this.#chunks.push(rest);
  }

  #dispatch(message: Fields): void {
    if (typeof message.id === 'number') {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.error !== undefined) waiting?.reject(new Error(JSON.stringify(message.error)));
      else waiting?.resolve((message.result ?? {}) as Fields);
      return;
    }
    const params = (message.params ?? {}) as Fields;
    for (const listener of this.#listeners) listener(message.method as string, params);
  }
}
