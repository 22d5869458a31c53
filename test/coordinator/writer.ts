// A client that writes as fast as it is answered, with many writes under way, and knows exactly what
// each prefix of its writes makes of its part of the tree. Requests of one connection take effect in
// the order sent, so what is found after a crash must be one of those prefixes, whole.
import {
  type CoordinatorClient,
  CoordinatorError,
  CreateFlag,
  type MultiOp,
  OPEN_ACL,
  Op,
} from '../../coordinator/client/index.ts';

/** A writer's part of the tree: its node's data and version, and its children with their data. */
export interface Part {
  data: string;
  version: number;
  children: Map<string, string>;
}

/** What a write was told when it was acknowledged. */
interface Acknowledgement {
  zxid: number;
  /** Of a sequential create: the path given. */
  path?: string;
}

interface Write {
  acknowledged?: Acknowledgement;
}

const CHILD_DIGITS = 10;

export class Writer {
  /** Its node; everything it writes is there or below. */
  readonly root: string;
  /** In the order sent. The first creates the node. */
  readonly writes: Write[] = [];
  readonly #client: CoordinatorClient;
  readonly #underWayMax: number;
  #underWay = 0;
  #stopped = false;
  /** Why it stopped: the error of the first write that was not acknowledged. */
  failure: Error | undefined;
  readonly #onAcknowledged: () => void;
  #finish: () => void = () => undefined;

  constructor(
    client: CoordinatorClient,
    root: string,
    underWayMax: number,
    onAcknowledged: () => void,
  ) {
    this.#client = client;
    this.root = root;
    this.#underWayMax = underWayMax;
    this.#onAcknowledged = onAcknowledged;
  }

  get acknowledged(): number {
    return this.writes.filter((write) => write.acknowledged !== undefined).length;
  }

  /** Gets its session; all have theirs before the first one writes. */
  async connect(): Promise<void> {
    await this.#client.connect();
  }

  /** Writes until its connection is lost; resolves when no write is under way any more. */
  run(): Promise<void> {
    return new Promise((resolve) => {
      this.#finish = resolve;
      this.#fill();
    });
  }

  #fill(): void {
    while (!this.#stopped && this.#underWay < this.#underWayMax) {
      const index = this.writes.length;
      const write: Write = {};
      this.writes.push(write);
      this.#underWay++;
      this.#send(index).then(
        (acknowledged) => this.#settled(write, acknowledged),
        (error: Error) => this.#settled(write, error),
      );
    }
  }

  #settled(write: Write, outcome: Acknowledgement | Error): void {
    this.#underWay--;
    if (outcome instanceof Error) {
      // Nothing is sent after the first failure: it would be a new connection, in an order of its own.
      this.#stopped = true;
      this.failure ??= outcome;
    } else {
      write.acknowledged = outcome;
      this.#onAcknowledged();
    }
    if (!this.#stopped) this.#fill();
    else if (this.#underWay === 0) this.#finish();
  }

  #send(index: number): Promise<Acknowledgement> {
    const client = this.#client;
    const value = Buffer.from(writtenBy(index));
    if (index === 0) return client.create(this.root, value);
    if (kindOf(index) === 'set') return client.setData(this.root, value);
    if (kindOf(index) === 'sequential') {
      const flags = CreateFlag.persistentSequential;
      return client.create(`${this.root}/s-`, value, { flags });
    }
    return client.multi(
      ['a', 'b'].map((twin): MultiOp => {
        const path = `${this.root}/${index}-${twin}`;
        return { type: Op.create, path, data: value, acl: OPEN_ACL, flags: 0 };
      }),
    );
  }

  /** Whether the writer was refused something, which nothing that happens here excuses. */
  get refused(): boolean {
    const { failure } = this;
    if (failure === undefined) return false;
    const lost = failure instanceof CoordinatorError && failure.zxid === undefined;
    return !lost;
  }

  /**
   * Finds what is wrong with its part of the tree; undefined stands for "there is no such node".
   * Whatever was acknowledged must be in it, and it must be what some prefix of the writes makes.
   */
  problems(found: Part | undefined): string[] {
    const acknowledged = this.writes.findLastIndex((write) => write.acknowledged !== undefined) + 1;
    const holes = this.writes.slice(0, acknowledged).filter((w) => w.acknowledged === undefined);
    const problems = holes.length > 0 ? [`${holes.length} writes overtaken by later answers`] : [];
    const length = prefixOf(found);
    if (length < acknowledged) {
      problems.push(`${acknowledged} writes were acknowledged, the last one found is ${length}`);
    }
    if (length > this.writes.length) {
      problems.push(`${this.writes.length} writes were sent, found is number ${length}`);
    }
    const zxids = this.writes.flatMap((write) => write.acknowledged?.zxid ?? []);
    const unordered = zxids.findIndex((zxid, i) => i > 0 && zxid <= (zxids[i - 1] ?? 0));
    if (unordered > 0) problems.push(`acknowledgement ${unordered} has a zxid not above the last`);
    problems.push(...differences(found, partAfter(length)));
    for (const [index, { acknowledged: told }] of this.writes.entries()) {
      if (index === 0 || told?.path === undefined || kindOf(index) !== 'sequential') continue;
      const name = told.path.slice(this.root.length + 1);
      if (found?.children.get(name) === writtenBy(index)) continue;
      problems.push(`write ${index} was told ${told.path}, there is ${found?.children.get(name)}`);
    }
    return problems.map((problem) => `${this.root}: ${problem}`);
  }
}

type Kind = 'set' | 'sequential' | 'twins';

function kindOf(index: number): Kind {
  return (['set', 'sequential', 'twins'] as const)[index % 3] as Kind;
}

const writtenBy = (index: number) => `value ${index}`;

/** The length of the shortest prefix of the writes that explains the newest thing found. */
function prefixOf(found: Part | undefined): number {
  if (found === undefined) return 0;
  const values = [found.data, ...found.children.values()];
  return 1 + Math.max(...values.map((value) => Number(value.split(' ')[1])));
}

/** What the first `length` writes make. */
export function partAfter(length: number): Part | undefined {
  if (length === 0) return undefined;
  const part: Part = { data: writtenBy(0), version: 0, children: new Map() };
  for (let index = 1; index < length; index++) {
    if (kindOf(index) === 'set') {
      part.data = writtenBy(index);
      part.version++;
    } else if (kindOf(index) === 'sequential') {
      // A sequential node's number is how many children were created before it.
      const number = String(part.children.size).padStart(CHILD_DIGITS, '0');
      part.children.set(`s-${number}`, writtenBy(index));
    } else {
      for (const twin of ['a', 'b']) part.children.set(`${index}-${twin}`, writtenBy(index));
    }
  }
  return part;
}

function differences(found: Part | undefined, expected: Part | undefined): string[] {
  if (found === undefined || expected === undefined) {
    return found === expected ? [] : [`the node is ${found === undefined ? 'not ' : ''}there`];
  }
  const problems: string[] = [];
  if (found.data !== expected.data || found.version !== expected.version) {
    problems.push(
      `expected "${expected.data}" at version ${expected.version}, ` +
        `found "${found.data}" at ${found.version}`,
    );
  }
  for (const [name, value] of expected.children) {
    const there = found.children.get(name);
    if (there !== value) problems.push(`expected ${name} with "${value}", found "${there}"`);
  }
  for (const [name, value] of found.children) {
    if (!expected.children.has(name)) problems.push(`nobody made ${name} with "${value}"`);
  }
  return problems;
}
