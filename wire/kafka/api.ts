// One request of the protocol with its response: key, versions and the two schemas. The codecs of a version
// are compiled when it is first used and kept.
import { type Members, type StructIn, type StructOut, struct } from './struct.ts';
import type { Codec, Type } from './types.ts';

/** Versions that are spoken, both ends included. */
export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

/** How an API is declared. */
export interface ApiSchema<Q extends Members, S extends Members> {
  readonly key: number;
  readonly versions: VersionRange;
  /** First flexible version (KIP-482); none of this API's versions where left out. */
  readonly flexibleSince?: number;
  /** Versions whose request header has no client id: ControlledShutdown 0 alone. */
  readonly headerWithoutClientId?: VersionRange;
  /** The response header never has tagged fields: ApiVersions alone, for who asks does not know yet. */
  readonly plainResponseHeader?: boolean;
  readonly request: Q;
  readonly response: S;
}

/** One direction of an API. */
export interface Message<out Out, in In> {
  readonly type: Type<Out, In>;
  readonly codec: (version: number) => Codec<Out, In>;
}

/** A declared API, ready to encode and decode. */
export interface Api<out QOut, in QIn, out SOut, in SIn> {
  readonly key: number;
  readonly versions: VersionRange;
  readonly isFlexible: (version: number) => boolean;
  /** 0 key, version and correlation id; 1 adds the client id; 2 adds tagged fields. */
  readonly requestHeaderVersion: (version: number) => 0 | 1 | 2;
  /** 0 correlation id; 1 adds tagged fields. */
  readonly responseHeaderVersion: (version: number) => 0 | 1;
  readonly request: Message<QOut, QIn>;
  readonly response: Message<SOut, SIn>;
}

/** Declares an API from its schema. */
export function api<const Q extends Members, const S extends Members>(
  schema: ApiSchema<Q, S>,
): Api<StructOut<Q>, StructIn<Q>, StructOut<S>, StructIn<S>> {
  const { key, versions, headerWithoutClientId: bare } = schema;
  const flexibleSince = schema.flexibleSince ?? Number.POSITIVE_INFINITY;
  const isFlexible = (version: number): boolean => version >= flexibleSince;
  return {
    key,
    versions,
    isFlexible,
    requestHeaderVersion: (version) => {
      if (bare !== undefined && version >= bare.min && version <= bare.max) return 0;
      return isFlexible(version) ? 2 : 1;
    },
    responseHeaderVersion: (version) =>
      isFlexible(version) && schema.plainResponseHeader !== true ? 1 : 0,
    request: message(struct(schema.request), versions, isFlexible),
    response: message(struct(schema.response), versions, isFlexible),
  };
}

function message<Out, In>(
  type: Type<Out, In>,
  versions: VersionRange,
  isFlexible: (version: number) => boolean,
): Message<Out, In> {
  const codecs = new Map<number, Codec<Out, In>>();
  return {
    type,
    codec: (version) => {
      const known = codecs.get(version);
      if (known !== undefined) return known;
      if (!(version >= versions.min && version <= versions.max)) {
        throw new RangeError(
          `expected a version from ${versions.min} to ${versions.max}, got ${version}`,
        );
      }
      const compiled = type.codec({ version, flexible: isFlexible(version) });
      codecs.set(version, compiled);
      return compiled;
    },
  };
}
