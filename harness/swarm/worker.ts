// A worker process of the swarm: takes a configuration over IPC, runs it, answers with the result. One
// simulation a process at a time, so that a seed that hangs can be killed alone.
import type { RunConfig } from '../../history/run-record.ts';
import { runSeed } from './seed.ts';

process.on('message', (config: RunConfig) => {
  runSeed(config).then(
    (result) => process.send?.({ result }),
    (error: Error) => process.send?.({ error: error.stack ?? error.message }),
  );
});
// A worker whose master is gone has nobody to work for.
process.on('disconnect', () => process.exit());
