// The command line: options, their ranges, and which command they go to. Whatever is wrong with them
// ends in exit code 254 before anything starts.
import { resolve } from 'node:path';
import { Command, CommanderError, Option } from 'commander';
import { EXIT } from '../../history/verdict.ts';
import { errorLine } from '../clock.ts';
import type { RunRequest } from '../config.ts';
import { BadArguments, lookUp } from '../names.ts';
import type { Registry } from '../registry-types.ts';
import { type RunOptions, versions } from '../run.ts';
import { SWARM_SYSTEMS } from '../swarm/draw.ts';
import { checkCommand, reportCommand } from './check-command.ts';
import { doctorCommand } from './doctor.ts';
import { type GateRequest, gateCommand, shard } from './gate-command.ts';
import { listCommand } from './list-command.ts';
import { type MutantsRequest, mutantsCommand } from './mutants-command.ts';
import { duration, runName, timeLimit, wholeNumber } from './options.ts';
import { replayCommand } from './replay-command.ts';
import { runCommand } from './run-command.ts';
import { type SeedsRequest, seedRange, seedsCommand } from './seeds-command.ts';
import { type ShrinkRequest, shrinkCommand } from './shrink-command.ts';
import type { Terminal } from './terminal.ts';
import { cleanCommand, upCommand } from './up-command.ts';

/** A second Ctrl-C within this time is the same one, arriving through another process. */
const SAME_SIGNAL_MS = 500;

/** What a command is given besides its options. */
export interface Surroundings {
  terminal: Terminal;
  registry: Registry;
  /** Lengths of a run's phases, where they are not the usual ones. */
  timing?: RunOptions['timing'];
}

interface RunFlags {
  system: string;
  workload?: string;
  nemesis: string;
  cluster?: string;
  nodes: number;
  timeLimit: number;
  rate: number;
  concurrency: number;
  seed?: number;
  mutant?: string;
  name?: string;
  json?: boolean;
  swarm?: boolean;
  seeds?: { from: number; to: number };
  jobs?: number;
  keepGoing?: boolean;
}

/** What of a run's flags a swarm is limited to: those that were given. */
function seedsRequest(flags: RunFlags, command: Command): SeedsRequest {
  if (flags.cluster !== 'sim') {
    throw new BadArguments('--seeds needs --cluster sim: only there a run is cheap and exact');
  }
  const { from, to } = flags.seeds ?? { from: 1, to: 1 };
  const system = lookUp('system of swarm seeds', flags.system, SWARM_SYSTEMS, (name) => name);
  const given = (name: string) => command.getOptionValueSource(name) === 'cli';
  return {
    from,
    to,
    keepGoing: flags.keepGoing === true,
    system,
    ...(flags.jobs === undefined ? {} : { jobs: flags.jobs }),
    ...(flags.mutant === undefined ? {} : { mutant: flags.mutant }),
    ...(flags.workload === undefined ? {} : { workload: flags.workload }),
    ...(given('nodes') ? { nodes: flags.nodes } : {}),
  };
}

const nodes = wholeNumber('--nodes', 1, 9);
const JSON_HELP = 'end with one object on one line of stdout; words for people go to stderr';

const RUN_HELP = `
Examples:
  npx chaos run                                        isolate the leader for 30 s
  npx chaos run --nemesis kill-all --nodes 5 --json    for scripts
  npx chaos run --mutant Z29 --cluster local           see a planted bug found`;

const HELP = `
Exit codes: 0 valid, 1 invalid, 2 unknown (too little evidence), 254 bad arguments,
255 the harness or the machine failed, 130 interrupted.
Runs are kept in ./store.`;

function defineRun(program: Command, { terminal, registry, timing }: Surroundings, done: Done) {
  program
    .command('run')
    .description('boot a cluster, load it, break it, and judge what it did')
    .option('--system <name>', 'system to test', 'stack')
    .option(
      '--workload <name>',
      'what the clients do; several at once as a+b (default: the system’s)',
    )
    .option('--nemesis <name>', 'what is broken; `chaos list nemeses`', 'partition-leader')
    .option(
      '--cluster <kind>',
      'docker, local or sim (default: docker where a daemon answers, else local)',
    )
    .option('--nodes <n>', 'servers, 1 to 9', nodes, 3)
    .addOption(
      new Option('--time-limit <time>', 'length of the fault phase, 1s to 24h')
        .argParser(timeLimit)
        .default(30_000, '30s'),
    )
    .option(
      '--rate <n>',
      'operations a second over all clients; 0 = as fast as answers come',
      wholeNumber('--rate', 0, 100_000),
      200,
    )
    .option('--concurrency <n>', 'clients, 1 to 1000', wholeNumber('--concurrency', 1, 1_000), 10)
    .option('--seed <n>', 'draws everything (default: drawn)', wholeNumber('--seed', 0, MAX_SEED))
    .option('--mutant <id>', 'plant a known bug in the servers; `chaos list mutants`')
    .option(
      '--name <name>',
      'folder in the store (default: from system, workload, nemesis)',
      runName,
    )
    .option('--swarm', 'sim: let the seed draw size, timeouts, load and faults')
    .option('--seeds <range>', 'sim: run many swarm seeds on all cores, e.g. 1..500', seedRange)
    .option('--jobs <n>', 'sim: processes for --seeds', wholeNumber('--jobs', 1, 256))
    .option('--keep-going', 'sim: do not stop at the first seed that fails')
    .option('--json', JSON_HELP)
    .addHelpText('after', RUN_HELP)
    .action(async (flags: RunFlags, command: Command) => {
      if (flags.seeds !== undefined) {
        done(
          await seedsCommand(seedsRequest(flags, command), flags.json === true, terminal, registry),
        );
        return;
      }
      const { timeLimit: timeLimitMs, rate: ratePerSecond, json, ...rest } = flags;
      const request: RunRequest = { ...rest, timeLimitMs, ratePerSecond };
      done(await runCommand(request, json === true, terminal, registry, timing));
    });
}

