// What stands in the znodes: JSON with Kafka's names, written and strictly read here. A node that somebody
// else damaged is refused by name, so that one bad node takes nothing else with it.
import { type BrokerInfo, type Endpoints, NO_LEADER, type PartitionState } from '../contract.ts';

/** A znode's content is not what this project writes there. */
export class ZnodeError extends Error {
  override name = 'ZnodeError';
}

/** A partition's state with what only those who write it need. */
export interface StoredState extends PartitionState {
  /** The topic that it is a state of; another one's of the same name does not count. */
  readonly topicId: string;
  /**
   * No longer in sync, but they have everything that was ever committed, because the high watermark never
   * advances on fewer than min.insync.replicas (KIP-966's eligible leader replicas).
   */
  readonly eligible: readonly number[];
  /** The registration (czxid) under which each member of `isr` and `eligible` became one. */
  readonly brokerEpochs: Readonly<Record<number, number>>;
}

/** What `/brokers/topics/<topic>` says. */
export interface TopicNode {
  readonly id: string;
  /** Replicas of each partition. */
  readonly replicas: readonly (readonly number[])[];
}

export interface ControllerNode {
  readonly id: number;
  readonly epoch: number;
}

/** Producer ids given out last; both ends belong to it. */
export interface ProducerIdBlock {
  readonly broker: number;
  readonly start: number;
  readonly end: number;
}

const ID_MAX = 0x7fff_ffff;
const TOPIC_ID = /^[0-9a-f]{32}$/;
const ENDPOINT = /^([A-Z][A-Z0-9_]*):\/\/(.+):([0-9]{1,5})$/;

type Json = Readonly<Record<string, unknown>>;

const encoded = (value: object) => Buffer.from(JSON.stringify(value));

function expected(what: string, got: unknown): ZnodeError {
  const shown = JSON.stringify(got)?.slice(0, 100);
  return new ZnodeError(`expected ${what}, got ${shown}`);
}

/** The object in a node, of that version. */
function objectOf(data: Buffer | null, version: number | '1'): Json {
  let value: unknown;
  try {
    value = JSON.parse((data ?? '').toString());
  } catch (error) {
    throw new ZnodeError(`expected JSON: ${(error as Error).message}`);
  }
  const json = mapOf(value, 'an object');
  if (json.version !== version) throw expected(`version ${version}`, json.version);
  return json;
}

/** Numbers that Kafka writes as texts. */
function numeric(value: unknown): unknown {
  return typeof value === 'string' && /^[0-9]{1,16}$/.test(value) ? Number(value) : value;
}

function mapOf(value: unknown, what: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw expected(what, value);
}

function integer(value: unknown, what: string, min = 0, max = ID_MAX): number {
  if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) {
    return value as number;
  }
  throw expected(`${what}, a whole number from ${min} to ${max}`, value);
}

function brokerIds(value: unknown, what: string): number[] {
  if (!Array.isArray(value)) throw expected(`${what}, a list of brokers`, value);
  const ids = value.map((each) => integer(each, what));
  if (new Set(ids).size < ids.length) throw expected(`${what}, each broker once`, value);
  return ids;
}

function topicId(value: unknown): string {
  if (typeof value === 'string' && TOPIC_ID.test(value)) return value;
  throw expected('topic_id, 32 hexadecimal digits', value);
}

export function writeBroker(broker: Omit<BrokerInfo, 'epoch' | 'id'>): Buffer {
  const { endpoints, lossy, offline = [] } = broker;
  const listed = Object.entries(endpoints).map(([name, at]) => `${name}://${at.host}:${at.port}`);
  const damaged = offline.length === 0 ? {} : { offline: [...offline].sort() };
  return encoded({ version: 5, endpoints: listed, lossy, ...damaged });
}

/** @throws ZnodeError */
export function readBroker(id: number, data: Buffer | null, czxid: number): BrokerInfo {
  const { endpoints, lossy, offline = [] } = objectOf(data, 5);
  if (!Array.isArray(endpoints)) throw expected('endpoints, a list', endpoints);
  if (typeof lossy !== 'boolean') throw expected('lossy, true or false', lossy);
  const isList = Array.isArray(offline) && offline.every((each) => typeof each === 'string');
  if (!isList) throw expected('offline, a list of partitions', offline);
  const named: Record<string, { host: string; port: number }> = {};
  for (const each of endpoints as unknown[]) {
    const [, name = '', host = '', port] = ENDPOINT.exec(String(each)) ?? [];
    if (name === '') throw expected('an endpoint as LISTENER://host:port', each);
    named[name] = { host, port: integer(Number(port), 'a port', 0, 65_535) };
  }
  const damaged = offline.length === 0 ? {} : { offline: offline as string[] };
  return { id, epoch: czxid, endpoints: named satisfies Endpoints, lossy, ...damaged };
}

