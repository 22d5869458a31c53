// What a cut between clients and a node means: the node goes on talking with its peers, requests do not arrive
// or are carried out and their replies held back, and what was held back goes on after the heal.
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import type { Cluster } from '../../harness/cluster.ts';
import { onMessages, Questions } from '../../harness/clusters/lines.ts';
import { CLIENTS, linksBetween } from '../../history/fault.ts';
import { type Bed, exchange, heal, inject } from './bed.ts';
import { answering, ask, openStream, received, report, send, until } from './bench.ts';

/** A reply may be held back as long as a cut, its verification and a heal last. */
const PATIENCE_MS = 60_000;

/** A client's connection that outlives a cut. */
async function connectClient(cluster: Cluster, node: string) {
  const { host, port } = cluster.address(node, 'client');
  const socket = connect({ host, port, noDelay: true });
  const questions = new Questions(node, socket);
  onMessages(socket, (message) => questions.receive(message));
  await once(socket, 'connect');
  await questions.ask({ ask: 'who' }, PATIENCE_MS);
  let answered = 0;
  return {
    /** Asks; `answered` counts the replies. */
    request: async (question: Record<string, unknown>) => {
      const answer = await questions.ask(question, PATIENCE_MS);
      answered++;
      return answer;
    },
    answered: () => answered,
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

/** Tests of cuts between clients and nodes. */
export function clientLinkTests(bed: Bed): void {
  test('a node cut off from clients goes on with its peers; requests arrive after the heal', async () => {
    await openStream(bed.cluster, 'n1', 'n2', 'served');
    using client = await connectClient(bed.cluster, 'n1');
    const links = linksBetween([CLIENTS], ['n1']);
    const cut = await inject(bed.cluster, { kind: 'cut', links });
    expect(cut.verification.evidence).toMatch(/^1\/1 probes of cut pairs stalled, 8\/8 of uncut/);
    const asked = client.request({ ask: 'open', key: 'unheard', to: 'n2' });
    await ask(bed.cluster, 'n2', { ask: 'open', key: 'from a peer', to: 'n1' });
    await until(
      () => report(bed.cluster, 'n2', 'from a peer'),
      (seen) => seen?.events[0] === 'connect',
    );
    await exchange(bed.cluster, 'n2', 'n3', 'unheard-witness');
    expect(await report(bed.cluster, 'n2', 'unheard')).toBeNull();
    await send(bed.cluster, 'n2', 'served', 10);
    await until(
      () => report(bed.cluster, 'n2', 'served'),
      (seen) => seen?.written === 10,
    );
    expect(client.answered()).toBe(0);
    expect(await cut.verify()).toMatchObject({ verified: true });
    await heal(cut);
    await asked;
    await until(
      () => report(bed.cluster, 'n2', 'unheard'),
      (seen) => seen !== null,
    );
    expect(await received(bed.cluster, 'n1', 'served', 10)).toMatchObject({ broken: null });
    await answering(bed.cluster, 'n1');
  });

  test('where only replies are cut a request is carried out, and its reply comes after the heal', async () => {
    using client = await connectClient(bed.cluster, 'n1');
    const links = [{ from: 'n1', to: CLIENTS }];
    const cut = await inject(bed.cluster, { kind: 'cut', links });
    const asked = client.request({ ask: 'open', key: 'unanswered', to: 'n2' });
    await until(
      () => report(bed.cluster, 'n2', 'unanswered'),
      (seen) => seen !== null,
    );
    await exchange(bed.cluster, 'n2', 'n3', 'unanswered-witness');
    expect(client.answered()).toBe(0);
    await heal(cut);
    await asked;
    expect(await report(bed.cluster, 'n1', 'unanswered')).toMatchObject({ events: ['connect'] });
  });

  test('a cut from clients holds for a node that starts under it, and beside another cut', async () => {
    const links = linksBetween(['n1', 'n2'], [CLIENTS]);
    const cut = await inject(bed.cluster, { kind: 'cut', links });
    const kill = await inject(bed.cluster, { kind: 'kill', nodes: ['n1'] });
    const other = await inject(bed.cluster, { kind: 'cut', links: linksBetween(['n2'], ['n3']) });
    await heal(kill);
    expect(await cut.verify()).toMatchObject({ verified: true });
    await heal(cut);
    await Promise.all(['n1', 'n2'].map((node) => answering(bed.cluster, node)));
    expect(await other.verify()).toMatchObject({ verified: true });
    await heal(other);
  });

  test('clients are an end of a link only, and the other end is a node', async () => {
    const lost = { kind: 'cut', links: linksBetween([CLIENTS], ['n9']) } as const;
    await expect(bed.cluster.inject(lost)).rejects.toThrow(
      /unknown node 'n9'.*n1, n2, n3; the other end of a link may be 'clients'/,
    );
    await expect(bed.cluster.inject({ kind: 'kill', nodes: [CLIENTS] })).rejects.toThrow(
      /unknown node 'clients' in a fault; the nodes are: n1, n2, n3$/,
    );
  });
}
