// "Did you mean": the nearest key of the same section, or the section where the key is at home.

import { quoted } from './problems.ts';
import { isLeaf, type Section } from './schema/leaf.ts';
import { SCHEMA, TARGETS } from './schema/schema.ts';

export interface KeySuggestion {
  readonly text: string;
  /** The key that was probably meant, by dotted path, when it is in the same section. */
  readonly meant: string | null;
}

/** A suggestion for an unknown `key` in the section at `path` (empty for the top), or null when nothing is near. */
export function suggestKey(section: Section, path: string, key: string): KeySuggestion | null {
  if (key.length > LONGEST_KEY) return null;
  const candidates = [...Object.keys(section), ...(path === '' ? [TARGETS] : [])];
  const word = normalized(key);
  const nearest = nearestWord(word, candidates);
  const home = homesOf(word, path);
  const exact = nearest !== null && nearest.distance === 0;
  if (nearest !== null && (exact || home.length === 0 || nearest.distance <= 1)) {
    return {
      text: `Did you mean ${quoted(nearest.word)}?`,
      meant: path === '' ? nearest.word : `${path}.${nearest.word}`,
    };
  }
  if (home.length > 0)
    return { text: `It belongs under ${home.map((each) => quoted(each)).join(' or ')}.`, meant: null };
  return null;
}

/** The nearest of some words, such as environment names, or null when none is near. */
export function nearestOf(word: string, candidates: Iterable<string>): string | null {
  return word.length > LONGEST_KEY ? null : (nearestWord(word, candidates)?.word ?? null);
}

const LONGEST_KEY = 80;

/** `bootstrap.servers`, `bootstrap-servers` and `bootstrapServers` as `bootstrap_servers`. */
function normalized(key: string): string {
  return key
    .replace(/[.-]/g, '_')
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase();
}

/** Also compares the end of a candidate, so that `pasword` finds `sasl_password`; such a match counts as one edit more. */
function nearestWord(word: string, candidates: Iterable<string>): { word: string; distance: number } | null {
  let best: { word: string; distance: number } | null = null;
  for (const candidate of candidates) {
    const parts = candidate.split('_');
    const ends = parts.slice(1).map((_, index) => parts.slice(index + 1).join('_'));
    const distances = [
      editDistance(word, candidate),
      ...ends.filter((end) => end.length > 3).map((end) => editDistance(word, end) + 1),
    ];
    const distance = Math.min(...distances);
    if (best === null || distance < best.distance) best = { word: candidate, distance };
  }
  return best !== null && best.distance <= Math.max(1, Math.floor(word.length / 3)) ? best : null;
}

/** The sections, other than this one, that hold exactly this key. */
function homesOf(word: string, path: string): readonly string[] {
  const homes: string[] = [];
  const visit = (section: Section, at: string) => {
    for (const [key, node] of Object.entries(section)) {
      if (key === word && at !== path) homes.push(at === '' ? 'the top of the file' : at);
      if (!isLeaf(node)) visit(node, at === '' ? key : `${at}.${key}`);
    }
  };
  visit(SCHEMA, '');
  return homes.slice(0, 2);
}

/** Levenshtein's distance, with a swap of neighbours as one edit. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, substitution);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (beforeLast[j - 2] ?? 0) + 1);
      row.push(least);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