export function writeTopic({ id, replicas }: TopicNode): Buffer {
  return encoded({ version: 3, topic_id: id, partitions: { ...replicas } });
}

/** @throws ZnodeError */
export function readTopic(data: Buffer | null): TopicNode {
  const { topic_id, partitions } = objectOf(data, 3);
  const lists = mapOf(partitions, 'partitions, an object');
  const count = Object.keys(lists).length;
  if (count === 0) throw expected('at least one partition', partitions);
  const replicas = Array.from({ length: count }, (_, partition) => {
    const ids = brokerIds(lists[partition], `the replicas of partition ${partition}`);
    if (ids.length === 0) throw expected(`a replica of partition ${partition}`, ids);
    return ids;
  });
  return { id: topicId(topic_id), replicas };
}

/** The state without what only reading it tells. */
export type StateToStore = Omit<StoredState, 'version'>;

export function writeState(state: StateToStore): Buffer {
  return encoded({
    version: 1,
    topic_id: state.topicId,
    controller_epoch: state.controllerEpoch,
    leader: state.leader,
    leader_epoch: state.leaderEpoch,
    isr: state.isr,
    elr: state.eligible,
    broker_epochs: state.brokerEpochs,
  });
}

/** @throws ZnodeError */
export function readState(data: Buffer | null, version: number): StoredState {
  const json = objectOf(data, 1);
  const isr = brokerIds(json.isr, 'isr');
  if (isr.length === 0) throw expected('a member of the ISR', json.isr);
  const leader = integer(json.leader, 'leader', NO_LEADER);
  if (leader !== NO_LEADER && !isr.includes(leader)) throw expected('a leader of the ISR', json);
  const eligible = brokerIds(json.elr, 'elr');
  const recorded = mapOf(json.broker_epochs, 'broker_epochs, an object');
  const brokerEpochs: Record<number, number> = {};
  for (const id of [...isr, ...eligible]) {
    brokerEpochs[id] = integer(recorded[id], `epoch of ${id}`, 0, Number.MAX_SAFE_INTEGER);
  }
  return {
    topicId: topicId(json.topic_id),
    leader,
    leaderEpoch: integer(json.leader_epoch, 'leader_epoch'),
    isr,
    eligible,
    brokerEpochs,
    controllerEpoch: integer(json.controller_epoch, 'controller_epoch'),
    version,
  };
}

export function writeSettings(settings: Readonly<Record<string, string>>): Buffer {
  return encoded({ version: 1, config: settings });
}

/** @throws ZnodeError */
export function readSettings(data: Buffer | null): Record<string, string> {
  const config = mapOf(objectOf(data, 1).config, 'config, an object');
  const settings: Record<string, string> = {};
  for (const [name, value] of Object.entries(config)) {
    if (typeof value !== 'string') throw expected(`${name}, a text`, value);
    settings[name] = value;
  }
  return settings;
}

export function writeController({ id, epoch }: ControllerNode): Buffer {
  return encoded({ version: 1, brokerid: id, epoch });
}

/** @throws ZnodeError */
export function readController(data: Buffer | null): ControllerNode {
  const { brokerid, epoch } = objectOf(data, 1);
  return { id: integer(brokerid, 'brokerid'), epoch: integer(epoch, 'epoch') };
}

const CLUSTER_NAME = /^[a-zA-Z0-9_-]{1,64}$/;

export function writeClusterId(id: string): Buffer {
  return Buffer.from(JSON.stringify({ version: '1', id }));
}

/** @throws ZnodeError */
export function readClusterId(data: Buffer | null): string {
  // The only version that Kafka writes as a text.
  const { id } = objectOf(data, '1');
  if (typeof id === 'string' && CLUSTER_NAME.test(id)) return id;
  throw expected('id, 1 to 64 letters, digits, _ and -', id);
}

export function writeControllerEpoch(epoch: number): Buffer {
  return Buffer.from(String(epoch));
}

/** @throws ZnodeError */
export function readControllerEpoch(data: Buffer | null): number {
  const text = (data ?? '').toString();
  return integer(/^[0-9]{1,10}$/.test(text) ? Number(text) : text, 'the epoch of the controller');
}

export function writeProducerIds({ broker, start, end }: ProducerIdBlock): Buffer {
  return encoded({ version: 1, broker, block_start: `${start}`, block_end: `${end}` });
}

/** @throws ZnodeError */
export function readProducerIds(data: Buffer | null): ProducerIdBlock {
  const { broker, block_start, block_end } = objectOf(data, 1);
  const start = integer(numeric(block_start), 'block_start', 0, Number.MAX_SAFE_INTEGER);
  const end = integer(numeric(block_end), 'block_end', start, Number.MAX_SAFE_INTEGER);
  return { broker: integer(broker, 'broker'), start, end };
}
