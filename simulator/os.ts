// The module `os` of one life: the simulated machine's name and address, and constants for all that
// would tell one real machine from another.
import native from 'node:os';
import { refused } from './errors.ts';
import type { Life } from './life.ts';

const MEMORY_BYTES = 4 * 1024 ** 3;
const CPU_COUNT = 2;

/** Makes the module for one life. */
export function createOs(life: Life): Record<string, unknown> {
  const { machine } = life;
  const loopback = { netmask: '255.0.0.0', family: 'IPv4', mac: '00:00:00:00:00:00' };
  const outside = { netmask: '255.255.0.0', family: 'IPv4', mac: '02:00:00:00:00:01' };
  const times = { user: 0, nice: 0, sys: 0, idle: 0, irq: 0 };
  return {
    EOL: '\n',
    devNull: '/dev/null',
    constants: native.constants,
    hostname: () => machine.name,
    networkInterfaces: () => ({
      lo: [{ address: '127.0.0.1', ...loopback, internal: true, cidr: '127.0.0.1/8' }],
      eth0: [
        { address: machine.address, ...outside, internal: false, cidr: `${machine.address}/16` },
      ],
    }),
    cpus: () =>
      Array.from({ length: CPU_COUNT }, () => ({ model: 'simulated', speed: 1000, times })),
    availableParallelism: () => CPU_COUNT,
    totalmem: () => MEMORY_BYTES,
    freemem: () => MEMORY_BYTES / 2,
    loadavg: () => [0, 0, 0],
    uptime: () => life.nowNs() / 1e9,
    tmpdir: () => '/tmp',
    homedir: () => '/root',
    platform: () => 'linux',
    type: () => 'Linux',
    release: () => '6.0.0',
    version: () => 'simulated',
    machine: () => 'x86_64',
    arch: () => 'x64',
    endianness: () => 'LE',
    userInfo: () => ({
      uid: 1000,
      gid: 1000,
      username: 'node',
      homedir: '/root',
      shell: '/bin/sh',
    }),
    getPriority: () => 0,
    setPriority: () => {
      throw refused('os.setPriority');
    },
  };
}
