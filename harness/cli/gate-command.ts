// `chaos gate`: the matrix of a project's chaos.config.ts within a budget, for a CI system to rely on. A
// line an entry as it ends, and at the end one colour, one exit code and a folder to upload.
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import type { GateEntry, GateRecord } from '../../history/gate-record.ts';
import { EXIT } from '../../history/verdict.ts';
import {
  counted,
  countOf,
  ENDINGS,
  endingsOf,
  gateColour,
  gist,
  mutantSentence,
  redrawnOf,
  retriedOf,
} from '../../reports/gate-figures.ts';
import { formatDuration } from '../config.ts';
import { Artefacts, GATE_FILES } from '../gate/artefacts.ts';
import { type GateOptions, runGate } from '../gate/gate.ts';
import { loadProfile } from '../gate/load.ts';
import type { Shard } from '../gate/order.ts';
import { BadArguments, lookUp } from '../names.ts';
import type { Registry } from '../registry-types.ts';
import { Output, type Terminal } from './terminal.ts';

export interface GateRequest {
  profile: string;
  /** Instead of the profile's. */
  budget?: number;
  rounds?: number;
  shard?: Shard;
  config?: string;
  out?: string;
  seed?: number;
  mutant?: string;
  jobs?: number;
  skipUnavailable?: boolean;
  failFast?: boolean;
}

const SHARDS_MAX = 256;
const SEED_MAX = 2 ** 32;
const GIST_MAX = 300;
/** Cells not run that are told one by one at the end. */
const LEFT_MAX = 20;

/** Parses `2/8`. */
export function shard(text: string): Shard {
  const [index, count] = /^(\d{1,3})\/(\d{1,3})$/.exec(text)?.slice(1).map(Number) ?? [];
  if (index !== undefined && count !== undefined && index >= 1 && index <= count) {
    if (count <= SHARDS_MAX) return { index, count };
  }
  throw new BadArguments(
    `expected --shard to be like 2/8, the first of at most ${SHARDS_MAX} is 1, got "${text}"`,
  );
}

/** An entry that ended, in a line; one that is not valid says what and how to see it again. */
function entryLines(entry: GateEntry, number: number): string[] {
  const { ending, cell, seed, wallMs, retried, redrawn, reproduce, workload } = entry;
  const took = `${(wallMs / 1_000).toFixed(1)} s`;
  const word = ending === 'anomaly' || ending === 'crash' ? ending.toUpperCase() : ending;
  const again = [
    ...(retried.length > 0
      ? [counted(retried.length, 'infrastructure error', 'infrastructure errors')]
      : []),
    ...(redrawn.length > 0
      ? [counted(redrawn.length, 'draw that showed too little', 'draws that showed too little')]
      : []),
  ];
  const after = again.length > 0 ? `, after ${again.join(' and ')}` : '';
  const drawn = cell.split(' ').includes(workload) ? '' : ` (${workload})`;
  const what = `${cell}${drawn} seed ${seed}, ${took}${after}`;
  const line = `${String(number).padStart(4)}  ${word.padEnd(14)}  ${what}`;
  if (ending === 'valid') return [line];
  const why = gist(entry);
  const short = why.length > GIST_MAX ? `${why.slice(0, GIST_MAX)} …` : why;
  const lines = [line, `      ${short.replaceAll(/\s+/g, ' ')}`];
  return reproduce === '' ? lines : [...lines, `      reproduce: ${reproduce}`];
}

