// The folder that holds a broker's partitions, one folder each: opens them all at a start, and says whether the
// broker had been stopped in order. Deleting renames first, so that a crash never leaves half a partition.
import fs from 'node:fs';
import path from 'node:path';
import {
  makeDirectory,
  removeAll,
  replaceFile,
  syncDirectory,
  TMP_SUFFIX,
} from '../../wire/durable-files.ts';
import { encodeCheckpoint, readCheckpoint } from './checkpoint.ts';
import type { LogConfig } from './config.ts';
import { CorruptLogError } from './errors.ts';
import { LossMark } from './loss-mark.ts';
import { PartitionLog, type Recovered } from './partition-log.ts';

/** Kafka's name of the file that a broker leaves when it stops in order. */
const CLEAN_NAME = '.kafka_cleanshutdown';
const DELETED = /\.[0-9a-f]+-delete$/;
const SET_ASIDE = /\.[0-9a-f]+-corrupt$/;
const PARTITION = /^([a-zA-Z0-9._-]{1,249})-(\d{1,10})$/;

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface LogDirectoryOptions {
  /** Settings of a topic's partitions. */
  readonly configFor: (topic: string) => LogConfig;
  readonly now?: () => number;
}

export interface OpenedLog extends TopicPartition {
  readonly log: PartitionLog;
  readonly recovered: Recovered;
}

/** A partition whose folder could not be trusted; nothing was changed in it. */
export interface RefusedLog extends TopicPartition {
  readonly error: CorruptLogError;
}

export interface OpenedDirectory {
  readonly directory: LogDirectory;
  readonly opened: readonly OpenedLog[];
  readonly refused: readonly RefusedLog[];
  /** The broker epoch under which it was stopped in order; null: it was not, or never ran here. */
  readonly cleanBrokerEpoch: number | null;
}

export class LogDirectory {
  readonly dir: string;
  /** Whether records that counted may be gone since an earlier stop. */
  readonly loss: LossMark;
  readonly #options: LogDirectoryOptions;
  readonly #logs = new Map<string, PartitionLog>();

  /**
   * Opens every partition in `dir`, synchronously; removes what a deletion left. Damaged partitions are
   * told and stay as they are. Throws what the disk throws.
   */
  static open(dir: string, options: LogDirectoryOptions): OpenedDirectory {
    makeDirectory(dir);
    const cleanBrokerEpoch = takeCleanMark(dir);
    const loss = LossMark.load(dir, cleanBrokerEpoch !== null);
    const directory = new LogDirectory(dir, options, loss);
    const opened: OpenedLog[] = [];
    const refused: RefusedLog[] = [];
    for (const name of fs.readdirSync(dir).sort()) {
      if (DELETED.test(name)) fs.rmSync(path.join(dir, name), { recursive: true, force: true });
      const found = SET_ASIDE.test(name) ? null : PARTITION.exec(name);
      if (found === null || DELETED.test(name)) continue;
      const topicPartition = { topic: found[1] as string, partition: Number(found[2]) };
      try {
        opened.push({ ...topicPartition, ...directory.openLog(topicPartition) });
      } catch (error) {
        if (!(error instanceof CorruptLogError)) throw error;
        refused.push({ ...topicPartition, error });
      }
    }
    return { directory, opened, refused, cleanBrokerEpoch };
  }

  private constructor(dir: string, options: LogDirectoryOptions, loss: LossMark) {
    this.dir = dir;
    this.#options = options;
    this.loss = loss;
  }

