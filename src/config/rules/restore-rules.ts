// Conditions between the keys of a restore.

import { isInternalTopic } from '../../model/topic/topic-partition.ts';
import { overrideTarget } from '../../model/restore/restore-shape.ts';
import { quoted } from '../problems.ts';
import { resolveTargets } from '../restore/restore-target.ts';
import type { Rule, RuleSubject } from './rule.ts';

export const RESTORE_RULES: readonly Rule[] = [
  {
    doc: 'Instants without a zone need `restore.time_zone`, none lies in the future or before 1970, and numbers are milliseconds (of ten digits they are refused as seconds); a window must not end before it starts, nor must offsets; `restore.source_partitions` must name one.',
    check: checkTargets,
  },
  { doc: '`restore.topics` and `target.topics` must not select different topics.', check: checkSelection },
  { doc: 'Topics must not be mapped onto each other, nor onto internal topics.', check: checkMapping },
  { doc: '`restore.filter.header_value` needs `restore.filter.header`.', check: checkFilter },
];

function checkTargets(subject: RuleSubject): void {
  const { restore } = subject.values;
  const { recoveryTarget, topicTargets } = resolveTargets(restore, subject.nowMs, (fault) => {
    const { key, within, isOfZone } = fault;
    const ofZone = isOfZone ? { involves: ['restore.time_zone'] } : {};
    const suggestion =
      isOfZone && restore.time_zone === null ? { suggestion: 'Set restore.time_zone, such as Europe/Berlin.' } : {};
    subject.problem(`restore.${key}`, `${fault.message}.`, { within, ...ofZone, ...suggestion });
  });
  const isInverted = ({ fromMs, toMs }: { readonly fromMs?: number; readonly toMs?: number }): boolean =>
    fromMs !== undefined && toMs !== undefined && fromMs > toMs;
  if (isInverted(recoveryTarget)) {
    subject.problem('restore.time_window_end', 'the window ends before it starts.', {
      involves: ['restore.time_window_start'],
    });
  }
  for (const [topic, override] of topicTargets) {
    if (isInverted(recoveryTarget) || !isInverted(overrideTarget(recoveryTarget, override))) continue;
    subject.problem('restore.topic_targets', `the window of ${quoted(topic)} ends before it starts.`, {
      involves: ['restore.time_window_start', 'restore.time_window_end'],
    });
  }
  if (restore.source_partitions?.length === 0) {
    subject.problem('restore.source_partitions', 'an empty list selects no partition.', {
      suggestion: 'Remove the key for all of them.',
    });
  }
  for (const [topic, partitions] of restore.offsets) {
    for (const [partition, { from, to }] of partitions) {
      if (from === null || to === null || from <= to) continue;
      subject.problem('restore.offsets', `the offsets of ${quoted(`${topic}/${partition}`)} end before they start.`);
    }
  }
}

function checkSelection(subject: RuleSubject): void {
  const { restore, target } = subject.values;
  const own = [...restore.topics.include, ...restore.topics.exclude];
  const targets = [...target.topics.include, ...target.topics.exclude];
  if (own.length > 0 && targets.length > 0 && own.join() !== targets.join()) {
    const message = 'restore.topics and target.topics select different topics.';
    subject.problem('restore.topics', message, { suggestion: 'Keep restore.topics.', involves: ['target.topics'] });
  }
}

function checkMapping(subject: RuleSubject): void {
  const sources = new Map<string, string>();
  for (const [from, to] of subject.values.restore.topic_mapping) {
    // What a rule gives is known only with the topics of the backup: the plan checks it.
    if (/^(~|prefix:)/.test(from)) continue;
    const other = sources.get(to);
    if (other !== undefined) {
      subject.problem('restore.topic_mapping', `${quoted(other)} and ${quoted(from)} would both become ${quoted(to)}.`);
    }
    if (isInternalTopic(to)) {
      subject.problem('restore.topic_mapping', `${quoted(to)} is an internal topic of the brokers.`, {
        suggestion: 'Use another name.',
      });
    }
    sources.set(to, from);
  }
}

function checkFilter(subject: RuleSubject): void {
  const { header, header_value: value } = subject.values.restore.filter;
  if (value === null || header !== null) return;
  subject.problem('restore.filter.header_value', 'there is no header whose value it could be.', {
    suggestion: 'Name it in restore.filter.header.',
    involves: ['restore.filter.header'],
  });
}
