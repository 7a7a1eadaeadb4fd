// The newest records of a topic, as frames such as a backup would make: whole batches of one partition, back to back, and no more
// of them than come together before a segment is sealed. As many partitions are looked at as fill a frame each, spread evenly, so
// that the sample compresses as a backup of it would.

import type { PartitionIdentity } from '../model/segment/segment.ts';
import { partitionName } from '../model/topic/topic-partition.ts';
import { type RecordBatchHeader, splitBatches } from '../record/batch-header.ts';
import { OpenSampleFrame, type SampleFrame } from './sample-frame.ts';
import type { LogEnds, SampledTopic } from './sampled-topic.ts';

export interface SampleLimits {
  /** Of one topic. */
  readonly sampleBytes: number;
  readonly frameBytes: number;
  /** Offsets that come together before a segment is sealed: no frame has more, but for one whose only batch does. */
  readonly frameOffsets: number;
  readonly fetchMaxBytes: number;
}

interface SampledPartition {
  readonly identity: PartitionIdentity;
  readonly from: bigint;
  readonly to: bigint;
}

/** Where the newest batch cannot be had to measure. */
const LIKELY_RECORD_BYTES = 500;
/** Of one topic, about. Where frames are small, so many tell what they become: each takes a thread a round trip per codec. */
const ENOUGH_FRAMES = 500;

/** @throws what fetching fails with. */
export async function* sampleTopic(
  topic: SampledTopic,
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
    for await (const { batch, header } of newestBatches(topic, partition, amount, limits)) {
      if (!frame.hasRoomFor(header)) yield frame.take(partition.identity);
      frame.append(batch, header);
    }
    if (!frame.isEmpty) yield frame.take(partition.identity);
  }
}

function filledPartitions({ partitions }: SampledTopic, { earliest, latest }: LogEnds): SampledPartition[] {
  return partitions.flatMap((identity) => {
    const name = partitionName(identity);
    const [from, to] = [earliest.get(name), latest.get(name)];
    return from === undefined || to === undefined || from >= to ? [] : [{ identity, from, to }];
  });
}

interface SampledBatch {
  /** Valid until the next one is asked for. */
  readonly batch: Uint8Array;
  readonly header: RecordBatchHeader;
}

/** About the last bytes or offsets of a partition, whichever are fewer, up to its end as it was when the sample began. */
async function* newestBatches(
  topic: SampledTopic,
  partition: SampledPartition,
  amount: { readonly bytes: number; readonly offsets: number },
  limits: SampleLimits,
): AsyncGenerator<SampledBatch> {
  const { identity, from, to } = partition;
  const { bytes } = amount;
  const bytesPerOffset = await newestDensity(topic, partition, limits);
  const wanted = BigInt(Math.ceil(Math.min(bytes / bytesPerOffset, amount.offsets)));
  let nextOffset = to - from > wanted ? to - wanted : from;
  for (let taken = 0; nextOffset < to && taken < bytes; ) {
    const before = nextOffset;
    const result = await topic.fetch(identity, nextOffset, limits.fetchMaxBytes);
    if (result === undefined) {
      // Retention was faster.
      nextOffset = (await topic.ends()).earliest.get(partitionName(identity)) ?? to;
      if (nextOffset <= before) return;
      continue;
    }
    try {
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

async function newestDensity(
  topic: SampledTopic,
  { identity, to }: SampledPartition,
  { fetchMaxBytes }: SampleLimits,
): Promise<number> {
  const result = await topic.fetch(identity, to - 1n, Math.min(fetchMaxBytes, 1));
  try {
    const [newest] = splitBatches(result?.records ?? new Uint8Array(0));
    return newest === undefined ? LIKELY_RECORD_BYTES : newest.sizeBytes / (newest.lastOffsetDelta + 1);
  } finally {
    result?.release();
  }
}
