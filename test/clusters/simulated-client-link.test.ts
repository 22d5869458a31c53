// A cut between clients and a node in the simulator, as in the other clusters: the node's peers are answered all
// the while, clients are not, and which requests are carried out depends on the direction.
import { expect, it } from 'vitest';
import { HARNESS, SimCluster } from '../../harness/clusters/sim/cluster.ts';
import { CLIENTS, type Link, linksBetween } from '../../history/fault.ts';
import { loadProgram, simulate } from '../../simulator/index.ts';
import { CLIENT, numbersOf, runs } from '../../simulator/testing.ts';

/** Answers every request and prints whom it has heard. */
const SERVER = `
  import net from 'node:net';
  net.createServer((socket) => {
    const from = socket.remoteAddress;
    socket.on('data', (data) => {
      console.log('heard', from);
      socket.write(data);
    });
  }).listen(4000);
`;

const CUTS: [string, Link[], { carriedOut: boolean }][] = [
  ['both ways', linksBetween(['n1'], [CLIENTS]), { carriedOut: false }],
  ['only for replies', [{ from: 'n1', to: CLIENTS }], { carriedOut: true }],
];

/** A server n1 with a peer n2 and a client, both of which ask it all the time. */
async function asking() {
  const sim = simulate({ seed: 1 });
  const [server, peer] = await Promise.all([
    loadProgram({ source: SERVER }),
    loadProgram({ source: CLIENT }),
  ]);
  const spec = (name: string, program: string) => ({
    ...{ name, program, args: () => ['n1'], files: () => ({}) },
    ...{ ports: { client: 4000 }, published: ['client'] },
  });
  const cluster = new SimCluster(sim, {
    specs: [spec('n1', 'server'), spec('n2', 'peer')],
    programs: new Map([
      ['server', server],
      ['peer', peer],
    ]),
    ownCode: false,
    launchArgs: () => [],
  });
  sim.add(HARNESS, await runs(CLIENT, { argv: ['n1'] }));
  cluster.start('n1');
  await sim.runFor(20);
  cluster.start('n2');
  sim.start(HARNESS);
  await sim.runFor(500);
  const client = sim.network.machine(HARNESS).address;
  const answered = (machine: string) => numbersOf(sim.process(machine).output()).length;
  const heard = () =>
    sim
      .process('n1')
      .output()
      .filter((line) => line === `heard ${client}`).length;
  return { sim, cluster, answered, heard };
}

it.each(CUTS)('cut %s, clients get no reply and peers do', async (_, links, { carriedOut }) => {
  const { sim, cluster, answered, heard } = await asking();
  expect(answered(HARNESS)).toBeGreaterThan(10);
  const cut = await cluster.inject({ kind: 'cut', links });
  expect(cut.verification).toEqual({
    verified: true,
    evidence: `${links.length} links cut in the network`,
  });
  // What was on its way when the cut came still arrives.
  await sim.runFor(20);
  const before = { client: answered(HARNESS), peer: answered('n2'), heard: heard() };
  await sim.runFor(2_000);
  expect(answered(HARNESS)).toBe(before.client);
  expect(answered('n2')).toBeGreaterThan(before.peer + 100);
  if (carriedOut) expect(heard()).toBeGreaterThan(before.heard + 100);
  else expect(heard()).toBe(before.heard);
  expect(await cut.heal()).toMatchObject({ verified: true });
  await sim.runFor(10_000);
  expect(answered(HARNESS)).toBeGreaterThan(before.client + 1_000);
});

it('an end of a link that is neither a node nor clients is refused with those that are', async () => {
  const { cluster } = await asking();
  const fault = { kind: 'cut', links: linksBetween(['n1'], [HARNESS]) } as const;
  await expect(cluster.inject(fault)).rejects.toThrow(
    /unknown end 'harness' of a link; known are n1, n2 and 'clients'/,
  );
});
