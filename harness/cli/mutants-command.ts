// `chaos mutants`: plants each bug of the catalogue in turn and lets the general swarm look for it, with
// the same seeds for all: how many seeds and how much virtual time it takes, and which checker sees it.
import { EXIT } from '../../history/verdict.ts';
import type { Mutant } from '../../mutants/mutant.ts';
import { lookUp } from '../names.ts';
import type { Registry } from '../registry-types.ts';
import { drawSwarm } from '../swarm/draw.ts';
import { runPool } from '../swarm/pool.ts';
import type { SeedResult } from '../swarm/seed.ts';
import { Output, type Terminal } from './terminal.ts';

export interface MutantsRequest {
  /** Ids; empty: all. */
  ids: readonly string[];
  seeds: number;
  jobs?: number;
}

interface Finding {
  id: string;
  found: boolean;
  /** Seeds tried until it was found, that one included. */
  seeds: number;
  /** The checker that saw it. */
  checker: string | null;
  seed: number | null;
  virtualMs: number;
  why: string;
}

/** A violation of the guarantee that the bug breaks: that alone counts as found. */
function violation(
  mutant: Mutant,
  result: SeedResult,
): { checker: string; why: string } | undefined {
  return result.findings.find(
    ({ checker, outcome }) => outcome === 'invalid' && mutant.seenBy.includes(checker),
  );
}

async function hunt(
  mutant: Mutant,
  request: MutantsRequest,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<Finding> {
  const { id } = mutant;
  const finding: Finding = {
    id,
    found: false,
    seeds: 0,
    checker: null,
    seed: null,
    virtualMs: 0,
    why: '',
  };
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  signal.addEventListener('abort', interrupt, { once: true });
  function* configs() {
    for (let seed = 1; seed <= request.seeds; seed++) yield drawSwarm(seed, { mutant: id });
  }
  await runPool(configs(), {
    ...(request.jobs === undefined ? {} : { jobs: request.jobs }),
    twice: 0,
    signal: stop.signal,
    onResult(outcome) {
      if (finding.found) return;
      finding.seeds += 1;
      if (outcome.kind !== 'done') {
        if ('why' in outcome) say(`${id} seed ${outcome.config.seed}: ${outcome.why}`);
        return;
      }
      finding.virtualMs += outcome.result.virtualMs;
      const seen = violation(mutant, outcome.result);
      if (seen === undefined) return;
      finding.found = true;
      finding.checker = seen.checker;
      finding.why = seen.why;
      finding.seed = outcome.result.seed;
      stop.abort();
    },
  });
  signal.removeEventListener('abort', interrupt);
  return finding;
}

/** Runs the catalogue; exit 0 when every mutant was found, 1 otherwise. */
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
  const findings: Finding[] = [];
  for (const mutant of chosen) {
    const { id } = mutant;
    if (terminal.signal.aborted) break;
    const finding = await hunt(mutant, request, terminal.signal, (line) => output.line(line));
    findings.push(finding);
    const minutes = (finding.virtualMs / 60_000).toFixed(1);
    output.line(
      finding.found
        ? `${id}  found by ${finding.checker} after ${finding.seeds} seeds, ${minutes} virtual ` +
            `minutes (seed ${finding.seed}): ${finding.why}`
        : `${id}  NOT found in ${finding.seeds} seeds, ${minutes} virtual minutes`,
    );
  }
  output.object(findings.map(({ id, found, seeds, checker }) => ({ id, found, seeds, checker })));
  if (terminal.signal.aborted) return EXIT.interrupted;
  return findings.every(({ found }) => found) ? EXIT.valid : EXIT.invalid;
}
