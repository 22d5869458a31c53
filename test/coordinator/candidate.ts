// A candidate for master, run as a process so that it can die like one: it registers an ephemeral
// sequential node, leads while its number is the smallest, and else watches the one before it.
// Usage: candidate.ts CONNECT_STRING NAME SESSION_TIMEOUT_MS; tells what happens as JSON lines.
import { CoordinatorClient, CreateFlag } from '../../coordinator/client/index.ts';

export const MASTER = '/master';

/** What a candidate tells. */
export type CandidateLine =
  | { what: 'connected'; port: number; session: string }
  | { what: 'registered'; path: string }
  | { what: 'standby'; behind: string }
  /** The node that it watched vanished. */
  | { what: 'vanished'; path: string }
  | { what: 'leading' }
  | { what: 'over'; state: string };

function tell(line: CandidateLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function stand(connectString: string, name: string, sessionTimeoutMs: number): Promise<void> {
  const client: CoordinatorClient = new CoordinatorClient({
    servers: connectString,
    sessionTimeoutMs,
    onState: (state) => {
      if (state === 'connected') {
        const session = client.sessionId.toString(16);
        tell({ what: 'connected', port: client.server?.port ?? 0, session });
      } else if (state === 'expired' || state === 'closed') tell({ what: 'over', state });
    },
  });
  await client.connect();
  const flags = CreateFlag.ephemeralSequential;
  const { path } = await client.create(`${MASTER}/master-`, Buffer.from(name), { flags });
  tell({ what: 'registered', path });
  const own = path.slice(MASTER.length + 1);
  for (;;) {
    const { children } = await client.getChildren(MASTER);
    const before = children.filter((child) => child < own).sort();
    const predecessor = before.at(-1);
    if (predecessor === undefined) break;
    const watched = `${MASTER}/${predecessor}`;
    let wake: () => void = () => undefined;
    const changed = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const { stat } = await client.exists(watched, (event) => {
      if (event.type === 'deleted') tell({ what: 'vanished', path: event.path });
      wake();
    });
    if (stat === null) continue;
    tell({ what: 'standby', behind: watched });
    await changed;
  }
  tell({ what: 'leading' });
}

if (import.meta.main) {
  const [connectString = '', name = '', timeout = ''] = process.argv.slice(2);
  await stand(connectString, name, Number(timeout));
}
