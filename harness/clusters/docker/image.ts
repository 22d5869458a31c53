// Makes the image that nodes and holders run in, without any registry where possible: a root file
// system of the pinned Node, the host's nft and the libraries both need.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import type Docker from 'dockerode';
import { type Pack, pack } from 'tar-stream';
import { pinnedNode } from '../bundle.ts';
import { type Daemon, type Obstacle, statusOf } from './daemon.ts';

/** Where programs are in the image, whichever way it was made. */
export const NODE_IN_IMAGE = '/usr/local/bin/node';

const run = promisify(execFile);
const REPOSITORY_NAME = 'chaos-node';
const BUILD_TIMEOUT_MS = 5 * 60_000;
const IMAGE_LABEL = 'chaos.image';

interface ImageFile {
  name: string;
  mode: number;
  contents: Buffer;
}

const ETC: Record<string, string> = {
  'etc/passwd': 'root:x:0:0:root:/tmp:/bin/false\n',
  'etc/group': 'root:x:0:\n',
  'etc/hosts': '127.0.0.1 localhost\n',
  'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n',
};

async function findTool(name: string): Promise<string | undefined> {
  const path = (process.env.PATH ?? '').split(':');
  for (const folder of [...path, '/usr/sbin', '/sbin', '/usr/local/sbin']) {
    const file = join(folder, name);
    try {
      await access(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder; the next one may have it.
    }
  }
  return undefined;
}

/** Absolute paths of the shared libraries of a binary, the loader included. */
async function librariesOf(binary: string): Promise<string[]> {
  const { stdout } = await run('ldd', [binary]);
  if (stdout.includes('not found')) {
    throw new Error(`${binary} lacks a library: ${stdout.trim()}`);
  }
  return [...stdout.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].map((match) => match[1] as string);
}

/** glibc's name service loads these by name, so ldd does not tell of them. */
async function nameServices(libraries: Iterable<string>): Promise<string[]> {
  const libc = [...libraries].find((file) => file.includes('/libc.so'));
  const services = libc === undefined ? undefined : join(dirname(libc), 'libnss_files.so.2');
  if (services === undefined) return [];
  return access(services).then(
    () => [services],
    () => [],
  );
}

async function imageFiles(node: string, nft: string): Promise<ImageFile[]> {
  const tc = await findTool('tc');
  const tools = new Map([
    [NODE_IN_IMAGE, node],
    ['/usr/sbin/nft', nft],
  ]);
  if (tc !== undefined) tools.set('/usr/sbin/tc', tc);
  const lists = await Promise.all([...tools.values()].map(librariesOf));
  const libraries = new Set(lists.flat());
  for (const extra of await nameServices(libraries)) libraries.add(extra);
  const sources: [string, string][] = [
    ...tools,
    ...[...libraries].map((l): [string, string] => [l, l]),
  ];
  const files = await Promise.all(
    sources.map(async ([name, source]): Promise<ImageFile> => {
      return { name: name.slice(1), mode: 0o755, contents: await readFile(source) };
    }),
  );
  for (const [name, text] of Object.entries(ETC)) {
    files.push({ name, mode: 0o644, contents: Buffer.from(text) });
  }
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function tagOf(files: readonly ImageFile[]): string {
  const hash = createHash('sha256');
  for (const file of files)
    hash.update(`${file.name}\0${file.contents.length}\0`).update(file.contents);
  return `${REPOSITORY_NAME}:${hash.digest('hex').slice(0, 16)}`;
}

async function writeTar(tar: Pack, files: readonly ImageFile[]): Promise<void> {
  const entry = (header: { name: string; mode: number; type?: 'directory' }, body?: Buffer) =>
    new Promise<void>((resolve, reject) => {
      const done = (error?: Error | null) => (error ? reject(error) : resolve());
      if (body === undefined) tar.entry(header, done);
      else tar.entry(header, body, done);
    });
  for (const folder of ['tmp', 'node', 'proc', 'sys', 'dev']) {
    await entry({ name: folder, mode: folder === 'tmp' ? 0o1777 : 0o755, type: 'directory' });
  }
  for (const file of files) await entry({ name: file.name, mode: file.mode }, file.contents);
  tar.finalize();
}

async function exists(docker: Docker, tag: string): Promise<boolean> {
  try {
    await docker.getImage(tag).inspect();
    return true;
  } catch (error) {
    if (statusOf(error) === 404) return false;
    throw error;
  }
}

/** Reads the daemon's progress to its end; throws what it says went wrong. */
async function finish(docker: Docker, progress: NodeJS.ReadableStream): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(progress, (error: Error | null, lines: { error?: string }[]) => {
      const failed = error?.message ?? lines.find((line) => line.error !== undefined)?.error;
      if (failed === undefined) resolve();
      else reject(new Error(failed));
    });
  });
}

async function assemble(docker: Docker, node: string, nft: string): Promise<string> {
  const files = await imageFiles(node, nft);
  const tag = tagOf(files);
  if (await exists(docker, tag)) return tag;
  const tar = pack();
  const written = writeTar(tar, files);
  const [repo, name] = tag.split(':') as [string, string];
  const progress = await docker.importImage(Readable.from(tar), {
    repo,
    tag: name,
    changes: [
      `LABEL ${IMAGE_LABEL}=${name}`,
      'ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ],
  });
  await Promise.all([written, finish(docker, progress)]);
  return tag;
}

async function buildFromRegistry(docker: Docker): Promise<string> {
  const dockerfile = await readFile(new URL('./Dockerfile', import.meta.url));
  const hash = createHash('sha256').update(dockerfile).digest('hex').slice(0, 16);
  const tag = `${REPOSITORY_NAME}:${hash}`;
  if (await exists(docker, tag)) return tag;
  const tar = pack();
  tar.entry({ name: 'Dockerfile' }, dockerfile);
  tar.finalize();
  const progress = await docker.buildImage(Readable.from(tar), {
    t: tag,
    labels: { [IMAGE_LABEL]: hash },
    abortSignal: AbortSignal.timeout(BUILD_TIMEOUT_MS),
  });
  await finish(docker, progress);
  return tag;
}

/** Finds or makes the image and gives its tag, or says what is missing. Never rejects. */
export async function ensureImage(daemon: Daemon): Promise<{ ok: true; tag: string } | Obstacle> {
  const node = process.platform === 'linux' ? pinnedNode('linux', daemon.arch as never) : undefined;
  const nft = process.platform === 'linux' ? await findTool('nft') : undefined;
  let trouble = nft === undefined ? 'this machine has no nft' : 'the pinned Node is not installed';
  if (node !== undefined && nft !== undefined) {
    try {
      return { ok: true, tag: await assemble(daemon.docker, node, nft) };
    } catch (error) {
      trouble = `the image could not be assembled (${(error as Error).message})`;
    }
  }
  try {
    return { ok: true, tag: await buildFromRegistry(daemon.docker) };
  } catch (error) {
    return {
      ok: false,
      reason: `${trouble}, and none could be built from a registry (${(error as Error).message})`,
      remedy: 'install nftables (`sudo apt-get install nftables`), or use --cluster local',
    };
  }
}
