// Histories recorded by others: the log lines of Jepsen's first etcd test, and the EDN files of Jepsen
// and Knossos. Each becomes events of our own, with the position in the file as their time.
import type { Event, EventType } from '../../history/event.ts';
import type { Edn, EdnMap } from './edn.ts';
import { readEdn } from './edn.ts';

export const FORMATS = ['jepsen-log', 'jepsen-edn'] as const;
export type HistoryFormat = (typeof FORMATS)[number];

const TYPES: readonly string[] = ['invoke', 'ok', 'fail', 'info'] satisfies EventType[];

/**
 * Reads a history for the models of this folder. An event's `time` is its index: such files order
 * events by position. Throws with the line number on what the format does not allow.
 */
export function parseHistory(text: string, format: HistoryFormat): Event[] {
  if (format === 'jepsen-log') return parseLog(text);
  if (format === 'jepsen-edn') return parseEdn(text);
  throw new Error(`unknown history format ${format}; known: ${FORMATS.join(', ')}`);
}

/** Collects events and refuses, with the line, what no history can contain. */
class HistoryBuilder {
  readonly events: Event[] = [];
  #open = new Map<number, { line: number; f: string }>();

  add(line: number, event: Omit<Event, 'index' | 'time'> & { process: number }): void {
    const { process, type, f } = event;
    const open = this.#open.get(process);
    if (type === 'invoke') {
      if (open !== undefined) {
        throw new Error(
          `line ${line}: process ${process} invokes ${f} while its ${open.f} of line ${open.line} is ` +
            'open; expected its outcome first',
        );
      }
      this.#open.set(process, { line, f });
    } else {
      if (open?.f !== f) {
        const was = open === undefined ? 'nothing' : `${open.f} (line ${open.line})`;
        throw new Error(`line ${line}: process ${process} completes ${f}, but it invoked ${was}`);
      }
      this.#open.delete(process);
    }
    const index = this.events.length;
    this.events.push({ index, time: index, ...event });
  }
}

const LOG_LINE = /^INFO\s+jepsen\.util\s+-\s+(\d+)\s+(.*)$/;
const LOG_OP = /^:(\w+)\s+:(\w+)\s+(.*?)\s*$/;

function parseLog(text: string): Event[] {
  const history = new HistoryBuilder();
  for (const [i, content] of text.split(/\r?\n/).entries()) {
    // Other lines of the log (the nemesis, the set-up, exceptions) are not operations.
    const entry = LOG_LINE.exec(content);
    if (entry === null) continue;
    const line = i + 1;
    const [, type = '', f = '', shown = ''] = LOG_OP.exec(entry[2] as string) ?? [];
    if (!isType(type) || !['read', 'write', 'cas'].includes(f)) {
      throw new Error(
        `line ${line}: ${content.trim()}: expected ":TYPE :F VALUE" after the process, with type ` +
          `${TYPES.join(', ')} and f read, write, cas`,
      );
    }
    const process = Number(entry[1]);
    const value = logValue(line, shown);
    if (value === undefined) history.add(line, { process, type, f, error: 'timed-out' });
    else history.add(line, { process, type, f, value });
  }
  if (history.events.length === 0) {
    throw new Error(
      'no operation found; expected lines like "INFO  jepsen.util - 4 :invoke :read nil"',
    );
  }
  return history.events;
}

/** `nil`, an integer, `[from to]`; undefined for `:timed-out`. */
function logValue(line: number, shown: string): unknown {
  if (shown === 'nil') return null;
  if (shown === ':timed-out') return undefined;
  if (/^-?\d+$/.test(shown)) return Number(shown);
  const pair = /^\[\s*(-?\d+)\s+(-?\d+)\s*\]$/.exec(shown);
  if (pair === null) {
    throw new Error(
      `line ${line}: value ${shown}: expected nil, an integer, [from to] or :timed-out`,
    );
  }
  return [Number(pair[1]), Number(pair[2])];
}

function isType(type: string | undefined): type is EventType {
  return type !== undefined && TYPES.includes(type);
}

function parseEdn(text: string): Event[] {
  const forms = readEdn(text);
  // One vector or list of maps, or the maps themselves one after another.
  const whole = forms.length === 1 && Array.isArray(forms[0]) ? forms[0] : forms;
  const history = new HistoryBuilder();
  for (const form of whole) {
    if (!isMap(form)) {
      throw new Error(`expected a vector or list of operation maps, found ${JSON.stringify(form)}`);
    }
    const process = form.entries.get('process');
    // The nemesis and its like have names for processes.
    if (isKeyword(process)) continue;
    if (typeof process !== 'number' || !Number.isInteger(process)) {
      throw new Error(`line ${form.line}: expected an integer or keyword :process`);
    }
    const type = keyword(form, 'type');
    if (!isType(type)) {
      throw new Error(`line ${form.line}: type :${type}: expected one of :${TYPES.join(', :')}`);
    }
    const event: Omit<Event, 'index' | 'time'> & { process: number } = {
      process,
      type,
      f: keyword(form, 'f'),
      value: plain(form.entries.get('value') ?? null),
    };
    const error = form.entries.get('error') ?? null;
    if (error !== null) event.error = JSON.stringify(plain(error));
    history.add(form.line, event);
  }
  if (history.events.length === 0) {
    throw new Error('no operation found; expected maps like {:process 0, :type :invoke, :f :read}');
  }
  return history.events;
}

function isMap(form: Edn | undefined): form is EdnMap {
  return kindOf(form) === 'map';
}

function isKeyword(form: Edn | undefined): form is { kind: 'keyword'; name: string } {
  return kindOf(form) === 'keyword';
}

function kindOf(form: Edn | undefined): string | undefined {
  if (form === null || typeof form !== 'object' || Array.isArray(form)) return undefined;
  return form.kind;
}

function keyword(map: EdnMap, key: string): string {
  const value = map.entries.get(key);
  if (!isKeyword(value)) throw new Error(`line ${map.line}: expected a keyword as :${key}`);
  return value.name;
}

/** EDN as plain data: keywords and symbols by name, maps as objects. */
function plain(form: Edn): unknown {
  if (Array.isArray(form)) return form.map(plain);
  if (form === null || typeof form !== 'object') return form;
  if (form.kind !== 'map') return form.kind === 'keyword' ? `:${form.name}` : form.name;
  return Object.fromEntries([...form.entries].map(([key, value]) => [key, plain(value)]));
}
