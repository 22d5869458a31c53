// `chaos mutants`: plants each bug of the catalogue in turn and lets the general swarm look for it, with
// the same seeds for all. It also keeps what was found as scenarios, and runs those that are kept.
import { availableParallelism } from 'node:os';
import { basename, join } from 'node:path';
import { EXIT } from '../../history/verdict.ts';
import type { Mutant } from '../../mutants/mutant.ts';
import { lookUp } from '../names.ts';
import type { Registry } from '../registry-types.ts';
import { checkScenario } from '../swarm/check-scenario.ts';
import { type Finding, hunt } from '../swarm/hunt.ts';
import { keep } from '../swarm/keep.ts';
import {
  MUTANT_SCENARIOS,
  readScenario,
  SCENARIOS,
  scenarioFiles,
  writeScenario,
} from '../swarm/scenario.ts';
import { FAULTS_WANTED, shrink } from '../swarm/shrink.ts';
import { Trials } from '../swarm/trials.ts';
import { Output, type Terminal } from './terminal.ts';

export interface MutantsRequest {
  /** Ids; empty: all. */
  ids: readonly string[];
  seeds: number;
  /** The first of them. */
  from: number;
  jobs?: number;
  /** Shrink what is found and keep it under scenarios/mutants/. */
  store?: boolean;
  /** Run the scenarios that are kept instead of looking with new seeds. */
  scenarios?: boolean;
}

/** Seeds after the finding one that are tried for another start, when too much is left of that one. */
const STARTS_SEEDS_MAX = 24;

function describe(finding: Finding): string {
  const minutes = (finding.virtualMs / 60_000).toFixed(1);
  const { id, seeds, seed, checker, guarantee, why, clean } = finding;
  if (!finding.found) return `${id}  NOT found in ${seeds} seeds, ${minutes} virtual minutes`;
  return (
    `${id}  found by ${checker} after ${seeds} seeds, ${minutes} virtual minutes (seed ${seed}; the ` +
    `clean server there: ${clean})\n     promised: ${guarantee}\n     ${why}`
  );
}

/** Runs the catalogue; exit 0 when every mutant was found and the clean server passed, 1 otherwise. */
export async function mutantsCommand(
  request: MutantsRequest,
  json: boolean,
  terminal: Terminal,
  registry: Registry,
): Promise<number> {
  const output = new Output(terminal, json);
  const chosen =
    request.ids.length === 0
      ? registry.mutants
      : request.ids.map((id) => lookUp('mutant', id, registry.mutants, (each) => each.id));
  const trials = new Trials(request.jobs ?? availableParallelism(), terminal.signal);
  try {
    const good =
      request.scenarios === true
        ? await scenarios(request, registry, trials, output)
        : await hunts(chosen, request, trials, terminal, output);
    if (terminal.signal.aborted) return EXIT.interrupted;
    return good ? EXIT.valid : EXIT.invalid;
  } finally {
    trials.close();
  }
}

async function hunts(
  chosen: readonly Mutant[],
  request: MutantsRequest,
  trials: Trials,
  { signal }: Terminal,
  output: Output,
): Promise<boolean> {
  const findings: Finding[] = [];
  let kept = true;
  const say = (line: string) => output.line(line);
  for (const mutant of chosen) {
    if (signal.aborted) break;
    const finding = await hunt(mutant, {
      trials,
      from: request.from,
      to: request.from + request.seeds - 1,
      say,
    });
    if (signal.aborted) break;
    findings.push(finding);
    say(describe(finding));
    if (request.store !== true || !finding.found) continue;
    kept = (await store(mutant, finding, trials, say)) && kept;
  }
  output.object(
    findings.map(({ id, found, seeds, checker, guarantee, seed, virtualMs, clean }) => {
      return { id, found, seeds, checker, guarantee, seed, virtualMs, clean };
    }),
  );
  return kept && findings.every(({ found, clean }) => found && clean === 'valid');
}

/** Shrinks what was found and keeps it; false when too much is left or nothing could be kept. */
async function store(
  mutant: Mutant,
  finding: Finding,
  trials: Trials,
  say: (line: string) => void,
): Promise<boolean> {
  async function* starts() {
    const end = (finding.seed ?? 0) + STARTS_SEEDS_MAX;
    for (let { config } = finding; config !== undefined; ) {
      yield config;
      ({ config } = await hunt(mutant, { trials, from: config.seed + 1, to: end, say }));
    }
  }
  const { id: name, seenBy: checkers, guarantee } = mutant;
  const shrunk = await shrink(starts(), { trials, checkers, say: (line) => say(`     ${line}`) });
  try {
    const { scenario } = await keep(shrunk, { name, checkers, guarantee, trials });
    const path = join(MUTANT_SCENARIOS, `${name}.json`);
    writeScenario(path, scenario);
    const { rounds, foundBy, seeds } = scenario;
    say(
      `     ${path}: ${rounds.length} faults, shown by ${foundBy.length} of ${seeds.length} seeds`,
    );
    return rounds.length <= FAULTS_WANTED;
  } catch (error) {
    say(`     not kept: ${(error as Error).message}`);
    return false;
  }
}

/** Runs every scenario that is kept, or those of the mutants named. */
async function scenarios(
  request: MutantsRequest,
  registry: Registry,
  trials: Trials,
  output: Output,
): Promise<boolean> {
  const all = [...scenarioFiles(SCENARIOS), ...scenarioFiles(MUTANT_SCENARIOS)];
  const files = all.filter((file) => {
    return request.ids.length === 0 || request.ids.includes(basename(file, '.json'));
  });
  const results: { name: string; ok: boolean; why: string }[] = [];
  for (const file of files) {
    const scenario = readScenario(file);
    const checked = await checkScenario(scenario, registry.mutants, trials);
    if (checked === undefined) break;
    results.push({ name: scenario.name, ...checked });
    output.line(`${checked.ok ? 'ok    ' : 'NOT OK'}  ${scenario.name}: ${checked.why}`);
  }
  const wanted = request.ids.length === 0 ? registry.mutants.map(({ id }) => id) : request.ids;
  const names = files.map((file) => basename(file, '.json'));
  for (const name of wanted.filter((id) => !names.includes(id))) {
    const why = `no scenario is kept; make it with \`chaos mutants ${name} --store\``;
    results.push({ name, ok: false, why });
    output.line(`NOT OK  ${name}: ${why}`);
  }
  output.object(results);
  return results.length >= files.length && results.every(({ ok }) => ok);
}