type MutantsFlags = Omit<MutantsRequest, 'ids'> & { json?: boolean };

const MAX_SEED = Number.MAX_SAFE_INTEGER;
type Done = (exit: number) => void;

/** What repeats, shrinks and searches simulated runs. */
function defineSimulated(program: Command, { terminal, registry }: Surroundings, done: Done) {
  program
    .command('replay')
    .description('repeat a simulated run or a scenario, and prove by its trace that it is the same')
    .argument('<run>', 'a run (path, name in the store, latest) or a scenario file')
    .option('--cluster <kind>', 'docker or local: run it there, with the faults that exist there')
    .option('--json', JSON_HELP)
    .action(async (given: string, flags: { cluster?: string; json?: boolean }) => {
      const { json, ...rest } = flags;
      done(await replayCommand({ given, ...rest }, json === true, terminal, registry));
    });
  program
    .command('shrink')
    .description('find the fewest faults and the least load with which a simulated run still fails')
    .argument('<runs...>', 'runs (path, name in the store, latest) or scenario files')
    .option('--name <name>', 'name of the scenario (default: from the run)', runName)
    .option('--jobs <n>', 'processes', wholeNumber('--jobs', 1, 256))
    .option('--json', JSON_HELP)
    .action(async (given: string[], flags: Omit<ShrinkRequest, 'given'> & { json?: boolean }) => {
      const { json, ...rest } = flags;
      done(await shrinkCommand({ given, ...rest }, json === true, terminal, registry));
    });
  program
    .command('mutants')
    .description('plant every known bug in turn and let the simulator look for it')
    .argument('[ids...]', 'only these; `chaos list mutants`')
    .option('--seeds <n>', 'seeds to try for each', wholeNumber('--seeds', 1, 100_000), 200)
    .option('--from <seed>', 'the first of them', wholeNumber('--from', 1, MAX_SEED / 2), 1)
    .option('--jobs <n>', 'processes', wholeNumber('--jobs', 1, 256))
    .option('--store', 'shrink what is found and keep it as scenarios/mutants/<id>.json')
    .option('--scenarios', 'run the scenarios that are kept, on the planted and the clean server')
    .option('--json', JSON_HELP)
    .action(async (ids: string[], flags: MutantsFlags) => {
      const { json, ...rest } = flags;
      if (rest.store === true && rest.scenarios === true) {
        throw new BadArguments('expected --store or --scenarios, got both');
      }
      done(await mutantsCommand({ ids, ...rest }, json === true, terminal, registry));
    });
}

/** The gate, for CI systems. */
function defineGate(program: Command, { terminal, registry, timing }: Surroundings, done: Done) {
  program
    .command('gate')
    .description('run the matrix of chaos.config.ts within a budget, as a gate for CI')
    .option('--profile <name>', 'which matrix', 'pr')
    .option('--budget <time>', "wall time, 1s to 24h (default: the profile's)", (text) =>
      duration('--budget', text),
    )
    .option(
      '--rounds <n>',
      'rounds of the matrix at most (default: as many as the budget has room for)',
      wholeNumber('--rounds', 1, 100_000),
    )
    .option('--shard <i/n>', 'only this part of the matrix, e.g. 2/8', shard)
    .option('--config <file>', 'instead of chaos.config.ts')
    .option('--out <dir>', 'folder for the reports and the failing runs (default: in the store)')
    .option('--seed <n>', 'draws everything (default: drawn)', wholeNumber('--seed', 0, MAX_SEED))
    .option('--mutant <id>', 'plant a known bug in every run: the gate must end red')
    .option('--jobs <n>', 'simulations at once', wholeNumber('--jobs', 1, 256))
    .option('--skip-unavailable', 'pass over clusters and systems that are not here')
    .option('--fail-fast', 'begin nothing more after the first anomaly')
    .option('--json', JSON_HELP)
    .action(async (flags: GateRequest & { json?: boolean }) => {
      const { json, ...request } = flags;
      const lengths = timing === undefined ? {} : { timing };
      done(await gateCommand(request, json === true, terminal, registry, lengths));
    });
}

