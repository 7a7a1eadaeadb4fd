// Two states of a catalog compared without holding both: one hash per incarnation over everything it says. So the state that a
// checkpoint claims is held against the one that the log gives.

import { createHash } from 'node:crypto';
import type { CatalogState, IncarnationHistory } from '../catalog/catalog-state.ts';
import { toJson } from '../model/json-fields.ts';
import { incarnationName } from '../model/topic/topic-partition.ts';

export interface CatalogDigest {
  readonly version: number;
  /** Of the last commit's bytes. */
  readonly sha256: string;
  /** To the store, as all commits together tell. */
  readonly requests: string;
  /** By `topic/topicId`; only those of which something is known. */
  readonly incarnations: ReadonlyMap<string, string>;
}

export function digestOf(state: CatalogState): CatalogDigest {
  const known = state.incarnations.filter(isKnown);
  return {
    version: state.version,
    sha256: state.sha256,
    requests: toJson([...state.requests].sort(([a], [b]) => (a < b ? -1 : 1))),
    incarnations: new Map(known.map((life) => [incarnationName(life), digestIncarnation(life)])),
  };
}

/** What of `claimed` is not as in `actual`, in words; both are of the same version. */
export function digestDifferences(claimed: CatalogDigest, actual: CatalogDigest): string[] {
  const differences: string[] = [];
  if (claimed.sha256 !== actual.sha256)
    differences.push(`it is of another commit ${claimed.version} than the log holds`);
  if (claimed.requests !== actual.requests) differences.push('it tells of other requests to the store than the log');
  const names = new Set([...claimed.incarnations.keys(), ...actual.incarnations.keys()]);
  for (const name of names) {
    if (claimed.incarnations.get(name) !== actual.incarnations.get(name)) {
      differences.push(`it tells another history of ${name} than the log`);
    }
  }
  return differences;
}

function isKnown({ observations, partitions }: IncarnationHistory): boolean {
  return observations.length > 0 || [...partitions.values()].some(({ resume }) => resume !== undefined);
}

function digestIncarnation({ observations, partitions }: IncarnationHistory): string {
  const hash = createHash('sha256');
  for (const observation of observations) hash.update(toJson(observation));
  for (const [partition, { segments, gaps, truncations, resume }] of [...partitions].sort(([a], [b]) => a - b)) {
    if (resume === undefined) continue;
    hash.update(`partition ${partition}`);
    for (const fact of [...segments, ...gaps, ...truncations, resume]) hash.update(toJson(fact));
  }
  return hash.digest('hex');
}
