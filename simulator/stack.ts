// The stack of an error as simulated code reads it: its own lines and Node's, never the simulator's, whose
// place on the disk and depth belong to the real machine. `Error.prepareStackTrace` is each life's own.
import { currentLife } from './current-life.ts';
import type { Replacement } from './host-globals.ts';
import type { Life } from './life.ts';

type Prepare = (error: Error, sites: NodeJS.CallSite[]) => unknown;

/** Frames that are gathered; V8 counts the simulator's among them. */
const FRAMES_MAX = 20;

const prepares = new WeakMap<Life, unknown>();

function isProgram(site: NodeJS.CallSite): boolean {
  const file = site.getFileName() ?? '';
  return file.startsWith('/app/') || file.startsWith('node:') || site.isNative();
}

function title(error: unknown): string {
  try {
    return Error.prototype.toString.call(error);
  } catch {
    return '<error>';
  }
}

/** V8's own form. */
function formatOwn(error: Error, sites: NodeJS.CallSite[]): string {
  return [title(error), ...sites.filter(isProgram).map((site) => `    at ${String(site)}`)].join(
    '\n',
  );
}

/** What stands in for the host's own while a simulation runs. */
export function stackReplacements(): Replacement[] {
  let host = Reflect.get(Error, 'prepareStackTrace') as Prepare | undefined;
  const get = () => {
    const life = currentLife();
    return life === undefined ? host : (prepares.get(life) ?? formatOwn);
  };
  const set = (value: unknown) => {
    const life = currentLife();
    if (life === undefined) host = value as Prepare | undefined;
    else if (typeof value === 'function') prepares.set(life, wrapped(value as Prepare));
    else prepares.delete(life);
  };
  return [
    [Error, 'prepareStackTrace', { get, set, configurable: true, enumerable: false }],
    [Error, 'stackTraceLimit', { value: FRAMES_MAX, writable: true, enumerable: true }],
  ];
}

const wraps = new WeakMap<Prepare, Prepare>();

/** A program's own formatter, given its own frames only; the same for the same one. */
function wrapped(prepare: Prepare): Prepare {
  let filtering = wraps.get(prepare);
  if (filtering === undefined) {
    filtering = (error, sites) => prepare(error, sites.filter(isProgram));
    wraps.set(prepare, filtering);
    wraps.set(filtering, filtering);
  }
  return filtering;
}
