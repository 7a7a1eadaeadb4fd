// Conditions between the keys of a backup and of the listeners.

import { isTopicName } from '../../model/topic/topic-partition.ts';
import { TopicSelection, withInternalTopics } from '../../model/topic/topic-selection.ts';
import { DURATION_SECS } from '../formats/number-formats.ts';
import { whyUnreadable } from '../input/read-file.ts';
import { quoted } from '../problems.ts';
import { leavesOf, SCHEMA } from '../schema/schema.ts';
import type { Rule, RuleSubject } from './rule.ts';

export const FLOW_RULES: readonly Rule[] = [
  {
    doc: '`mode`, `backup_id` and `storage.backend` are always needed; `mode: backup` needs `source`, `mode: restore` needs `target`.',
    check(subject) {
      for (const [path, leaf] of LEAVES) {
        if (leaf.required === true && !subject.has(path))
          subject.problem(path, 'this key is needed.', { suggestion: leaf.doc });
      }
      const needed = subject.values.mode === 'restore' ? 'target' : 'source';
      if (subject.values.mode === null || subject.has(needed)) return;
      const suggestion = `Add ${needed}: with bootstrap_servers.`;
      subject.problem(needed, `mode: ${subject.values.mode} needs ${needed}.`, { suggestion, involves: ['mode'] });
    },
  },
  {
    doc: '`targets` must not hold `default` beside `target`, which has that name.',
    check(subject) {
      if (!subject.hasTarget('default') || !subject.has('target')) return;
      subject.problem('targets.default', '"default" is the name of the section target.', {
        suggestion: 'Choose another name.',
      });
    },
  },
  {
    doc: '`continuous` and `stop_at_current_offsets` exclude each other.',
    check(subject) {
      if (!subject.values.backup.continuous || !subject.values.backup.stop_at_current_offsets) return;
      const involves = ['backup.continuous'];
      subject.problem('backup.stop_at_current_offsets', 'a continuous backup does not stop.', {
        suggestion: 'Set continuous or stop_at_current_offsets to false.',
        involves,
      });
    },
  },
  {
    doc: 'Sizes must fit into each other: frame into segment, fetch into memory budget, part into upload budget, minimum into maximum fetch.',
    check: checkSizes,
  },
  { doc: '`compression_level` belongs to zstd; with lz4 and none it does nothing.', check: checkBackupNotes },
  { doc: 'Internal topics are named literally.', check: checkInternalTopics },
  { doc: '`start_offset` names only topics that `source.topics` selects.', check: checkStartOffset },
  {
    doc: '`control.listen` beyond loopback needs `control.token_file`, which must be readable; two listeners need two addresses.',
    check: checkControl,
  },
];

const LEAVES = leavesOf(SCHEMA);

function checkSizes(subject: RuleSubject): void {
  const { backup, storage } = subject.values;
  if (subject.has('backup.frame_bytes') && backup.frame_bytes > backup.segment_max_bytes) {
    subject.problem('backup.frame_bytes', 'a frame cannot be larger than its segment.', {
      suggestion: 'Lower frame_bytes or raise segment_max_bytes.',
      involves: ['backup.segment_max_bytes'],
    });
  }
  if (subject.has('backup.memory_budget_bytes') && backup.memory_budget_bytes < backup.fetch_max_bytes) {
    subject.problem('backup.memory_budget_bytes', 'the budget does not hold one fetch.', {
      suggestion: 'Raise it, or lower fetch_max_bytes.',
      involves: ['backup.fetch_max_bytes'],
    });
  }
  if (subject.has('backup.upload_budget_bytes') && backup.upload_budget_bytes < storage.part_size_bytes) {
    subject.problem('backup.upload_budget_bytes', 'the budget does not hold one part.', {
      suggestion: 'Raise it, or lower storage.part_size_bytes.',
      involves: ['storage.part_size_bytes'],
    });
  }
  if (subject.has('backup.fetch_min_bytes') && backup.fetch_min_bytes > backup.fetch_max_bytes) {
    subject.problem('backup.fetch_min_bytes', 'fetch_min_bytes is larger than fetch_max_bytes.', {
      suggestion: 'Lower it, or raise fetch_max_bytes.',
      involves: ['backup.fetch_max_bytes'],
    });
  }
}

function checkBackupNotes(subject: RuleSubject): void {
  const { backup } = subject.values;
  if (backup.compression !== 'zstd' && subject.has('backup.compression_level')) {
    subject.note(
      'notice',
      'backup.compression_level',
      `compression ${backup.compression} has no level; the key does nothing.`,
    );
  }
  const wait = Math.min(backup.checkpoint_interval_secs, backup.sync_interval_secs);
  if (backup.checkpoint_interval_secs !== backup.sync_interval_secs && subject.has('backup.sync_interval_secs')) {
    const message = `the shorter of checkpoint_interval_secs and sync_interval_secs counts: ${DURATION_SECS.show(wait)}.`;
    subject.note('notice', 'backup.sync_interval_secs', message);
  }
}

function checkInternalTopics(subject: RuleSubject): void {
  const { backup } = subject.values;
  const path = 'backup.internal_topics';
  const bad = backup.internal_topics.find((topic) => !isTopicName(topic));
  if (bad !== undefined)
    subject.problem(path, `${quoted(bad)} is not a topic name.`, {
      suggestion: 'Internal topics are named literally.',
    });
  if (backup.internal_topics.length > 0 && !backup.include_internal_topics) {
    subject.note('notice', path, 'the list counts only with include_internal_topics: true.');
  }
  if (backup.internal_topics.length === 0 && backup.include_internal_topics) {
    subject.note(
      'notice',
      'backup.include_internal_topics',
      'internal_topics is empty, so no internal topic is added.',
    );
  }
}

function checkStartOffset(subject: RuleSubject): void {
  const {
    start_offset: start,
    include_internal_topics: withInternal,
    internal_topics: internal,
  } = subject.values.backup;
  if (start.kind !== 'specific') return;
  const { include, exclude } = subject.values.source.topics;
  const selection = new TopicSelection(withInternalTopics({ include, exclude }, withInternal ? internal : []));
  const [first, ...others] = [...start.offsets.keys()].filter((topic) => !selection.matches(topic));
  if (first === undefined) return;
  const names = [first, ...others].map(quoted).join(', ');
  subject.problem('backup.start_offset', `not among the topics that are backed up: ${names}.`, {
    suggestion: 'Correct the name, remove it, or select the topic in source.topics.',
    within: ['specific', first],
    involves: [
      'source.topics.include',
      'source.topics.exclude',
      'backup.internal_topics',
      'backup.include_internal_topics',
    ],
  });
}

function checkControl(subject: RuleSubject): void {
  const { control } = subject.values;
  if (control.token_file !== null) {
    const fault = whyUnreadable(control.token_file);
    if (fault !== null) subject.problem('control.token_file', fault);
  } else if (control.listen !== null && control.listen !== false && !isLoopback(control.listen.host)) {
    subject.problem('control.listen', 'the control port would be open to the network without a token.', {
      suggestion: 'Set control.token_file, or listen on 127.0.0.1.',
      involves: ['control.token_file'],
    });
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
