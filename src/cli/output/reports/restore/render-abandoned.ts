// A restore that was given up, for people: what has become of its topics, and where the records that it left there begin.

import type { AbandonedRestore } from '../../../../restore/restore-job.ts';
import { printable } from '../../terminal.ts';

/** Partitions that a line names. */
const PARTITIONS_SHOWN = 10;

export function renderAbandoned({ id, topics }: AbandonedRestore): string {
  const lines = topics.map(({ topic, isReleased, startOffsets }) => {
    const state = isReleased ? 'has its own configuration' : 'was left as it is';
    if (startOffsets.length === 0) return `  ${topic}: ${state}; nothing was written to it`;
    const begin = startOffsets.slice(0, PARTITIONS_SHOWN).map((offset, partition) => `${partition}:${offset}`);
    const more = startOffsets.length > PARTITIONS_SHOWN ? ', ...' : '';
    return `  ${topic}: ${state}; what the restore wrote begins at partition:offset ${begin.join(', ')}${more}`;
  });
  return [`Restore ${id} is abandoned`, ...lines].map(printable).join('\n');
}
