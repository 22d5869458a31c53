// The broker as a program: reads its configuration, serves until it is told to stop or must not go on, and says
// why it ended.
import { EventLog, type EventSink, NO_EVENTS } from '../../wire/event-log.ts';
import { logLine } from '../../wire/server-log.ts';
import { Broker } from './broker.ts';
import { type BrokerConfig, loadConfig } from './config.ts';

const EXIT_FATAL = 1;

function openEvents({ events }: BrokerConfig): EventLog | undefined {
  if (events === undefined || events.level === 'off') return undefined;
  return new EventLog(events);
}

async function serve(config: BrokerConfig, eventLog: EventLog | undefined): Promise<void> {
  const events: EventSink = eventLog ?? NO_EVENTS;
  const fatal = (error: Error): void => {
    logLine(`stopping, because going on could break a promise: ${error.stack ?? error.message}`);
    events.emit({ ev: 'brokerStop', reason: error.message });
    events.flush();
    process.exit(EXIT_FATAL);
  };
  process.on('uncaughtException', fatal);
  process.on('unhandledRejection', (reason) => {
    fatal(reason instanceof Error ? reason : new Error(String(reason)));
  });
  for (const warning of config.warnings) logLine(warning);
  const broker = await Broker.start({ config, events, log: logLine, fatal });
  const stop = async (signal: string): Promise<void> => {
    logLine(`stopping: ${signal}`);
    await broker.stop();
    events.emit({ ev: 'brokerStop', reason: signal });
    eventLog?.close();
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      stop(signal).catch(fatal);
    });
  }
  const where = config.front.listeners.map(({ name, host, port }) => `${name} ${host}:${port}`);
  logLine(`broker ${config.brokerId} listens on ${where.join(', ')}`);
}

async function main(): Promise<void> {
  let eventLog: EventLog | undefined;
  try {
    const config = loadConfig(process.argv.slice(2));
    eventLog = openEvents(config);
    await serve(config, eventLog);
  } catch (error) {
    const reason = (error as Error).message;
    logLine(`cannot start: ${reason}`);
    eventLog?.emit({ ev: 'brokerStop', reason });
    eventLog?.close();
    process.exitCode = EXIT_FATAL;
    process.exit();
  }
}

await main();
