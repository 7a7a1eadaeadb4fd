// What a restore writes down before it touches the target, from its plan and what the preflight saw.

import type { RestoreSink } from '../../kafka/restore-sink.ts';
import { BackupError } from '../../model/errors.ts';
import type { LeftConfigs } from './left-configs.ts';
import type { BatchSettings, ConfigChanges, IntendedTopic, RestoreIntent } from './restore-intent.ts';
import type { PreflightResult } from '../preflight.ts';
import type { RestoreRequest } from '../restore-job.ts';
import type { RestorePlan, TopicRestorePlan } from '../restore-plan.ts';
import type { RestoreSettings } from '../restore-settings.ts';
import { creationSpec, finalConfigs, neededConfigs, undoneConfigs } from '../target-topic.ts';

/** A rate is kept by waiting between batches: so many of them a second make it even. */
const BATCHES_PER_SECOND = 4;
const SMALLEST_BATCH_BYTES = 16 * 1024;
const UNLIMITED = Number.MAX_SAFE_INTEGER;

export interface IntentInput {
  readonly id: string;
  readonly request: RestoreRequest;
  readonly plan: RestorePlan;
  readonly checked: PreflightResult;
  readonly settings: RestoreSettings;
  readonly sink: RestoreSink;
  readonly leftConfigs: LeftConfigs;
  readonly nowMs: number;
}

export async function makeIntent(input: IntentInput): Promise<RestoreIntent> {
  const { id, request, plan, checked, settings, nowMs } = input;
  const topics: IntendedTopic[] = [];
  for (const topic of plan.topics) topics.push(await intendedTopic(topic, input));
  return {
    id,
    createdAtMs: nowMs,
    planId: checked.planId,
    catalogVersion: plan.catalogVersion,
    target: checked.target,
    request,
    settings: batchSettings(settings),
    topics,
  };
}

/** Smaller batches where a rate is so low that a batch as configured would be many seconds' worth. */
export function batchSettings(settings: RestoreSettings): BatchSettings {
  const { recordsPerSecond, bytesPerSecond, maxBatchRecords, maxBatchBytes } = settings;
  const share = (perSecond: number | null): number =>
    perSecond === null ? Number.POSITIVE_INFINITY : Math.floor(perSecond / BATCHES_PER_SECOND);
  return {
    isolation: settings.isolation,
    replicationFactor: settings.replicationFactor,
    topicConfigs: settings.topicConfigs,
    compression: settings.compression,
    maxBatchRecords: Math.min(maxBatchRecords, Math.max(1, share(recordsPerSecond))),
    maxWholeRecords: Math.max(1, recordsPerSecond ?? UNLIMITED),
    maxBatchBytes: Math.min(maxBatchBytes, Math.max(SMALLEST_BATCH_BYTES, share(bytesPerSecond))),
  };
}

async function intendedTopic(topic: TopicRestorePlan, input: IntentInput): Promise<IntendedTopic> {
  const { checked, settings, sink } = input;
  const { targetTopic } = topic;
  const limits = checked.batchLimits.get(targetTopic);
  if (limits === undefined) throw new BackupError('PREFLIGHT_BLOCKED', `${targetTopic} was not looked at`);
  const isThere = checked.existing.has(targetTopic);
  return {
    topic: targetTopic,
    creation: isThere ? null : creationSpec(topic, settings, sink.brokerCount),
    partitions: isThere ? neededPartitions(topic) : topic.targetPartitions,
    ...limits,
    finalConfigs: isThere ? await ownConfigs(targetTopic, input) : finalConfigs(topic),
  };
}

function neededPartitions({ lanes }: TopicRestorePlan): number {
  return Math.max(1, ...lanes.flatMap(({ targets }) => targets.map((partition) => partition + 1)));
}

/** What an existing topic has to get back. */
async function ownConfigs(targetTopic: string, { sink, leftConfigs }: IntentInput): Promise<ConfigChanges> {
  const present = await sink.describeEffectiveConfigs(targetTopic);
  const isOwn = Object.keys(neededConfigs(present)).length > 0;
  return isOwn ? undoneConfigs(present) : leftConfigs(targetTopic, present);
}
