// How many requests went to a store, by the store's own name of each (PutObject, UploadPart, ...), repetitions counted one by one:
// what a cloud store charges for. Commits carry them, so that a backup can tell what it costs to write.

import type { JsonFields } from './json-fields.ts';

export type RequestCounts = ReadonlyMap<string, number>;

/** For stores that make no requests over a network. */
export const NO_REQUESTS: RequestCounts = new Map();

export function addRequests(sum: Map<string, number>, more: RequestCounts): void {
  for (const [operation, count] of more) sum.set(operation, (sum.get(operation) ?? 0) + count);
}

/** What `counts` has more than `before`; only operations of which there are more. */
export function requestsSince(counts: RequestCounts, before: RequestCounts): RequestCounts {
  const since = [...counts].map(([operation, count]) => [operation, count - (before.get(operation) ?? 0)] as const);
  return new Map(since.filter(([, count]) => count > 0));
}

export function totalRequests(counts: RequestCounts): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}

/** The field `requests` of a commit or of a checkpoint's index; none where it is absent. @throws what the fields are made with. */
export function decodeRequests(fields: JsonFields): RequestCounts {
  if (!fields.has('requests')) return NO_REQUESTS;
  const counts = fields.fields('requests');
  return new Map(counts.names().map((operation) => [operation, counts.integer(operation)]));
}

/** As {@link decodeRequests} reads it; undefined, which JSON leaves out, for none. */
export function requestsJson(counts: RequestCounts): Readonly<Record<string, number>> | undefined {
  return counts.size === 0 ? undefined : Object.fromEntries(counts);
}
