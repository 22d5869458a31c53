// Snapshots of the state machine on disk: a restart replays only what came after, and old log
// segments can go. A file has its final name only when all of it is durable, and every byte is
// under a checksum.
import fs from 'node:fs';
import path from 'node:path';
import {
  removeInOrder,
  replaceFileBy,
  syncDirectory,
  TMP_SUFFIX,
} from '../../wire/durable-files.ts';
import type { Zxid } from '../zxid.ts';
import {
  decodeSnapshot,
  encodeSnapshot,
  type Snapshot,
  type SnapshotFacts,
} from './snapshot-format.ts';

const NAME = /^snapshot\.([0-9a-f]+)$/;

/** Snapshots kept for when the newest turns out damaged; ZooKeeper's autopurge.snapRetainCount. */
export const SNAPSHOTS_KEPT = 3;

/** A named snapshot that does not check. */
export interface BrokenSnapshot {
  zxid: Zxid;
  file: string;
  reason: string;
}

export interface LoadedSnapshot {
  /** The newest that is whole; null when there is none. */
  snapshot: Snapshot | null;
  /** Newer ones that are not, newest first. */
  broken: BrokenSnapshot[];
}

export interface SnapshotStoreOptions {
  /** How many `purge` keeps when it is not told. */
  keep?: number;
  /** The server's currentEpoch, noted in every snapshot as evidence for recovery. */
  currentEpoch?: () => number;
}

export class SnapshotStore {
  readonly dir: string;
  readonly #keep: number;
  readonly #currentEpoch: () => number;
  /** The save under way; `dropped` when its zxid was rolled back meanwhile. */
  #saving: { zxid: Zxid; dropped: boolean } | null = null;

  /** Opens the snapshots in `dir` and removes what a crash left half-written. */
  constructor(dir: string, options: SnapshotStoreOptions = {}) {
    this.dir = dir;
    this.#keep = options.keep ?? SNAPSHOTS_KEPT;
    this.#currentEpoch = options.currentEpoch ?? (() => 0);
    fs.mkdirSync(dir, { recursive: true });
    const torn = fs
      .readdirSync(dir)
      .filter((name) => name.startsWith('snapshot.') && name.endsWith(TMP_SUFFIX));
    removeInOrder(dir, torn);
    // A rename that only the kernel knows of must not be undone after it was relied on.
    syncDirectory(dir);
  }

  /** zxids of the snapshots, newest first. */
  list(): Zxid[] {
    const zxids: Zxid[] = [];
    for (const name of fs.readdirSync(this.dir)) {
      const match = NAME.exec(name);
      if (match !== null) zxids.push(Number.parseInt(match[1] as string, 16));
    }
    return zxids.sort((a, b) => b - a);
  }

  /**
   * Saves the state at `zxid` without holding up the loop; durable when the promise resolves. `chunks` may
   * still be in the making. One at a time. Resolves without a snapshot when `deleteAbove` went below `zxid` meanwhile. Rejects
   * when the disk fails.
   */
  async save(
    zxid: Zxid,
    chunks: readonly Buffer[] | Promise<readonly Buffer[]>,
    digest: string,
  ): Promise<void> {
    if (this.#saving !== null) {
      throw new Error(`a snapshot at ${this.#saving.zxid} is being saved, expected one at a time`);
    }
    const saving = { zxid, dropped: false };
    this.#saving = saving;
    const file = this.#file(zxid);
    const tmp = `${file}.saving${TMP_SUFFIX}`;
    const facts = this.#facts(zxid, digest, false);
    try {
      const whole = chunks instanceof Promise ? await chunks : chunks;
      await writeParts(tmp, encodeSnapshot(facts, whole));
      // From here on synchronous, so that no rollback can fall between the question and the rename.
      if (saving.dropped) {
        fs.unlinkSync(tmp);
        return;
      }
      fs.renameSync(tmp, file);
      syncDirectory(this.dir);
    } finally {
      this.#saving = null;
    }
  }

  /**
   * Puts a leader's snapshot in place of everything this server had: durable when it returns, newer
   * snapshots of its own gone. The log is to be reset to `zxid` next; if a crash comes between,
   * recovery does it. Throws when the disk fails.
   */
  installSync(zxid: Zxid, chunks: readonly Buffer[], digest: string): void {
    replaceFileBy(this.#file(zxid), (fd) => {
      for (const part of encodeSnapshot(this.#facts(zxid, digest, true), chunks)) {
        for (let at = 0; at < part.length; ) at += fs.writeSync(fd, part, at);
      }
    });
    this.deleteAbove(zxid);
  }

  /**
   * The newest whole snapshot, and the newer ones that are damaged. Whether to do without those is
   * for who knows the log.
   */
  loadLatest(): LoadedSnapshot {
    const broken: BrokenSnapshot[] = [];
    for (const zxid of this.list()) {
      const file = this.#file(zxid);
      const result = decodeSnapshot(file, zxid);
      if (typeof result !== 'string') return { snapshot: result, broken };
      broken.push({ zxid, file, reason: result });
    }
    return { snapshot: null, broken };
  }

  /**
   * Removes every snapshot above `zxid`, durably; one that is being saved will not appear (Z24).
   */
  deleteAbove(zxid: Zxid): void {
    if (this.#saving !== null && this.#saving.zxid > zxid) this.#saving.dropped = true;
    const above = this.list().filter((each) => each > zxid);
    removeInOrder(
      this.dir,
      above.map((each) => path.basename(this.#file(each))),
    );
  }

  /**
   * Keeps the newest `keep` snapshots and returns the zxid from which on the log is needed, so that
   * a damaged one can be done without: the oldest kept, or 0 while there are fewer. Rejects when
   * the disk fails.
   */
  async purge(keep = this.#keep): Promise<Zxid> {
    const zxids = this.list();
    const old = zxids.slice(keep).reverse();
    removeInOrder(
      this.dir,
      old.map((each) => path.basename(this.#file(each))),
    );
    return zxids[keep - 1] ?? 0;
  }

  #file(zxid: Zxid): string {
    return path.join(this.dir, `snapshot.${zxid.toString(16)}`);
  }

  #facts(zxid: Zxid, digest: string, installed: boolean): SnapshotFacts {
    return { zxid, digest, installed, currentEpoch: this.#currentEpoch() };
  }
}

async function writeParts(file: string, parts: Iterable<Buffer>): Promise<void> {
  const handle = await fs.promises.open(file, 'w');
  try {
    for (const part of parts) {
      for (let at = 0; at < part.length; ) at += (await handle.write(part, at)).bytesWritten;
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}
