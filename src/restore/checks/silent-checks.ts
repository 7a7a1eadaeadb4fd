// What is well with every topic is said once for all of them, so that a preflight shows all that it has looked at.

import type { CheckList, TopicCheck } from './check-list.ts';

/** In the order in which they are shown. */
const WELL: Readonly<Record<TopicCheck, string>> = {
  permission: 'the principal may do all that the restore needs',
  partitions: 'there are as many as there were, or as are asked for',
  'batch size': 'every batch fits into max.message.bytes and segment.bytes',
  timestamps: 'they stay what they were',
  retention: 'nothing that is restored is deleted for its age or size',
};

/** Of checks that found nothing about any of `topics` target topics. */
export function sayWhatIsWell(topics: number, list: CheckList): void {
  for (const [name, text] of Object.entries(WELL) as [TopicCheck, string][]) {
    if (list.checks.some((check) => check.name === name)) continue;
    const looked = list.lookedAt(name);
    if (looked === topics) list.ok(name, `${text} (${topics} topic(s))`);
    else
      list.warn(
        name,
        `not looked at for ${topics - looked} of ${topics} topic(s), of which the target does not tell enough`,
      );
  }
}
