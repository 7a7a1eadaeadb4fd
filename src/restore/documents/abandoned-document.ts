// A restore that was given up as JSON shows it, in snake case; cli/README.md describes every field.

import type { AbandonedRestore } from '../restore-job.ts';

export function abandonedDocument({ id, topics }: AbandonedRestore): Readonly<Record<string, unknown>> {
  return {
    restore_id: id,
    topics: topics.map(({ topic, isReleased, startOffsets }) => ({
      topic,
      released: isReleased,
      first_offsets: startOffsets.map(String),
    })),
  };
}
