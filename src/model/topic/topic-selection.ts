// Which topics are meant: include, then exclude, each by exact name, glob (`*`, `?`) or `~regex`. Kafka's internal topics are
// meant only when they are named exactly.

import { isInternalTopic } from './topic-partition.ts';

export interface TopicPatterns {
  /** Empty means all. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** Internal topics are named beside the others; an empty list of those means all of them. */
export function withInternalTopics({ include, exclude }: TopicPatterns, internal: readonly string[]): TopicPatterns {
  if (internal.length === 0) return { include, exclude };
  return { include: [...(include.length === 0 ? ['*'] : include), ...internal], exclude };
}

export class TopicSelection {
  /** Names that are meant literally: one that does not exist is worth telling. */
  readonly literals: readonly string[];
  readonly #patterns: TopicPatterns;
  readonly #include: readonly RegExp[];
  readonly #exclude: readonly RegExp[];

  constructor(patterns: TopicPatterns) {
    this.#patterns = patterns;
    this.literals = patterns.include.filter((pattern) => !isPattern(pattern));
    this.#include = patterns.include.map(toRegExp);
    this.#exclude = patterns.exclude.map(toRegExp);
  }

  /** True when no pattern could match a topic that is not named. */
  get isLiteral(): boolean {
    return this.literals.length > 0 && this.literals.length === this.#patterns.include.length;
  }

  matches(topic: string): boolean {
    if (this.#exclude.some((pattern) => pattern.test(topic))) return false;
    if (isInternalTopic(topic)) return this.literals.includes(topic);
    return this.#include.length === 0 || this.#include.some((pattern) => pattern.test(topic));
  }
}

function isPattern(text: string): boolean {
  return text.startsWith('~') || /[*?]/.test(text);
}

/** A regex is unanchored, as users of `grep` expect; a glob and a name must match whole. */
function toRegExp(pattern: string): RegExp {
  if (pattern.startsWith('~')) return new RegExp(pattern.slice(1), 'u');
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 'u');
}
