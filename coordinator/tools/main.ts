// Looks into a server's files without starting it and without changing them: prints its log or a
// snapshot, or verifies all of it. For an operator who wonders what a disk still holds.
import { fileURLToPath } from 'node:url';
import { CorruptLogError } from '../storage/log-inspection.ts';
import { printLog } from './print-log.ts';
import { printSnapshot } from './print-snapshot.ts';
import { verifyDirectory } from './verify.ts';

const USAGE = `usage: node coordinator/tools/main.ts COMMAND PATH

  log PATH       prints every transaction of a log file, or of all in a data directory
  snapshot PATH  prints a snapshot file, or the newest in a data directory
  verify PATH    checks a data directory as a server does when it starts, and changes nothing

A data directory is dataDir or its version-2. Stop the server first: what it writes meanwhile looks
torn. Ends with 0 when all is whole, 1 when something is damaged, 254 for wrong arguments.
`;

const EXIT_DAMAGED = 1;
const EXIT_ARGUMENTS = 254;

type Print = (line: string) => void;
/** Returns whether all was whole. */
type Tool = (path: string, print: Print) => boolean;

const TOOLS: Readonly<Record<string, Tool>> = {
  log: printLog,
  snapshot: printSnapshot,
  verify: verifyDirectory,
};

/** Runs a tool; returns the exit code. */
export function runTool(args: readonly string[], print: Print, complain: Print): number {
  const [command, path, ...more] = args;
  if (command === undefined || path === undefined || more.length > 0) {
    complain(USAGE);
    return EXIT_ARGUMENTS;
  }
  const tool = TOOLS[command];
  if (tool === undefined) {
    complain(
      `unknown command '${command}', known are ${Object.keys(TOOLS).join(', ')}\n\n${USAGE}`,
    );
    return EXIT_ARGUMENTS;
  }
  try {
    return tool(path, print) ? 0 : EXIT_DAMAGED;
  } catch (error) {
    complain((error as Error).message);
    return error instanceof CorruptLogError ? EXIT_DAMAGED : EXIT_ARGUMENTS;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // `… | head` ends the reading before the writing, which is no failure.
  process.stdout.on('error', () => process.exit(0));
  process.exitCode = runTool(
    process.argv.slice(2),
    (line) => process.stdout.write(`${line}\n`),
    (line) => process.stderr.write(`${line}\n`),
  );
}
