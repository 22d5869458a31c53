// Runs a script again under another Node and stands in for it: signals go in, the exit code comes out.
import { spawn } from 'node:child_process';

const SIGNAL_NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/**
 * Runs `node ...args` with this process' terminal. With `tethered` the child holds a channel to this
 * process, by which it learns when this process is killed.
 */
export function respawn(node, args, { tethered }) {
  const stdio = tethered ? ['inherit', 'inherit', 'inherit', 'ipc'] : 'inherit';
  const child = spawn(node, args, { stdio, serialization: 'json' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => child.kill(signal));
  }
  child.on('error', (error) => {
    console.error(`chaos: cannot run ${node}: ${error.message}`);
    process.exit(255);
  });
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + (SIGNAL_NUMBERS[signal] ?? 0));
  });
}
