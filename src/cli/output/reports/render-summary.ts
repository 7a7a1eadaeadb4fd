// The end-of-run summary (DESIGN 7): the peer's lines, which users grep for, then ours.

import { type BackupStatus, requestsPerStoredGib } from '../../../backup/progress/backup-status.ts';
import type { BackupOutcome } from '../../../backup/backup-supervisor.ts';
import { addDrops, type DropCounts, NO_DROPS } from '../../../model/restore/recovery-target.ts';
import { firstOffset, lastOffset, type RestoreReport } from '../../../restore/journal/restore-report.ts';
import type { RestoreJob } from '../../../restore/restore-job.ts';
import { formatBytes, formatCount, formatDuration } from '../format-quantities.ts';
import { renderTable } from '../render-table.ts';
import { printable } from '../terminal.ts';
import { outsideLogLines } from './restore/outside-log.ts';

const BYTES_PER_MB = 1_000_000;
/** Partitions that the report of a restore lists on a terminal. */
const ROWS_SHOWN = 50;

export interface RunFigures {
  readonly records: number;
  readonly seconds: number;
  /** Before compression. */
  readonly rawBytes: number;
  readonly storedBytes: number;
}

/** The lines that every summary begins with. */
export function figureLines({ records, seconds, rawBytes, storedBytes }: RunFigures): string[] {
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
    ...requestLines(status),
    `  Gaps: ${gaps}${gaps === 0 ? '' : ` (${formatCount(gapRecords)} offsets that the source no longer had)`}`,
    `  Errors: ${errors}`,
    ...shortfalls.map((shortfall) => `  Missing: ${printable(shortfall)}`),
  ].join('\n');
}

/** What the store will charge for, where it makes requests over a network. */
function requestLines({ store, counters }: BackupStatus): string[] {
  if (store === null) return [];
  const perGib = requestsPerStoredGib(store, counters);
  return [
    `  Requests: ${formatCount(store.requests)} to the store${perGib === null ? '' : ` (${formatCount(perGib)} per GiB stored)`}`,
  ];
}

export function renderRestoreSummary(job: RestoreJob, seconds: number): string {
  const { progress, partitions, plan, report, remarks } = job;
  const outside = new Set(partitions.filter(({ dropped }) => dropped['outside-window'] > 0).map(({ topic }) => topic));
  const all = report === null || report.allAttempts.attempts === 1 ? null : report.allAttempts;
  const figures = {
    records: progress?.recordsRestored ?? 0,
    seconds: all === null ? seconds : all.durationMs / 1000,
    rawBytes: all?.bytesSent ?? progress?.rawBytes ?? 0,
    storedBytes: (all ?? report?.lastAttempt ?? progress)?.bytesRead ?? 0,
  };
  const gaps = report?.sources.reduce((total, source) => total + source.gaps.length, 0) ?? 0;
  return [
    job.state === 'COMPLETED' ? 'Restore completed' : `Restore ${job.state.toLowerCase()}`,
    ...figureLines(figures),
    ...(all === null ? [] : [`  Attempts: ${formatCount(all.attempts)}, whose time and bytes are added up`]),
    `  Read: ${formatBytes(figures.storedBytes)}`,
    `  Partitions: ${progress?.partitionsDone ?? 0} of ${progress?.partitionsTotal ?? 0}`,
    `  Dropped: ${droppedText(partitions.map(({ dropped }) => dropped))}`,
    ...outsideLogLines(plan, ({ topic }) => outside.has(topic)).map((line) => `  Note: ${line}`),
    `  Gaps: ${gaps}`,
    ...(report === null ? [] : gapLines(report)),
    `  Errors: ${job.failure === null ? 0 : 1}`,
    ...remarks.map((remark) => `  Note: ${printable(remark)}`),
    ...(report === null ? [] : ['', renderReport(report)]),
  ].join('\n');
}

/** Offsets that were wanted and are not in the backup. */
function gapLines({ sources }: RestoreReport): string[] {
  const lines = sources.flatMap(({ topic, partition, gaps }) =>
    gaps.map(
      ({ baseOffset, lastOffset, reason }) =>
        `  Missing: ${printable(topic)}/${partition} offsets ${baseOffset}..${lastOffset} (${reason})`,
    ),
  );
  return [...lines.slice(0, ROWS_SHOWN), ...more(lines.length)];
}

/** What went where, by partition. */
function renderReport({ id, sources, targets }: RestoreReport): string {
  const sourceRows = sources.map(({ topic, partition, recordsPlanned, recordsRestored, dropped }) => [
    `${printable(topic)}/${partition}`,
    formatCount(recordsPlanned),
    formatCount(recordsRestored),
    droppedText([dropped]),
  ]);
  const targetRows = targets.map((target) => [
    `${printable(target.topic)}/${target.partition}`,
    formatCount(target.recordCount),
    firstOffset(target)?.toString() ?? '-',
    lastOffset(target)?.toString() ?? '-',
    formatCount(target.runCount),
  ]);
  return [
    renderTable(['SOURCE', 'PLANNED', 'RESTORED', 'DROPPED'], sourceRows.slice(0, ROWS_SHOWN)),
    ...more(sourceRows.length),
    '',
    renderTable(['TARGET', 'RECORDS', 'FIRST OFFSET', 'LAST OFFSET', 'RUNS'], targetRows.slice(0, ROWS_SHOWN)),
    ...more(targetRows.length),
    '',
    `Offset map: kafka-backup offset-map ${id}, with the same --config`,
  ].join('\n');
}

function more(rows: number): string[] {
  return rows <= ROWS_SHOWN ? [] : [`... and ${formatCount(rows - ROWS_SHOWN)} more; --json has all of them`];
}

function droppedText(counts: readonly DropCounts[]): string {
  const total = counts.reduce(addDrops, NO_DROPS);
  const reasons = Object.entries(total).filter(([, count]) => count > 0);
  return reasons.length === 0 ? '0' : reasons.map(([reason, count]) => `${formatCount(count)} ${reason}`).join(', ');
}
