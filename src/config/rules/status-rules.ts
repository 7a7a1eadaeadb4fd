// Keys that do something else here, or nothing yet. A key is never ignored in silence: a `notice` key that is given says
// what happens instead, an `unavailable` key is an error unless it holds its default.

import { isDeepStrictEqual } from 'node:util';
import type { GivenValues } from '../collect-values.ts';

/** Judges every given key by its status. Notices with the same text become one. */
export function checkStatuses(given: GivenValues, parsed: ReadonlyMap<string, unknown>): void {
  const keysByText = new Map<string, string[]>();
  for (const { path, leaf, node } of given.values.values()) {
    const { status } = leaf;
    if (status === undefined || given.isBroken(path)) continue;
    const value = parsed.get(path);
    if (status.kind === 'unavailable') {
      if (!isDeepStrictEqual(value, leaf.default)) given.report(node.origin, path, status.text);
    } else if (value !== null && !isDeepStrictEqual(value, status.quietWhen)) {
      const keys = keysByText.get(status.text) ?? [];
      keys.push(path);
      keysByText.set(status.text, keys);
    }
  }
  for (const [message, keys] of keysByText) {
    const first = keys[0];
    if (first === undefined) continue;
    given.notices.push({ kind: 'notice', origin: given.originOf(first), key: keys.join(', '), message });
  }
}
