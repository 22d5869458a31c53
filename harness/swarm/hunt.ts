// Looks for a planted bug with the general swarm: the same seeds for every bug, and the clean server on the
// seed that finds it, for a schedule that both fail proves nothing.
import type { RunConfig } from '../../history/run-record.ts';
import { EXIT } from '../../history/verdict.ts';
import type { Mutant } from '../../mutants/mutant.ts';
import { drawSwarm, type SwarmSystem } from './draw.ts';
import { breaks, cleanOf } from './shrink.ts';
import type { Trial, Trials } from './trials.ts';

export interface Finding {
  id: string;
  found: boolean;
  /** Seeds tried until it was found, that one included. */
  seeds: number;
  /** The checker that saw it. */
  checker: string | null;
  /** What that checker says is promised. */
  guarantee: string | null;
  seed: number | null;
  /** Virtual time of all seeds up to the one that found it, ms. */
  virtualMs: number;
  why: string;
  /** How the clean server's run of the finding seed ended; null without one. */
  clean: string | null;
  /** The configuration that found it. */
  config?: RunConfig;
}

export interface HuntOptions {
  trials: Trials;
  /** First and last seed to try. */
  from: number;
  to: number;
  say(line: string): void;
}

/** The system whose seeds look for a bug: brokers are drawn only beside their coordinators. */
export function swarmSystemOf({ patches }: Pick<Mutant, 'patches'>): SwarmSystem {
  return patches.some(({ file }) => file.startsWith('broker/')) ? 'stack' : 'coordinator';
}

/** Tries seeds in order until one shows a violation of a guarantee that the bug breaks. */
export async function hunt(mutant: Mutant, options: HuntOptions): Promise<Finding> {
  const { trials, from, to, say } = options;
  const { id, seenBy } = mutant;
  const configs = Array.from({ length: Math.max(0, to - from + 1) }, (_, i) =>
    drawSwarm(from + i, { mutant: id, system: swarmSystemOf(mutant) }),
  );
  const virtualMs = new Map<number, number>();
  const hit = await trials.first(configs, (outcome) => {
    const { seed } = outcome.config;
    if (outcome.kind === 'lost') say(`${id} seed ${seed}: ${outcome.why}`);
    if (outcome.kind === 'done') virtualMs.set(seed, outcome.result.virtualMs);
    return breaks(outcome, seenBy);
  });
  const last = hit?.config.seed ?? to;
  let total = 0;
  for (const [seed, ms] of virtualMs) if (seed <= last) total += ms;
  const finding: Finding = {
    id,
    found: hit !== undefined,
    seeds: hit === undefined ? virtualMs.size : last - from + 1,
    checker: null,
    guarantee: null,
    seed: hit?.config.seed ?? null,
    virtualMs: Math.round(total),
    why: '',
    clean: null,
  };
  if (hit === undefined || hit.outcome.kind !== 'done') return finding;
  const seen = hit.outcome.result.findings.find(
    ({ checker, outcome }) => outcome === 'invalid' && seenBy.includes(checker),
  );
  const [clean] = await trials.all([cleanOf(hit.config)]);
  return {
    ...finding,
    checker: seen?.checker ?? null,
    guarantee: mutant.guarantee,
    why: seen?.why ?? '',
    clean: clean === undefined ? null : describeEnd(clean),
    config: hit.config,
  };
}

/** How a run ended, in a few words: its verdict, or what it broke. */
export function describeEnd(outcome: Trial): string {
  if (outcome.kind === 'lost') return `lost: ${outcome.why}`;
  const { result } = outcome;
  if (result.exit === EXIT.valid) return 'valid';
  const why = [...result.errors, ...result.findings.map((f) => `${f.checker}: ${f.why}`)];
  return `${result.outcome}: ${why.join('; ')}`;
}
