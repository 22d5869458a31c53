// What a cut means, in every kind of cluster: it stalls, nothing is lost, nothing leaves, and its proof
// is a proof.
import { once } from 'node:events';
import Docker from 'dockerode';
import { expect, test } from 'vitest';
import type { Cluster } from '../../harness/cluster.ts';
import type { DockerCluster } from '../../harness/clusters/docker/cluster.ts';
import type { LocalCluster } from '../../harness/clusters/local/cluster.ts';
import { linksBetween } from '../../history/fault.ts';
import { type Bed, exchange, heal, inject } from './bed.ts';
import { ask, openStream, received, report, send, until } from './bench.ts';

/** TEST-NET-2 of RFC 5737: an address that nobody has. */
const OUTSIDE = '198.51.100.1';
const ALL_FRAMES = 40_000;

async function removeCutSecretly(cluster: Cluster, kind: string): Promise<void> {
  if (kind === 'docker') {
    const docker = new Docker();
    const ids = ['n1', 'n2'].map((node) => (cluster as DockerCluster).holder(node).id);
    for (const id of ids) {
      for (const chain of ['cut_out', 'cut_in']) {
        const exec = await docker.getContainer(id).exec({
          Cmd: ['nft', 'flush', 'chain', 'inet', 'chaos', chain],
          AttachStdout: true,
          AttachStderr: true,
        });
        const output = await exec.start({});
        output.resume();
        await once(output, 'end');
        expect(await exec.inspect()).toMatchObject({ ExitCode: 0 });
      }
    }
    return;
  }
  for (const node of ['n1', 'n2']) {
    await (cluster as LocalCluster).serverOf(node)?.ask({ ask: 'cuts', links: [] });
  }
}

