// The election of a master by ephemeral sequential nodes, with candidates that are processes: one
// leads, the other stands by and takes over when the first is gone, and only then.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { nodeBinary } from '../../harness/clusters/bundle.ts';
import { type CandidateLine, MASTER } from './candidate.ts';
import { Ensemble, until } from './ensemble.ts';

const SCRIPT = fileURLToPath(new URL('./candidate.ts', import.meta.url));
const SESSION_MS = 3_000;

type LineOf<What extends CandidateLine['what']> = Extract<CandidateLine, { what: What }>;

/** A candidate's process and what it told. */
class Candidate {
  readonly lines: CandidateLine[] = [];
  readonly #child: ChildProcess;
  #errors = '';

  constructor(connectString: string, name: string) {
    const args = [SCRIPT, connectString, name, String(SESSION_MS)];
    this.#child = spawn(nodeBinary(), args, { stdio: ['ignore', 'pipe', 'pipe'] });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.lines.push(JSON.parse(line) as CandidateLine);
    });
    this.#child.stderr!.on('data', (chunk: Buffer) => (this.#errors += chunk.toString()));
  }

  of<What extends CandidateLine['what']>(what: What): LineOf<What>[] {
    return this.lines.filter((line): line is LineOf<What> => line.what === what);
  }

  /** Waits until it has told something for the `times`-th time. */
  async told<What extends CandidateLine['what']>(what: What, times = 1): Promise<LineOf<What>> {
    const look = () => (this.#errors === '' ? this.lines : [...this.lines, this.#errors]);
    await until(`a candidate tells ${what}`, look, () => this.of(what).length >= times);
    return this.of(what)[times - 1] as LineOf<What>;
  }

  /** kill -9: it says goodbye to nobody. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }
}

let ensemble: Ensemble;
const candidates: Candidate[] = [];

async function three(): Promise<void> {
  ensemble = await Ensemble.serving({ size: 3 });
  const client = ensemble.client(ensemble.nodes);
  await client.create(MASTER, null);
  await client.close();
}

afterEach(async ({ task }) => {
  await Promise.all(candidates.splice(0).map((candidate) => candidate.kill()));
  await ensemble?.close(task.result?.state === 'fail');
});

/** Starts a candidate that tries these servers in this order. */
function candidate(name: string, nodes: readonly string[] = ensemble.nodes): Candidate {
  const made = new Candidate(ensemble.connectString(nodes), name);
  candidates.push(made);
  return made;
}

/** Who is registered, by number. */
async function register(): Promise<string[]> {
  const client = ensemble.client(ensemble.nodes);
  await client.sync(MASTER);
  const { children } = await client.getChildren(MASTER);
  const names = await Promise.all(
    children.sort().map(async (child) => {
      const { data } = await client.getData(`${MASTER}/${child}`);
      return `${child} ${data?.toString()}`;
    }),
  );
  await client.close();
  return names;
}

const numbered = (number: number) => `${MASTER}/master-${String(number).padStart(10, '0')}`;

test('when the master dies the one standing by leads, and the dead returns behind it', async () => {
  await three();
  const a = candidate('A');
  expect((await a.told('registered')).path).toBe(numbered(0));
  await a.told('leading');
  const b = candidate('B');
  expect((await b.told('registered')).path).toBe(numbered(1));
  expect((await b.told('standby')).behind).toBe(numbered(0));

  const { session } = await a.told('connected');
  await a.kill();
  await b.told('leading');
  // Told by the watch, and the node went because the leader had waited for A's session in vain.
  expect(b.lines.slice(-2)).toEqual([{ what: 'vanished', path: numbered(0) }, { what: 'leading' }]);
  const expired = ensemble.nodes.flatMap((node) => ensemble.eventsOf(node, 'sessionExpired'));
  expect(expired.map((event) => event.session)).toEqual([session]);
  expect(expired[0]?.silentMs).toBeGreaterThanOrEqual(SESSION_MS);

  const returned = candidate('A');
  expect((await returned.told('registered')).path).toBe(numbered(2));
  expect((await returned.told('standby')).behind).toBe(numbered(1));
  expect(await register()).toEqual(['master-0000000001 B', 'master-0000000002 A']);
  expect(returned.of('leading')).toEqual([]);
  expect(b.of('leading')).toHaveLength(1);
});

test('a master whose server dies leads on through another server', async () => {
  await three();
  // The hardest case: the server that dies is the ensemble's leader.
  const leader = await ensemble.leader();
  const others = ensemble.nodes.filter((node) => node !== leader);
  const a = candidate('A', [leader, ...others]);
  await a.told('leading');
  const b = candidate('B', others);
  await b.told('standby');
  const before = await a.told('connected');
  expect(before.port).toBe(ensemble.cluster.address(leader, 'client').port);

  await ensemble.kill(leader);
  const after = await a.told('connected', 2);
  expect(after.session).toBe(before.session);
  const ports = others.map((node) => ensemble.cluster.address(node, 'client').port);
  expect(ports).toContain(after.port);
  await b.told('connected', 2);
  expect(await register()).toEqual(['master-0000000000 A', 'master-0000000001 B']);
  expect(a.of('over')).toEqual([]);
  expect(b.of('vanished')).toEqual([]);

  // What B was told it would have told before this: it is told of A's end and of nothing before it.
  await a.kill();
  await b.told('leading');
  const heard = b.lines.filter(({ what }) => what !== 'connected');
  expect(heard).toEqual([
    { what: 'registered', path: numbered(1) },
    { what: 'standby', behind: numbered(0) },
    { what: 'vanished', path: numbered(0) },
    { what: 'leading' },
  ]);
  const survivors = others.flatMap((node) => ensemble.eventsOf(node, 'sessionExpired'));
  expect(survivors.map(({ session }) => session)).toEqual([before.session]);
});
