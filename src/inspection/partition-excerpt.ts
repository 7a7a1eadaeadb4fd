// A range of one stored partition, read by ranges: footers tell which frames are needed, and only those are fetched, one at a
// time, each held against its hash. The newest timeline, in the order of the log.

import type { CurrentSegment, PartitionHistory } from '../catalog/catalog-state.ts';
import { FrameExpander } from '../compression/frame-codec.ts';
import { BackupError } from '../model/errors.ts';
import type { Gap, PartitionIdentity, TimestampBounds } from '../model/segment/segment.ts';
import { type RecordBatchHeader, splitBatches, verifyBatchCrc } from '../record/batch-header.ts';
import { readFooter, readFrame } from '../segment/segment-reader.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { findIncarnation, type StoredBackup } from './stored-backup.ts';

/** Which part of a partition. Both offsets and both instants are inclusive; undefined means unbounded. */
export interface ExcerptRange {
  readonly fromOffset: bigint | undefined;
  readonly lastOffset: bigint | undefined;
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
}

/** The needed batches of one frame. `raw` is used again for the next frame. */
export interface ExcerptFrame {
  readonly raw: Uint8Array;
  /** Those with offsets in the range; the first and the last may reach beyond it. */
  readonly batches: readonly RecordBatchHeader[];
  /** What of the frame is in the range, exclusive at the end. */
  readonly fromOffset: bigint;
  readonly endOffset: bigint;
}

export class PartitionExcerpt {
  readonly partition: PartitionIdentity;
  /** Within the range of offsets: what nobody can show. */
  readonly gaps: readonly Gap[];
  readonly #segments: readonly CurrentSegment[];
  readonly #range: ExcerptRange;

  private constructor(partition: PartitionIdentity, history: PartitionHistory | undefined, range: ExcerptRange) {
    this.partition = partition;
    this.#range = range;
    this.#segments = (history?.currentSegments() ?? []).filter((segment) => this.#overlaps(segment));
    this.gaps = (history?.gaps ?? []).filter(({ baseOffset, lastOffset }) =>
      this.#overlaps({ fromOffset: baseOffset, toOffset: lastOffset + 1n }),
    );
  }

  /** @throws NOT_IN_BACKUP for a topic or partition that was not backed up, USAGE_INVALID for an offset beyond its end. */
  static open(
    backup: StoredBackup,
    { topic, partition }: { readonly topic: string; readonly partition: number },
    topicId: string | undefined,
    range: ExcerptRange,
  ): PartitionExcerpt {
    const life = findIncarnation(backup, topic, topicId);
    const history = life.partitions.get(partition);
    const partitionCount = Math.max(0, ...life.observations.map(({ partitions }) => partitions));
    if (history === undefined && partition >= partitionCount) {
      throw new BackupError(
        'NOT_IN_BACKUP',
        `${topic} has no partition ${partition}; it has ${partitionCount}, from 0 on`,
      );
    }
    assertWithin(`${topic}/${partition}`, history, range.fromOffset);
    return new PartitionExcerpt({ topic, topicId: life.topicId, partition }, history, range);
  }

  /** In the order of the log. @throws OBJECT_MISSING, OBJECT_CORRUPT, BATCH_CORRUPT. */
  async *frames(store: ObjectStore): AsyncGenerator<ExcerptFrame, void, undefined> {
    const expander = new FrameExpander();
    let target = new Uint8Array(0);
    for (const { segment, fromOffset, toOffset } of this.#segments) {
      if (!this.#mayHoldTime(segment)) continue;
      const footer = await readFooter(store, segment);
      for (const frame of footer.frames) {
        const bounds = this.#boundsWithin(fromOffset, toOffset);
        if (frame.lastOffset < bounds.fromOffset || frame.baseOffset >= bounds.endOffset) continue;
        if (!this.#mayHoldTime(frame)) continue;
        const stored = await readFrame(store, segment, frame);
        if (target.byteLength < frame.rawSizeBytes) target = new Uint8Array(frame.rawSizeBytes);
        const raw = expander.expand(segment.codec, stored, target, frame.rawSizeBytes);
        yield { raw, batches: neededBatches(raw, bounds), ...bounds };
      }
    }
  }

  #boundsWithin(fromOffset: bigint, toOffset: bigint): { readonly fromOffset: bigint; readonly endOffset: bigint } {
    const { fromOffset: from = 0n, lastOffset } = this.#range;
    return {
      fromOffset: from > fromOffset ? from : fromOffset,
      endOffset: lastOffset !== undefined && lastOffset < toOffset ? lastOffset + 1n : toOffset,
    };
  }

  #overlaps({ fromOffset, toOffset }: { readonly fromOffset: bigint; readonly toOffset: bigint }): boolean {
    const bounds = this.#boundsWithin(fromOffset, toOffset);
    return bounds.fromOffset < bounds.endOffset;
  }

  #mayHoldTime({ minTimestampMs, maxTimestampMs }: TimestampBounds): boolean {
    const { fromMs, toMs } = this.#range;
    if (fromMs !== undefined && maxTimestampMs < fromMs) return false;
    return toMs === undefined || minTimestampMs === null || minTimestampMs <= toMs;
  }
}

function neededBatches(
  raw: Uint8Array,
  { fromOffset, endOffset }: { readonly fromOffset: bigint; readonly endOffset: bigint },
): RecordBatchHeader[] {
  const needed: RecordBatchHeader[] = [];
  for (const header of splitBatches(raw)) {
    if (header.lastOffset < fromOffset) continue;
    if (header.baseOffset >= endOffset) break;
    verifyBatchCrc(raw, header);
    needed.push(header);
  }
  return needed;
}

function assertWithin(name: string, history: PartitionHistory | undefined, fromOffset: bigint | undefined): void {
  const endOffset = history?.resume?.nextOffset ?? 0n;
  if (fromOffset === undefined || fromOffset < endOffset) return;
  const first = history?.currentSegments()[0]?.fromOffset;
  const held = first === undefined ? 'of which nothing is stored' : `which is held from ${first} to ${endOffset - 1n}`;
  throw new BackupError('USAGE_INVALID', `offset ${fromOffset} is beyond the end of ${name}, ${held}`);
}