function defineOthers(program: Command, { terminal, registry }: Surroundings, done: Done): void {
  program
    .command('check')
    .description('judge a stored run again, or a history of another tool')
    .argument('<run>', 'a run (path, name in the store, latest), or a file with --format')
    .option('--format <format>', 'the argument is a file: jepsen-log or jepsen-edn')
    .option('--model <model>', 'what the file is a history of: cas-register (default) or mutex')
    .option('--json', JSON_HELP)
    .action(async (given: string, flags: { format?: string; model?: string; json?: boolean }) => {
      done(await checkCommand({ given, ...flags, json: flags.json === true }, terminal, registry));
    });
  program
    .command('report')
    .description('draw the report of a stored run again')
    .argument('<run>', 'a run (path, name in the store, latest)')
    .action((given: string) => done(reportCommand(given, terminal, registry)));
  program
    .command('list')
    .description('list what can be run, or with `runs` what was')
    .argument('[kind]', 'systems, workloads, nemeses, checkers, clusters, mutants or runs')
    .option('--json', 'as one object on one line')
    .action(async (kind: string | undefined, flags: { json?: boolean }) => {
      done(await listCommand(kind, flags.json === true, terminal, registry));
    });
  program
    .command('doctor')
    .description('say what this machine can do and what to install')
    .option('--json', JSON_HELP)
    .action(async (flags: { json?: boolean }) => {
      done(await doctorCommand(flags.json === true, terminal, registry));
    });
  program
    .command('up')
    .description('boot a system and keep it until Ctrl-C (then exit 130)')
    .argument('<system>', 'system to boot')
    .option('--nodes <n>', 'servers, 1 to 9', nodes, 3)
    .option('--cluster <kind>', 'docker or local (default: docker where a daemon answers)')
    .action(async (system: string, flags: { nodes: number; cluster?: string }) => {
      done(await upCommand({ system, ...flags }, terminal, registry));
    });
  program
    .command('clean')
    .description('remove what runs that were killed left behind; the store stays')
    .action(async () => done(await cleanCommand(terminal, registry)));
}

/** Runs one command line and returns its exit code. */
export async function runCli(argv: readonly string[], around: Surroundings): Promise<number> {
  const { stdout, stderr } = around.terminal;
  let exit: number = EXIT.valid;
  const done: Done = (code) => {
    exit = code;
  };
  const program = new Command('chaos')
    .description('tests distributed systems: real clusters, real faults, proofs from what happened')
    .version(versions().chaos, '-V, --version', 'print the version')
    .addHelpText('after', HELP)
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'chaos: ')),
    });
  defineRun(program, around, done);
  defineOthers(program, around, done);
  defineSimulated(program, around, done);
  defineGate(program, around, done);
  for (const command of program.commands) {
    command.exitOverride().allowExcessArguments(false).copyInheritedSettings(program);
    command.showHelpAfterError(`see \`chaos ${command.name()} --help\``);
  }
  program.showHelpAfterError('see `chaos --help`');
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exit;
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.exitCode === 0 ? EXIT.valid : EXIT.badArguments;
    }
    stderr.write(`chaos: ${error instanceof BadArguments ? error.message : stackOf(error)}\n`);
    return error instanceof BadArguments ? EXIT.badArguments : EXIT.infrastructure;
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : errorLine(error);
}

/** The first signal asks for an orderly end, a later one ends at once. */
function onInterruption(): AbortSignal {
  const controller = new AbortController();
  let first = 0;
  const interrupt = () => {
    if (first === 0) {
      first = performance.now();
      controller.abort();
    } else if (performance.now() - first > SAME_SIGNAL_MS) {
      process.stderr.write('chaos: ended at once; `chaos clean` removes what is left\n');
      process.exit(EXIT.interrupted);
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
  // Whoever read our words is gone, as in `chaos run | head`: nothing may be left behind all the same.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', () => controller.abort());
  }
  return controller.signal;
}

/** The process' own command line: runs it and exits. A registry other than the real one is for tests. */
export async function start(
  argv: readonly string[],
  around?: Omit<Surroundings, 'terminal'>,
): Promise<void> {
  const signal = onInterruption();
  // A process started by bin.js must not outlive it: nobody could interrupt it any more.
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  process.channel?.unref();
  const plugIns = around ?? (await import('../registry.ts'));
  const { stdout, stderr } = process;
  const terminal: Terminal = { stdout, stderr, signal, storeDir: resolve('store') };
  const exit = await runCli(argv, { ...plugIns, terminal });
  // Pipes are written asynchronously: what is still in them must leave before the process does.
  await new Promise((done) => stdout.write('', done));
  await new Promise((done) => stderr.write('', done));
  process.exit(exit);
}

if (import.meta.main) await start(process.argv.slice(2));
