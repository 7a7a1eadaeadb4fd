// What a restore request must fulfil in itself, whatever the backup holds: windows the right way round, in the past and since 1970.
// And what it says of single topics must be of topics that are restored: a misspelt name would otherwise change nothing, in silence.

import { BackupError } from '../../model/errors.ts';
import { utcText, whyNoTimestamp } from '../../model/instant.ts';
import type { RecoveryTarget } from '../../model/restore/recovery-target.ts';
import type { RestoreRequest } from '../restore-job.ts';
import { sourcesOf, type TopicRestorePlan } from '../restore-plan.ts';
import { renameBy } from './topic-mapper.ts';

/** @throws USAGE_INVALID when a window is inverted, lies in the future or before all timestamps. */
export function checkTargets({ recoveryTarget, topicTargets }: RestoreRequest, nowMs: number): void {
  checkTarget(recoveryTarget, 'the recovery target', nowMs);
  for (const [topic, target] of Object.entries(topicTargets)) {
    checkTarget(target, `the recovery target of ${topic}`, nowMs);
  }
}

/** @throws USAGE_INVALID when something is said of a topic that is not part of the plan. */
export function checkTopicNames(
  { topicTargets, offsets, repartitioning }: RestoreRequest,
  topics: readonly TopicRestorePlan[],
): void {
  const sources = new Set(topics.map(({ topic }) => topic));
  const targets = new Set(topics.map(({ targetTopic }) => targetTopic));
  assertKnown('topic_targets', Object.keys(topicTargets), sources, 'no topic of the backup that is restored');
  const inOffsets = offsets.map(({ topic }) => topic);
  assertKnown('offsets', inOffsets, sources, 'no topic of the backup that is restored');
  assertKnown('repartitioning', Object.keys(repartitioning), targets, 'no topic that is restored to');
}

/**
 * Entries of the mappings that apply to nothing, each with its key: names that the restore does not take from the backup may be
 * meant for other restores, or misspelt.
 */
export function unusedMappings(request: RestoreRequest, topics: readonly TopicRestorePlan[]): readonly string[] {
  const { topicMapping, mappingRules, partitionMapping } = request;
  const names = new Set(topics.map(({ topic }) => topic));
  const partitions = new Set(topics.flatMap((topic) => sourcesOf(topic).map(({ source }) => String(source.partition))));
  const unruled = [...names].filter((name) => !Object.hasOwn(topicMapping, name));
  const idle = mappingRules.filter((rule) => {
    const rename = renameBy(rule);
    return !unruled.some((name) => rename(name) !== undefined);
  });
  return [
    ...Object.keys(topicMapping).flatMap((name) => (names.has(name) ? [] : [`topic_mapping: ${name}`])),
    ...idle.map((rule) => `topic_mapping: ${rule.kind === 'prefix' ? `prefix ${rule.from}` : `regex ${rule.pattern}`}`),
    ...Object.keys(partitionMapping).flatMap((one) => (partitions.has(one) ? [] : [`partition_mapping: ${one}`])),
  ];
}

function checkTarget({ fromMs, toMs }: RecoveryTarget, what: string, nowMs: number): void {
  if (fromMs !== undefined && toMs !== undefined && fromMs > toMs) {
    throw invalid(`${what} is a window from ${utcText(fromMs)} to ${utcText(toMs)}, which ends before it starts`);
  }
  for (const end of [fromMs, toMs]) {
    if (end === undefined) continue;
    const fault = whyNoTimestamp(end, nowMs);
    if (fault !== undefined) throw invalid(`${what}, ${utcText(end)}, ${fault}`);
  }
}

function assertKnown(key: string, names: readonly string[], known: ReadonlySet<string>, what: string): void {
  const unknown = names.find((name) => !known.has(name));
  if (unknown === undefined) return;
  throw invalid(`${key} names ${JSON.stringify(unknown)}, ${what} (those are: ${[...known].slice(0, 10).join(', ')})`);
}

function invalid(message: string): BackupError {
  return new BackupError('USAGE_INVALID', message);
}
