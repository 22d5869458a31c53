// A worker that speaks the pool's language but simulates nothing: how its runs differ is told by the
// configuration's name, so that the pool's comparisons are tested on runs known to differ.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SeedResult } from './seed.ts';
import type { Answer, Question } from './worker-process.ts';

/** True the first time that any process asks under this name in the pool's folder. */
function first(name: string): boolean {
  try {
    writeFileSync(join(process.env.TMPDIR ?? '', name), '', { flag: 'wx' });
    return true;
  } catch {
    return false;
  }
}

function answer({ config, trace }: Question): Answer {
  const { name, seed, system } = config;
  const differs = name === 'differs' && first(`${seed}-${JSON.stringify(trace)}`);
  const changed = name === 'changes' && !first(`code-${seed}`);
  const hash = differs ? 'one' : 'other';
  const server = changed ? 'edited' : 'as it was';
  const shared = { server, harness: 'h', machinery: 'm' };
  const programs: SeedResult['programs'] =
    system === 'stack' ? { ...shared, second: `beside ${server}` } : shared;
  const result = {
    seed,
    exit: 0,
    outcome: 'valid',
    trace: hash,
    events: 30,
    programs,
  } as SeedResult;
  if (trace === undefined) return { result };
  const checkpoints = [
    { event: 10, timeNs: 1, hash: 'same' },
    { event: 20, timeNs: 2, hash },
  ];
  const recorded = ['10 write n1', `11 write ${hash}`].slice(trace.record === undefined ? 2 : 0);
  return { result, checkpoints, recorded };
}

process.on('message', (question: Question) => {
  if (question.config.name === 'dies') process.exit(3);
  process.send?.(answer(question));
});
process.on('disconnect', () => process.exit());
