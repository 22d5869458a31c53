// The command line of the example: looks for a seed that fails, replays one and tells its story, or
// takes faults away from it for as long as it goes on failing.
//
//   node simulator/example/run.ts --seeds 1..2000
//   node simulator/example/run.ts --seed 107
//   node simulator/example/run.ts --shrink 107
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import {
  type Fault,
  faultsOf,
  loadPrograms,
  type Outcome,
  type Programs,
  run,
} from './scenario.ts';
import { story } from './story.ts';

const COMMAND = 'node simulator/example/run.ts';
const SEEDS_MAX = 1_000_000;

/** The first seed of the range that loses a write, or undefined. */
export async function search(
  first: number,
  last: number,
  programs: Programs,
): Promise<number | undefined> {
  for (let seed = first; seed <= last; seed++) {
    const { missing } = await run(seed, faultsOf(seed), programs);
    if (missing.length > 0) return seed;
  }
  return undefined;
}

/** Leaves out one fault after the other, until each that is left is needed for the failure. */
export async function shrink(seed: number, programs: Programs): Promise<Fault[]> {
  let faults = faultsOf(seed);
  const fails = async (some: Fault[]) => (await run(seed, some, programs)).missing.length > 0;
  if (!(await fails(faults))) throw new Error(`expected seed ${seed} to fail, but it passes`);
  for (let i = 0; i < faults.length; ) {
    const fewer = faults.toSpliced(i, 1);
    if (await fails(fewer)) [faults, i] = [fewer, 0];
    else i++;
  }
  return faults;
}

function describe(fault: Fault): string {
  const when = `${fault.atMs} ms, for ${fault.forMs} ms:`;
  switch (fault.kind) {
    case 'cut':
      return `${when} cut ${fault.from} > ${fault.to}`;
    case 'kill':
      return `${when} kill ${fault.host}`;
    case 'power loss':
      return `${when} power loss of ${fault.hosts.join(', ')}`;
  }
}

function result({ acknowledged, missing, virtualMs, hash }: Outcome): string {
  const lost = missing.length === 0 ? 'all there' : `LOST: ${missing.join(', ')}`;
  return `${acknowledged} writes acknowledged, ${lost}; ${virtualMs.toFixed(0)} ms, trace ${hash}`;
}

function seedOf(text: string): number {
  const seed = Number(text);
  if (!Number.isInteger(seed) || seed < 0 || seed > SEEDS_MAX) {
    throw new Error(`expected a seed from 0 to ${SEEDS_MAX}, got '${text}'`);
  }
  return seed;
}

async function searchCommand(range: string, programs: Programs): Promise<void> {
  const [first = '', last = ''] = range.split('..');
  const seed = await search(seedOf(first), seedOf(last), programs);
  if (seed === undefined) {
    console.log(`seeds ${range}: no acknowledged write is lost`);
    return;
  }
  console.log(`seed ${seed} fails: ${result(await run(seed, faultsOf(seed), programs))}`);
  console.log(`replay it:  ${COMMAND} --seed ${seed}`);
  console.log(`shrink it:  ${COMMAND} --shrink ${seed}`);
  process.exitCode = 1;
}

async function replayCommand(seed: number, programs: Programs): Promise<void> {
  const faults = faultsOf(seed);
  for (const fault of faults) console.log(describe(fault));
  const outcome = await run(seed, faults, programs);
  for (const line of story(outcome)) console.log(line);
  console.log(`\n${result(outcome)}`);
  console.log(result(await run(seed, faults, programs)));
  process.exitCode = outcome.missing.length > 0 ? 1 : 0;
}

async function shrinkCommand(seed: number, programs: Programs): Promise<void> {
  const all = faultsOf(seed);
  const faults = await shrink(seed, programs);
  console.log(`${faults.length} of ${all.length} faults are enough:`);
  for (const fault of faults) console.log(`  ${describe(fault)}`);
  const outcome = await run(seed, faults, programs);
  for (const line of story(outcome)) console.log(line);
  console.log(`\n${result(outcome)}`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const options = {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    shrink: { type: 'string' },
  };
  const { values } = parseArgs({ options: options as Record<string, { type: 'string' }> });
  const programs = await loadPrograms();
  if (values.seeds !== undefined) await searchCommand(values.seeds, programs);
  else if (values.seed !== undefined) await replayCommand(seedOf(values.seed), programs);
  else if (values.shrink !== undefined) await shrinkCommand(seedOf(values.shrink), programs);
  else throw new Error(`usage: ${COMMAND} --seeds 1..2000 | --seed N | --shrink N`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main().catch((error: unknown) => {
    console.error((error as Error).message);
    process.exitCode = 254;
  });
}
