// The report of `verify-restore`, for people and as JSON. Keys and values are never shown: sizes and hashes stand for them.

import type { VerifiedPartition } from '../../../../verification/lane-verification.ts';
import type { VerificationReport } from '../../../../verification/verification-run.ts';
import { formatCount, formatDuration } from '../../format-quantities.ts';
import { printable } from '../../terminal.ts';

const MAX_PARTITIONS_SHOWN = 100;

export function renderVerification(report: VerificationReport, seconds: number): string {
  const { partitions, recordsExpected, recordsCompared, offsetsBehind, reasons } = report;
  const notable = partitions.filter(({ verdict }) => verdict !== 'equal');
  const shown = notable.slice(0, MAX_PARTITIONS_SHOWN);
  return [
    `Restore ${report.restoreId} of backup ${report.backupId}: plan ${report.planId}, catalog version ${report.catalogVersion}`,
    `  Partitions: ${formatCount(partitions.length - notable.length)} of ${formatCount(partitions.length)} equal`,
    `  Records: ${formatCount(recordsCompared)} of ${formatCount(recordsExpected)} compared and equal`,
    ...(offsetsBehind === 0n
      ? []
      : [
          `  Besides: ${formatCount(offsetsBehind)} offsets written since, behind them or to other partitions, not compared`,
        ]),
    `  Duration: ${formatDuration(seconds)}`,
    ...reasons.map((reason) => `  inconclusive: ${printable(reason)}`),
    ...shown.flatMap(partitionLines),
    ...(notable.length > shown.length
      ? [`  ... and ${formatCount(notable.length - shown.length)} partitions more`]
      : []),
    `Result: ${report.verdict.toUpperCase()}`,
  ].join('\n');
}

function partitionLines({ topic, partition, sourceTopic, difference, reasons }: VerifiedPartition): string[] {
  const name = `${topic}/${partition}`;
  if (difference === null) return reasons.map((reason) => `  inconclusive: ${name}: ${printable(reason)}`);
  const { offset, field, sourcePartition, sourceOffset, expected, found } = difference;
  const from =
    sourcePartition === null || sourceOffset === null
      ? ''
      : ` (${sourceTopic}/${sourcePartition} offset ${sourceOffset})`;
  return [
    `  different: ${name} offset ${offset}${from}: ${field}: expected ${printable(expected)}, found ${printable(found)}`,
  ];
}

export function verificationJson(report: VerificationReport, seconds: number): Readonly<Record<string, unknown>> {
  return {
    message_type: 'summary',
    command: 'verify-restore',
    result: report.verdict,
    restore_id: report.restoreId,
    backup_id: report.backupId,
    plan_id: report.planId,
    catalog_version: report.catalogVersion,
    records_expected: report.recordsExpected,
    records_compared: report.recordsCompared,
    offsets_behind: report.offsetsBehind,
    reasons: report.reasons,
    partitions: report.partitions.map(({ topic, partition, sourceTopic, verdict, difference, reasons, ...counts }) => ({
      topic,
      partition,
      source_topic: sourceTopic,
      result: verdict,
      records_expected: counts.recordsExpected,
      records_compared: counts.recordsCompared,
      difference: difference && {
        offset: difference.offset,
        field: difference.field,
        source_partition: difference.sourcePartition,
        source_offset: difference.sourceOffset,
        expected: difference.expected,
        found: difference.found,
      },
      reasons,
    })),
    seconds_elapsed: Number(seconds.toFixed(3)),
  };
}
