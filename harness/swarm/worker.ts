// A worker process of the swarm: takes a configuration over IPC, runs it, answers with the result. One
// simulation a process at a time, so that a seed that hangs can be killed alone.

import { runTraced } from './seed.ts';
import type { Answer, Question } from './worker-process.ts';

async function answer({ config, trace }: Question): Promise<Answer> {
  const { result, run } = await runTraced(config, trace);
  if (trace === undefined) return { result };
  return { result, checkpoints: run.trace.checkpoints, recorded: run.lines.recorded };
}

process.on('message', (question: Question) => {
  answer(question).then(
    (message) => process.send?.(message),
    (error: Error) => process.send?.({ error: error.stack ?? error.message }),
  );
});
// A worker whose master is gone has nobody to work for.
process.on('disconnect', () => process.exit());
