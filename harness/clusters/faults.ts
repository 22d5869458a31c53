// Injects faults into a cluster, heals them, and proves both by evidence that the injection itself
// did not produce. The drivers say how to cut, kill and probe; what counts as proof is decided here.
import {
  type Capability,
  CLIENTS,
  capabilityOf,
  describeFault,
  type Fault,
  faultNodes,
  isClientLink,
  type Link,
  type Verification,
} from '../../history/fault.ts';
import type { InjectedFault, NodeState } from '../cluster.ts';
import type { ProbeResult } from './probe.ts';

/** A cut's probe that has no echo after this long counts as failed. */
const CUT_PROBE_MS = 250;
/** A probe that must work may take this long: the machine may be busy. */
const OPEN_PROBE_MS = 3_000;

/** The state of a node's process, with how it was found. */
export interface Inspection {
  state: NodeState;
  evidence: string;
}

/** What a driver can do to its nodes, and what it can find out about them. */
export interface Breakable {
  readonly nodes: readonly string[];
  readonly supports: ReadonlySet<Capability>;
  state(node: string): NodeState;
  /** Makes exactly these links cut, all others open. */
  applyCuts(links: readonly Link[]): Promise<void>;
  /** A probe to a node, from another through the network that they themselves use, or from `CLIENTS`. */
  probe(from: string, to: string, timeoutMs: number): Promise<ProbeResult>;
  /** Whether probes can start and be echoed at this node now. */
  canProbe(node: string): boolean;
  /** What each link's cut has held back since it was made; undefined where no cut is in place. */
  heldBack(links: readonly Link[]): Promise<(number | undefined)[]>;
  kill(node: string): Promise<void>;
  start(node: string): Promise<void>;
  pause(node: string): Promise<void>;
  resume(node: string): Promise<void>;
  /** As the operating system tells it. */
  inspect(node: string): Promise<Inspection>;
}

/** An injected fault that can be verified again at any time. */
export interface StandingFault extends InjectedFault {
  /** Looks again whether the fault is still in effect. */
  verify(): Promise<Verification>;
}

const linkKey = (link: Link): string => `${link.from}>${link.to}`;
const reverse = (link: Link): Link => ({ from: link.to, to: link.from });
/** Nodes call no clients, so these are at the near end of every probe of theirs. */
const callable = (link: Link): Link => (link.to === CLIENTS ? reverse(link) : link);

/** The faults in place in one cluster. Overlapping faults hold until the last of them is healed. */
export class Faults {
  readonly #cluster: Breakable;
  readonly #standing = new Map<number, Fault>();
  #next = 1;
  #closed = false;
  /** Changes to the cuts one after another, so that two faults never apply stale sets. */
  #cutTurn: Promise<unknown> = Promise.resolve();

  constructor(cluster: Breakable) {
    this.#cluster = cluster;
  }

  /** From now on heals do nothing: the cluster is going away with all its faults. */
  close(): void {
    this.#closed = true;
  }

  /** Puts a fault in place and verifies it. Throws on a fault that this cluster cannot make. */
  async inject(fault: Fault): Promise<StandingFault> {
    this.#refuseImpossible(fault);
    const id = this.#next++;
    this.#standing.set(id, fault);
    let verification: Verification;
    try {
      await this.#apply(fault);
      verification = await this.#verify(fault);
    } catch (error) {
      try {
        await this.#heal(id, fault);
      } catch (notHealed) {
        const what = `${describeFault(fault)} could not be injected, nor what stands of it healed`;
        throw new AggregateError([error, notHealed], `${what}: ${error}; ${notHealed}`);
      }
      throw error;
    }
    let healed: Promise<Verification> | undefined;
    const heal = (): Promise<Verification> => (healed ??= this.#heal(id, fault));
    return {
      fault,
      verification,
      heal,
      verify: () => this.#verify(fault),
      async [Symbol.asyncDispose]() {
        await heal();
      },
    };
  }

  #refuseImpossible(fault: Fault): void {
    if (this.#closed) throw new Error(`cannot inject ${describeFault(fault)}: cluster is closed`);
    const { supports, nodes } = this.#cluster;
    const needed = capabilityOf(fault);
    if (!supports.has(needed)) {
      throw new Error(
        `this cluster cannot inject '${needed}'; it offers: ${[...supports].join(', ')}`,
      );
    }
    if ('links' in fault && fault.links.some((l) => l.from === l.to)) {
      throw new Error('expected links between two nodes, got a link from a node to itself');
    }
    const named = faultNodes(fault);
    if (named.length === 0) throw new Error(`expected a fault on at least one node, got none`);
    const unknown = named.find((node) => !nodes.includes(node));
    if (unknown !== undefined) {
      const other = 'links' in fault ? `; the other end of a link may be '${CLIENTS}'` : '';
      const known = `the nodes are: ${nodes.join(', ')}`;
      throw new Error(`unknown node '${unknown}' in a fault; ${known}${other}`);
    }
  }

  #cutLinks(): Link[] {
    const links = new Map<string, Link>();
    for (const fault of this.#standing.values()) {
      if (fault.kind === 'cut') for (const link of fault.links) links.set(linkKey(link), link);
    }
    return [...links.values()];
  }

