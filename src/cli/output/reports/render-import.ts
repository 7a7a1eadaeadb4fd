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
  const { recordsWithAddedHeaders, markers, repeatedRecords } = counters;
  return [
    isComplete(report) ? 'Import completed' : 'Import incomplete',
    ...figureLines({ records, seconds, rawBytes, storedBytes }),
    `  Stored: ${formatBytes(storedBytes)} in ${formatCount(segments)} segment(s), catalog version ${report.catalogVersion}`,
    `  Source: ${printable(report.peerBackupId)}, ${report.topics} topic(s), ${formatCount(files)} file(s) imported, ${formatCount(skippedFiles)} held nothing new`,
    ...(skippedFiles === 0 ? [] : [choicesLine(choices)]),
    `  Gaps: ${gapText(counters)}`,
    ...leftLines(report),
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

/** False when something is left out of which the source has a file. */
function isComplete({ damaged, counters, unnamed }: ImportReport): boolean {
  return damaged.length === 0 && counters.filesInGaps === 0 && unnamed.length === 0;
}

function leftLines({ counters, unnamed }: ImportReport): string[] {
  const { filesInGaps, offsetsInGaps } = counters;
  return [
    ...(filesInGaps === 0
      ? []
      : [
          `  Left in gaps: ${formatCount(offsetsInGaps)} offsets are gaps since an earlier import, although the source has ${formatCount(filesInGaps)} file(s) for them; to have them, import into another backup_id`,
        ]),
    ...(unnamed.length === 0
      ? []
      : [`  Left out: ${formatCount(unnamed.length)} segment file(s) that the manifest of the source does not name`]),
  ];
}

/** Undefined when every file is named. */
export function unnamedWarning({ unnamed }: ImportReport): string | undefined {
  const [first] = unnamed;
  if (first === undefined) return undefined;
  return (
    `warning: ${formatCount(unnamed.length)} segment file(s) of the source are not named by its manifest and were left out, the first is ` +
    `${printable(first)}; they come of a run with another compression under the same id, or of one that did not end`
  );
}

/** Nothing is imported twice, so whoever chooses otherwise the second time has to be told. */
function choicesLine({ keepsAddedHeaders, dropsMarkers }: ImportChoices): string {
  const [headers, markers] = [keepsAddedHeaders ? 'keep' : 'drop', dropsMarkers ? 'drop' : 'keep'];
  return (
    `  Choices: --added-headers ${headers} and --markers ${markers} went for what is new; what an earlier import took stays as it was ` +
    'chosen then; to change that, import into another backup_id'
  );
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
    complete: isComplete(report),
    backup_id: report.backupId,
    source_backup_id: report.peerBackupId,
    catalog_version: report.catalogVersion,
    topics: report.topics,
    partitions: report.partitionsTotal,
    files: counters.files,
    files_without_news: counters.skippedFiles,
    files_in_earlier_gaps: counters.filesInGaps,
    offsets_in_earlier_gaps: counters.offsetsInGaps,
    unnamed_files: report.unnamed.length,
    first_unnamed_file: report.unnamed[0] ?? null,
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
