// Every scenario by its name, for each store that backups can be written to.
import type { StoreKind } from '../bench-store.ts';
import {
  backup64Partitions,
  backupOnePartition,
  backupPassedThrough,
  backupRecompressed,
  backupSegmentSize,
  backupZstd3,
  LZ4,
  plainBackup,
} from './backup.ts';
import { idle } from './idle.ts';
import { restore, restore64Partitions, restoreOneRecordBatches, restoreSegmentSize, restoreWindow } from './restore.ts';
import { S3_SCENARIOS } from './s3.ts';
import type { Prepare } from './scenario.ts';

const FILESYSTEM_SCENARIOS: ReadonlyMap<string, Prepare> = new Map<string, Prepare>([
  ['backup-zstd3', backupZstd3],
  ['backup-zstd1', plainBackup({ compression: 'zstd', level: 1 }, 0.8)],
  ['backup-lz4', plainBackup(LZ4, 0.85)],
  ['backup-lz4-input-recompressed', backupRecompressed],
  ['backup-lz4-input-passthrough', backupPassedThrough],
  ['backup-one-partition', backupOnePartition],
  ['backup-64-partitions', backup64Partitions],
  ['backup-segment-size', backupSegmentSize],
  ['restore', restore],
  ['restore-64-partitions', restore64Partitions],
  ['restore-segment-size', restoreSegmentSize],
  ['restore-one-record-batches', restoreOneRecordBatches],
  ['restore-window', restoreWindow],
  ['idle', idle],
]);

/** By name, in the order in which they run. */
export const SCENARIOS: Readonly<Record<StoreKind, ReadonlyMap<string, Prepare>>> = {
  filesystem: FILESYSTEM_SCENARIOS,
  s3: S3_SCENARIOS,
};
