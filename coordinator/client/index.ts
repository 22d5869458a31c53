// What users of the coordinator's client may import. Everything else in this folder may change.
export { CreateFlag, ErrorCode, errorName, Op } from '../protocol/codes.ts';
export type { MultiOp, MultiResult } from '../protocol/multi.ts';
export {
  type Acl,
  OPEN_ACL,
  type Stat,
} from '../protocol/records.ts';
export { type Zxid, zxidHex } from '../zxid.ts';
export { parseConnectString, type ServerAddress } from './address.ts';
export {
  type ClientOptions,
  CoordinatorClient,
  type CreateOptions,
  type Result,
} from './client.ts';
export { CoordinatorError, type CoordinatorErrorName } from './errors.ts';
export type { SessionState } from './session.ts';
export type { WatchCallback, WatchEvent } from './watches.ts';
