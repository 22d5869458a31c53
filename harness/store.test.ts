// A run goes into the store and comes out the same; gaps in the nodes' logs are named, and a torn end
// of a killed incarnation is not one.
import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Event } from '../history/event.ts';
import type { RunInfo } from '../history/run-record.ts';
import { readNodeEvents } from './node-logs.ts';
import {
  createRun,
  FILES,
  listRuns,
  loadRecord,
  loadRun,
  resolveRun,
  writeJson,
  writeNodeEvents,
} from './store.ts';

const root = mkdtempSync(join(tmpdir(), 'chaos-store-'));
afterAll(() => rmSync(root, { recursive: true }));

const info: RunInfo = {
  config: {
    name: 'mine',
    system: 'coordinator',
    workload: 'register',
    nemesis: 'none',
    cluster: 'local',
    nodes: ['n1', 'n2'],
    timeLimitMs: 1,
    ratePerSecond: 1,
    concurrency: 1,
    seed: 5,
    systemOptions: {},
    workloadOptions: {},
    recoveryMsMax: 1,
    eventLevel: 'all',
  },
  startedAt: '2026-01-02T03:04:05.678Z',
  versions: { chaos: '0', node: '0', platform: 'x' },
  reproduce: 'again',
};
const started = new Date(info.startedAt);

function nodeLine(node: string, inc: number, seq: number, t: number): string {
  return `${JSON.stringify({ t, node, inc, seq, ev: 'stop', reason: 'é'.repeat(seq) })}\n`;
}

let logs = 0;

/** What the reader says of one node's log with this content. */
function read(content: string | undefined) {
  const dir = join(root, `logs-${logs++}`);
  mkdirSync(join(dir, 'n1'), { recursive: true });
  if (content !== undefined) writeFileSync(join(dir, 'n1', 'events.jsonl'), content);
  const { nodeEvents, nodeEventGaps } = readNodeEvents(dir, ['n1'], 'all');
  return { count: nodeEvents.length, problems: nodeEventGaps.map((gap) => gap.problem) };
}

const line = (inc: number, seq: number) => nodeLine('n1', inc, seq, inc * 100 + seq);

describe('store', () => {
  it('gives back what was put in, with the nodes’ events by time', () => {
    const store = join(root, 'store');
    const dir = createRun(store, 'mine', started, 5);
    expect(dir).toBe(join(store, 'mine', '20260102T030405678Z-5'));
    expect(createRun(store, 'mine', started, 5)).toBe(`${dir}-2`);
    expect(readlinkSync(join(store, 'latest'))).toBe(join('mine', '20260102T030405678Z-5-2'));
    expect(createRun(store, 'other', started, 6, false)).toContain('other');
    expect(readlinkSync(join(store, 'latest'))).toContain('mine');
    const history: Event[] = [
      { index: 0, time: 1, process: 0, type: 'invoke', f: 'read', key: '/r' },
      { index: 1, time: 2, process: 0, type: 'ok', f: 'read', key: '/r', value: null },
    ];
    writeFileSync(join(dir, FILES.history), history.map((e) => `${JSON.stringify(e)}\n`).join(''));
    for (const [node, t] of [
      ['n1', 20],
      ['n2', 10],
    ] as const) {
      mkdirSync(join(dir, 'nodes', node));
      writeFileSync(join(dir, 'nodes', node, 'events.jsonl'), nodeLine(node, 0, 0, t));
    }
    writeJson(join(dir, FILES.info), info);
    const run = loadRun(resolveRun(store, 'mine/20260102T030405678Z-5'));
    expect(run.info).toEqual(info);
    expect(run.record.history).toEqual(history);
    expect(run.record.ops).toHaveLength(1);
    expect(run.record.nodeEvents.map((event) => event.node)).toEqual(['n2', 'n1']);
    expect(run.record.nodeEventGaps).toEqual([]);
    expect(run.results).toBeUndefined();
    writeNodeEvents(dir, run.record);
    const merged = readFileSync(join(dir, FILES.nodeEvents), 'utf8').trimEnd().split('\n');
    expect(merged.map((text) => JSON.parse(text))).toEqual(run.record.nodeEvents);
    expect(listRuns(store).map((summary) => summary.dir)).toEqual([dir]);
    expect(() => resolveRun(store, 'mine/nothing')).toThrow(/there is no run/);
  });

  it('a run whose harness was killed at boot loads as an empty record with gaps', () => {
    const dir = createRun(join(root, 'store-2'), 'mine', started, 5);
    writeJson(join(dir, FILES.info), info);
    const { record } = loadRun(dir);
    expect(record.history).toEqual([]);
    expect(record.nodeEventGaps.map((gap) => gap.node)).toEqual(['n1', 'n2']);
  });
});

