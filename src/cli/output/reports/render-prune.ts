// What `prune` found, for people and as JSON.

import type { PruneReport } from '../../../prune/prune-run.ts';
import { formatBytes, formatCount, formatInstant } from '../format-quantities.ts';
import { instantJson } from '../outline-json.ts';
import { renderTable } from '../render-table.ts';
import { printable } from '../terminal.ts';

type Leftover = PruneReport['listed'][number];
type LeftoverTally = PruneReport['orphans'];

const KINDS: Readonly<Record<Leftover['kind'], string>> = {
  orphan: 'object',
  upload: 'unfinished upload',
  checkpoint: 'old checkpoint',
};

export function renderPrune(report: PruneReport): string {
  const { backupId, catalogVersion, orphans, uploads, checkpoints, hidden, listed, failures } = report;
  const { young, older, lapsing } = report;
  const total = orphans.count + uploads.count + checkpoints.count;
  const rows = listed.map(({ kind, name, sizeBytes, touchedAtMs }) => [
    KINDS[kind],
    formatInstant(touchedAtMs),
    sizeBytes === null ? '-' : formatBytes(sizeBytes),
    printable(name),
  ]);
  return [
    ...(rows.length === 0 ? [] : [renderTable(['WHAT', 'SINCE', 'SIZE', 'NAME'], rows)]),
    ...(total > rows.length ? [`... and ${formatCount(total - rows.length)} more`] : []),
    `Backup ${backupId}, catalog version ${catalogVersion}`,
    `  Objects that no commit names: ${tallyText(orphans)}`,
    `  Unfinished uploads: ${tallyText(uploads)}`,
    `  Checkpoints that others have replaced: ${tallyText(checkpoints)}`,
    ...(young.count === 0 ? [] : [`  Left alone, since it is younger than ${hours(report)}: ${tallyText(young)}`]),
    ...(older.count === 0
      ? []
      : [
          `  Left alone, since it is older than the first commit, as what a catalog that was lost has named: ${tallyText(older)}`,
        ]),
    ...(lapsing.count === 0
      ? []
      : [
          `  Unfinished uploads outside data/, left to the store, which drops them after a week: ${tallyText(lapsing)}`,
        ]),
    ...(hidden.count === 0
      ? []
      : [`  Hidden; the old version stays until its lock or a lifecycle rule ends it: ${tallyText(hidden)}`]),
    ...failures.map(({ message }) => `  Failed: ${printable(message)}`),
    `Result: ${verdict(total, report)}`,
  ].join('\n');
}

export function pruneJson(report: PruneReport): Readonly<Record<string, unknown>> {
  return {
    message_type: 'summary',
    command: 'prune',
    complete: report.failures.length === 0,
    backup_id: report.backupId,
    catalog_version: report.catalogVersion,
    confirmed: report.isConfirmed,
    older_than_seconds: report.olderThanMs / 1000,
    store_time: instantJson(report.startedAtMs),
    orphan_count: report.orphans.count,
    orphan_bytes: report.orphans.sizeBytes,
    upload_count: report.uploads.count,
    upload_bytes: report.uploads.sizeBytes,
    checkpoint_count: report.checkpoints.count,
    checkpoint_bytes: report.checkpoints.sizeBytes,
    hidden_count: report.hidden.count,
    hidden_bytes: report.hidden.sizeBytes,
    younger_count: report.young.count,
    younger_bytes: report.young.sizeBytes,
    older_count: report.older.count,
    older_bytes: report.older.sizeBytes,
    lapsing_count: report.lapsing.count,
    lapsing_bytes: report.lapsing.sizeBytes,
    leftovers: report.listed.map(({ kind, name, sizeBytes, touchedAtMs }) => ({
      kind,
      name,
      size_bytes: sizeBytes,
      since: instantJson(touchedAtMs),
    })),
    failures: report.failures.map(({ code, message }) => ({ code, message })),
  };
}

function verdict(total: number, { isConfirmed, hidden, failures }: PruneReport): string {
  const end = failures.length === 0 ? '' : '; incomplete, run it again once what failed is mended';
  if (total === 0) return failures.length === 0 ? 'nothing to remove' : `nothing found to remove${end}`;
  if (!isConfirmed) return `${formatCount(total)} to remove; --confirm removes them${end}`;
  const ofThem = hidden.count === 0 ? '' : `, ${formatCount(hidden.count)} of them only hidden`;
  return `removed ${formatCount(total)}${ofThem}${end}`;
}

function hours({ olderThanMs }: PruneReport): string {
  return `${Number((olderThanMs / 3_600_000).toFixed(2))} h`;
}

function tallyText({ count, sizeBytes }: LeftoverTally): string {
  return count === 0 ? 'none' : `${formatCount(count)}, ${formatBytes(sizeBytes)}`;
}
