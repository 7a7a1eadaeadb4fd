// Under which name a topic is restored: by exact name, else by the first rule that fits, else its own. A regular expression
// must match the whole name, as in Kafka Connect's RegexRouter.

import type { MappingRule } from '../../model/restore/restore-shape.ts';
import type { RestoreRequest } from '../restore-job.ts';

type Rename = (topic: string) => string | undefined;

export class TopicMapper {
  readonly #exact: Readonly<Record<string, string>>;
  readonly #renames: readonly Rename[];

  constructor({ topicMapping, mappingRules }: Pick<RestoreRequest, 'topicMapping' | 'mappingRules'>) {
    this.#exact = topicMapping;
    this.#renames = mappingRules.map(renameBy);
  }

  /** Whether the result is a name that Kafka allows is for the preflight to tell. */
  targetOf(topic: string): string {
    if (Object.hasOwn(this.#exact, topic)) return this.#exact[topic] ?? topic;
    for (const rename of this.#renames) {
      const target = rename(topic);
      if (target !== undefined) return target;
    }
    return topic;
  }
}

/** Undefined where the rule does not fit. */
export function renameBy(rule: MappingRule): Rename {
  switch (rule.kind) {
    case 'prefix':
      return (topic) => (topic.startsWith(rule.from) ? rule.to + topic.slice(rule.from.length) : undefined);
    case 'regex': {
      const pattern = new RegExp(`^(?:${rule.pattern})$`, 'u');
      return (topic) => (pattern.test(topic) ? topic.replace(pattern, rule.name) : undefined);
    }
  }
}
