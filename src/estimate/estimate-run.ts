// Samples the topics that a configuration means, one after the other, and projects what backing them up will need. Reads from the
// source, and writes nothing.

import type { ObjectLayout } from '../catalog/object-layout.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import type { PartitionLog } from '../kafka/partition-log.ts';
import type { ClusterProbe } from '../kafka/probe/cluster-probe.ts';
import { BackupError } from '../model/errors.ts';
import type { TopicDescription } from '../model/topic/topic-description.ts';
import { partitionName } from '../model/topic/topic-partition.ts';
import type { TopicPatterns } from '../model/topic/topic-selection.ts';
import { partitionsOf, selectTopics } from '../survey/selected-topics.ts';
import { measureCodecs } from './measure-codecs.ts';
import {
  type MeasuredTopic,
  offsetsPerObject,
  project,
  type Projection,
  type ProjectionSettings,
} from './projection.ts';
import { type LogEnds, type SampleLimits, sampleTopic } from './sample-topic.ts';
import { DAY_MS, partitionRate, type PartitionRate } from './topic-rate.ts';

/** What is asked on the command line. */
export interface EstimateQuestion {
  /** Of each topic, at most. */
  readonly sampleBytes: number;
  readonly retentionMs: number;
  readonly bandwidthBytesPerSec: number;
}

export interface EstimateOptions {
  readonly log: PartitionLog;
  readonly probe: ClusterProbe;
  readonly workers: WorkerPool;
  readonly topics: TopicPatterns;
  readonly recompress: 'auto' | 'always' | 'never';
  /** Of the backup that is thought of: nothing is read or written there. */
  readonly layout: ObjectLayout;
  readonly limits: Pick<SampleLimits, 'frameBytes' | 'fetchMaxBytes'>;
  readonly settings: Omit<ProjectionSettings, 'retentionMs' | 'bandwidthBytesPerSec'>;
  readonly wallMs: () => number;
}

export interface Estimate extends Projection {
  /** Topics that are configured and could not be looked at: not there, or denied. */
  readonly leftOut: readonly string[];
}

export class EstimateRun {
  readonly #options: EstimateOptions;
  readonly #progress = { topics: 0, topicsTotal: 0, bytesSampled: 0 };

  constructor(options: EstimateOptions) {
    this.#options = options;
  }

  progress(): Readonly<{ topics: number; topicsTotal: number; bytesSampled: number }> {
    return { ...this.#progress };
  }

  /** @throws INTERRUPTED, TOPIC_NOT_FOUND when no topic can be looked at, and what Kafka fails with. */
  async run(question: EstimateQuestion, signal: AbortSignal): Promise<Estimate> {
    const { log, topics: patterns, settings } = this.#options;
    const { topics, missing, denied } = await selectTopics(log, patterns);
    const leftOut = [...missing, ...denied];
    if (topics.length === 0) {
      throw new BackupError('TOPIC_NOT_FOUND', `no topic to estimate: ${leftOut.join(', ') || 'none matches'}`);
    }
    this.#progress.topicsTotal = topics.length;
    const measured: MeasuredTopic[] = [];
    for (const topic of topics) {
      if (signal.aborted) throw new BackupError('INTERRUPTED', 'the estimate was stopped');
      measured.push(await this.#measure(topic, question));
      this.#progress.topics += 1;
    }
    const { retentionMs, bandwidthBytesPerSec } = question;
    return { ...project(measured, { ...settings, retentionMs, bandwidthBytesPerSec }), leftOut };
  }

  async #measure(topic: TopicDescription, { sampleBytes }: EstimateQuestion): Promise<MeasuredTopic> {
    const { log, workers, recompress, layout, limits, settings } = this.#options;
    const partitions = partitionsOf([topic]);
    const ends: LogEnds = {
      earliest: await log.listOffsets(partitions, 'earliest'),
      latest: await log.listOffsets(partitions, 'latest'),
    };
    const rates = await this.#rates(topic, ends);
    const frameOffsets = offsetsPerObject(rates, settings);
    const frames = sampleTopic(log, topic, ends, { ...limits, sampleBytes, frameOffsets });
    const onBytes = (bytes: number): void => {
      this.#progress.bytesSampled += bytes;
    };
    const sample = await measureCodecs(frames, { workers, recompress, layout, onBytes });
    return { topic: topic.topic, partitions: rates, sample };
  }

  async #rates(topic: TopicDescription, { earliest, latest }: LogEnds): Promise<PartitionRate[]> {
    const { probe, wallMs } = this.#options;
    const nowMs = wallMs();
    const dayAgo = await probe.offsetsAt(partitionsOf([topic]), nowMs - DAY_MS);
    return partitionsOf([topic]).flatMap((partition) => {
      const name = partitionName(partition);
      const [from, to, at] = [earliest.get(name), latest.get(name), dayAgo.get(name)];
      if (from === undefined || to === undefined || at === undefined) return [];
      return [partitionRate({ earliest: from, latest: to }, at, nowMs)];
    });
  }
}
