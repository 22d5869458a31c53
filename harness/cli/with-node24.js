// Runs a script under the pinned Node: `node harness/cli/with-node24.js script [arguments]`.
// So that `npm test` means the same whichever Node npm itself runs on.
import { chooseNode } from './pinned-node.js';
import { respawn } from './respawn.js';

const choice = chooseNode();
if (process.argv.length < 3) {
  console.error('usage: node harness/cli/with-node24.js script [arguments]');
  process.exit(254);
} else if (choice.problem !== undefined) {
  console.error(choice.problem);
  process.exit(255);
} else {
  respawn(choice.path ?? process.execPath, process.argv.slice(2), { tethered: false });
}
