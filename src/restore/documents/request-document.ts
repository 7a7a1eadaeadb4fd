// What was asked for, as JSON shows it: with the keys of the configuration's section `restore`, resolved, and the target's name.

import type { RecoveryTarget } from '../../model/restore/recovery-target.ts';
import type { MappingRule, PartitionOffsets } from '../../model/restore/restore-shape.ts';
import { documentInstant } from './report-document.ts';
import type { RestoreRequest } from '../restore-job.ts';
import { type RestoreSettings, SETTING_KEYS } from '../restore-settings.ts';

export function requestDocument(request: RestoreRequest): Readonly<Record<string, unknown>> {
  const { recoveryTarget, filter } = request;
  return {
    topics: { include: request.includeTopics, exclude: request.excludeTopics },
    source_partitions: request.partitions,
    time_window_start: documentInstant(recoveryTarget.fromMs ?? null),
    time_window_end: documentInstant(recoveryTarget.toMs ?? null),
    cut: recoveryTarget.cut,
    topic_targets: mapped(request.topicTargets, topicTarget),
    offsets: offsetsDocument(request.offsets),
    catalog_version: request.catalogVersion,
    filter:
      filter === null
        ? null
        : {
            key: filter.keyRegex,
            header: filter.header?.name ?? null,
            header_value: filter.header?.valueRegex ?? null,
          },
    topic_mapping: { ...request.topicMapping, ...Object.fromEntries(request.mappingRules.map(ruleEntry)) },
    partition_mapping: request.partitionMapping,
    repartitioning: mapped(request.repartitioning, ({ partitions, partitioning }) => ({
      strategy: partitioning === 'by-key' ? 'murmur2' : 'preserve',
      target_partitions: partitions,
    })),
    include_original_offset_header: request.includeOriginalOffsetHeader,
    into_existing: request.intoExisting,
    ...settingsDocument(request.settings),
    target: request.target,
    dry_run: request.dryRun,
  };
}

/** Only what was asked for. */
function settingsDocument(settings: Partial<RestoreSettings>) {
  const asked = Object.keys(settings) as (keyof RestoreSettings)[];
  return Object.fromEntries(asked.map((name) => [SETTING_KEYS[name], settings[name]]));
}

function topicTarget({ fromMs, toMs, cut }: RecoveryTarget) {
  const end = documentInstant(toMs ?? null) ?? 'latest';
  return { time_window_start: documentInstant(fromMs ?? null), time_window_end: end, cut };
}

function ruleEntry(rule: MappingRule): [string, string] {
  return rule.kind === 'prefix' ? [`prefix:${rule.from}`, rule.to] : [`~${rule.pattern}`, rule.name];
}

/** By topic and partition, as text: offsets go beyond what a JSON number holds. */
function offsetsDocument(offsets: readonly PartitionOffsets[]) {
  const byTopic = Map.groupBy(offsets, ({ topic }) => topic);
  const limits = ({ partition, fromOffset, toOffset }: PartitionOffsets) => {
    return [String(partition), { from: fromOffset?.toString() ?? null, to: toOffset?.toString() ?? null }] as const;
  };
  return Object.fromEntries([...byTopic].map(([topic, ends]) => [topic, Object.fromEntries(ends.map(limits))]));
}

function mapped<T, U>(map: Readonly<Record<string, T>>, to: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, to(value)]));
}
