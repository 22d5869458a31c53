// One file with what a broker has to remember of its partitions beside their logs: the high watermark, so that
// a start need not begin at none, and the leader epoch it led last, so that no two of its lives lead in one.
//
// The high watermark here is a lower bound and never cuts a log (KIP-101). The epoch is durable before the
// broker leads: a life that lost its unsynced tail must not write other records at offsets of that epoch.
import fs from 'node:fs';
import path from 'node:path';
import { crc32c } from '../../wire/crc32c.ts';
import { replaceFileLater } from '../../wire/durable-files.ts';

export const CHECKPOINT_NAME = 'replication-offset-checkpoint';
const VERSION = 'v1';

export interface ReplicaNote {
  highWatermark: number;
  /** −1: it never led. */
  ledEpoch: number;
}

export class ReplicaCheckpoint {
  readonly #file: string;
  /** By topic id and partition: a topic that comes back under its name is another one. */
  readonly #notes: Map<string, ReplicaNote>;
  /** The file was there and could not be read: what was led is unknown. */
  readonly damaged: boolean;
  #dirty = false;
  #saving: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;

  /** Reads the file in `dir`. A damaged one is as good as none, but says so. */
  static load(dir: string): ReplicaCheckpoint {
    const file = path.join(dir, CHECKPOINT_NAME);
    let text: string;
    try {
      text = fs.readFileSync(file, 'latin1');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return new ReplicaCheckpoint(file, new Map(), false);
    }
    const notes = parse(text);
    return new ReplicaCheckpoint(file, notes ?? new Map(), notes === undefined);
  }

  private constructor(file: string, notes: Map<string, ReplicaNote>, damaged: boolean) {
    this.#file = file;
    this.#notes = notes;
    this.damaged = damaged;
  }

  noteOf(topicId: string, partition: number): Readonly<ReplicaNote> | undefined {
    return this.#notes.get(`${topicId} ${partition}`);
  }

  /** Changes what `save` will write. */
  set(topicId: string, partition: number, change: Partial<ReplicaNote>): void {
    const key = `${topicId} ${partition}`;
    const note = this.#notes.get(key) ?? { highWatermark: 0, ledEpoch: -1 };
    const changed = { ...note, ...change };
    if (changed.highWatermark === note.highWatermark && changed.ledEpoch === note.ledEpoch) return;
    this.#notes.set(key, changed);
    this.#dirty = true;
  }

  forget(topicId: string, partition: number): void {
    if (this.#notes.delete(`${topicId} ${partition}`)) this.#dirty = true;
  }

  /** Durable when it resolves, with everything set before the call. Calls at one time share a write. */
  save(): Promise<void> {
    this.#next ??= this.#saving
      .catch(() => undefined) // Whoever asked for that one was told; this one tries anew.
      .then(() => {
        this.#next = undefined;
        this.#saving = this.#write();
        return this.#saving;
      });
    return this.#next;
  }

  async #write(): Promise<void> {
    if (!this.#dirty) return;
    this.#dirty = false;
    const rows = [...this.#notes].map(([key, { highWatermark, ledEpoch }]) => {
      return `${key} ${highWatermark} ${ledEpoch}`;
    });
    const body = [VERSION, ...rows, ''].join('\n');
    try {
      await replaceFileLater(this.#file, Buffer.from(`${body}crc32c ${checksum(body)}\n`));
    } catch (error) {
      this.#dirty = true;
      throw error;
    }
  }
}

function checksum(body: string): string {
  return crc32c(Buffer.from(body, 'latin1')).toString(16);
}

function parse(text: string): Map<string, ReplicaNote> | undefined {
  const cut = text.lastIndexOf('crc32c ');
  const body = text.slice(0, Math.max(cut, 0));
  if (cut < 0 || text.slice(cut) !== `crc32c ${checksum(body)}\n`) return undefined;
  const [version, ...rows] = body.split('\n').slice(0, -1);
  if (version !== VERSION) return undefined;
  return new Map(
    rows.map((row) => {
      const [topicId = '', partition = '', highWatermark, ledEpoch] = row.split(' ');
      const note = { highWatermark: Number(highWatermark), ledEpoch: Number(ledEpoch) };
      return [`${topicId} ${partition}`, note];
    }),
  );
}
