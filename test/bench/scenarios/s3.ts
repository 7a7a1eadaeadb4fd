// The backup scenarios once more, into an S3 server on the same machine, and one with the server far away.
import { S3BenchStore } from '../bench-store.ts';
import { backupContender } from '../contenders.ts';
import type { Programs } from '../programs.ts';
import { atMost, type Target } from '../targets.ts';
import type { Workbench } from '../workbench.ts';
import {
  backup64Partitions,
  backupOnePartition,
  backupPassedThrough,
  backupRecompressed,
  backupSegmentSize,
  LZ4,
  plainBackup,
  ZSTD_3,
} from './backup.ts';
import { describe, type Prepare, RSS_LIMIT, type Scenario } from './scenario.ts';

const WALL_LIMIT = 0.8;
const ONE_WAY_DELAY_MS = 50;
const LATENCY_LIMIT = 1.3;

/** By name, in the order in which they run. */
export const S3_SCENARIOS: ReadonlyMap<string, Prepare> = new Map<string, Prepare>([
  ['backup-zstd3', intoS3(plainBackup(ZSTD_3, WALL_LIMIT))],
  ['backup-zstd1', intoS3(plainBackup({ compression: 'zstd', level: 1 }, WALL_LIMIT))],
  ['backup-lz4', intoS3(plainBackup(LZ4, WALL_LIMIT))],
  ['backup-lz4-input-recompressed', intoS3(backupRecompressed)],
  ['backup-lz4-input-passthrough', intoS3(backupPassedThrough)],
  ['backup-one-partition', intoS3(backupOnePartition, 1)],
  ['backup-64-partitions', intoS3(backup64Partitions, 64)],
  ['backup-segment-size', intoS3(backupSegmentSize)],
  ['backup-latency', backupLatency],
]);

/** With the targets of S3 in place of those of a disk; that for memory is meant for 4 partitions. */
function intoS3(prepare: Prepare, partitions = 4): Prepare {
  return async (bench, programs) => {
    const scenario = await prepare(bench, programs);
    const targets = scenario.ratios
      .filter(([, other]) => other.startsWith('peer'))
      .flatMap(([ours, peer]): Target[] => [
        atMost(WALL_LIMIT, 'wallSeconds', ours, peer),
        ...(partitions === 4 ? [atMost(RSS_LIMIT, 'peakRssBytes', ours, peer)] : []),
      ]);
    return { ...scenario, title: `${scenario.title}; into S3`, targets };
  };
}

/** All go through the proxy, so that nothing but the latency is compared: 100 ms more for a request and its answer. */
async function backupLatency(bench: Workbench, programs: Programs): Promise<Scenario> {
  const { store } = bench;
  if (!(store instanceof S3BenchStore)) throw new Error('there is latency only to a server');
  const topic = await bench.topic('orders');
  const programsAt = [programs.ours, ...(programs.peer === undefined ? [] : [programs.peer])];
  const wires = [
    { label: '', wire: await store.behind(0) },
    { label: ' +100 ms', wire: await store.behind(ONE_WAY_DELAY_MS) },
  ];
  return {
    title: `${describe(topic)} to zstd-3; into S3 behind a proxy that adds latency to each round trip`,
    bytes: topic.logBytes,
    contenders: programsAt.flatMap((program) =>
      wires.map(({ label, wire }) =>
        backupContender(bench, program, topic.name, { ...ZSTD_3, name: `${program.name}${label}`, store: wire }),
      ),
    ),
    ratios: [
      ['ours +100 ms', 'ours'],
      ['peer +100 ms', 'peer'],
      ['ours +100 ms', 'peer +100 ms'],
    ],
    targets: [atMost(LATENCY_LIMIT, 'wallSeconds', 'ours +100 ms', 'ours')],
  };
}
