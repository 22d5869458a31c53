// The store: a folder a run, from which it can be judged and drawn again without a cluster.
// Everything is plain JSON, and what a killed harness left half-written is still read.
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Event } from '../history/event.ts';
import { faultRecords, pairOps } from '../history/op.ts';
import type { RunInfo, RunRecord, RunResults } from '../history/run-record.ts';
import { makeWithParents } from '../wire/durable-files.ts';
import { readLines } from './lines.ts';
import { BadArguments } from './names.ts';
import { readNodeEvents } from './node-logs.ts';

export const FILES = {
  info: 'run.json',
  history: 'history.jsonl',
  nodeEvents: 'events.jsonl',
  results: 'results.json',
  latency: 'latency.hgrm',
  report: 'report.html',
} as const;

/** A run as it lies in the store. `results` are absent until it was judged. */
export interface StoredRun {
  dir: string;
  info: RunInfo;
  record: RunRecord;
  results?: RunResults;
}

/**
 * Makes `<storeDir>/<name>/<time>-<seed>` and returns its path; points `<storeDir>/latest` at it
 * unless told not to.
 */
export function createRun(
  storeDir: string,
  name: string,
  startedAt: Date,
  seed: number,
  latest = true,
): string {
  const time = startedAt.toISOString().replaceAll(/[-:]/g, '').replace('.', '');
  const parent = join(storeDir, name);
  makeWithParents(parent);
  let dir = join(parent, `${time}-${seed}`);
  // Two runs of one seed may start in the same millisecond.
  for (let copy = 2; existsSync(dir); copy++) dir = join(parent, `${time}-${seed}-${copy}`);
  makeWithParents(join(dir, 'nodes'));
  if (latest) pointLatest(storeDir, join(name, basename(dir)));
  return dir;
}

function pointLatest(storeDir: string, target: string): void {
  const link = join(storeDir, 'latest');
  const draft = `${link}.${process.pid}`;
  rmSync(draft, { force: true });
  // A junction needs an absolute target and, unlike a symbolic link, no privilege.
  if (process.platform === 'win32') symlinkSync(resolve(storeDir, target), draft, 'junction');
  else symlinkSync(target, draft);
  renameSync(draft, link);
}

/** Writes a file whole or not at all. */
export function writeWhole(path: string, text: string): void {
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, text);
  renameSync(draft, path);
}

export function writeJson(path: string, value: RunInfo | RunResults): void {
  writeWhole(path, `${JSON.stringify(value, null, 2)}\n`);
}

/** Reads `history.jsonl`. A torn last line is left out; anything else unreadable throws. */
export function readHistory(path: string): Event[] {
  const events: Event[] = [];
  let torn: number | undefined;
  for (const { number, text } of readLines(path)) {
    if (torn !== undefined) {
      throw new Error(`${path}: line ${torn} is not JSON and not the last; the history is damaged`);
    }
    let event: Event;
    try {
      event = JSON.parse(text) as Event;
    } catch {
      torn = number;
      continue;
    }
    if (event.index !== events.length) {
      throw new Error(
        `${path}: line ${number} has index ${event.index}, expected ${events.length}; ` +
          'the history has a gap',
      );
    }
    events.push(event);
  }
  return events;
}

/** Builds the record that checkers judge from a run's folder. Throws on a damaged history. */
export function loadRecord(dir: string, info: RunInfo): RunRecord {
  const { config } = info;
  const path = join(dir, FILES.history);
  const history = existsSync(path) ? readHistory(path) : [];
  return {
    config,
    history,
    ops: pairOps(history),
    ...readNodeEvents(join(dir, 'nodes'), config.nodes, config.eventLevel),
    faults: faultRecords(history),
  };
}

