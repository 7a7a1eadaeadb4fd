// The report of `validate`, for people and as JSON. VALID stands nowhere beside a problem.

import type { ValidationReport } from '../../../validation/validation-run.ts';
import { formatBytes, formatCount, formatDuration } from '../format-quantities.ts';
import { instantJson } from '../outline-json.ts';
import { printable } from '../terminal.ts';

const MAX_PROBLEMS_SHOWN = 100;

export function renderValidation(report: ValidationReport, seconds: number): string {
  const { backupId, commits, catalogVersion, checkpointVersion, segments, orphans, problems, problemCount } = report;
  const checkpoint = checkpointVersion === null ? 'no checkpoint' : `checkpoint ${checkpointVersion}`;
  const bytesRead = formatBytes(report.bytesRead);
  const read = {
    quick: 'only footers read',
    bytes: `${bytesRead} read; --deep decodes every record`,
    deep: `${bytesRead} read and decoded`,
  }[report.depth];
  const shown = problems.slice(0, MAX_PROBLEMS_SHOWN);
  return [
    `Backup ${backupId}: ${formatCount(report.topics)} topics, ${formatCount(report.partitions)} partitions, ${formatCount(report.records)} records`,
    `  Catalog: ${formatCount(commits)} commits up to version ${catalogVersion}, ${checkpoint}`,
    `  Objects: ${formatCount(segments)} segments, ${formatBytes(report.storedBytes)}; ${read}`,
    `  Orphans: ${formatCount(orphans.count)} objects that no commit names, ${formatBytes(orphans.sizeBytes)}`,
    ...(report.sample === null
      ? []
      : [`  Sample: ${sampleText(report.sample, segments)}; the others are there with their size`]),
    `  Gaps: ${formatCount(report.gaps)} declared, ${formatCount(report.gapOffsets)} offsets`,
    `  Duration: ${formatDuration(seconds)}`,
    ...shown.map(({ code, message }) => `  problem ${code}: ${printable(message)}`),
    ...(problemCount > shown.length ? [`  ... and ${formatCount(problemCount - shown.length)} problems more`] : []),
    `Result: ${verdict(report)}`,
  ].join('\n');
}

export function validationJson(report: ValidationReport, seconds: number): Readonly<Record<string, unknown>> {
  const { orphans, problems } = report;
  return {
    message_type: 'summary',
    command: 'validate',
    result: verdict(report),
    valid: report.isValid,
    depth: report.depth,
    deep: report.depth === 'deep',
    sample: report.sample,
    backup_id: report.backupId,
    catalog_version: report.catalogVersion,
    commits: report.commits,
    checkpoint_version: report.checkpointVersion,
    topics: report.topics,
    partitions: report.partitions,
    segments: report.segments,
    records: report.records,
    stored_bytes: report.storedBytes,
    bytes_read: report.bytesRead,
    gaps: report.gaps,
    gap_offsets: report.gapOffsets,
    orphan_count: orphans.count,
    orphan_bytes: orphans.sizeBytes,
    orphans: orphans.objects.map(({ key, sizeBytes, modifiedAtMs }) => ({
      key,
      size_bytes: sizeBytes,
      modified_at: instantJson(modifiedAtMs),
    })),
    problem_count: report.problemCount,
    problems: problems.map(({ code, message, key, topic, partition, offset }) => ({
      code,
      message,
      key,
      topic: topic ?? null,
      partition: partition ?? null,
      offset: offset ?? null,
    })),
    seconds_elapsed: Number(seconds.toFixed(3)),
  };
}

function verdict({ isValid, depth, gaps, problemCount, sample }: ValidationReport): string {
  if (!isValid) return `INVALID: ${problemCount} problem(s)`;
  const valid = depth === 'quick' ? 'VALID by its footers' : 'VALID';
  const extent = sample === null ? valid : `${valid} in a sample of ${formatShare(sample.share)}`;
  return gaps === 0 ? extent : `${extent} with ${gaps} declared gap(s)`;
}

function sampleText({ share, seed, segments }: NonNullable<ValidationReport['sample']>, total: number): string {
  return `${formatShare(share)}, ${formatCount(segments)} of ${formatCount(total)} segments, seed ${seed}`;
}

function formatShare(share: number): string {
  return `${Number((share * 100).toFixed(6))}%`;
}
