// The nftables rules of a node's network namespace, as text, and their counters read back. Cuts are
// drops at both ends of a link, and nothing but the run's own subnet can ever be reached.
import { CONTROL_PORT } from '../probe.ts';

/** What one namespace drops: addresses of peers or clients by direction. */
export interface NamespaceCuts {
  /** Packets to these addresses are dropped on their way out. */
  out: string[];
  /** Packets from these addresses are dropped on their way in. */
  in: string[];
}

/** Packets dropped so far, by address; `outside` counts what tried to leave the subnet. */
export interface DropCounters {
  out: Record<string, number>;
  in: Record<string, number>;
  outside: number;
}

/** Docker's own resolver; behind it the daemon would ask the world. */
const DOCKER_RESOLVER = '127.0.0.11';

/**
 * The rules that stand for the whole life of a namespace, with no cut in place. The harness' orders come from
 * the same address as its clients, so they pass before the cuts.
 */
export function standingRules(subnet: string): string {
  return `table inet chaos {
  chain cut_out { }
  chain cut_in { }
  chain output {
    type filter hook output priority 0; policy accept;
    ip daddr ${DOCKER_RESOLVER} counter drop comment "resolver"
    oifname "lo" accept
    ip daddr ${subnet} tcp sport ${CONTROL_PORT} accept
    jump cut_out
    ip daddr ${subnet} accept
    counter drop comment "outside"
  }
  chain input {
    type filter hook input priority 0; policy accept;
    iifname "lo" accept
    ip saddr ${subnet} tcp dport ${CONTROL_PORT} accept
    jump cut_in
  }
}
`;
}

/** One transaction that replaces all cuts of the namespace and starts their counters at zero. */
export function cutRules(cuts: NamespaceCuts): string {
  const lines = ['flush chain inet chaos cut_out', 'flush chain inet chaos cut_in'];
  for (const to of cuts.out) lines.push(`add rule inet chaos cut_out ip daddr ${to} counter drop`);
  for (const from of cuts.in)
    lines.push(`add rule inet chaos cut_in ip saddr ${from} counter drop`);
  return `${lines.join('\n')}\n`;
}

/** Reads the counters out of `nft list table inet chaos`. */
export function readCounters(listing: string): DropCounters {
  const counters: DropCounters = { out: {}, in: {}, outside: 0 };
  let chain = '';
  for (const line of listing.split('\n')) {
    chain = /^\s*chain (\w+) \{/.exec(line)?.[1] ?? chain;
    const packets = Number(/counter packets (\d+)/.exec(line)?.[1] ?? Number.NaN);
    if (Number.isNaN(packets)) continue;
    if (line.includes('"outside"')) counters.outside = packets;
    const address = /ip [sd]addr ([\d.]+) /.exec(line)?.[1];
    if (address === undefined) continue;
    if (chain === 'cut_out') counters.out[address] = packets;
    if (chain === 'cut_in') counters.in[address] = packets;
  }
  return counters;
}
