// The two requests that carry many: multi, which changes all or nothing, and multiRead. Each is a chain of
// headers and bodies until a header says that it is done. Source: MultiOperationRecord, MultiResponse.
import { WireError } from '../../wire/bytes.ts';
import { Op } from './codes.ts';
import { bool, type Codec, int, record } from './jute.ts';
import {
  CheckVersionRequest,
  Create2Response,
  CreateRequest,
  CreateResponse,
  CreateTtlRequest,
  DeleteRequest,
  GetChildrenResponse,
  GetDataResponse,
  PathWatchRequest,
  SetDataRequest,
  SetDataResponse,
  type Stat,
} from './records.ts';

const MultiHeader = record({ type: int, done: bool, err: int });
const ErrorResult = record({ err: int });

/** One operation of a multi. */
export type MultiOp =
  | ({
      type: typeof Op.create | typeof Op.create2 | typeof Op.createContainer;
    } & CreateRequest)
  | ({ type: typeof Op.createTTL } & CreateTtlRequest)
  | ({ type: typeof Op.delete } & DeleteRequest)
  | ({ type: typeof Op.setData } & SetDataRequest)
  | ({ type: typeof Op.check } & CheckVersionRequest);

/** One read of a multiRead; it sets no watch. */
export interface MultiReadOp {
  type: typeof Op.getData | typeof Op.getChildren;
  path: string;
}

/**
 * One result of a multi. All are `error` when the multi failed; err 0 marks ops before the culprit.
 * A create that tells the Stat (create2, a container, a time to live) has type create2.
 */
export type MultiResult =
  | { type: typeof Op.create; path: string }
  | { type: typeof Op.create2; path: string; stat: Stat }
  | { type: typeof Op.delete }
  | { type: typeof Op.setData; stat: Stat }
  | { type: typeof Op.check }
  | { type: typeof Op.error; err: number };

/** One result of a multiRead; each stands for itself. */
export type MultiReadResult =
  | { type: typeof Op.getData; data: Buffer | null; stat: Stat }
  | { type: typeof Op.getChildren; children: string[] }
  | { type: typeof Op.error; err: number };

const MULTI_END = { type: -1, done: true, err: -1 };

/** Request body of multi: headers and requests until `done`. */
export const MultiRequest: Codec<MultiOp[]> = {
  write(w, ops) {
    for (const op of ops) {
      MultiHeader.write(w, { type: op.type, done: false, err: -1 });
      switch (op.type) {
        case Op.create:
        case Op.create2:
        case Op.createContainer:
          CreateRequest.write(w, op);
          break;
        case Op.createTTL:
          CreateTtlRequest.write(w, op);
          break;
        case Op.delete:
          DeleteRequest.write(w, op);
          break;
        case Op.setData:
          SetDataRequest.write(w, op);
          break;
        case Op.check:
          CheckVersionRequest.write(w, op);
          break;
      }
    }
    MultiHeader.write(w, MULTI_END);
  },
  read(r) {
    const ops: MultiOp[] = [];
    for (;;) {
      const { type, done } = MultiHeader.read(r);
      if (done) return ops;
      switch (type) {
        case Op.create:
        case Op.create2:
        case Op.createContainer:
          ops.push({ type, ...CreateRequest.read(r) });
          break;
        case Op.createTTL:
          ops.push({ type, ...CreateTtlRequest.read(r) });
          break;
        case Op.delete:
          ops.push({ type, ...DeleteRequest.read(r) });
          break;
        case Op.setData:
          ops.push({ type, ...SetDataRequest.read(r) });
          break;
        case Op.check:
          ops.push({ type, ...CheckVersionRequest.read(r) });
          break;
        default:
          throw new WireError(`expected create, delete, setData or check in a multi, got ${type}`);
      }
    }
  },
};

/** Response body of multi. */
export const MultiResponse: Codec<MultiResult[]> = {
  write(w, results) {
    for (const result of results) {
      const err = result.type === Op.error ? result.err : 0;
      MultiHeader.write(w, { type: result.type, done: false, err });
      if (result.type === Op.create) CreateResponse.write(w, result);
      else if (result.type === Op.create2) Create2Response.write(w, result);
      else if (result.type === Op.setData) SetDataResponse.write(w, result);
      else if (result.type === Op.error) ErrorResult.write(w, result);
    }
    MultiHeader.write(w, MULTI_END);
  },
  read(r) {
    const results: MultiResult[] = [];
    for (;;) {
      const { type, done } = MultiHeader.read(r);
      if (done) return results;
      switch (type) {
        case Op.create:
          results.push({ type, ...CreateResponse.read(r) });
          break;
        case Op.create2:
          results.push({ type, ...Create2Response.read(r) });
          break;
        case Op.delete:
        case Op.check:
          results.push({ type });
          break;
        case Op.setData:
          results.push({ type, ...SetDataResponse.read(r) });
          break;
        case Op.error:
          results.push({ type, ...ErrorResult.read(r) });
          break;
        default:
          throw new WireError(`expected a known result type in a multi, got ${type}`);
      }
    }
  },
};

/** Request body of multiRead. */
export const MultiReadRequest: Codec<MultiReadOp[]> = {
  write(w, ops) {
    for (const { type, path } of ops) {
      MultiHeader.write(w, { type, done: false, err: -1 });
      PathWatchRequest.write(w, { path, watch: false });
    }
    MultiHeader.write(w, MULTI_END);
  },
  read(r) {
    const ops: MultiReadOp[] = [];
    for (;;) {
      const { type, done } = MultiHeader.read(r);
      if (done) return ops;
      if (type !== Op.getData && type !== Op.getChildren) {
        throw new WireError(`expected getData or getChildren in a multiRead, got ${type}`);
      }
      ops.push({ type, path: PathWatchRequest.read(r).path });
    }
  },
};

/** Response body of multiRead. */
export const MultiReadResponse: Codec<MultiReadResult[]> = {
  write(w, results) {
    for (const result of results) {
      const err = result.type === Op.error ? result.err : 0;
      MultiHeader.write(w, { type: result.type, done: false, err });
      if (result.type === Op.getData) GetDataResponse.write(w, result);
      else if (result.type === Op.getChildren) GetChildrenResponse.write(w, result);
      else ErrorResult.write(w, result);
    }
    MultiHeader.write(w, MULTI_END);
  },
  read(r) {
    const results: MultiReadResult[] = [];
    for (;;) {
      const { type, done } = MultiHeader.read(r);
      if (done) return results;
      if (type === Op.getData) results.push({ type, ...GetDataResponse.read(r) });
      else if (type === Op.getChildren) results.push({ type, ...GetChildrenResponse.read(r) });
      else if (type === Op.error) results.push({ type, ...ErrorResult.read(r) });
      else throw new WireError(`expected a known result type in a multiRead, got ${type}`);
    }
  },
};
