// What each codec makes of a sample, and the time it takes, in the worker threads that a backup would use, by the very task. As a
// backup does, it decides once for a topic whether batches that producers compressed are expanded.

import type { ObjectLayout } from '../catalog/object-layout.ts';
import { maxStoredSize } from '../compression/frame-codec.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import type { SegmentCodec } from '../model/codec.ts';
import { BackupError } from '../model/errors.ts';
import { type Expansion, PACK_FRAME } from '../segment/pack-frame.ts';
import { objectOverheadBytes } from './object-overhead.ts';
import type { SampleFrame } from './sample-frame.ts';

export interface CodecChoice {
  readonly codec: SegmentCodec;
  /** Means nothing but for zstd. */
  readonly level: number;
}

/** What is measured in any case. */
export const CHOICES: readonly CodecChoice[] = [
  { codec: 'none', level: 0 },
  { codec: 'lz4', level: 0 },
  { codec: 'zstd', level: 1 },
  { codec: 'zstd', level: 3 },
  { codec: 'zstd', level: 6 },
];

/** The configured one among them, in its place by codec and level. */
export function choicesWith(configured: CodecChoice): readonly CodecChoice[] {
  if (CHOICES.some((choice) => isSameChoice(choice, configured))) return CHOICES;
  // Of the others there is only one each.
  const behind = CHOICES.findIndex(({ codec, level }) => codec === configured.codec && level > configured.level);
  return behind < 0 ? [...CHOICES, configured] : CHOICES.toSpliced(behind, 0, configured);
}

export function isSameChoice(one: CodecChoice, other: CodecChoice): boolean {
  return one.codec === other.codec && (one.codec !== 'zstd' || one.level === other.level);
}

export interface Measured {
  /** Of the batches as they would be framed: expanded, or as they came. */
  framedBytes: number;
  storedBytes: number;
  /** Of one thread. */
  seconds: number;
}

export interface TopicSample {
  /** As the brokers hold it. */
  readonly kafkaBytes: number;
  /** With nothing compressed. */
  readonly rawBytes: number;
  readonly offsets: number;
  readonly batches: number;
  readonly frames: number;
  /** What these frames would take besides as objects of one frame each. */
  readonly overheadBytes: number;
  /** False where the brokers stamped every record themselves. */
  readonly hasProducerTimes: boolean;
  /** In the order of the choices. */
  readonly measured: readonly Readonly<Measured>[];
}

export interface CodecMeasurement {
  readonly choices: readonly CodecChoice[];
  readonly workers: WorkerPool;
  readonly recompress: 'auto' | 'always' | 'never';
  /** Of the backup that is thought of. */
  readonly layout: ObjectLayout;
  /** Told of each frame's bytes. */
  readonly onBytes: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** @throws BATCH_CORRUPT, INTERRUPTED. */
export async function measureCodecs(
  frames: AsyncIterable<SampleFrame>,
  { choices, workers, recompress, layout, onBytes, signal }: CodecMeasurement,
): Promise<TopicSample> {
  const measured = choices.map((): Measured => ({ framedBytes: 0, storedBytes: 0, seconds: 0 }));
  const expansions: Expansion[] = choices.map(() => (recompress === 'auto' ? 'measure' : recompress));
  const sum = { kafkaBytes: 0, rawBytes: 0, offsets: 0, batches: 0, frames: 0, overheadBytes: 0 };
  let hasProducerTimes = false;
  for await (const frame of frames) {
    const { raw, baseOffset, lastOffset, batchCount } = frame;
    const output = new SharedArrayBuffer(maxStoredSize(raw.byteLength));
    const pack = (choice: CodecChoice, expansion: Expansion) =>
      workers.run(PACK_FRAME, { raw, output, ...choice, expansion });
    const whole = await pack({ codec: 'none', level: 0 }, 'always');
    for (const [index, choice] of choices.entries()) {
      if (signal.aborted) throw new BackupError('INTERRUPTED', 'the estimate was stopped');
      let expansion = expansions[index] ?? 'never';
      if (sum.frames === 0) {
        // The first of each kind also sets up what the others find ready.
        const first = await pack(choice, expansion);
        if (expansion === 'measure') expansion = expansions[index] = first.isExpanded ? 'always' : 'never';
      }
      const startedAt = performance.now();
      const result = await pack(choice, expansion);
      const into = measured[index];
      if (into === undefined) continue;
      into.seconds += (performance.now() - startedAt) / 1000;
      into.framedBytes += result.rawSizeBytes;
      into.storedBytes += result.storedSizeBytes;
    }
    sum.rawBytes += whole.rawSizeBytes;
    sum.kafkaBytes += raw.byteLength;
    sum.offsets += Number(lastOffset + 1n - baseOffset);
    sum.batches += batchCount;
    sum.frames += 1;
    sum.overheadBytes += objectOverheadBytes(frame, whole, layout);
    hasProducerTimes ||= frame.hasProducerTimes;
    onBytes(raw.byteLength);
  }
  return { ...sum, hasProducerTimes, measured };
}
