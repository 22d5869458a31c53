// Lays out a node's directory on the host before its first start. Every driver places it at
// `<runDir>/nodes/<name>`, so that reports and checkers find logs without asking a driver.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import type { Address, ClusterOptions, NodeSpec } from '../cluster.ts';
import { CONTROL_PORT, PROBE_PORT } from './probe.ts';

/** Where a node's files, log and data are on the host. */
export function nodeDirectory(runDir: string, node: string): string {
  return resolve(runDir, 'nodes', node);
}

/**
 * Makes a node's directory with the files of its spec. `seenAs` is the directory as the node sees
 * it, `reached` tells where its published ports are reached from outside. Throws on a file name that leaves
 * the directory.
 */
export async function layOut(
  runDir: string,
  spec: NodeSpec,
  seenAs: string,
  reached: (port: string) => Address,
): Promise<void> {
  const dir = nodeDirectory(runDir, spec.name);
  await mkdir(dir, { recursive: true });
  for (const [name, text] of Object.entries(spec.files(seenAs, reached))) {
    const file = join(dir, name);
    const inside = relative(dir, file);
    if (inside === '' || inside.startsWith(`..${sep}`) || inside === '..') {
      throw new Error(`expected a file inside the directory of ${spec.name}, got '${name}'`);
    }
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
}

/** Throws on specs that no driver can deploy: doubled names, reserved or unknown ports. */
export function refuseBadSpecs(options: ClusterOptions): void {
  const names = new Set<string>();
  if (options.specs.length === 0) throw new Error('expected at least one node, got none');
  for (const spec of options.specs) {
    if (!/^[a-z][a-z0-9-]{0,30}$/.test(spec.name)) {
      throw new Error(`expected a node name like 'n1', got '${spec.name}'`);
    }
    if (names.has(spec.name))
      throw new Error(`expected distinct node names, got '${spec.name}' twice`);
    names.add(spec.name);
    const ports = Object.values(spec.ports);
    if (new Set(ports).size !== ports.length) {
      throw new Error(`expected distinct ports on ${spec.name}, got ${ports.join(', ')}`);
    }
    for (const [role, port] of Object.entries(spec.ports)) {
      if (port === PROBE_PORT || port === CONTROL_PORT) {
        throw new Error(`port ${port} (${role} of ${spec.name}) is reserved for the harness`);
      }
    }
    const missing = spec.published.find((role) => spec.ports[role] === undefined);
    if (missing !== undefined) {
      throw new Error(
        `unknown port '${missing}' published by ${spec.name}; ` +
          `its ports are: ${Object.keys(spec.ports).join(', ')}`,
      );
    }
  }
}

/** The entry of `map` for a node. Throws, listing the nodes, on a name that is none. */
export function nodeIn<T>(map: ReadonlyMap<string, T>, node: string): T {
  const found = map.get(node);
  if (found === undefined) {
    throw new Error(`unknown node '${node}'; the nodes are: ${[...map.keys()].join(', ')}`);
  }
  return found;
}
