// What users of the coordinator's client may import. Everything else in this folder may change.
export { CreateFlag, ErrorCode, errorName, Op, Perm } from '../protocol/codes.ts';
export type { MultiOp, MultiReadOp, MultiReadResult, MultiResult } from '../protocol/multi.ts';
export {
  type Acl,
  type ClientInfo,
  OPEN_ACL,
  type Stat,
} from '../protocol/records.ts';
export { type Zxid, zxidHex } from '../zxid.ts';
export { parseConnectString, type ServerAddress } from './address.ts';
export { CoordinatorClient, type CreateOptions } from './client.ts';
export { CoordinatorError, type CoordinatorErrorName } from './errors.ts';
export { readChildren, readData, type WatchType } from './node-lore.ts';
export type { SessionKey, SessionState } from './session.ts';
export type { ClientOptions, Result } from './session-client.ts';
export type { LastingKind, WatchCallback, WatchEvent } from './watches.ts';
