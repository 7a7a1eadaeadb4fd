// What `prune` found, for people and as JSON.

import type { Leftover, LeftoverTally, PruneReport } from '../../prune/prune-run.ts';
import { formatBytes, formatCount, formatInstant } from './format-quantities.ts';
import { instantJson } from './outline-json.ts';
import { renderTable } from './render-table.ts';
import { printable } from './terminal.ts';

const KINDS: Readonly<Record<Leftover['kind'], string>> = { orphan: 'object', upload: 'unfinished upload' };

export function renderPrune(report: PruneReport): string {
  const { backupId, catalogVersion, isConfirmed, orphans, uploads, young, elsewhere, listed } = report;
  const total = orphans.count + uploads.count;
  const rows = listed.map(({ kind, name, sizeBytes, touchedAtMs }) => [
    KINDS[kind],
    formatInstant(touchedAtMs),
    sizeBytes === null ? '-' : formatBytes(sizeBytes),
    printable(name),
  ]);
  const left = [
    ...(young.count === 0 ? [] : [`Left alone, since it is younger than ${hours(report)}: ${tallyText(young)}`]),
    ...(elsewhere.count === 0 ? [] : [`Left alone, since it is not data: unfinished uploads, ${tallyText(elsewhere)}`]),
  ];
  return [
    ...(rows.length === 0 ? [] : [renderTable(['WHAT', 'SINCE', 'SIZE', 'NAME'], rows)]),
    ...(total > rows.length ? [`... and ${formatCount(total - rows.length)} more`] : []),
    `Backup ${backupId}, catalog version ${catalogVersion}`,
    `  Objects that no commit names: ${tallyText(orphans)}`,
    `  Unfinished uploads: ${tallyText(uploads)}`,
    ...left.map((line) => `  ${line}`),
    `Result: ${verdict(total, isConfirmed)}`,
  ].join('\n');
}

export function pruneJson(report: PruneReport): Readonly<Record<string, unknown>> {
  return {
    message_type: 'summary',
    command: 'prune',
    backup_id: report.backupId,
    catalog_version: report.catalogVersion,
    confirmed: report.isConfirmed,
    older_than_seconds: report.olderThanMs / 1000,
    store_time: instantJson(report.startedAtMs),
    orphan_count: report.orphans.count,
    orphan_bytes: report.orphans.sizeBytes,
    upload_count: report.uploads.count,
    upload_bytes: report.uploads.sizeBytes,
    younger_count: report.young.count,
    younger_bytes: report.young.sizeBytes,
    elsewhere_count: report.elsewhere.count,
    elsewhere_bytes: report.elsewhere.sizeBytes,
    leftovers: report.listed.map(({ kind, name, sizeBytes, touchedAtMs }) => ({
      kind,
      name,
      size_bytes: sizeBytes,
      since: instantJson(touchedAtMs),
    })),
  };
}

function verdict(total: number, isConfirmed: boolean): string {
  if (total === 0) return 'nothing to remove';
  return isConfirmed ? `removed ${formatCount(total)}` : `${formatCount(total)} to remove; --confirm removes them`;
}

function hours({ olderThanMs }: PruneReport): string {
  return `${Number((olderThanMs / 3_600_000).toFixed(2))} h`;
}

function tallyText({ count, sizeBytes }: LeftoverTally): string {
  return count === 0 ? 'none' : `${formatCount(count)}, ${formatBytes(sizeBytes)}`;
}
