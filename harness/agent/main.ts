// The agent: loaded into a local node's process before its program, it stands between the program and
// the machine. It makes one machine look like a cluster whose links can be cut.
import { once } from 'node:events';
import { syncBuiltinESMExports } from 'node:module';
import type { Message } from '../clusters/lines.ts';
import { echoServer, PROBE_PORT, probe } from '../clusters/probe.ts';
import { keepMonotonicClock } from './clock.ts';
import { AddressBook, type AgentConfig } from './config.ts';
import { openControl } from './control.ts';
import { type CutLink, Cuts } from './cuts.ts';
import { patchNames } from './names.ts';
import { Sockets } from './sockets.ts';

async function start(config: AgentConfig): Promise<void> {
  const book = new AddressBook(config);
  const cuts = new Cuts(book.self);
  let firstCuts = (): void => {};
  const cutsKnown = new Promise<void>((resolve) => {
    firstCuts = resolve;
  });
  const answer = async (question: Message): Promise<Message> => {
    switch (question.ask) {
      case 'cuts':
        cuts.set(question.links as CutLink[]);
        firstCuts();
        return {};
      case 'held':
        return { held: cuts.counts() };
      case 'probe': {
        const { to, timeoutMs } = question as { to: string; timeoutMs: number };
        return { result: await probe(to, PROBE_PORT, timeoutMs) };
      }
      default:
        throw new Error(`unknown question '${String(question.ask)}'; known: cuts, held, probe`);
    }
  };
  const control = await openControl(config, answer);
  new Sockets(book, cuts, config.incarnation).install();
  patchNames(book);
  syncBuiltinESMExports();
  const echo = echoServer();
  echo.listen(PROBE_PORT);
  await once(echo, 'listening');
  control.ready();
  // The program must not see a network that is more whole than it is.
  await cutsKnown;
  control.release();
}

keepMonotonicClock();
const text = process.env.CHAOS_AGENT;
// Worker threads load this too and find nothing to do: a node's network is its main thread's.
if (text !== undefined) {
  delete process.env.CHAOS_AGENT;
  await start(JSON.parse(text) as AgentConfig);
}