  #applyCuts(): Promise<void> {
    const turn = this.#cutTurn.then(() => this.#cluster.applyCuts(this.#cutLinks()));
    // The caller is given the error; the next change of cuts goes ahead all the same.
    this.#cutTurn = turn.catch(() => undefined);
    return turn;
  }

  async #apply(fault: Fault): Promise<void> {
    const cluster = this.#cluster;
    if (fault.kind === 'cut') return this.#applyCuts();
    if (fault.kind === 'kill') {
      await Promise.all(fault.nodes.map((node) => cluster.kill(node)));
    } else if (fault.kind === 'pause') {
      const running = fault.nodes.filter((node) => cluster.state(node) === 'running');
      await Promise.all(running.map((node) => cluster.pause(node)));
    }
  }

  #verify(fault: Fault): Promise<Verification> {
    if (fault.kind === 'cut') return this.#verifyCut(fault.links);
    if (fault.kind === 'kill') return this.#verifyStates(fault.nodes, () => 'dead');
    if (fault.kind === 'pause') return this.#verifyStates(fault.nodes, () => 'paused');
    throw new Error(`no verification for '${fault.kind}'`);
  }

  async #heal(id: number, fault: Fault): Promise<Verification> {
    if (this.#closed) return { verified: true, evidence: 'the cluster is closed' };
    this.#standing.delete(id);
    if (fault.kind === 'cut') {
      await this.#applyCuts();
      return this.#verifyOpen(fault.links);
    }
    if (fault.kind === 'kill') {
      const start = fault.nodes.filter((node) => this.#expected(node) !== 'dead');
      const down = start.filter((node) => this.#cluster.state(node) === 'dead');
      await Promise.all(down.map((node) => this.#cluster.start(node)));
      return this.#verifyStates(fault.nodes, (node) => this.#expected(node));
    }
    if (fault.kind === 'pause') {
      const go = fault.nodes.filter((node) => this.#expected(node) === 'running');
      const stopped = go.filter((node) => this.#cluster.state(node) === 'paused');
      await Promise.all(stopped.map((node) => this.#cluster.resume(node)));
      return this.#verifyStates(fault.nodes, (node) => this.#expected(node));
    }
    throw new Error(`no heal for '${fault.kind}'`);
  }

  /** What the standing faults want a node's process to be. */
  #expected(node: string): NodeState {
    let expected: NodeState = 'running';
    for (const fault of this.#standing.values()) {
      if (!('nodes' in fault) || !fault.nodes.includes(node)) continue;
      if (fault.kind === 'kill') return 'dead';
      if (fault.kind === 'pause') expected = 'paused';
    }
    return expected;
  }

  async #verifyStates(
    nodes: readonly string[],
    wanted: (node: string) => NodeState,
  ): Promise<Verification> {
    const found = await Promise.all(nodes.map((node) => this.#cluster.inspect(node)));
    const wrong = nodes.filter((node, i) => found[i]?.state !== wanted(node));
    const lines = nodes.map((node, i) => `${node} ${found[i]?.state}: ${found[i]?.evidence}`);
    for (const node of wrong) lines.push(`${node} should be ${wanted(node)}`);
    return { verified: wrong.length === 0, evidence: lines.join('; ') };
  }

  /** Both directions of a link, live ends only: a connect in either direction must hang. */
  #probesOf(links: readonly Link[]): Link[] {
    const probes = new Map<string, Link>();
    for (const link of links) {
      if (isClientLink(link)) {
        const call = callable(link);
        // A dead node's port refuses clients at once, cut or not.
        if (this.#cluster.canProbe(call.to)) probes.set(linkKey(call), call);
        continue;
      }
      const way = this.#cluster.canProbe(link.from) ? link : reverse(link);
      if (this.#cluster.canProbe(way.from)) probes.set(linkKey(way), way);
    }
    return [...probes.values()];
  }

  /** Links between live nodes, and from clients to them, that no standing cut touches either way. */
  #openLinks(): Link[] {
    const cut = new Set(this.#cutLinks().flatMap((l) => [linkKey(l), linkKey(reverse(l))]));
    const live = this.#cluster.nodes.filter((node) => this.#cluster.canProbe(node));
    const all = [...live, CLIENTS].flatMap((from) => live.map((to) => ({ from, to })));
    return all.filter((link) => link.from !== link.to && !cut.has(linkKey(link)));
  }

  async #verifyCut(links: readonly Link[]): Promise<Verification> {
    const cutProbes = this.#probesOf(links);
    const openLinks = this.#openLinks();
    const [cut, open] = await Promise.all([
      this.#probeAll(cutProbes, CUT_PROBE_MS),
      this.#probeAll(openLinks, OPEN_PROBE_MS),
    ]);
    const held = await this.#cluster.heldBack(links);
    const probed = new Set(cutProbes.flatMap((l) => [linkKey(l), linkKey(reverse(l))]));
    const problems: string[] = [];
    if (cutProbes.length === 0) problems.push('no live node to probe from');
    for (const [i, link] of cutProbes.entries()) {
      if (cut[i]?.how !== 'timeout') {
        problems.push(`a probe ${linkKey(link)} should stall, got ${cut[i]?.how}`);
      }
    }
    for (const [i, link] of openLinks.entries()) {
      if (open[i]?.ok !== true) {
        problems.push(`a probe ${linkKey(link)}, not cut, failed (${open[i]?.how})`);
      }
    }
    for (const [i, link] of links.entries()) {
      if (held[i] === undefined) problems.push(`no rule cuts ${linkKey(link)}`);
      else if (!probed.has(linkKey(link)) || held[i] > 0) continue;
      // A call that is held back is not answered, so one counter may show it for both directions.
      const back = links.findIndex((other) => linkKey(other) === linkKey(reverse(link)));
      if (isClientLink(link) && (held[back] ?? 0) > 0) continue;
      problems.push(`nothing was held back on ${linkKey(link)}`);
    }
    const failed = cut.filter((result) => result.how === 'timeout').length;
    const worked = open.filter((result) => result.ok).length;
    const counters = links.map((link, i) => `${linkKey(link)} ${held[i] ?? 'none'}`).join(', ');
    const summary =
      `${failed}/${cut.length} probes of cut pairs stalled, ` +
      `${worked}/${open.length} of uncut pairs worked; held back: ${counters}`;
    return {
      verified: problems.length === 0,
      evidence: [...problems, summary].join('; '),
    };
  }

  async #verifyOpen(links: readonly Link[]): Promise<Verification> {
    const still = new Set(this.#cutLinks().map(linkKey));
    const openNow = new Set(this.#openLinks().map(linkKey));
    const healed = new Map(links.map(callable).map((link) => [linkKey(link), link]));
    const probes = [...healed.values()].filter((link) => openNow.has(linkKey(link)));
    const [results, held] = await Promise.all([
      this.#probeAll(probes, OPEN_PROBE_MS),
      this.#cluster.heldBack(links),
    ]);
    const problems: string[] = [];
    for (const [i, link] of probes.entries()) {
      if (results[i]?.ok !== true) {
        problems.push(`a probe ${linkKey(link)} still fails (${results[i]?.how})`);
      }
    }
    for (const [i, link] of links.entries()) {
      if (held[i] !== undefined && !still.has(linkKey(link))) {
        problems.push(`a rule still cuts ${linkKey(link)}`);
      }
    }
    const worked = results.filter((result) => result.ok).length;
    const others = links.filter((link) => still.has(linkKey(link))).length;
    const overlap = others > 0 ? `; ${others} links stay cut by another fault` : '';
    const summary = `${worked}/${probes.length} probes of healed pairs worked${overlap}`;
    return { verified: problems.length === 0, evidence: [...problems, summary].join('; ') };
  }

  #probeAll(links: readonly Link[], timeoutMs: number): Promise<ProbeResult[]> {
    return Promise.all(
      links.map(async (link) => {
        try {
          return await this.#cluster.probe(link.from, link.to, timeoutMs);
        } catch (error) {
          return { ok: false, how: error instanceof Error ? error.message : 'error', ms: 0 };
        }
      }),
    );
  }
}