  /** Opens a partition's log, or makes an empty one. Throws CorruptLogError and what the disk throws. */
  openLog(topicPartition: TopicPartition): { log: PartitionLog; recovered: Recovered } {
    const name = nameOf(topicPartition);
    if (this.#logs.has(name)) throw new Error(`the log of ${name} is open already`);
    const { configFor, now } = this.#options;
    const config = configFor(topicPartition.topic);
    this.#note(config);
    const opened = PartitionLog.open(path.join(this.dir, name), {
      config,
      ...(now === undefined ? {} : { now }),
    });
    this.#logs.set(name, opened.log);
    return opened;
  }

  /** Gives an open log changed settings. Throws what the disk throws. */
  configure(log: PartitionLog, config: LogConfig): void {
    this.#note(config);
    log.configure(config);
  }

  /** What is about to count without being durable is remembered before it does. */
  #note({ flushIntervalMessages }: LogConfig): void {
    if (flushIntervalMessages !== 1) this.loss.counting();
  }

  /** The open log of a partition. */
  log(topicPartition: TopicPartition): PartitionLog | undefined {
    return this.#logs.get(nameOf(topicPartition));
  }

  /** All that are open. */
  get logs(): readonly PartitionLog[] {
    return [...this.#logs.values()];
  }

  /** Removes a partition with everything in it: gone for good, durably, when it resolves. */
  async deleteLog(topicPartition: TopicPartition): Promise<void> {
    const moved = await this.#moveAway(topicPartition, 'delete');
    if (moved !== undefined) await fs.promises.rm(moved, { recursive: true, force: true });
  }

  /**
   * Moves a damaged partition's folder out of the way and keeps it; the next `openLog` makes an empty log.
   * The replica must not count as in sync before it has fetched everything again.
   */
  async setAside(topicPartition: TopicPartition): Promise<string | undefined> {
    return this.#moveAway(topicPartition, 'corrupt');
  }

  async #moveAway(
    topicPartition: TopicPartition,
    suffix: 'delete' | 'corrupt',
  ): Promise<string | undefined> {
    const name = nameOf(topicPartition);
    const log = this.#logs.get(name);
    this.#logs.delete(name);
    await log?.discard();
    const from = path.join(this.dir, name);
    if (!fs.existsSync(from)) return undefined;
    const to = freeName(from, suffix);
    fs.renameSync(from, to);
    syncDirectory(this.dir);
    return to;
  }

  /**
   * Closes all logs, and notes that this broker stopped in order under `brokerEpoch`, if it did. Rejects when
   * a disk fails or has failed; then nothing is noted.
   */
  async close(brokerEpoch: number): Promise<void> {
    const logs = [...this.#logs.values()];
    this.#logs.clear();
    const results = await Promise.allSettled(logs.map((log) => log.close()));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    replaceFile(path.join(this.dir, CLEAN_NAME), encodeCheckpoint([[brokerEpoch]]));
  }
}

function nameOf({ topic, partition }: TopicPartition): string {
  const name = `${topic}-${partition}`;
  if (topic === '.' || topic === '..' || !PARTITION.test(name)) {
    throw new Error(
      `expected a topic of at most 249 letters, digits, '.', '_' and '-', and a partition from 0, ` +
        `got '${topic}' and ${partition}`,
    );
  }
  return name;
}

/** A name beside `from` that nothing has. */
function freeName(from: string, suffix: string): string {
  for (let i = 0; ; i++) {
    const name = `${from}.${i.toString(16)}-${suffix}`;
    if (!fs.existsSync(name)) return name;
  }
}

/** Reads the mark of an orderly stop and removes it durably: it tells of the stop before this start. */
function takeCleanMark(dir: string): number | null {
  const stale = fs.readdirSync(dir).filter((name) => name.endsWith(TMP_SUFFIX));
  let epoch: number | null;
  try {
    epoch = readCheckpoint(path.join(dir, CLEAN_NAME))?.[0]?.[0] ?? null;
  } catch (error) {
    if (!(error instanceof CorruptLogError)) throw error;
    // Who cannot tell that it stopped in order has to catch up, which is safe.
    epoch = null;
  }
  removeAll(dir, [...stale, ...(fs.existsSync(path.join(dir, CLEAN_NAME)) ? [CLEAN_NAME] : [])]);
  return epoch;
}
