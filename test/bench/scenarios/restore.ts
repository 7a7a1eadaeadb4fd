// Restores into new topics, each program of its own backup: the whole of a topic, a small window of a large one, and what is
// unkind to a restore, batches of one record and many partitions.
import { type Contender, pairOf, restoreContender, type TimeWindow } from '../contenders.ts';
import type { Programs } from '../programs.ts';
import { atMost, readShareBelow, type Target, timesFaster } from '../targets.ts';
import type { FilledTopic, Workbench } from '../workbench.ts';
import { describe, GROWTH_LIMIT, RSS_LIMIT, type Scenario, SEGMENT_SIZES } from './scenario.ts';

/** As parts of a topic's records. */
const WINDOW_START = 0.6;
const WINDOW_SIZE = 0.01;
/** What the issue of the main job grants memory from 4 to 64 partitions. */
const GROWTH_BY_PARTITIONS = 1.5;

export async function restore(bench: Workbench, programs: Programs): Promise<Scenario> {
  const topic = await bench.topic('orders');
  return {
    title: `${describe(topic)}: each program restores its own zstd-3 backup into a new topic`,
    bytes: topic.logBytes,
    contenders: pairOf(programs, (program) => restoreContender(bench, program, topic)),
    ratios: [['ours', 'peer']],
    targets: againstPeer('ours', 'peer'),
  };
}

/** The peer does not say what it reads. */
export async function restoreWindow(bench: Workbench, programs: Programs): Promise<Scenario> {
  const topic = await bench.topic('orders-large');
  const window = windowOf(topic);
  return {
    title: `a window with 1 % (${window.records}) of the records of ${describe(topic)}, of a zstd-3 backup`,
    bytes: null,
    contenders: pairOf(programs, (program) => restoreContender(bench, program, topic, { window })),
    ratios: [['ours', 'peer']],
    targets: [readShareBelow(3, 'ours')],
  };
}

/** Of two sizes, and about as many bytes in the log: with 0.7 KB a record the bytes cost most, with 100 bytes it is the batches. */
export async function restoreOneRecordBatches(bench: Workbench, programs: Programs): Promise<Scenario> {
  const [large, small] = [await bench.topic('orders-singles'), await bench.topic('orders-singles-100')];
  const contendersFor = (topic: FilledTopic, size: string): Contender[] =>
    pairOf(programs, (program) => restoreContender(bench, program, topic, { name: `${program.name} ${size}` }));
  return {
    title: `batches of one record each, ${large.records} of about 0.7 KB (${describe(large)}) and ${small.records} of 100 bytes (${describe(small)}): each program restores its own zstd-3 backup`,
    bytes: null,
    contenders: [...contendersFor(large, '0.7 KB'), ...contendersFor(small, '100 B')],
    ratios: [
      ['ours 0.7 KB', 'peer 0.7 KB'],
      ['ours 100 B', 'peer 100 B'],
    ],
    targets: [timesFaster(5, 'ours 0.7 KB', 'peer 0.7 KB'), timesFaster(5, 'ours 100 B', 'peer 100 B')],
  };
}

export async function restore64Partitions(bench: Workbench, programs: Programs): Promise<Scenario> {
  const [few, many] = [await bench.topic('orders'), await bench.topic('orders-64')];
  return {
    title: `${describe(many)} beside ${few.partitions} partitions: each program restores its own zstd-3 backup`,
    bytes: many.logBytes,
    contenders: [
      ...pairOf(programs, (program) => restoreContender(bench, program, many, { name: `${program.name} 64` })),
      restoreContender(bench, programs.ours, few, { name: 'ours 4' }),
    ],
    ratios: [
      ['ours 64', 'peer 64'],
      ['ours 64', 'ours 4'],
    ],
    targets: [...againstPeer('ours 64', 'peer 64'), atMost(GROWTH_BY_PARTITIONS, 'peakRssBytes', 'ours 64', 'ours 4')],
  };
}

export async function restoreSegmentSize(bench: Workbench, { ours }: Programs): Promise<Scenario> {
  const topic = await bench.topic('orders');
  return {
    title: `${describe(topic)}, from zstd-3 backups, by segment_max_bytes`,
    bytes: topic.logBytes,
    contenders: SEGMENT_SIZES.map(({ label, segmentMaxBytes }) =>
      restoreContender(bench, ours, topic, { name: `ours ${label}`, segmentMaxBytes }),
    ),
    ratios: SEGMENT_SIZES.slice(1).map(({ label }) => [`ours ${label}`, 'ours 16 MiB'] as const),
    targets: SEGMENT_SIZES.slice(1).map(({ label }) =>
      atMost(GROWTH_LIMIT, 'peakRssBytes', `ours ${label}`, 'ours 16 MiB'),
    ),
  };
}

function againstPeer(ours: string, peer: string): Target[] {
  return [
    atMost(0.6, 'wallSeconds', ours, peer),
    atMost(0.5, 'cpuSeconds', ours, peer),
    atMost(RSS_LIMIT, 'peakRssBytes', ours, peer),
  ];
}

function windowOf({ records, startTimestampMs }: FilledTopic): TimeWindow {
  const fromMs = startTimestampMs + Math.round(records * WINDOW_START);
  const count = Math.round(records * WINDOW_SIZE);
  return { fromMs, toMs: fromMs + count - 1, records: count };
}
