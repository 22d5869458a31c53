// Prints a snapshot: its own account of itself, every znode and every session. The state is loaded as a
// server loads it, so what prints is what the server would have.
import { decodeSnapshot } from '../storage/snapshot-format.ts';
import { DataTree } from '../tree/data-tree.ts';
import { zxidHex } from '../zxid.ts';
import { filesOf } from './places.ts';

/** Prints the snapshot at a path, or the newest in a directory; false when it is damaged. */
export function printSnapshot(given: string, print: (line: string) => void): boolean {
  const last = filesOf(given, 'snapshot').at(-1);
  if (last === undefined) throw new Error(`there is no snapshot in ${given}`);
  const { file, zxid } = last;
  const snapshot = decodeSnapshot(file, zxid);
  if (typeof snapshot === 'string') {
    print(`# ${file}: ${snapshot}; this snapshot is damaged`);
    return false;
  }
  const tree = new DataTree();
  try {
    tree.load(snapshot.chunks);
  } catch (error) {
    print(`# ${file}: its state does not load: ${(error as Error).message}`);
    return false;
  }
  const { nodes, ephemerals, sessions, dataBytes } = tree.counts();
  const from = snapshot.installed ? 'came from a leader' : 'was saved here';
  print(`# ${file}: at ${zxidHex(zxid)}, epoch ${snapshot.currentEpoch}, ${from}`);
  print(
    `# digest ${snapshot.digest}, ${nodes} znodes (${ephemerals} ephemeral), ${dataBytes} bytes`,
  );
  for (const path of walk(tree, '/')) {
    const { data, stat } = present(tree.getData(path), path);
    const owner = stat.ephemeralOwner;
    print(
      `${path} ${data?.length ?? 0} bytes czxid=${zxidHex(stat.czxid)} ` +
        `mzxid=${zxidHex(stat.mzxid)} version=${stat.version} cversion=${stat.cversion}` +
        (owner === 0n ? '' : ` ephemeralOwner=0x${owner.toString(16)}`),
    );
  }
  print(`# ${sessions} sessions`);
  for (const { id, timeoutMs } of tree.sessions()) print(`0x${id.toString(16)} ${timeoutMs} ms`);
  return true;
}

function present<T>(read: { ok: boolean } & T, path: string): Extract<T, { ok: true }> {
  if (!read.ok) throw new Error(`expected ${path} to be there, as its parent lists it`);
  return read as unknown as Extract<T, { ok: true }>;
}

/** Paths in order, parents before children. */
function* walk(tree: DataTree, path: string): Generator<string> {
  yield path;
  const { children } = present(tree.getChildren(path), path);
  for (const name of [...children].sort()) {
    yield* walk(tree, path === '/' ? `/${name}` : `${path}/${name}`);
  }
}
