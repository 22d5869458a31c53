// One fixed run with the seed given, whose trace it prints: the test of determinism starts it in Node
// processes of its own and compares.
import { simulate } from './index.ts';
import { CLIENT, ECHO_SERVER, runs } from './testing.ts';

const processes = { s: await runs(ECHO_SERVER), c: await runs(CLIENT, { argv: ['s'] }) };
const sim = simulate({ seed: process.argv[2] ?? '', processes });
sim.start();
await sim.runFor(100);
sim.start();
await sim.runFor(2000);
sim.powerLoss('s');
await sim.runFor(1000);
sim.start();
await sim.runFor(1000);
console.log(JSON.stringify(sim.summary()));
