// The `process` of one life: argv, env, exit, signals, captured output, clocks. What would tell of the
// real machine (memory, CPU, user) is a constant, so that no run depends on where it runs.
import { EventEmitter } from 'node:events';
import process from 'node:process';
import { Readable, Writable } from 'node:stream';
import { refused, systemError } from './errors.ts';
import type { Life } from './life.ts';

export interface ProcessFacts {
  argv: readonly string[];
  env: Readonly<Record<string, string>>;
  cwd: string;
  /** Finds the process with this number on the same machine. */
  findPid(pid: number): Life | undefined;
  getBuiltin(name: string): unknown;
}

const MEMORY = {
  rss: 67_108_864,
  heapTotal: 33_554_432,
  heapUsed: 16_777_216,
  external: 1_048_576,
  arrayBuffers: 65_536,
};
const RESOURCES = [
  ...['userCPUTime', 'systemCPUTime', 'maxRSS', 'sharedMemorySize', 'unsharedDataSize'],
  ...['unsharedStackSize', 'minorPageFault', 'majorPageFault', 'swappedOut', 'fsRead', 'fsWrite'],
  ...['ipcSent', 'ipcReceived', 'signalsCount', 'voluntaryContextSwitches'],
  'involuntaryContextSwitches',
];
const USER_ID = 1000;
const NS_PER_S = 1_000_000_000;
/** An EventEmitter's own, which every `process` has. */
const EMITTER = ['_events', '_eventsCount', '_maxListeners', 'domain'];

function outputStream(life: Life, name: 'stdout' | 'stderr'): Writable {
  const stream = new Writable({
    decodeStrings: false,
    write(chunk: Buffer | string, _encoding, done) {
      life.output(name, chunk.toString());
      done();
    },
  });
  return Object.assign(stream, { isTTY: false, fd: name === 'stdout' ? 1 : 2, columns: undefined });
}

/** Makes the object that the program knows as `process`. */
export function createProcess(life: Life, facts: ProcessFacts): EventEmitter {
  let cwd = facts.cwd;
  let title = 'node';
  const startNs = life.nowNs();
  const emitter = new EventEmitter();
  const hrtime = (before?: [number, number]): [number, number] => {
    const ns = life.monotonicNs() - (before === undefined ? 0 : before[0] * NS_PER_S + before[1]);
    return [Math.floor(ns / NS_PER_S), ns % NS_PER_S];
  };
  const memoryUsage = Object.assign(() => ({ ...MEMORY }), { rss: () => MEMORY.rss });
  const simulated = {
    argv: ['/usr/bin/node', ...facts.argv],
    argv0: 'node',
    execArgv: [],
    execPath: '/usr/bin/node',
    env: { ...facts.env } as Record<string, string | undefined>,
    exitCode: undefined as number | string | null | undefined,
    pid: life.pid,
    ppid: 1,
    arch: 'x64',
    platform: 'linux',
    version: process.version,
    versions: process.versions,
    release: process.release,
    features: process.features,
    config: process.config,
    stdout: outputStream(life, 'stdout'),
    stderr: outputStream(life, 'stderr'),
    stdin: Object.assign(Readable.from([]), { isTTY: false, fd: 0 }),
    nextTick: process.nextTick,
    hrtime: Object.assign(hrtime, { bigint: () => BigInt(life.monotonicNs()) }),
    uptime: () => (life.nowNs() - startNs) / NS_PER_S,
    cwd: () => cwd,
    chdir: (directory: string) => {
      cwd = directory.startsWith('/') ? directory : `${cwd}/${directory}`;
    },
    umask: () => 0o022,
    getuid: () => USER_ID,
    geteuid: () => USER_ID,
    getgid: () => USER_ID,
    getegid: () => USER_ID,
    getgroups: () => [USER_ID],
    memoryUsage,
    availableMemory: () => MEMORY.rss * 8,
    constrainedMemory: () => MEMORY.rss * 16,
    cpuUsage: () => ({ user: 0, system: 0 }),
    resourceUsage: () => {
      const counters = Object.fromEntries(RESOURCES.map((name) => [name, 0]));
      return { ...counters, maxRSS: MEMORY.rss / 1024 };
    },
    getActiveResourcesInfo: () => [],
    exit: (code?: number | string | null) => {
      const given = code ?? simulatedProcess.exitCode ?? 0;
      return life.exit(Number(given));
    },
    abort: () => {
      life.end({ code: null, signal: 'SIGABRT' });
      life.check();
    },
    kill: (pid: number, signal: string | number = 'SIGTERM') => kill(life, facts, pid, signal),
    emitWarning: (warning: string | Error, type?: string) => {
      const text = warning instanceof Error ? `${warning.name}: ${warning.message}` : warning;
      life.output('stderr', `(node:${life.pid}) ${type ?? 'Warning'}: ${text}\n`);
      process.nextTick(() => emitter.emit('warning', warning));
    },
    getBuiltinModule: (name: string) => facts.getBuiltin(name),
    ref: () => {},
    unref: () => {},
    threadCpuUsage: () => ({ user: 0, system: 0 }),
    allowedNodeEnvironmentFlags: new Set<string>(),
    debugPort: 9229,
    sourceMapsEnabled: false,
    hasUncaughtExceptionCaptureCallback: () => false,
    setSourceMapsEnabled: () => {},
    openStdin: () => simulatedProcess.stdin,
  };
  const simulatedProcess = Object.assign(emitter, simulated);
  Object.defineProperties(emitter, {
    title: {
      enumerable: true,
      get: () => title,
      set: (value) => {
        title = String(value);
      },
    },
    [Symbol.toStringTag]: { value: 'process' },
  });
  // Whatever else Node's own can do, it does to the real process.
  for (const name of Object.getOwnPropertyNames(process)) {
    if (name in simulatedProcess || EMITTER.includes(name)) continue;
    // Looked at without being read: some of them warn of their own age.
    if (typeof Object.getOwnPropertyDescriptor(process, name)?.value !== 'function') continue;
    Object.defineProperty(emitter, name, {
      configurable: true,
      writable: true,
      value: () => {
        throw refused(`process.${name}`);
      },
    });
  }
  return emitter;
}

const SIGNALS: Record<number, string> = { 1: 'SIGHUP', 2: 'SIGINT', 9: 'SIGKILL', 15: 'SIGTERM' };

function kill(life: Life, facts: ProcessFacts, pid: number, signal: string | number): true {
  life.syscall('kill', `${pid} ${signal}`);
  const target = facts.findPid(pid);
  if (target === undefined) throw systemError('ESRCH', 'kill');
  if (signal === 0) return true;
  const name = typeof signal === 'number' ? SIGNALS[signal] : signal;
  if (name === undefined) throw new TypeError(`Unknown signal: ${signal}`);
  if (target === life) {
    life.signal(name);
    life.check();
  } else {
    target.scheduleUnref(0, () => target.signal(name), 'signal');
  }
  return true;
}
