// The newest records of a topic, as frames such as a backup would make: whole batches of one partition, back to back, and no more
// of them than come together before a segment is sealed. As many partitions are looked at as fill a frame each, spread evenly, so
// that the sample compresses as a backup of it would.

import type { PartitionLog } from '../kafka/partition-log.ts';
import type { PartitionIdentity } from '../model/segment/segment.ts';
import type { TopicDescription } from '../model/topic/topic-description.ts';
import { partitionName } from '../model/topic/topic-partition.ts';
import { type RecordBatchHeader, splitBatches } from '../record/batch-header.ts';
import { OpenSampleFrame, type SampleFrame } from './sample-frame.ts';

export interface SampleLimits {
  /** Of one topic. */
  readonly sampleBytes: number;
  readonly frameBytes: number;
  /** Offsets that come together before a segment is sealed: no frame has more, but for one whose only batch does. */
  readonly frameOffsets: number;
  readonly fetchMaxBytes: number;
}

/** Ends of the log of each partition, by name. */
export interface LogEnds {
  readonly earliest: ReadonlyMap<string, bigint>;
  readonly latest: ReadonlyMap<string, bigint>;
}

interface SampledPartition {
  readonly identity: PartitionIdentity;
  readonly leader: number;
  readonly from: bigint;
  readonly to: bigint;
}

const MAX_WAIT_MS = 1000;
/** Where the newest batch cannot be had to measure. */
const LIKELY_RECORD_BYTES = 500;
/** Of one topic, about. Where frames are small, so many tell what they become: each takes a thread a round trip per codec. */
const ENOUGH_FRAMES = 500;

/** @throws what fetching fails with. */
export async function* sampleTopic(
  log: PartitionLog,
  topic: TopicDescription,
  ends: LogEnds,
  limits: SampleLimits,
): AsyncGenerator<SampleFrame> {
  const { sampleBytes, frameBytes, frameOffsets } = limits;
  const filled = filledPartitions(topic, ends);
  const wanted = Math.max(1, Math.min(filled.length, Math.floor(sampleBytes / frameBytes)));
  const step = filled.length / wanted;
  const chosen = filled.filter((_, index) => Math.floor(index / step) !== Math.floor((index - 1) / step));
  const amount = { bytes: sampleBytes / wanted, offsets: Math.ceil(ENOUGH_FRAMES / wanted) * frameOffsets };
  const frame = new OpenSampleFrame(frameBytes, frameOffsets);
  for (const partition of chosen) {
    for await (const { batch, header } of newestBatches(log, partition, amount, limits)) {
      if (!frame.hasRoomFor(header)) yield frame.take(partition.identity);
      frame.append(batch, header);
    }
    if (!frame.isEmpty) yield frame.take(partition.identity);
  }
}

function filledPartitions({ topic, topicId, partitions }: TopicDescription, ends: LogEnds): SampledPartition[] {
  return partitions.flatMap(({ partition, leader }) => {
    const name = partitionName({ topic, partition });
    const [from, to] = [ends.earliest.get(name), ends.latest.get(name)];
    if (leader < 0 || from === undefined || to === undefined || from >= to) return [];
    return [{ identity: { topic, topicId, partition }, leader, from, to }];
  });
}

interface SampledBatch {
  /** Valid until the next one is asked for. */
  readonly batch: Uint8Array;
  readonly header: RecordBatchHeader;
}

/** About the last bytes or offsets of a partition, whichever are fewer, up to its end as it was when the sample began. */
async function* newestBatches(
  log: PartitionLog,
  partition: SampledPartition,
  amount: { readonly bytes: number; readonly offsets: number },
  limits: SampleLimits,
): AsyncGenerator<SampledBatch> {
  const { from, to } = partition;
  const { bytes } = amount;
  const bytesPerOffset = await newestDensity(log, partition, limits);
  const wanted = BigInt(Math.ceil(Math.min(bytes / bytesPerOffset, amount.offsets)));
  let nextOffset = to - from > wanted ? to - wanted : from;
  for (let taken = 0; nextOffset < to && taken < bytes; ) {
    const result = await fetchFrom(log, partition, nextOffset, limits.fetchMaxBytes);
    try {
      const before = nextOffset;
      for (const header of splitBatches(result.records)) {
        if (header.baseOffset >= to || taken >= bytes) break;
        const { position, sizeBytes } = header;
        yield { batch: result.records.subarray(position, position + sizeBytes), header };
        nextOffset = header.lastOffset + 1n;
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
  { identity, leader }: SampledPartition,
  nextOffset: bigint,
  maxBytes: number,
): Promise<{ readonly records: Uint8Array; release(): void }> {
  const limits = { maxWaitMs: MAX_WAIT_MS, minBytes: 1, maxBytes, maxPartitionBytes: maxBytes };
  const result = await log.fetchOnce(leader, [{ ...identity, nextOffset, lastEpoch: -1 }], limits);
  const [answer] = result.partitions;
  const records = answer?.kind === 'records' ? answer.records : new Uint8Array(0);
  return { records, release: () => result.release() };
}
