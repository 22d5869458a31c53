#!/usr/bin/env node
// The `chaos` command. It runs on any Node since 18, and starts the real one under the pinned Node.
import { fileURLToPath } from 'node:url';
import { chooseNode } from './pinned-node.js';
import { respawn } from './respawn.js';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));
const choice = chooseNode();
if (choice.problem !== undefined) {
  console.error(`chaos: ${choice.problem}`);
  process.exit(255);
} else if (choice.path !== undefined) {
  respawn(choice.path, [main, ...process.argv.slice(2)], { tethered: true });
} else {
  const { start } = await import('./main.ts');
  await start(process.argv.slice(2));
}
