// A server as a program, whatever it serves: its event log, what stops it, and its last words. Kept in one place,
// so that no server ends without a line in its log and an event that say why.
import { EventLog, type EventLogOptions, type EventSink, NO_EVENTS } from './event-log.ts';
import { logLine } from './server-log.ts';

const EXIT_FATAL = 1;

/** What every server's configuration has. */
interface ProgramConfig {
  readonly warnings: readonly string[];
  /** Absent: nobody watches. */
  readonly events?: EventLogOptions;
}

/** The process that a server runs in. */
export interface ServerProcess {
  readonly events: EventSink;
  /** Ends the process at once, because going on could break a promise; also for whatever nobody caught. */
  readonly fatal: (error: Error) => void;
  /** From now on SIGTERM and SIGINT stop the server in order, by `stop`; what that throws is fatal. */
  stopOnSignals(stop: (signal: string) => Promise<void>): void;
}

/** A server's own part of its program. */
export interface ServerProgram<Config extends ProgramConfig> {
  /** The event that says that it stops, and why. */
  readonly stopEvent: string;
  /** Throws what is wrong with the configuration. */
  load(): Config;
  /** Starts to serve; what it throws is why the server cannot start. */
  serve(config: Config, process: ServerProcess): Promise<void>;
}

function processOf(stopEvent: string, eventLog: EventLog | undefined): ServerProcess {
  const events = eventLog ?? NO_EVENTS;
  const fatal = (error: Error): void => {
    logLine(`stopping, because going on could break a promise: ${error.stack ?? error.message}`);
    events.emit({ ev: stopEvent, reason: error.message });
    events.flush();
    process.exit(EXIT_FATAL);
  };
  process.on('uncaughtException', fatal);
  process.on('unhandledRejection', (reason) => {
    fatal(reason instanceof Error ? reason : new Error(String(reason)));
  });
  const end = async (signal: string, stop: (signal: string) => Promise<void>): Promise<void> => {
    logLine(`stopping: ${signal}`);
    await stop(signal);
    events.emit({ ev: stopEvent, reason: signal });
    eventLog?.close();
    process.exit(0);
  };
  const stopOnSignals: ServerProcess['stopOnSignals'] = (stop) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        end(signal, stop).catch(fatal);
      });
    }
  };
  return { events, fatal, stopOnSignals };
}

/** Runs a server until it is told to stop or must not go on. Resolves when it serves. */
export async function runServer<Config extends ProgramConfig>(
  program: ServerProgram<Config>,
): Promise<void> {
  const { stopEvent } = program;
  let eventLog: EventLog | undefined;
  try {
    const config = program.load();
    const { events, warnings } = config;
    if (events !== undefined && events.level !== 'off') eventLog = new EventLog(events);
    const server = processOf(stopEvent, eventLog);
    for (const warning of warnings) logLine(warning);
    await program.serve(config, server);
  } catch (error) {
    const reason = (error as Error).message;
    logLine(`cannot start: ${reason}`);
    eventLog?.emit({ ev: stopEvent, reason });
    eventLog?.close();
    process.exitCode = EXIT_FATAL;
    process.exit();
  }
}
