// The command line as a process of its own, on the memory cluster, for tests of signals and exit codes.
import { memoryRegistry, QUICK } from '../testing.ts';
import { start } from './main.ts';

const timing = { ...QUICK, faultsMs: 600_000 };
await start(process.argv.slice(2), { registry: memoryRegistry(), timing });
