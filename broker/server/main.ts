// The broker as a program: reads its configuration, serves until it is told to stop or must not go on, and says
// why it ended.
import { logLine } from '../../wire/server-log.ts';
import { runServer } from '../../wire/server-program.ts';
import { Broker } from './broker.ts';
import { loadConfig } from './config.ts';

await runServer({
  stopEvent: 'brokerStop',
  load: () => loadConfig(process.argv.slice(2)),
  async serve(config, { events, fatal, stopOnSignals }) {
    const broker = await Broker.start({ config, events, log: logLine, fatal });
    stopOnSignals(() => broker.stop());
    const where = config.front.listeners.map(({ name, host, port }) => `${name} ${host}:${port}`);
    logLine(`broker ${config.brokerId} listens on ${where.join(', ')}`);
  },
});
