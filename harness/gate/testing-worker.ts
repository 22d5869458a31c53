// A worker that speaks the pool's language but simulates nothing: how its runs end is told by the
// workload, so that a gate meets workers that die, runs that fail and runs that are merely valid.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SeedResult } from '../swarm/seed.ts';
import type { Answer, Question } from '../swarm/worker-process.ts';

/** Workloads whose runs show too little whatever the seed; those of `config` take a day. */
const THIN = new Set(['election', 'config']);

/** True the first time that any process asks under this name in the test's folder. */
function first(name: string): boolean {
  try {
    writeFileSync(join(process.env.CHAOS_GATE_TEST ?? '', name), '', { flag: 'wx' });
    return true;
  } catch {
    return false;
  }
}

function answer({ config }: Question): Answer {
  const { seed, workload } = config;
  const invalid = workload === 'bank';
  // A seed that was drawn again is a large one.
  const thin = THIN.has(workload) || (workload === 'sequence' && seed < 1_000_000_000);
  const doubt = { checker: 'stats', outcome: 'unknown', kinds: [], why: 'Nobody spoke.' };
  const result = {
    seed,
    exit: invalid ? 1 : thin ? 2 : 0,
    outcome: invalid ? 'invalid' : thin ? 'unknown' : 'valid',
    findings: invalid
      ? [{ checker: 'bank', outcome: 'invalid', kinds: ['lost-money'], why: 'It is gone.' }]
      : thin
        ? [doubt]
        : [],
    errors: [],
    trace: 'same',
    events: 30,
    programs: { server: 's', harness: 'h', machinery: 'm' },
    wallMs: workload === 'config' ? 86_400_000 : 5,
  } as Partial<SeedResult> as SeedResult;
  return { result };
}

process.on('message', (question: Question) => {
  const { seed, workload } = question.config;
  if (workload === 'watch') process.exit(3);
  if (workload === 'lock' && first(`lock-${seed}`)) process.exit(3);
  process.send?.(answer(question));
});
process.on('disconnect', () => process.exit());
