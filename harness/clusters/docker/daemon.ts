// Reaches the Docker daemon, or says in plain words why it cannot and what to do. Everything else in
// this folder may then assume that a daemon answers.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';

/** Why something cannot be had here, and what to do about it. */
export interface Obstacle {
  ok: false;
  reason: string;
  remedy: string;
}

/** What matters of a daemon that answers. */
export interface Daemon {
  ok: true;
  docker: Docker;
  /** `x64` or `arm64`, as Node calls it. */
  arch: string;
  /** The user that servers run as, so that their files belong to whoever runs the harness. */
  user: string;
  /** Extra HostConfig that this daemon needs for that. */
  hostConfig: { UsernsMode?: string };
}

const PING_TIMEOUT_MS = 5_000;
const ARCHITECTURES: Record<string, string> = {
  x86_64: 'x64',
  amd64: 'x64',
  aarch64: 'arm64',
  arm64: 'arm64',
};

const absent = (reason: string): Obstacle => ({
  ok: false,
  reason,
  remedy: 'start Docker (`sudo systemctl start docker`, or Docker Desktop), or use --cluster local',
});

function dockerOptions(): Docker.DockerOptions | undefined {
  if (process.env.DOCKER_HOST !== undefined || process.platform === 'win32') return undefined;
  const usual = '/var/run/docker.sock';
  const desktop = join(homedir(), '.docker', 'run', 'docker.sock');
  return { socketPath: !existsSync(usual) && existsSync(desktop) ? desktop : usual };
}

/** Connects to the daemon of DOCKER_HOST or of the usual socket. Never rejects. */
export async function reachDaemon(): Promise<Daemon | Obstacle> {
  const remote = /^(tcp|https?|ssh):\/\/(?!127\.|localhost|\[::1\])/.exec(
    process.env.DOCKER_HOST ?? '',
  );
  if (remote !== null) {
    return absent(`DOCKER_HOST is on another machine; nodes need a daemon on this one`);
  }
  const docker = new Docker(dockerOptions());
  try {
    const info = await askInfo(docker);
    if (info.OSType !== 'linux') return absent(`the Docker daemon runs ${info.OSType} containers`);
    const security = info.SecurityOptions ?? [];
    const rootless = security.some((option) => option.includes('name=rootless'));
    const remapped = security.some((option) => option.includes('name=userns'));
    const uid = process.getuid?.() ?? 1000;
    return {
      ok: true,
      docker,
      arch: ARCHITECTURES[info.Architecture] ?? info.Architecture,
      // A rootless daemon maps its container's root to the user that runs it.
      user: rootless ? '0:0' : `${uid}:${process.getgid?.() ?? uid}`,
      hostConfig: remapped ? { UsernsMode: 'host' } : {},
    };
  } catch (error) {
    return explain(error as NodeJS.ErrnoException);
  }
}

interface DaemonInfo {
  Architecture: string;
  OSType: string;
  SecurityOptions: string[] | null;
}

/** dockerode's types do not know that `info` takes a signal; it does. */
async function askInfo(docker: Docker): Promise<DaemonInfo> {
  const info = docker.info as (options: { abortSignal: AbortSignal }) => Promise<DaemonInfo>;
  return await info.call(docker, { abortSignal: AbortSignal.timeout(PING_TIMEOUT_MS) });
}

function explain(error: NodeJS.ErrnoException): Obstacle {
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return {
      ok: false,
      reason: 'a Docker daemon is there, but this user may not talk to it',
      remedy: '`sudo usermod -aG docker $USER` and log in again, or use --cluster local',
    };
  }
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') {
    return absent('no Docker daemon answers');
  }
  return absent(`the Docker daemon does not answer: ${error.message}`);
}

/** The HTTP status of a daemon's error answer, or undefined if it is another kind of error. */
export function statusOf(error: unknown): number | undefined {
  const status = (error as { statusCode?: unknown }).statusCode;
  return typeof status === 'number' ? status : undefined;
}

/** Awaits a call to the daemon and forgives "no such thing" and "already so". */
export async function unlessGone(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    const status = statusOf(error);
    // 304: already stopped; 404: no such object; 409: a removal of it is already under way.
    if (status !== 304 && status !== 404 && status !== 409) throw error;
  }
}
