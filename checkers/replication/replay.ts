// Plays all brokers' events in the order of time and calls the rules of each partition. What a run allows
// (unsynced logs, elections outside the ISR, damaged disks) is decided here once.
import type { BrokerNodeEvent } from '../../history/broker-event.ts';
import type { RunRecord } from '../../history/run-record.ts';
import type { Findings } from '../evidence.ts';
import { judgeMaximalIsr, judgeStored, tellState } from './in-sync.ts';
import { PartitionBooks } from './partition.ts';
import {
  judgeAck,
  judgeAppend,
  judgeFetch,
  judgeHighWatermark,
  judgeLeader,
  judgeTruncation,
} from './rules.ts';
import { lossAllowed, minInsyncReplicas, syncsAlways } from './settings.ts';

/** What a node says when its log may become shorter than it claimed before. */
const SPELL_BEGINS: ReadonlySet<string> = new Set([
  'becameLeader',
  'becameFollower',
  'leftPartition',
  'logTruncated',
]);

export class ReplicationRun {
  readonly findings: Findings;
  /** Whether an append is durable before it counts. */
  readonly durable: boolean;
  readonly partitions = new Map<string, PartitionBooks>();
  readonly #run: RunRecord;
  readonly #brokers = new Map<string, number>();
  readonly #nodes = new Map<number, string>();
  /** Partitions whose records may be lost lawfully, or that were made anew under an old name. */
  readonly #unjudged: ReadonlySet<string>;
  readonly #damaged: ReadonlySet<string>;
  readonly #isr = new Map<string, { version: number; isr: readonly number[] }>();

  constructor(run: RunRecord, findings: Findings) {
    this.#run = run;
    this.findings = findings;
    this.durable = syncsAlways(run.config);
    this.#unjudged = unjudgedPartitions(run);
    this.#damaged = new Set(
      run.faults.flatMap(({ fault }) => {
        const spoils =
          fault.kind === 'disk' && !['slow-fsync', 'power-loss'].includes(fault.effect);
        return spoils ? fault.nodes : [];
      }),
    );
    findings.count('partitionsUnjudged', this.#unjudged.size);
    for (const event of run.brokerEvents ?? []) this.#step(event);
    for (const { trueHw } of this.partitions.values()) findings.count('committed', trueHw);
    findings.count('partitions', this.partitions.size);
  }

  brokerOf(node: string): number | undefined {
    return this.#brokers.get(node);
  }

  nodeOf(broker: number): string | undefined {
    return this.#nodes.get(broker);
  }

  minInsyncReplicas(tp: string): number {
    return minInsyncReplicas(this.#run.config, tp);
  }

  add(kind: string, why: string, { tp }: PartitionBooks, ...events: BrokerNodeEvent[]): void {
    const nodeEvents = events.map(({ node, inc, seq }) => ({ node, incarnation: inc, seq }));
    this.findings.add({ kind, why, events: [], nodeEvents, key: tp });
  }

  #booksOf(tp: string): PartitionBooks {
    let books = this.partitions.get(tp);
    if (books === undefined) this.partitions.set(tp, (books = new PartitionBooks(tp)));
    return books;
  }

  #step(event: BrokerNodeEvent): void {
    if (event.ev === 'brokerStart') this.#start(event);
    if (!('tp' in event) || event.ev === 'offsetCommitted' || this.#unjudged.has(event.tp)) return;
    const books = this.#booksOf(event.tp);
    const log = books.replica(event.node);
    if (SPELL_BEGINS.has(event.ev)) books.beginSpell(event.node);
    switch (event.ev) {
      case 'becameLeader':
        log.enter(event.leaderEpoch);
        this.#told(books, event, event.leo);
        judgeLeader(this, books, log, event);
        books.tenures.set(event.node, {
          epoch: event.leaderEpoch,
          start: event.leo,
          hw: event.hw,
          fetched: new Map(),
          fetchedIn: new Map(),
        });
        return;
      case 'becameFollower':
        books.tenures.delete(event.node);
        log.enter(event.leaderEpoch);
        this.#told(books, event, event.leo);
        return;
      case 'leftPartition':
        books.tenures.delete(event.node);
        return;
      case 'logAppend':
        if (log.uncertain) this.#told(books, event, event.from);
        judgeAppend(this, books, log, event);
        return;
      case 'logFlushed':
        log.flushed = Math.max(log.flushed, Math.min(event.upto, log.end));
        return;
      case 'logTruncated':
        judgeTruncation(this, books, log, event);
        return;
      case 'logStart':
        log.startAt(event.from);
        return;
      case 'highWatermark':
        judgeHighWatermark(this, books, log, event);
        judgeMaximalIsr(this, books, event);
        return;
      case 'fetchIn':
        judgeFetch(this, books, event);
        return;
      case 'acked':
        judgeAck(this, books, log, event);
        return;
      case 'stateStored': {
        const before = this.#isr.get(event.tp);
        // A broker that was killed may have stored a state without telling: then nothing is compared.
        const next = before !== undefined && before.version + 1 === event.version;
        judgeStored(this, books, event, next ? before.isr : undefined);
        tellState(this, books, event);
        if (before === undefined || event.version > before.version) this.#isr.set(event.tp, event);
      }
    }
  }

  #start({ node, broker, lossy }: Extract<BrokerNodeEvent, { ev: 'brokerStart' }>): void {
    this.#brokers.set(node, broker);
    this.#nodes.set(broker, node);
    for (const books of this.partitions.values()) {
      books.tenures.delete(node);
      books.replica(node).restart();
      // A later start in order does not bring back what was lost before.
      if (lossy) books.lossy.add(node);
    }
  }

  /** I-K13: a log ends where its own events say, and a restart loses nothing that was durable. */
  #told(books: PartitionBooks, event: BrokerNodeEvent, end: number): void {
    const log = books.replica(event.node);
    const judged = this.durable && !this.#damaged.has(event.node);
    const restarted = log.uncertain;
    const problem = log.told(end, judged);
    if (problem === undefined) return;
    const kind = restarted ? 'durable-lost' : 'log-end-unexplained';
    this.add(kind, `Of ${books.tp} at ${event.node}: ${problem}.`, books, event);
  }
}

function unjudgedPartitions(run: RunRecord): Set<string> {
  const unjudged = new Set<string>();
  const made = new Set<string>();
  for (const event of run.brokerEvents ?? []) {
    if (event.ev !== 'stateStored') continue;
    const again = event.version === 0 && made.has(event.tp);
    if (event.version === 0) made.add(event.tp);
    if (again || (event.unclean === true && lossAllowed(run.config))) unjudged.add(event.tp);
  }
  return unjudged;
}
