// What a kill and a pause mean, in every kind of cluster, and what a peer sees of them under a cut.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Docker from 'dockerode';
import { expect, test } from 'vitest';
import type { StandingFault } from '../../harness/clusters/faults.ts';
import type { LocalCluster } from '../../harness/clusters/local/cluster.ts';
import type { Fault } from '../../history/fault.ts';
import { linksBetween } from '../../history/fault.ts';
import { type Bed, exchange, heal, inject } from './bed.ts';
import { answering, ask, openStream, received, report, send, until } from './bench.ts';

/** Tests of kills, pauses, starts and stops. */
export function processTests(bed: Bed): void {
  for (const [name, links] of [
    ['a cut', linksBetween(['n1'], ['n2'])],
    ['a one-way cut', [{ from: 'n1', to: 'n2' }]],
  ] as const) {
    test(`a kill under ${name} shows the peer nothing until it is healed`, async () => {
      const key = `kill under ${name}`;
      await openStream(bed.cluster, 'n1', 'n2', key);
      await openStream(bed.cluster, 'n1', 'n3', key);
      const cut = await inject(bed.cluster, { kind: 'cut', links: [...links] });
      const kill = await inject(bed.cluster, { kind: 'kill', nodes: ['n1'] });
      await until(
        () => report(bed.cluster, 'n3', key),
        (seen) => seen?.events.includes('close') === true,
      );
      await send(bed.cluster, 'n2', key, 10);
      await send(bed.cluster, 'n2', key, 10);
      await exchange(bed.cluster, 'n2', 'n3', `witness of ${key}`);
      expect(await report(bed.cluster, 'n2', key)).toMatchObject({ events: ['accept'] });
      await heal(cut);
      await until(
        () => report(bed.cluster, 'n2', key),
        (seen) => seen?.events.includes('close') === true,
      );
      await heal(kill);
      await answering(bed.cluster, 'n1');
      await exchange(bed.cluster, 'n1', 'n2', `after ${key}`);
    });
  }

  test('a node started under a cut comes up cut', async () => {
    const kill = await inject(bed.cluster, { kind: 'kill', nodes: ['n1'] });
    const cut = (await bed.cluster.inject({
      kind: 'cut',
      links: linksBetween(['n1'], ['n2', 'n3']),
    })) as StandingFault;
    expect(cut.verification).toMatchObject({ verified: true });
    await heal(kill);
    await answering(bed.cluster, 'n1');
    expect(await cut.verify()).toMatchObject({ verified: true });
    await ask(bed.cluster, 'n1', { ask: 'open', key: 'born-cut', to: 'n2' });
    await exchange(bed.cluster, 'n2', 'n3', 'born-witness');
    expect(await report(bed.cluster, 'n1', 'born-cut')).toMatchObject({ events: [] });
    await heal(cut);
    await until(
      () => report(bed.cluster, 'n1', 'born-cut'),
      (seen) => seen?.events[0] === 'connect',
    );
  });

  test('a paused node keeps its connections and continues', async () => {
    await openStream(bed.cluster, 'n1', 'n2', 'pause');
    const pause = await inject(bed.cluster, { kind: 'pause', nodes: ['n2'] });
    expect(bed.cluster.state('n2')).toBe('paused');
    await send(bed.cluster, 'n1', 'pause', 20);
    await expect(ask(bed.cluster, 'n2', { ask: 'who' }, 200)).rejects.toThrow(/did not answer/);
    const cut = await inject(bed.cluster, { kind: 'cut', links: linksBetween(['n1'], ['n2']) });
    await heal(cut);
    await heal(pause);
    expect(bed.cluster.state('n2')).toBe('running');
    const seen = await received(bed.cluster, 'n2', 'pause', 20);
    expect(seen).toMatchObject({ broken: null, events: ['accept'] });
  });

  test('a killed node starts again on its disk, as a new incarnation at the same address', async () => {
    const before = await answering(bed.cluster, 'n3');
    const address = bed.cluster.address('n3', 'client');
    const kill = await inject(bed.cluster, { kind: 'kill', nodes: ['n3'] });
    expect(bed.cluster.state('n3')).toBe('dead');
    await heal(kill);
    const after = await answering(bed.cluster, 'n3');
    expect(after.incarnation).toBe(Number(before.incarnation) + 1);
    const { boots } = await ask(bed.cluster, 'n3', { ask: 'boots' });
    expect(boots).toEqual(Array.from({ length: Number(after.incarnation) }, (_, i) => `${i + 1}`));
    expect(bed.cluster.address('n3', 'client')).toEqual(address);
    // What a container prints reaches the log by way of the daemon, and may be later than its answer.
    const log = () => readFileSync(join(bed.cluster.nodeDir('n3'), 'log'), 'utf8');
    await expect
      .poll(() => log().match(/incarnation \d+/g), { timeout: 30_000 })
      .toHaveLength(Number(after.incarnation));
  });

  test('stop is an end that was wanted; an own end is told', async () => {
    const told: string[] = [];
    bed.cluster.onUnexpectedExit((node, how) => told.push(`${node}: ${how}`));
    await bed.cluster.stop('n3');
    expect(bed.cluster.state('n3')).toBe('dead');
    await bed.cluster.start('n3');
    await answering(bed.cluster, 'n3');
    expect(told).toEqual([]);
    await ask(bed.cluster, 'n3', { ask: 'exit' });
    await until(
      async () => told,
      (lines) => lines.length > 0,
    );
    expect(told).toEqual(['n3: exit code 7']);
    expect(bed.cluster.state('n3')).toBe('dead');
    await bed.cluster.start('n3');
    await answering(bed.cluster, 'n3');
  });

  test('a pause that was ended behind our back does not pass as verified', async () => {
    const pause = await inject(bed.cluster, { kind: 'pause', nodes: ['n1'] });
    if (bed.driver.kind === 'docker') {
      const docker = new Docker();
      const [container] = await docker.listContainers({
        filters: { label: [`chaos.run=${bed.runId}`, 'chaos.node=n1', 'chaos.role=server'] },
      });
      await docker.getContainer(String(container?.Id)).unpause();
    } else {
      process.kill(Number((bed.cluster as LocalCluster).serverOf('n1')?.stamp.pid), 'SIGCONT');
    }
    await answering(bed.cluster, 'n1');
    expect((await pause.verify()).verified).toBe(false);
    await heal(pause);
    expect(bed.cluster.state('n1')).toBe('running');
  });

  test('impossible faults are refused by name', async () => {
    await expect(bed.cluster.inject({ kind: 'kill', nodes: ['n9'] })).rejects.toThrow(
      /unknown node 'n9'.*n1, n2, n3/,
    );
    const skew: Fault = { kind: 'skew', nodes: ['n1'], offsetMs: 1, rate: 1 };
    await expect(bed.cluster.inject(skew)).rejects.toThrow(
      /cannot inject 'skew'.*cut, kill, pause/,
    );
  });
}
