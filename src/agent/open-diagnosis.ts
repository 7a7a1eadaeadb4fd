// Wires the commands that look before anything is done: doctor and estimate.

import { resolve } from 'node:path';
import { ObjectLayout } from '../catalog/object-layout.ts';
import type { ConfigSource, OpenedDoctor, OpenedEstimate } from '../cli/services.ts';
import type { AgentConfig, KafkaConfig, StorageConfig } from '../config/agent-config.ts';
import { type DoctorSubject, runDoctor } from '../doctor/doctor-run.ts';
import { EstimateRun } from '../estimate/estimate-run.ts';
import { KafkaCluster } from '../kafka/connection/cluster.ts';
import { connectionSettings, parseAddress } from '../kafka/connection/connection-settings.ts';
import { KafkaPartitionLog } from '../kafka/kafkajs-partition-log.ts';
import { KafkaRestoreSink } from '../kafka/kafkajs-restore-sink.ts';
import { KafkaClusterProbe } from '../kafka/probe/kafka-cluster-probe.ts';
import { BackupError } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import { type TopicPatterns, withInternalTopics } from '../model/topic/topic-selection.ts';
import { openStore } from '../storage/open-store.ts';
import { openWorkers } from './adapters.ts';
import { configured } from './configured.ts';

/** A doctor tells that a store is away; it does not wait for it. */
const STORE_PATIENCE_MS = 10_000;

interface Diagnosis {
  readonly config: AgentConfig;
  readonly logger: Logger;
  /** Of the source, internal topics among them. */
  readonly topics: TopicPatterns;
}

interface Cluster {
  readonly cluster: KafkaCluster;
  readonly probe: KafkaClusterProbe;
}

function openProbed(config: KafkaConfig, logger: Logger): Cluster {
  const bootstrap = config.bootstrapServers.map(parseAddress);
  const settings = connectionSettings(config);
  const cluster = new KafkaCluster(bootstrap, settings, logger);
  return { cluster, probe: new KafkaClusterProbe({ cluster, bootstrap, settings, logger }) };
}

export async function openDoctor(source: ConfigSource): Promise<OpenedDoctor> {
  const diagnosis = await diagnosisOf(source);
  const { config, logger } = diagnosis;
  const { store } = await openStore(impatient(config.storage), { logger });
  const opened: Cluster[] = [];
  const open = (kafka: KafkaConfig): Cluster => {
    const cluster = openProbed(kafka, logger);
    opened.push(cluster);
    return cluster;
  };
  const layout = new ObjectLayout(config.backupId);
  const subject: DoctorSubject = {
    store: {
      store,
      layout,
      partSizeBytes: 'requests' in config.storage ? config.storage.requests.partSizeBytes : null,
      checksum: checksumOf(config.storage),
      objectLockDays: config.storage.kind === 's3' ? (config.storage.objectLock?.days ?? null) : null,
      wallMs: () => Date.now(),
    },
    directory: config.storage.kind === 'filesystem' ? resolve(config.storage.path, layout.root) : null,
    restored:
      config.mode === 'restore'
        ? { topics: config.restore.topics, catalogVersion: config.restore.catalogVersion }
        : null,
    clusters: [
      ...(config.source === null ? [] : [sourceSubject(diagnosis, open(config.source))]),
      ...[...config.targets].map(([name, kafka]) => targetSubject(diagnosis, name, open(kafka))),
    ],
  };
  return {
    run: () => runDoctor(subject),
    close: async () => {
      await Promise.allSettled([store.close(), ...opened.map(({ cluster }) => cluster.close())]);
    },
  };
}

