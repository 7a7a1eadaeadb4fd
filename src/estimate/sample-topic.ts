// The newest records of a topic, as frames such as a backup would make: whole batches of one partition, back to back. As many
// partitions are looked at as fill a frame each, spread evenly, so that the sample compresses as a backup of it would.

import type { PartitionLog } from '../kafka/partition-log.ts';
import { copyBytes } from '../model/buffer/copy-bytes.ts';
import type { TopicDescription } from '../model/topic/topic-description.ts';
import { partitionName } from '../model/topic/topic-partition.ts';
import { splitBatches } from '../record/batch-header.ts';

export interface SampleLimits {
  /** Of one topic. */
  readonly sampleBytes: number;
  readonly frameBytes: number;
  readonly fetchMaxBytes: number;
}

export interface SampleFrame {
  /** Whole batches; overwritten when the next frame is asked for. */
  readonly raw: Uint8Array;
  /** Offsets from the first record to the last, holes included. */
  readonly offsets: number;
}

/** Ends of the log of each partition, by name. */
export interface LogEnds {
  readonly earliest: ReadonlyMap<string, bigint>;
  readonly latest: ReadonlyMap<string, bigint>;
}

interface SampledPartition {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly leader: number;
  readonly from: bigint;
  readonly to: bigint;
}

const MAX_WAIT_MS = 1000;
/** Where the newest batch cannot be had to measure. */
const LIKELY_RECORD_BYTES = 500;

/** @throws what fetching fails with. */
export async function* sampleTopic(
  log: PartitionLog,
  topic: TopicDescription,
  ends: LogEnds,
  limits: SampleLimits,
): AsyncGenerator<SampleFrame> {
  const { sampleBytes, frameBytes } = limits;
  const filled = filledPartitions(topic, ends);
  const wanted = Math.max(1, Math.min(filled.length, Math.floor(sampleBytes / frameBytes)));
  const step = filled.length / wanted;
  const chosen = filled.filter((_, index) => Math.floor(index / step) !== Math.floor((index - 1) / step));
  let memory = new Uint8Array(new SharedArrayBuffer(frameBytes));
  for (const partition of chosen) {
    const open = { sizeBytes: 0, from: -1n, to: 0n };
    const take = (): SampleFrame => {
      const frame = { raw: memory.subarray(0, open.sizeBytes), offsets: Number(open.to - open.from) };
      Object.assign(open, { sizeBytes: 0, from: -1n });
      return frame;
    };
    for await (const { batch, baseOffset, nextOffset } of newestBatches(log, partition, sampleBytes / wanted, limits)) {
      if (open.sizeBytes > 0 && open.sizeBytes + batch.byteLength > memory.byteLength) yield take();
      if (batch.byteLength > memory.byteLength) memory = new Uint8Array(new SharedArrayBuffer(batch.byteLength));
      copyBytes(batch, { start: 0, end: batch.byteLength }, memory, open.sizeBytes);
      if (open.from < 0n) open.from = baseOffset;
      open.to = nextOffset;
      open.sizeBytes += batch.byteLength;
    }
    if (open.sizeBytes > 0) yield take();
  }
}

function filledPartitions({ topic, topicId, partitions }: TopicDescription, ends: LogEnds): SampledPartition[] {
  return partitions.flatMap(({ partition, leader }) => {
    const name = partitionName({ topic, partition });
    const [from, to] = [ends.earliest.get(name), ends.latest.get(name)];
    if (leader < 0 || from === undefined || to === undefined || from >= to) return [];
    return [{ topic, topicId, partition, leader, from, to }];
  });
}

interface SampledBatch {
  /** Valid until the next one is asked for. */
  readonly batch: Uint8Array;
  readonly baseOffset: bigint;
  readonly nextOffset: bigint;
}

/** About the last `bytes` of a partition, up to its end as it was when the sample began. */
async function* newestBatches(
  log: PartitionLog,
  partition: SampledPartition,
  bytes: number,
  limits: SampleLimits,
): AsyncGenerator<SampledBatch> {
  const { from, to } = partition;
  const bytesPerOffset = await newestDensity(log, partition, limits);
  const wanted = BigInt(Math.ceil(bytes / bytesPerOffset));
  let nextOffset = to - from > wanted ? to - wanted : from;
  for (let taken = 0; nextOffset < to && taken < bytes; ) {
    const result = await fetchFrom(log, partition, nextOffset, limits.fetchMaxBytes);
    try {
      const before = nextOffset;
      for (const header of splitBatches(result.records)) {
        if (header.baseOffset >= to || taken >= bytes) break;
        const { position, sizeBytes, baseOffset, lastOffset } = header;
        yield {
          batch: result.records.subarray(position, position + sizeBytes),
          baseOffset,
          nextOffset: lastOffset + 1n,
        };
        nextOffset = lastOffset + 1n;
        taken += sizeBytes;
      }
      // What compaction has left empty up to the end.
      if (nextOffset === before) return;
    } finally {
      result.release();
    }
  }
}

async function newestDensity(log: PartitionLog, partition: SampledPartition, limits: SampleLimits): Promise<number> {
  const result = await fetchFrom(log, partition, partition.to - 1n, Math.min(limits.fetchMaxBytes, 1));
  try {
    for (const { sizeBytes, lastOffsetDelta } of splitBatches(result.records)) return sizeBytes / (lastOffsetDelta + 1);
    return LIKELY_RECORD_BYTES;
  } finally {
    result.release();
  }
}

async function fetchFrom(
  log: PartitionLog,
  { topic, topicId, partition, leader }: SampledPartition,
  nextOffset: bigint,
  maxBytes: number,
): Promise<{ readonly records: Uint8Array; release(): void }> {
  const limits = { maxWaitMs: MAX_WAIT_MS, minBytes: 1, maxBytes, maxPartitionBytes: maxBytes };
  const result = await log.fetchOnce(leader, [{ topic, topicId, partition, nextOffset, lastEpoch: -1 }], limits);
  const [answer] = result.partitions;
  const records = answer?.kind === 'records' ? answer.records : new Uint8Array(0);
  return { records, release: () => result.release() };
}
