// Samples the topics that a configuration means, one after the other, and projects what backing them up will need. Reads from the
// source, and writes nothing.

import type { ObjectLayout } from '../catalog/object-layout.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import type { PartitionLog } from '../kafka/partition-log.ts';
import type { ClusterProbe } from '../kafka/probe/cluster-probe.ts';
import { BackupError, type ErrorCode } from '../model/errors.ts';
import { partitionName } from '../model/topic/topic-partition.ts';
import type { TopicPatterns } from '../model/topic/topic-selection.ts';
import { unlessAborted } from '../model/unless-aborted.ts';
import { selectTopics } from '../survey/selected-topics.ts';
import { Allowance } from './allowance.ts';
import { choicesWith, type CodecChoice, measureCodecs } from './measure-codecs.ts';
import {
  type MeasuredTopic,
  offsetsPerObject,
  project,
  type Projection,
  type ProjectionSettings,
} from './projection.ts';
import { type SampleLimits, sampleTopic } from './sample-topic.ts';
import { type LogEnds, SampledTopic } from './sampled-topic.ts';
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
  readonly settings: Omit<ProjectionSettings, 'choices' | 'retentionMs' | 'bandwidthBytesPerSec'>;
  readonly wallMs: () => number;
  /** Of waiting for what passes by itself, altogether; half a minute unless given. */
  readonly allowanceMs?: number;
}

/** A topic that is configured and of which nothing is counted. */
export interface LeftOutTopic {
  readonly topic: string;
  /** TOPIC_NOT_FOUND where there is nothing to count; anything else says that the estimate is too small. */
  readonly code: ErrorCode;
  readonly message: string;
}

export interface Estimate extends Projection {
  readonly leftOut: readonly LeftOutTopic[];
}

/** What concerns one topic, so that the others can be estimated all the same. */
const OF_ONE_TOPIC: ReadonlySet<ErrorCode> = new Set([
  'KAFKA_AUTHORIZATION_FAILED',
  'KAFKA_REQUEST_FAILED',
  'KAFKA_REQUEST_REFUSED',
  'KAFKA_UNREACHABLE',
  'TOPIC_NOT_FOUND',
]);

export class EstimateRun {
  readonly #options: EstimateOptions;
  readonly #progress = { topics: 0, topicsTotal: 0, bytesSampled: 0 };

  constructor(options: EstimateOptions) {
    this.#options = options;
  }

  progress(): Readonly<{ topics: number; topicsTotal: number; bytesSampled: number }> {
    return { ...this.#progress };
  }

  /** @throws INTERRUPTED as soon as the signal aborts; when no topic can be estimated, what stands in the way of the first. */
  async run(question: EstimateQuestion, signal: AbortSignal): Promise<Estimate> {
    const estimate = await unlessAborted(this.#run(question, signal), signal);
    if (estimate === undefined) throw new BackupError('INTERRUPTED', 'the estimate was stopped');
    return estimate;
  }

  async #run(question: EstimateQuestion, signal: AbortSignal): Promise<Estimate> {
    const { log, probe, topics: patterns, settings, allowanceMs } = this.#options;
    const { topics, missing, denied } = await selectTopics(log, patterns);
    const leftOut = [...missing.map(missingTopic), ...denied.map(deniedTopic)];
    this.#progress.topicsTotal = topics.length;
    const allowance = new Allowance({ signal, ...(allowanceMs === undefined ? {} : { totalMs: allowanceMs }) });
    const choices = choicesWith(settings.configured);
    const measured: MeasuredTopic[] = [];
    for (const description of topics) {
      const { topic } = description;
      try {
        const source = new SampledTopic(description, { log, probe, allowance });
        measured.push(await this.#measure(source, choices, question, signal));
      } catch (error) {
        if (!(error instanceof BackupError) || !OF_ONE_TOPIC.has(error.code)) throw error;
        leftOut.push({ topic, code: error.code, message: error.message });
      }
      this.#progress.topics += 1;
    }
    if (measured.length === 0) throw nothingToEstimate(leftOut);
    const { retentionMs, bandwidthBytesPerSec } = question;
    return { ...project(measured, { ...settings, choices, retentionMs, bandwidthBytesPerSec }), leftOut };
  }

  async #measure(
    topic: SampledTopic,
    choices: readonly CodecChoice[],
    { sampleBytes }: EstimateQuestion,
    signal: AbortSignal,
  ): Promise<MeasuredTopic> {
    const { workers, recompress, layout, limits, settings } = this.#options;
    const ends = await topic.ends();
    const rates = await this.#rates(topic, ends);
    const frameOffsets = offsetsPerObject(rates, settings);
    const frames = sampleTopic(topic, ends, { ...limits, sampleBytes, frameOffsets });
    const onBytes = (bytes: number): void => {
      this.#progress.bytesSampled += bytes;
    };
    const sample = await measureCodecs(frames, { choices, workers, recompress, layout, onBytes, signal });
    return { topic: topic.topic, partitions: rates, sample };
  }

  async #rates(topic: SampledTopic, { earliest, latest }: LogEnds): Promise<PartitionRate[]> {
    const nowMs = this.#options.wallMs();
    const dayAgo = await topic.offsetsAt(nowMs - DAY_MS);
    return topic.partitions.flatMap((partition) => {
      const name = partitionName(partition);
      const [from, to, at] = [earliest.get(name), latest.get(name), dayAgo.get(name)];
      if (from === undefined || to === undefined || at === undefined) return [];
      return [partitionRate({ earliest: from, latest: to }, at, nowMs)];
    });
  }
}

function missingTopic(topic: string): LeftOutTopic {
  return { topic, code: 'TOPIC_NOT_FOUND', message: `there is no topic ${topic}` };
}

function deniedTopic(topic: string): LeftOutTopic {
  return { topic, code: 'KAFKA_AUTHORIZATION_FAILED', message: `describe ${topic}: TOPIC_AUTHORIZATION_FAILED` };
}

/** What can be mended goes before what is not there. */
function nothingToEstimate(leftOut: readonly LeftOutTopic[]): BackupError {
  const refused = leftOut.filter(({ code }) => code !== 'TOPIC_NOT_FOUND');
  const because = (refused.length > 0 ? refused : leftOut).map(({ message }) => message).join('; ');
  return new BackupError(refused[0]?.code ?? 'TOPIC_NOT_FOUND', `no topic to estimate: ${because || 'none matches'}`);
}