/** Tests of names, links and cuts. */
export function linkTests(bed: Bed): void {
  test('names resolve to peers and to nothing else', async () => {
    for (const node of bed.cluster.nodes) {
      const { found } = await ask(bed.cluster, 'n1', { ask: 'lookup', host: node });
      expect(found).toMatch(/"address":"\d+\.\d+\.\d+\.\d+"/);
    }
    for (const host of ['n4', 'example.com', 'example.org']) {
      const { found } = await ask(bed.cluster, 'n1', { ask: 'lookup', host });
      expect(found).toBe('failed ENOTFOUND');
    }
    const { found: asked } = await ask(bed.cluster, 'n1', { ask: 'resolve', host: 'example.com' });
    expect(asked).toBe('failed ECONNREFUSED');
  });

  test('the peer of a connection is the node that the name said', async () => {
    await openStream(bed.cluster, 'n1', 'n2', 'peer');
    const { found } = await ask(bed.cluster, 'n1', { ask: 'lookup', host: 'n2' });
    const seen = await report(bed.cluster, 'n1', 'peer');
    expect(JSON.parse(String(found))).toMatchObject({ address: seen?.remoteAddress });
    const { found: self } = await ask(bed.cluster, 'n2', { ask: 'lookup', host: 'n1' });
    const other = await report(bed.cluster, 'n2', 'peer');
    expect(JSON.parse(String(self))).toMatchObject({ address: other?.remoteAddress });
  });

  test('no packet leaves', async () => {
    const connect = { ask: 'connect', host: OUTSIDE, port: 80, timeoutMs: 500 };
    expect(await ask(bed.cluster, 'n1', connect)).toMatchObject({ how: 'timeout' });
    if (bed.driver.kind !== 'docker') return;
    const { outside } = await (bed.cluster as DockerCluster).holder('n1').counters();
    expect(outside).toBeGreaterThan(0);
    const byDaemon = { ask: 'resolve-by', server: '127.0.0.11', host: 'example.com' };
    expect((await ask(bed.cluster, 'n1', byDaemon)).found).toMatch(/^failed /);
  });

  test('a cut stalls; after the heal bytes flow on, none lost or doubled', async () => {
    await openStream(bed.cluster, 'n1', 'n2', 'cut');
    await send(bed.cluster, 'n1', 'cut', 50);
    await send(bed.cluster, 'n2', 'cut', 50);
    await received(bed.cluster, 'n1', 'cut', 50);
    await received(bed.cluster, 'n2', 'cut', 50);
    const cut = await inject(bed.cluster, { kind: 'cut', links: linksBetween(['n1'], ['n2']) });
    await send(bed.cluster, 'n1', 'cut', 2_000);
    await send(bed.cluster, 'n2', 'cut', 2_000);
    await ask(bed.cluster, 'n1', { ask: 'open', key: 'late-1', to: 'n2' });
    await ask(bed.cluster, 'n2', { ask: 'open', key: 'late-2', to: 'n1' });
    await exchange(bed.cluster, 'n1', 'n3', 'cut-witness');
    expect(await report(bed.cluster, 'n1', 'cut')).toMatchObject({
      received: 50,
      events: ['connect'],
    });
    expect(await report(bed.cluster, 'n2', 'cut')).toMatchObject({
      received: 50,
      events: ['accept'],
    });
    expect(await report(bed.cluster, 'n1', 'late-1')).toMatchObject({ events: [] });
    expect(await report(bed.cluster, 'n2', 'late-2')).toMatchObject({ events: [] });
    expect(await report(bed.cluster, 'n1', 'late-2')).toBeNull();
    await heal(cut);
    for (const node of ['n1', 'n2']) {
      expect(await received(bed.cluster, node, 'cut', 2_050)).toMatchObject({ broken: null });
    }
    await send(bed.cluster, 'n1', 'late-1', 10);
    expect(await received(bed.cluster, 'n2', 'late-1', 10)).toMatchObject({ broken: null });
    expect(await report(bed.cluster, 'n1', 'late-1')).toMatchObject({ events: ['connect'] });
    await send(bed.cluster, 'n2', 'late-2', 10);
    expect(await received(bed.cluster, 'n1', 'late-2', 10)).toMatchObject({ received: 10 });
    for (const node of ['n1', 'n2']) {
      expect(await report(bed.cluster, node, 'cut')).toMatchObject({ received: 2_050 });
    }
  });

  test('an end under a cut is seen by nobody but its own side until the heal', async () => {
    await openStream(bed.cluster, 'n1', 'n2', 'ended');
    await openStream(bed.cluster, 'n1', 'n2', 'destroyed');
    const cut = await inject(bed.cluster, { kind: 'cut', links: linksBetween(['n1'], ['n2']) });
    await ask(bed.cluster, 'n1', { ask: 'open', key: 'given-up', to: 'n2' });
    for (const key of ['destroyed', 'given-up']) {
      await ask(bed.cluster, 'n1', { ask: 'destroy', key });
      await until(
        () => report(bed.cluster, 'n1', key),
        (seen) => seen?.events.at(-1) === 'close',
      );
    }
    await send(bed.cluster, 'n1', 'ended', 20);
    await ask(bed.cluster, 'n1', { ask: 'end', key: 'ended' });
    await exchange(bed.cluster, 'n2', 'n3', 'end-witness');
    expect(await report(bed.cluster, 'n2', 'ended')).toMatchObject({
      received: 0,
      events: ['accept'],
    });
    expect(await report(bed.cluster, 'n2', 'destroyed')).toMatchObject({ events: ['accept'] });
    await heal(cut);
    for (const key of ['ended', 'destroyed']) {
      await until(
        () => report(bed.cluster, 'n2', key),
        (seen) => seen?.events.includes('close') === true,
      );
    }
    expect(await report(bed.cluster, 'n2', 'ended')).toMatchObject({ received: 20, broken: null });
    expect(await report(bed.cluster, 'n2', 'given-up')).toBeNull();
  });

  test('a one-way cut lets nothing new through and stalls the way back at its window', async () => {
    await openStream(bed.cluster, 'n1', 'n2', 'one-way');
    const cut = await inject(bed.cluster, { kind: 'cut', links: [{ from: 'n1', to: 'n2' }] });
    await ask(bed.cluster, 'n1', { ask: 'open', key: 'there', to: 'n2' });
    await ask(bed.cluster, 'n2', { ask: 'open', key: 'back', to: 'n1' });
    await send(bed.cluster, 'n1', 'one-way', 100);
    await send(bed.cluster, 'n2', 'one-way', ALL_FRAMES);
    await received(bed.cluster, 'n1', 'one-way', 1);
    await openStream(bed.cluster, 'n2', 'n3', 'way-witness');
    await send(bed.cluster, 'n2', 'way-witness', ALL_FRAMES);
    await received(bed.cluster, 'n3', 'way-witness', ALL_FRAMES);
    const stalled = await report(bed.cluster, 'n1', 'one-way');
    expect(stalled?.received).toBeGreaterThan(0);
    expect(stalled?.received).toBeLessThan(ALL_FRAMES);
    expect(stalled?.events).toEqual(['connect']);
    const blocked = await report(bed.cluster, 'n2', 'one-way');
    expect(blocked?.written).toBeLessThan(ALL_FRAMES);
    expect(blocked).toMatchObject({ received: 0, events: ['accept'] });
    expect(await report(bed.cluster, 'n1', 'there')).toMatchObject({ events: [] });
    expect(await report(bed.cluster, 'n2', 'back')).toMatchObject({ events: [] });
    await heal(cut);
    expect(await received(bed.cluster, 'n1', 'one-way', ALL_FRAMES)).toMatchObject({
      broken: null,
    });
    expect(await received(bed.cluster, 'n2', 'one-way', 100)).toMatchObject({ broken: null });
    for (const [node, key] of [['n1', 'there'] as const, ['n2', 'back'] as const]) {
      await until(
        () => report(bed.cluster, node, key),
        (seen) => seen?.events[0] === 'connect',
      );
    }
  });

  test('a cut made while a node was paused holds when it goes on', async () => {
    await openStream(bed.cluster, 'n1', 'n2', 'asleep');
    await openStream(bed.cluster, 'n1', 'n2', 'asleep-destroyed');
    const pause = await inject(bed.cluster, { kind: 'pause', nodes: ['n2'] });
    const cut = await inject(bed.cluster, { kind: 'cut', links: linksBetween(['n1'], ['n2']) });
    await send(bed.cluster, 'n1', 'asleep', 20);
    await ask(bed.cluster, 'n1', { ask: 'destroy', key: 'asleep-destroyed' });
    await heal(pause);
    await exchange(bed.cluster, 'n2', 'n3', 'asleep-witness');
    expect(await report(bed.cluster, 'n2', 'asleep')).toMatchObject({ received: 0 });
    expect(await report(bed.cluster, 'n2', 'asleep-destroyed')).toMatchObject({
      events: ['accept'],
    });
    await heal(cut);
    expect(await received(bed.cluster, 'n2', 'asleep', 20)).toMatchObject({ broken: null });
    await until(
      () => report(bed.cluster, 'n2', 'asleep-destroyed'),
      (seen) => seen?.events.includes('close') === true,
    );
  });

  test('overlapping cuts hold until the last is healed', async () => {
    const first = await inject(bed.cluster, { kind: 'cut', links: linksBetween(['n1'], ['n2']) });
    const second = await inject(bed.cluster, {
      kind: 'cut',
      links: linksBetween(['n1'], ['n2', 'n3']),
    });
    await heal(first);
    expect(await second.verify()).toMatchObject({ verified: true });
    await heal(second);
    await heal(second);
    await exchange(bed.cluster, 'n1', 'n2', 'overlap');
  });

  test('a cut that was removed behind our back does not pass as verified', async () => {
    const cut = await inject(bed.cluster, { kind: 'cut', links: linksBetween(['n1'], ['n2']) });
    await removeCutSecretly(bed.cluster, bed.driver.kind);
    const seen = await cut.verify();
    expect(seen.verified).toBe(false);
    expect(seen.evidence).toMatch(/should stall, got echo/);
    await heal(cut);
  });
}
