// The end-of-run summary (DESIGN 7): the peer's lines, which users grep for, then ours.

import type { BackupOutcome } from '../backup/backup-supervisor.ts';
import type { RestoreJob } from '../restore/restore-job.ts';
import { formatBytes, formatCount, formatDuration } from './format-quantities.ts';
import { printable } from './terminal.ts';

const BYTES_PER_MB = 1_000_000;

export interface RunFigures {
  readonly records: number;
  readonly seconds: number;
  /** Before compression. */
  readonly rawBytes: number;
  readonly storedBytes: number;
}

function figureLines({ records, seconds, rawBytes, storedBytes }: RunFigures): string[] {
  const ratio = storedBytes > 0 ? `${(rawBytes / storedBytes).toFixed(1)}x` : '-';
  return [
    'Summary:',
    `  Records: ${formatCount(records)}`,
    `  Duration: ${formatDuration(seconds)}`,
    `  Throughput: ${formatCount(Math.round(records / Math.max(seconds, 0.001)))} records/sec`,
    `  Throughput: ${(rawBytes / BYTES_PER_MB / Math.max(seconds, 0.001)).toFixed(1)} MB/sec (uncompressed)`,
    `  Compression ratio: ${ratio}`,
  ];
}

export function renderBackupSummary({ status, shortfalls, isComplete }: BackupOutcome, seconds: number): string {
  const { records, rawBytes, storedBytes, segments, commits, gaps, gapRecords, errors } = status.counters;
  return [
    isComplete ? 'Backup completed' : 'Backup incomplete',
    ...figureLines({ records, seconds, rawBytes, storedBytes }),
    `  Stored: ${formatBytes(storedBytes)} in ${formatCount(segments)} segment(s), ${commits} commit(s)`,
    `  Gaps: ${gaps}${gaps === 0 ? '' : ` (${formatCount(gapRecords)} offsets that the source no longer had)`}`,
    `  Errors: ${errors}`,
    ...shortfalls.map((shortfall) => `  Missing: ${printable(shortfall)}`),
  ].join('\n');
}

export function renderRestoreSummary(job: RestoreJob, seconds: number): string {
  const { progress, partitions } = job;
  const dropped = new Map<string, number>();
  for (const { dropped: counts } of partitions) {
    for (const [reason, count] of Object.entries(counts)) dropped.set(reason, (dropped.get(reason) ?? 0) + count);
  }
  const reasons = [...dropped]
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${formatCount(count)} ${reason}`);
  const figures = {
    records: progress?.recordsRestored ?? 0,
    seconds,
    rawBytes: progress?.rawBytes ?? 0,
    storedBytes: progress?.bytesRead ?? 0,
  };
  return [
    job.state === 'COMPLETED' ? 'Restore completed' : `Restore ${job.state.toLowerCase()}`,
    ...figureLines(figures),
    `  Read: ${formatBytes(progress?.bytesRead ?? 0)}`,
    `  Partitions: ${progress?.partitionsDone ?? 0} of ${progress?.partitionsTotal ?? 0}`,
    `  Dropped: ${reasons.length === 0 ? '0' : reasons.join(', ')}`,
    `  Gaps: ${job.plan?.topics.reduce((total, { gaps }) => total + gaps, 0) ?? 0}`,
    `  Errors: ${job.failure === null ? 0 : 1}`,
  ].join('\n');
}