/** @throws CONFIG_INVALID when the configuration has no source. */
export async function openEstimate(configSource: ConfigSource): Promise<OpenedEstimate> {
  const { config, logger, topics } = await diagnosisOf(configSource);
  const { source, backup, storage } = config;
  if (source === null) throw new BackupError('CONFIG_INVALID', 'an estimate needs the section source');
  const { cluster, probe } = openProbed(source, logger);
  const workers = openWorkers(backup.compressionThreads);
  const run = new EstimateRun({
    log: new KafkaPartitionLog(cluster),
    probe,
    workers,
    topics,
    recompress: backup.recompress,
    layout: new ObjectLayout(config.backupId),
    limits: { frameBytes: backup.frameBytes, fetchMaxBytes: backup.fetchMaxBytes },
    settings: {
      configured: { codec: backup.compression, level: backup.compressionLevel },
      frameBytes: backup.frameBytes,
      segmentMaxBytes: backup.segmentMaxBytes,
      segmentMaxIntervalMs: backup.segmentMaxIntervalMs,
      segmentMaxRecords: backup.segmentMaxRecords,
      commitIntervalSecs: backup.commitIntervalSecs,
      partSizeBytes: 'requests' in storage ? storage.requests.partSizeBytes : null,
      // Of S3 to begin and to complete an upload, of Google Cloud Storage to begin one, of Azure to commit its blocks.
      requestsBesideParts: storage.kind === 's3' ? 2 : 1,
    },
    wallMs: () => Date.now(),
  });
  return {
    run: (question, signal) => run.run(question, signal),
    progress: () => run.progress(),
    close: async () => {
      await Promise.allSettled([cluster.close(), workers.close()]);
    },
  };
}

function sourceSubject(
  { config, logger, topics }: Diagnosis,
  { cluster, probe }: Cluster,
): DoctorSubject['clusters'][number] {
  const { backup } = config;
  const wallMs = (): number => Date.now();
  const source = {
    log: new KafkaPartitionLog(cluster),
    probe,
    admin: sinkOf(cluster, logger),
    topics,
    failsOnMissingTopic: backup.onMissingTopic === 'fail',
    maxPartitionFetchBytes: backup.maxPartitionFetchBytes,
    memoryBudgetBytes: backup.memoryBudgetBytes,
    wallMs,
  };
  return { area: 'source', use: 'source', probe, wallMs, source };
}

function targetSubject(
  { config: { restore }, logger }: Diagnosis,
  name: string,
  { cluster, probe }: Cluster,
): DoctorSubject['clusters'][number] {
  const area = `target ${name}`;
  const literal = restore.topics.include.filter((topic) => /^[\w.-]+$/.test(topic));
  const mapped = literal.map((topic) => restore.topicMapping.get(topic) ?? topic);
  const target = {
    area,
    sink: sinkOf(cluster, logger),
    topics: [...new Set([...mapped, ...restore.topicMapping.values()])].sort(),
    createsTopics: restore.createTopics,
    replicationFactor: restore.defaultReplicationFactor,
  };
  return { area, use: 'target', probe, wallMs: () => Date.now(), target };
}

/** It only asks here: nothing is produced. */
function sinkOf(cluster: KafkaCluster, logger: Logger): KafkaRestoreSink {
  return new KafkaRestoreSink(cluster, {
    produceTimeoutMs: 0,
    patienceMs: 0,
    logger,
    monotonicMs: () => performance.now(),
  });
}

function checksumOf(storage: StorageConfig): string | null {
  switch (storage.kind) {
    case 's3':
      // Object lock is refused without.
      return storage.checksum === 'when_required' && storage.objectLock === null
        ? 'when_required'
        : 'CRC32 of every request and object';
    case 'azure':
      return 'MD5 of every request';
    case 'gcs':
      return 'CRC32C of every object';
    case 'filesystem':
    case 'memory':
      return null;
  }
}

function impatient(storage: StorageConfig): StorageConfig {
  if (!('requests' in storage)) return storage;
  const { requests } = storage;
  return {
    ...storage,
    requests: { ...requests, retryTimeoutMs: Math.min(requests.retryTimeoutMs, STORE_PATIENCE_MS) },
  };
}

async function diagnosisOf(configSource: ConfigSource): Promise<Diagnosis> {
  const { config, logger } = await configured(configSource);
  const { source, backup } = config;
  const topics =
    source === null ? { include: [], exclude: [] } : withInternalTopics(source.topics, backup.internalTopics);
  return { config, logger, topics };
}
