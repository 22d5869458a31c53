// A tenure of a controller: how a broker becomes it, and the only way for it to write. Every write checks the
// version of the controllers' epoch, so that one who was deposed and does not know it changes nothing
// (KAFKA-6082).
import {
  type CoordinatorClient,
  CoordinatorError,
  CreateFlag,
  type MultiOp,
  type MultiResult,
  OPEN_ACL,
  Op,
} from '../../coordinator/client/index.ts';
import { CONTROLLER, CONTROLLER_EPOCH } from '../metadata/paths.ts';
import {
  readController,
  readControllerEpoch,
  writeController,
  writeControllerEpoch,
} from '../metadata/znodes.ts';

export interface Tenure {
  readonly epoch: number;
  /** Version of `/controller_epoch` that this tenure made. */
  readonly version: number;
  /** Of the session that owns `/controller`. */
  readonly client: CoordinatorClient;
}

/** Another controller came after this one; nothing was written. */
export class DeposedError extends Error {
  override name = 'DeposedError';
}

/** A multi was refused: which of its operations was, counted from 0 without the check of the epoch. */
export class ConflictError extends Error {
  override name = 'ConflictError';
  readonly at: number;
  constructor(at: number, message: string) {
    super(message);
    this.at = at;
  }
}

/**
 * Tries to become the controller: makes `/controller` and raises the epoch in one. Undefined: somebody else
 * was first. Rejects with CoordinatorError when that cannot be told.
 */
export async function standForController(
  client: CoordinatorClient,
  brokerId: number,
): Promise<Tenure | undefined> {
  const { data, stat } = await client.getData(CONTROLLER_EPOCH);
  const epoch = readControllerEpoch(data) + 1;
  const { version } = stat;
  const node = writeController({ id: brokerId, epoch });
  const flags = CreateFlag.ephemeral;
  const ops: MultiOp[] = [
    { type: Op.create, path: CONTROLLER, data: node, acl: OPEN_ACL, flags },
    { type: Op.setData, path: CONTROLLER_EPOCH, data: writeControllerEpoch(epoch), version },
  ];
  try {
    await client.multi(ops);
    return { epoch, version: version + 1, client };
  } catch (error) {
    if (!(error instanceof CoordinatorError)) throw error;
    if (error.name === 'BadVersion') return undefined;
    if (error.name !== 'NodeExists') throw error;
  }
  return tenureOfOwn(client, brokerId);
}

/** The tenure that this session has already, after a reply that never came. */
async function tenureOfOwn(
  client: CoordinatorClient,
  brokerId: number,
): Promise<Tenure | undefined> {
  try {
    const node = await client.getData(CONTROLLER);
    if (node.stat.ephemeralOwner !== client.sessionId) return undefined;
    const { id, epoch } = readController(node.data);
    const raised = await client.getData(CONTROLLER_EPOCH);
    if (id === brokerId && readControllerEpoch(raised.data) === epoch) {
      return { epoch, version: raised.stat.version, client };
    }
    // Of a tenure that is over: nobody could come after it while the node stands.
    await client.delete(CONTROLLER, node.stat.version);
    return undefined;
  } catch (error) {
    if (error instanceof CoordinatorError && error.name === 'NoNode') return undefined;
    throw error;
  }
}

/**
 * All operations or none, and only while the tenure lasts.
 * @throws DeposedError, ConflictError, or CoordinatorError when nobody knows whether they were done.
 */
export async function fenced(tenure: Tenure, ops: readonly MultiOp[]): Promise<MultiResult[]> {
  const { client, version, epoch } = tenure;
  const check: MultiOp = { type: Op.check, path: CONTROLLER_EPOCH, version };
  try {
    return (await client.multi([check, ...ops])).results.slice(1);
  } catch (error) {
    if (!(error instanceof CoordinatorError) || error.results === undefined) throw error;
    const culprit = error.results.findIndex((each) => each.type === Op.error && each.err !== 0);
    if (culprit === 0) throw new DeposedError(`controller epoch ${epoch} is over`);
    throw new ConflictError(culprit - 1, error.message);
  }
}
