// The situations that are measured: which topic, which programs with which settings, and the targets they answer to.
import { idleContender } from './idle.ts';
import {
  type BackupOptions,
  backupContender,
  type Contender,
  type Program,
  type Programs,
  restoreContender,
  zstdContender,
} from './programs.ts';
import { atMost, cpuShareBelow, rssBelow, type Target, throughputAtLeast } from './targets.ts';
import type { FilledTopic, TopicName, Workbench } from './workbench.ts';

const MIB = 1024 * 1024;
const ZSTD_3: BackupOptions = { compression: 'zstd', level: 3 };
const LZ4: BackupOptions = { compression: 'lz4' };
const RSS_LIMIT = 0.3;
/** What counts as not growing: the spread of a quiet machine is a few percent. */
const GROWTH_LIMIT = 1.1;

export interface Scenario {
  readonly title: string;
  /** Bytes that each run moves, for MB/s; null where that says nothing. */
  readonly bytes: number | null;
  readonly contenders: readonly Contender[];
  /** Which medians to divide, in the order of the table. */
  readonly ratios: readonly (readonly [name: string, other: string])[];
  readonly targets: readonly Target[];
  /** Runs once, without a warm-up. */
  readonly isSingle?: boolean;
}

type Prepare = (bench: Workbench, programs: Programs) => Promise<Scenario>;

/** By name, in the order in which they run. */
export const SCENARIOS: ReadonlyMap<string, Prepare> = new Map<string, Prepare>([
  ['backup-zstd3', backupZstd3],
  ['backup-zstd1', plainBackup({ compression: 'zstd', level: 1 }, 0.8)],
  ['backup-lz4', plainBackup(LZ4, 0.85)],
  ['backup-lz4-input-recompressed', backupRecompressed],
  ['backup-lz4-input-passthrough', backupPassedThrough],
  ['backup-one-partition', backupOnePartition],
  ['backup-64-partitions', backup64Partitions],
  ['backup-segment-size', backupSegmentSize],
  ['restore', restore],
  ['idle', idle],
]);

async function backupZstd3(bench: Workbench, programs: Programs): Promise<Scenario> {
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
function plainBackup(options: BackupOptions, limit: number): Prepare {
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

async function backupRecompressed(bench: Workbench, programs: Programs): Promise<Scenario> {
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

async function backupPassedThrough(bench: Workbench, programs: Programs): Promise<Scenario> {
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

async function backupOnePartition(bench: Workbench, programs: Programs): Promise<Scenario> {
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
    targets: codecs.flatMap(([codec]) => [
      throughputAtLeast(100, topic.logBytes, `ours ${codec}`, `peer ${codec}`),
      atMost(RSS_LIMIT, 'peakRssBytes', `ours ${codec}`, `peer ${codec}`),
    ]),
  };
}

async function backup64Partitions(bench: Workbench, programs: Programs): Promise<Scenario> {
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
    targets: [
      atMost(1.5, 'peakRssBytes', 'ours 64', 'ours 4'),
      atMost(RSS_LIMIT, 'peakRssBytes', 'ours 64', 'peer 64'),
    ],
  };
}

async function backupSegmentSize(bench: Workbench, programs: Programs): Promise<Scenario> {
  const topic = await bench.topic('orders');
  const sizes = [16, 128, 1024].map((mib) => ({ label: `${mib} MiB`, segmentMaxBytes: mib * MIB }));
  return {
    title: `${describe(topic)} to zstd-3, by segment_max_bytes`,
    bytes: topic.logBytes,
    contenders: sizes.flatMap(({ label, segmentMaxBytes }) =>
      pairOf(programs, (program) =>
        backupContender(bench, program, topic.name, { ...ZSTD_3, segmentMaxBytes, name: `${program.name} ${label}` }),
      ),
    ),
    ratios: sizes.map(({ label }) => [`ours ${label}`, `peer ${label}`] as const),
    targets: [
      ...sizes.slice(1).map(({ label }) => atMost(GROWTH_LIMIT, 'peakRssBytes', `ours ${label}`, 'ours 16 MiB')),
      ...sizes.map(({ label }) => atMost(RSS_LIMIT, 'peakRssBytes', `ours ${label}`, `peer ${label}`)),
    ],
  };
}

async function restore(bench: Workbench, programs: Programs): Promise<Scenario> {
  const topic = await bench.topic('orders');
  return {
    title: `${describe(topic)}: each program restores its own zstd-3 backup into a new topic`,
    bytes: topic.logBytes,
    contenders: pairOf(programs, (program) => restoreContender(bench, program, topic)),
    ratios: [['ours', 'peer']],
    targets: [
      atMost(0.6, 'wallSeconds', 'ours', 'peer'),
      atMost(0.5, 'cpuSeconds', 'ours', 'peer'),
      atMost(RSS_LIMIT, 'peakRssBytes', 'ours', 'peer'),
    ],
  };
}

async function idle(bench: Workbench, { ours }: Programs): Promise<Scenario> {
  return {
    title: '2,000 quiet partitions followed for 60 s, after 20 s to settle',
    bytes: null,
    contenders: [idleContender(bench, ours)],
    ratios: [],
    targets: [cpuShareBelow(5, 'ours'), rssBelow(200, 'ours')],
    isSingle: true,
  };
}

function pairOf({ ours, peer }: Programs, contender: (program: Program) => Contender): Contender[] {
  return peer === undefined ? [contender(ours)] : [contender(ours), contender(peer)];
}

function peerOf(bench: Workbench, { peer }: Programs, topic: TopicName, name = 'peer'): Contender[] {
  return peer === undefined ? [] : [backupContender(bench, peer, topic, { ...ZSTD_3, name })];
}

function describe({ partitions, logBytes }: FilledTopic): string {
  return `${(logBytes / 1e6).toFixed(0)} MB of JSON records in ${partitions} partition${partitions === 1 ? '' : 's'}`;
}