/** Merges the events of all nodes, brokers included, into one file, by time. */
export function writeNodeEvents(dir: string, record: RunRecord): void {
  const events = [...record.nodeEvents, ...(record.brokerEvents ?? [])].sort((a, b) => a.t - b.t);
  const lines = events.map((event) => `${JSON.stringify(event)}\n`);
  const path = join(dir, FILES.nodeEvents);
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, '');
  for (let i = 0; i < lines.length; i += 10_000) {
    writeFileSync(draft, lines.slice(i, i + 10_000).join(''), { flag: 'a' });
  }
  renameSync(draft, path);
}

/** Loads a stored run. Throws BadArguments when there is none, Error when it is damaged. */
export function loadRun(dir: string): StoredRun {
  const infoPath = join(dir, FILES.info);
  if (!existsSync(infoPath)) {
    throw new BadArguments(`${dir} is no run: it has no ${FILES.info}; see \`chaos list runs\``);
  }
  const info = readInfo(dir);
  const run: StoredRun = { dir, info, record: loadRecord(dir, info) };
  refuseShortened(dir, run);
  const results = readResults(dir);
  if (results !== undefined) run.results = results;
  return run;
}

/** A history may lack its end only where the run was cut short. */
function refuseShortened(dir: string, { info, record }: StoredRun): void {
  const last = record.history.findLast(({ f }) => f === 'phase')?.value;
  if (info.ended !== 'complete' || last === 'done') return;
  throw new Error(
    `${join(dir, FILES.history)}: the run was complete, but its history ends in phase ` +
      `${String(last ?? 'none')}, expected done; the history is damaged`,
  );
}

/** Reads a JSON file of a run. Throws with its path when it is none. */
function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new Error(`${path} is not JSON; the run is damaged`, { cause });
  }
}

/** Reads `run.json`. Throws when it lacks what everything else rests on. */
function readInfo(dir: string): RunInfo {
  const path = join(dir, FILES.info);
  const info = readJson(path) as Partial<RunInfo> | null;
  const { config, startedAt } = info ?? {};
  if (!Array.isArray(config?.nodes) || typeof startedAt !== 'string') {
    throw new Error(`${path}: expected config and startedAt of a run; the run is damaged`);
  }
  return info as RunInfo;
}

/** `results.json` of a run; undefined for one that was never judged. */
export function readResults(dir: string): RunResults | undefined {
  const path = join(dir, FILES.results);
  return existsSync(path) ? (readJson(path) as RunResults) : undefined;
}

/** The folder that a person means: a path, `latest`, or `<name>/<time>-<seed>` in the store. */
export function resolveRun(storeDir: string, given: string): string {
  const candidates = [...new Set([resolve(given), resolve(storeDir, given)])];
  const found = candidates.find((dir) => existsSync(join(dir, FILES.info)));
  if (found !== undefined) return found;
  throw new BadArguments(
    `there is no run "${given}": looked for ${FILES.info} in ${candidates.join(' and ')}; ` +
      'see `chaos list runs`',
  );
}

/** One line of `chaos list runs`. */
export interface RunSummary {
  dir: string;
  info?: RunInfo;
  results?: RunResults;
  /** Why it could not be read; then there is nothing else. */
  damage?: string;
}

/** All runs of the store, oldest first. */
export function listRuns(storeDir: string): RunSummary[] {
  if (!existsSync(storeDir)) return [];
  const folders = (dir: string) =>
    readdirSync(dir)
      .map((name) => join(dir, name))
      .filter((path) => lstatSync(path).isDirectory());
  const runs = folders(storeDir)
    .flatMap(folders)
    .filter((dir) => existsSync(join(dir, FILES.info)))
    .map(summarize);
  return runs.sort((a, b) => basename(a.dir).localeCompare(basename(b.dir)));
}

/** One damaged run must not hide the others. */
function summarize(dir: string): RunSummary {
  try {
    const info = readInfo(dir);
    const results = readResults(dir);
    return results === undefined ? { dir, info } : { dir, info, results };
  } catch (error) {
    return { dir, damage: (error as Error).message };
  }
}

/** `<name>/<time>-<seed>`, as people write a run. */
export function runTitle(dir: string): string {
  return `${basename(dirname(dir))}/${basename(dir)}`;
}
