// A harness that is going to be killed: it boots a cluster, pauses a node and waits for its end. What
// it leaves behind is what `clean` must find.
import { clusterDrivers } from '../../harness/clusters/index.ts';
import { boot, testOptions } from './bench.ts';

const [kind = '', runId = ''] = process.argv.slice(2);
const driver = clusterDrivers.find((candidate) => candidate.kind === kind);
if (driver === undefined) throw new Error(`unknown cluster '${kind}'`);
const options = await testOptions(runId, 2);
const cluster = await driver.create(options);
await boot(cluster);
await cluster.inject({ kind: 'pause', nodes: ['n1'] });
console.log(JSON.stringify({ runDir: options.runDir }));
setInterval(() => {}, 1_000);