describe('node logs', () => {
  it.each<[string, string | undefined, number, (RegExp | string)[]]>([
    ['whole', line(0, 0) + line(0, 1) + line(1, 0), 3, []],
    ['torn end', line(0, 0) + line(0, 1).slice(0, 20), 1, []],
    ['end without newline', line(0, 0) + line(0, 1).trimEnd(), 2, []],
    ['torn, next incarnation on its own line', `${line(0, 0)}{"t":\n${line(1, 0)}`, 2, []],
    ['torn, next incarnation run into it', `${line(0, 0)}{"t":1,"no${line(1, 0)}`, 2, []],
    ['missing', undefined, 0, ['there is no events.jsonl']],
    ['empty', '', 0, ['no event in it']],
    ['garbled middle', `${line(0, 0)}{"t":\n${line(0, 1)}`, 2, ['line 2 is garbled']],
    ['garbled, run into', `${line(0, 0)}{"t":1,"no${line(0, 1)}`, 2, ['line 2 is garbled']],
    ['garbled end', `${line(0, 0)}garbage\n`, 1, ['line 2 is garbled']],
    ['garbled twice', `${line(0, 0)}x\ny\n${line(1, 0)}`, 2, ['line 2 is garbled']],
    ['gap', line(0, 0) + line(0, 2), 2, ['line 2: incarnation 0 has seq 2, expected 1']],
    ['late start', line(0, 1), 1, ['line 1: incarnation 0 has seq 1, expected 0']],
    ['going back', line(1, 0) + line(0, 0), 2, ['line 2: incarnation 0 after 1']],
    ['another node', nodeLine('n2', 0, 0, 1), 1, ['line 1 is of node n2']],
  ])('%s', (_name, content, count, problems) => {
    expect(read(content)).toEqual({ count, problems });
  });

  it('reads lines across chunks', () => {
    const many = Array.from({ length: 3_000 }, (_, seq) => line(0, seq)).join('');
    expect(Buffer.byteLength(many)).toBeGreaterThan(5 << 20);
    expect(read(many)).toEqual({ count: 3_000, problems: [] });
  });

  it('keeps the words of brokers apart from those of coordinators', () => {
    const dir = join(root, 'stack');
    const logs = { n1: ['start', 'connectionClosed'], b1: ['brokerStart', 'connectionClosed'] };
    for (const [node, kinds] of Object.entries(logs)) {
      mkdirSync(join(dir, node), { recursive: true });
      const lines = kinds.map(
        (ev, seq) => `${JSON.stringify({ t: seq, node, inc: 0, seq, ev })}\n`,
      );
      writeFileSync(join(dir, node, 'events.jsonl'), lines.join(''));
    }
    const { nodeEvents, brokerEvents } = readNodeEvents(dir, ['n1', 'b1'], 'all');
    expect(nodeEvents.map(({ node, ev }) => [node, ev])).toEqual(logs.n1.map((ev) => ['n1', ev]));
    expect(brokerEvents.map(({ node, ev }) => [node, ev])).toEqual(logs.b1.map((ev) => ['b1', ev]));
  });

  it('are merged into one file by time, those of brokers among those of coordinators', () => {
    const stack: RunInfo = { ...info, config: { ...info.config, nodes: ['n1', 'b1'] } };
    const dir = createRun(join(root, 'store-3'), 'mine', started, 5);
    const logs = { n1: [1, 4], b1: [2, 3, 5] };
    for (const [node, times] of Object.entries(logs)) {
      mkdirSync(join(dir, 'nodes', node), { recursive: true });
      const ev = node === 'b1' ? 'brokerStart' : 'start';
      const lines = times.map((t, seq) => `${JSON.stringify({ t, node, inc: 0, seq, ev })}\n`);
      writeFileSync(join(dir, 'nodes', node, 'events.jsonl'), lines.join(''));
    }
    writeNodeEvents(dir, loadRecord(dir, stack));
    const merged = readFileSync(join(dir, FILES.nodeEvents), 'utf8').trimEnd().split('\n');
    const order = merged.map((text) => JSON.parse(text)).map(({ t, node }) => `${node}@${t}`);
    expect(order).toEqual(['n1@1', 'b1@2', 'b1@3', 'n1@4', 'b1@5']);
  });

  it('asks for nothing where events are off', () => {
    const none = { nodeEvents: [], brokerEvents: [], nodeEventGaps: [] };
    expect(readNodeEvents(join(root, 'nowhere'), ['n1'], 'off')).toEqual(none);
  });
});
