// The page's data: links from anomalies to operations, and limits that are counted when they cut.
import { describe, expect, it } from 'vitest';
import { CLIENTS, type Fault } from '../../history/fault.ts';
import { synthesiseRun } from '../testing.ts';
import { decodeTable, encodeTable } from './columns.ts';
import { PAGE_LIMITS, pageData } from './page-data.ts';

describe('pageData', () => {
  const run = synthesiseRun({ ops: 3_000, outcome: 'invalid' });

  it('keeps every operation to the nanosecond', () => {
    const { meta, columns, cuts } = pageData(run);
    const { numbers, texts } = decodeTable(encodeTable(meta, columns));
    expect(cuts).toMatchObject({ opsLeftOut: 0, valuesCut: 0, anomaliesLeftOut: 0 });
    for (const [row, op] of run.record.ops.entries()) {
      expect(numbers.invoke![row]).toBe(op.invokeTime);
      const took = numbers.took![row]!;
      if (op.completion === undefined) expect(took).toBeNaN();
      else expect(took).toBe(op.completion.time - op.invokeTime);
      expect(numbers.invoke![row]! - numbers.wait![row]!).toBe(op.invoke.due);
      expect(texts.input![row]).toBe(JSON.stringify(op.invoke.value) ?? '');
    }
  });

  it('links anomalies to the rows of their operations', () => {
    const { meta, anomalies } = pageData(run);
    expect(meta.anomalies.length).toBeGreaterThan(1);
    const { anomaly } = anomalies[0]!;
    const events = meta.anomalies[0]!.rows.flatMap((row) => {
      const op = run.record.ops[row]!;
      return [op.invoke.index, op.completion?.index];
    });
    expect(new Set(events)).toEqual(new Set(anomaly.events));
  });

  it('links anomalies to node events and faults', () => {
    const event = run.record.nodeEvents[5]!;
    const inject = run.record.history.find((e) => e.f === 'inject')!;
    const verdict = structuredClone(run.results.verdicts[0]!);
    verdict.anomalies[0]!.events.push(inject.index);
    verdict.anomalies[0]!.nodeEvents = [
      { node: event.node, incarnation: event.inc, seq: event.seq },
      { node: 'n1', incarnation: 99, seq: 0 },
    ];
    const { meta } = pageData({ ...run, results: { ...run.results, verdicts: [verdict] } });
    expect(meta.anomalies[0]!.moments).toMatchObject([{ node: event.node, t: event.t }]);
    expect(meta.anomalies[0]!.faults).toEqual([0]);
  });

  it('names the nodes that a fault takes out, not all that it touches', () => {
    const { faults } = pageData(run).meta;
    for (const [i, { fault }] of run.record.faults.entries()) {
      const leader = 'nodes' in fault ? fault.nodes : [fault.links[0]!.from];
      expect(faults[i]!.struck).toEqual(leader);
    }
  });

  it('shows a node that lost its clients as struck', () => {
    const cut: Fault = { kind: 'cut', links: [{ from: 'n2', to: CLIENTS }] };
    const faults = [{ ...run.record.faults[0]!, fault: cut }];
    const { meta } = pageData({ ...run, record: { ...run.record, faults } });
    expect(meta.faults).toMatchObject([{ label: 'cut n2→clients', struck: ['n2'] }]);
  });

  it('thins only ok operations that no anomaly names, and counts them', () => {
    const limits = {
      ...PAGE_LIMITS,
      ops: 1_000,
      anomalies: 2,
      valueChars: [2],
      valueCharsTotal: 1,
    };
    const { meta, columns, cuts } = pageData(run, limits);
    const { numbers } = decodeTable(encodeTable(meta, columns));
    const kept = new Set(numbers.id);
    for (const op of run.record.ops) if (op.type !== 'ok') expect(kept.has(op.id)).toBe(true);
    expect(meta.okWeight).toBe(4);
    expect(cuts.opsLeftOut).toBe(run.record.ops.length - kept.size);
    expect(cuts.opsLeftOut).toBeGreaterThan(1_500);
    expect(cuts.anomaliesLeftOut).toBe(run.results.verdicts[0]!.anomalies.length - 2);
    expect(cuts.valueCharsMax).toBe(2);
    expect(cuts.valuesCut).toBeGreaterThan(0);
    expect(meta.anomalies[0]!.rows).toHaveLength(2);
  });
});
