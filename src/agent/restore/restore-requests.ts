// From what is written to what is restored: the section `restore` of a configuration, or the body of a request that is written like
// it, as a request for a restore.

import type { AgentConfig } from '../../config/agent-config.ts';
import { readRestoreBody, type RestoreBody } from '../../config/restore/restore-body.ts';
import type { ReadRestore } from '../../control/resources/restore-request.ts';
import { BackupError } from '../../model/errors.ts';
import type { RecoveryTarget } from '../../model/restore/recovery-target.ts';
import { overrideTarget } from '../../model/restore/restore-shape.ts';
import { RESTORE_ALL, type RestoreRequest } from '../../restore/restore-job.ts';
import { type RestoreSettings, SETTING_KEYS } from '../../restore/restore-settings.ts';

/** `target` of the configuration. */
export const DEFAULT_TARGET = 'default';

/** A command was told to restore to, or to read, a target that its own file does not have. */
export function unconfiguredTarget(target: string): BackupError {
  const section = target === DEFAULT_TARGET ? 'target:' : `targets: with ${target}:`;
  return new BackupError(
    'CONFIG_INVALID',
    `the configuration names no target ${JSON.stringify(target)}; add ${section} with bootstrap_servers`,
  );
}

/** A request from outside, written like `restore` of a configuration, of which nothing but its schema plays a part. */
export const readRestore: ReadRestore = (body, options) => {
  const read = readRestoreBody(body, options);
  if (read.kind === 'invalid') return { kind: 'invalid', issues: read.faults };
  const request = configuredRequest(read.restore);
  const targets = [...read.restore.topicTargets].map(([topic, override]): [string, RecoveryTarget] => [
    topic,
    overrideTarget(request.recoveryTarget, override),
  ]);
  return {
    kind: 'request',
    request: { ...request, topicTargets: Object.fromEntries(targets), settings: settingsAsked(read) },
  };
};

/** What `restore` of the configuration asks for, but for the recovery targets of single topics. */
export function configuredRequest(restore: AgentConfig['restore']): RestoreRequest {
  return {
    ...RESTORE_ALL,
    recoveryTarget: restore.recoveryTarget,
    offsets: restore.offsets,
    catalogVersion: restore.catalogVersion,
    includeTopics: restore.topics.include,
    excludeTopics: restore.topics.exclude,
    topicMapping: Object.fromEntries(restore.topicMapping),
    mappingRules: restore.mappingRules,
    partitions: restore.sourcePartitions,
    partitionMapping: Object.fromEntries(restore.partitionMapping),
    repartitioning: Object.fromEntries(restore.repartitioning),
    filter: restore.filter,
    includeOriginalOffsetHeader: restore.includeOriginalOffsetHeader,
    intoExisting: restore.intoExisting,
    target: DEFAULT_TARGET,
    dryRun: restore.dryRun,
  };
}

/** How `restore` of the configuration has it done. */
export function configuredSettings(restore: AgentConfig['restore']): RestoreSettings {
  return {
    isolation: restore.isolation,
    compression: restore.compression,
    maxConcurrentPartitions: restore.maxConcurrentPartitions,
    maxBatchRecords: restore.produceBatchSize,
    maxBatchBytes: restore.batchSizeBytes,
    recordsPerSecond: restore.rateLimitRecordsPerSec,
    bytesPerSecond: restore.rateLimitBytesPerSec,
    requireTopicConfigs: restore.requireTopicConfigs,
    allowLogAppendTime: restore.allowLogAppendTime,
    createTopics: restore.createTopics,
    replicationFactor: restore.defaultReplicationFactor,
    topicConfigs: Object.fromEntries(
      [...restore.topicConfigs].map(([topic, configs]) => [topic, Object.fromEntries(configs)]),
    ),
  };
}

function settingsAsked({ restore, has }: Extract<RestoreBody, { kind: 'restore' }>): Partial<RestoreSettings> {
  const all = configuredSettings(restore);
  const names = Object.keys(all) as (keyof RestoreSettings)[];
  return Object.fromEntries(names.filter((name) => has(SETTING_KEYS[name])).map((name) => [name, all[name]]));
}
