// Runs every nemesis on every kind of cluster with 3 and 5 nodes and several seeds, one after the
// other, and keeps a table. Started again it goes on where it stopped: what is in the table is not run
// twice. `node test/matrix.ts [--table FILE] [--seconds 10] [--seeds 3] [--clusters docker,local]
// [--system stack] [--workloads log,group] [--nemeses …] [--nodes 3,5]`
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { registry } from '../harness/registry.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** A run takes its time limit, some twenty seconds around it, and never this long. */
const RUN_MS_MAX = 240_000;

interface Cell {
  system: string;
  workload: string;
  nemesis: string;
  cluster: string;
  nodes: number;
  seed: number;
}

/** One line of the table. */
interface Row extends Cell {
  verdict: string;
  exit: number;
  ops?: { ok: number; fail: number; info: number };
  faults?: { injected: number; verified: number };
  recoveryMs?: { p50: number | null; max: number | null };
  /** Checkers that did not say valid. */
  not?: Record<string, string>;
  run?: string;
}

const { values } = parseArgs({
  options: {
    table: { type: 'string', default: join(ROOT, 'store', 'matrix.jsonl') },
    seconds: { type: 'string', default: '10' },
    seeds: { type: 'string', default: '3' },
    clusters: { type: 'string', default: 'docker,local' },
    nemeses: { type: 'string', default: registry.nemeses.map(({ name }) => name).join(',') },
    nodes: { type: 'string', default: '3,5' },
    system: { type: 'string', default: 'coordinator' },
    workloads: { type: 'string', default: '' },
  },
});

function cells(): Cell[] {
  const { system, seeds } = values;
  const usual = registry.systems.find(({ name }) => name === system)?.defaultWorkload ?? '';
  const each = (given: string): string[] => given.split(',');
  let all: Cell[] = [];
  for (let seed = 1; seed <= Number(seeds); seed++) {
    for (const workload of each(values.workloads || usual)) {
      for (const nemesis of each(values.nemeses)) {
        for (const cluster of each(values.clusters)) {
          const cell = { system, workload, nemesis, cluster, seed };
          all = all.concat(each(values.nodes).map((nodes) => ({ ...cell, nodes: Number(nodes) })));
        }
      }
    }
  }
  return all;
}

const keyOf = ({ system, workload, nemesis, cluster, nodes, seed }: Cell) =>
  `${system}/${workload}/${nemesis}/${cluster}/${nodes}/${seed}`;

function tableSoFar(file: string): Row[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Row);
}

async function runCell(cell: Cell): Promise<Row> {
  const args = ['harness/cli/bin.js', 'run', '--nemesis', cell.nemesis, '--cluster', cell.cluster];
  args.push('--system', cell.system, '--workload', cell.workload);
  args.push('--nodes', `${cell.nodes}`, '--seed', `${cell.seed}`);
  args.push('--time-limit', `${values.seconds}s`, '--json');
  const child = await execa(process.execPath, args, {
    cwd: ROOT,
    reject: false,
    timeout: RUN_MS_MAX,
    forceKillAfterDelay: 30_000,
  });
  const last = child.stdout.trimEnd().split('\n').at(-1) ?? '';
  try {
    const { verdict, exit, ops, faults, recoveryMs, verdicts, run } = JSON.parse(last);
    const { p50, max } = recoveryMs;
    const row: Row = { ...cell, verdict, exit, ops, faults, recoveryMs: { p50, max } };
    const not = Object.entries(verdicts as Record<string, string>).filter(([, v]) => v !== 'valid');
    if (not.length > 0) row.not = Object.fromEntries(not);
    if (exit !== 0) row.run = run;
    return row;
  } catch {
    const said = child.stderr.trimEnd().split('\n').slice(-3).join(' | ');
    return { ...cell, verdict: `no result: ${said}`, exit: child.exitCode ?? -1 };
  }
}

function describe(row: Row): string {
  const name = keyOf(row).padEnd(52);
  const faults = `${row.faults?.verified ?? 0}/${row.faults?.injected ?? 0} faults`;
  const recovery = `recovery max ${Math.round(row.recoveryMs?.max ?? 0)} ms`;
  const not = row.not === undefined ? '' : ` ${JSON.stringify(row.not)} ${row.run}`;
  return `${name} ${row.verdict.padEnd(8)} exit ${row.exit}  ${row.ops?.ok ?? 0} ok  ${faults}  ${recovery}${not}`;
}

mkdirSync(dirname(values.table), { recursive: true });
const rows = tableSoFar(values.table);
const done = new Set(rows.map(keyOf));
const todo = cells().filter((cell) => !done.has(keyOf(cell)));
console.log(`${done.size} runs in ${values.table}, ${todo.length} to do`);
for (const cell of todo) {
  const row = await runCell(cell);
  appendFileSync(values.table, `${JSON.stringify(row)}\n`);
  rows.push(row);
  console.log(describe(row));
}
const bad = rows.filter(({ exit }) => exit !== 0);
console.log(`${rows.length - bad.length} of ${rows.length} runs valid`);
for (const row of bad) console.log(describe(row));
process.exitCode = bad.length === 0 ? 0 : 1;