/** How the gate ended, in lines. */
function endLines(record: GateRecord, out: string): string[] {
  const retried = retriedOf(record).length;
  const redrawn = redrawnOf(record).length;
  const again = [
    ...(retried > 0 ? [`; ${retried} tried again after infrastructure errors`] : []),
    ...(redrawn > 0 ? [`; ${redrawn} drawn again, the first draw showed too little`] : []),
  ].join('');
  const sentence = mutantSentence(record);
  const left = record.notRun.map(({ cell, entries, elsewhere, why }) => {
    return `not run: ${entries} of ${cell}${elsewhere ? '' : ', none was'}: ${why}`;
  });
  const unsaid = left.length - LEFT_MAX;
  if (unsaid > 0) left.splice(LEFT_MAX, unsaid, `not run: ${unsaid} cells more, in the summary`);
  return [
    ...left,
    ...record.absent.map(({ name, why }) => `not available: ${name}: ${why}`),
    ...(sentence === undefined ? [] : [sentence]),
    `${counted(record.entries.length, 'run', 'runs')}: ${endingsOf(record.entries)}${again}`,
    `reports: ${join(out, GATE_FILES.summary)}, ${join(out, GATE_FILES.junit)}`,
    `gate ${gateColour(record)}, exit ${record.exit}; the same again: ${record.reproduce}`,
  ];
}

/** Runs the gate and returns its exit code. Throws BadArguments before anything starts. */
export async function gateCommand(
  request: GateRequest,
  json: boolean,
  terminal: Terminal,
  registry: Registry,
  inTests: Pick<GateOptions, 'timing' | 'worker'> = {},
): Promise<number> {
  const output = new Output(terminal, json);
  const { profile: name, mutant: id, jobs = availableParallelism() } = request;
  const { file, profile } = await loadProfile(request.config, name, registry);
  const mutant =
    id === undefined ? undefined : lookUp('mutant', id, registry.mutants, (each) => each.id);
  const { seed = randomInt(1, SEED_MAX), budget: budgetMs = profile.budgetMs } = request;
  const time = new Date().toISOString().replaceAll(/[-:]/g, '').replace('.', '');
  const out = resolve(request.out ?? join(terminal.storeDir, 'gate', `${time}-${seed}`));
  const artefacts = new Artefacts(out);
  output.line(`gate      ${profile.name} of ${file}, ${profile.cells.length} cells`);
  output.line(`budget    ${formatDuration(budgetMs)}, ${jobs} simulations at once`);
  if (request.shard !== undefined) {
    output.line(`shard     ${request.shard.index} of ${request.shard.count}`);
  }
  if (mutant !== undefined) output.line(`mutant    ${mutant.id}: ${mutant.title}`);
  output.line(`seed      ${seed}`);
  output.line();
  let ended = 0;
  const interrupted = () => output.line('interrupted: healing, cleaning up and reporting …');
  terminal.signal.addEventListener('abort', interrupted, { once: true });
  const record = await runGate({
    profile,
    seed,
    budgetMs,
    jobs,
    skipUnavailable: request.skipUnavailable === true,
    failFast: request.failFast === true,
    artefacts,
    registry,
    signal: terminal.signal,
    onEnd(entry) {
      for (const line of entryLines(entry, ++ended)) output.line(line);
    },
    log: (line) => output.line(line),
    ...(request.rounds === undefined ? {} : { rounds: request.rounds }),
    ...(request.shard === undefined ? {} : { shard: request.shard }),
    ...(mutant === undefined ? {} : { mutant }),
    ...inTests,
  });
  terminal.signal.removeEventListener('abort', interrupted);
  output.line();
  for (const error of record.errors) output.problem(error);
  for (const line of endLines(record, out)) output.line(line);
  output.object(gateJson(record, out));
  return record.exit;
}

/** What `--json` prints: the counts, and every run that did not end valid. */
function gateJson(record: GateRecord, out: string): object {
  const { profile, seed, exit, notRun, absent, errors, entries, wallMs, mutant } = record;
  const counts = Object.fromEntries(ENDINGS.map(([ending]) => [ending, countOf(record, ending)]));
  const failed = entries.filter((entry) => entry.exit !== EXIT.valid);
  const told = { exit, colour: gateColour(record), profile, seed, wallMs, runs: entries.length };
  return {
    ...told,
    mutant: mutant?.id ?? null,
    ...counts,
    retried: retriedOf(record).length,
    redrawn: redrawnOf(record).length,
    notRun,
    absent,
    errors,
    failed,
    out,
  };
}
