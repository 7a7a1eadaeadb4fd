// The report of `import`, for people and as JSON.

import type { ImportReport } from '../../../import/import-run.ts';
import type { ImportChoices } from '../../../import/partition-import.ts';
import { ERROR_KINDS } from '../../../model/errors.ts';
import { formatBytes, formatCount } from '../format-quantities.ts';
import { figureLines } from './render-summary.ts';
import { printable } from '../terminal.ts';

export function renderImport(report: ImportReport, choices: ImportChoices, seconds: number): string {
  const { counters, damaged } = report;
  const { records, rawBytes, storedBytes, segments, files, skippedFiles } = counters;
  const isComplete = damaged.length === 0;
  const { recordsWithAddedHeaders, markers, repeatedRecords } = counters;
  return [
    isComplete ? 'Import completed' : 'Import incomplete',
    ...figureLines({ records, seconds, rawBytes, storedBytes }),
    `  Stored: ${formatBytes(storedBytes)} in ${formatCount(segments)} segment(s), catalog version ${report.catalogVersion}`,
    `  Source: ${printable(report.peerBackupId)}, ${report.topics} topic(s), ${formatCount(files)} file(s) imported, ${formatCount(skippedFiles)} held nothing new`,
    `  Gaps: ${gapText(counters)}`,
    ...(recordsWithAddedHeaders === 0
      ? []
      : [
          `  Added headers: ${choices.keepsAddedHeaders ? 'kept on' : 'dropped from'} ${formatCount(recordsWithAddedHeaders)} records`,
        ]),
    ...(repeatedRecords === 0
      ? []
      : [`  Repeated: ${formatCount(repeatedRecords)} records stood in two files; each is there once`]),
    ...(markers === 0
      ? []
      : [`  Ends of transactions: ${formatCount(markers)} records look like one; ${markerText(choices)}`]),
    `  Errors: ${damaged.length}`,
    ...damaged.map(({ topic, partition, message, isGap }) => {
      const outcome = isGap ? 'its offsets are a gap' : 'nothing behind it was imported';
      return `  Damaged: ${topic}/${partition}: ${printable(message)}; ${outcome}`;
    }),
    ...(damaged.some(({ isGap }) => !isGap) ? [`  Remedy: ${ERROR_KINDS.SOURCE_DAMAGED.hint}`] : []),
  ].join('\n');
}

function gapText({ gaps, gapOffsets, undeclaredGaps }: ImportReport['counters']): string {
  if (gaps === 0) return '0';
  const undeclared = undeclaredGaps === 0 ? '' : `; the source tells nothing of ${undeclaredGaps} of them`;
  return `${gaps} (${formatCount(gapOffsets)} offsets that no file holds${undeclared})`;
}

function markerText({ dropsMarkers }: ImportChoices): string {
  return dropsMarkers ? 'dropped' : 'kept as data, as the source has them; --markers drop leaves them out';
}

export function importJson(report: ImportReport, seconds: number): Readonly<Record<string, unknown>> {
  const { counters, damaged } = report;
  return {
    message_type: 'summary',
    command: 'import',
    complete: damaged.length === 0,
    backup_id: report.backupId,
    source_backup_id: report.peerBackupId,
    catalog_version: report.catalogVersion,
    topics: report.topics,
    partitions: report.partitionsTotal,
    files: counters.files,
    files_without_news: counters.skippedFiles,
    records: counters.records,
    raw_bytes: counters.rawBytes,
    stored_bytes: counters.storedBytes,
    segments: counters.segments,
    gaps: counters.gaps,
    gap_offsets: counters.gapOffsets,
    undeclared_gaps: counters.undeclaredGaps,
    repeated_records: counters.repeatedRecords,
    records_with_added_headers: counters.recordsWithAddedHeaders,
    transaction_ends: counters.markers,
    damaged: damaged.map(({ topic, partition, message, isGap }) => ({ topic, partition, message, gap: isGap })),
    seconds_elapsed: Number(seconds.toFixed(3)),
  };
}
