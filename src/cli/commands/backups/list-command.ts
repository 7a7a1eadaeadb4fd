// `kafka-backup list`: the backups of a store, each summed up from its catalog. One that cannot be read is shown as such and
// decides the exit code; the others are shown all the same.

import type { Command } from 'commander';
import { listBackups } from '../../../catalog/backup-identity.ts';
import type { ObjectLayout } from '../../../catalog/object-layout.ts';
import { type BackupOutline, outlineBackup } from '../../../inspection/backup-outline.ts';
import { openStoredBackup } from '../../../inspection/stored-backup.ts';
import { BackupError } from '../../../model/errors.ts';
import { toJson } from '../../../model/json-fields.ts';
import type { ObjectStore } from '../../../storage/object-store.ts';
import { type CommandContext, type StoreFlags, withStore, withStoreOptions } from '../../command-context.ts';
import { formatBytes, formatCount, formatInstant } from '../../output/format-quantities.ts';
import { backupSummaryJson } from '../../output/outline-json.ts';
import { gapText, UNCOMMITTED } from '../../output/reports/render-outline.ts';
import { renderTable } from '../../output/render-table.ts';
import { printable } from '../../output/terminal.ts';
import { showRestores } from '../restores/list-restores.ts';

interface ListFlags extends StoreFlags {
  readonly restores?: boolean;
}

type ListedBackup =
  | { readonly kind: 'readable'; readonly id: string; readonly outline: BackupOutline }
  | { readonly kind: 'unreadable'; readonly id: string; readonly error: BackupError };

export function addListCommand(program: Command, context: CommandContext): void {
  withStoreOptions(program.command('list').description('list the backups of a store, and what each can restore'))
    .option('--restores', 'list the restores of one backup instead, the newest 200: their ids, states and records')
    .addHelpText(
      'after',
      '\nRESTORABLE TO is the newest instant that the catalog proves for every partition; a partition that was quiet since its\n' +
        'last capture proves nothing newer. NEWEST CAPTURE is the newest instant at which anything was captured.',
    )
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<ListFlags>();
      context.exit(await (flags.restores === true ? showRestores(context, flags) : list(context, flags)));
    });
}

function list(context: CommandContext, flags: StoreFlags): Promise<number> {
  const { terminal } = context;
  return withStore(context, flags, async ({ store, layoutOf, isThere }) => {
    const ids = flags.backupId === undefined ? await listBackups(store) : [flags.backupId];
    if (ids.length === 0 && !(await isThere())) {
      throw new BackupError('BACKUP_NOT_FOUND', `there is no directory ${store.description}`);
    }
    const backups: ListedBackup[] = [];
    for (const id of ids) backups.push(await summarize(store, layoutOf(id)));
    if (flags.json) {
      terminal.result(toJson({ store: store.description, backups: backups.map(listedJson) }));
    } else if (backups.length === 0) {
      terminal.result(`There are no backups in ${printable(store.description)}.`);
    } else {
      terminal.result(renderList(backups));
    }
    const unreadable = backups.find((backup) => backup.kind === 'unreadable');
    return unreadable?.error.kind.exitCode ?? 0;
  });
}

/** @throws BACKUP_NOT_FOUND, and what the store fails with. */
async function summarize(store: ObjectStore, layout: ObjectLayout): Promise<ListedBackup> {
  const id = layout.backupId;
  try {
    return { kind: 'readable', id, outline: outlineBackup(await openStoredBackup(store, layout)) };
  } catch (error) {
    const isOfBackup = error instanceof BackupError && ['CATALOG_CORRUPT', 'FORMAT_TOO_NEW'].includes(error.code);
    if (!isOfBackup) throw error;
    return { kind: 'unreadable', id, error };
  }
}

function listedJson(backup: ListedBackup): unknown {
  if (backup.kind === 'readable') return backupSummaryJson(backup.outline);
  const { code, message, kind } = backup.error;
  return { id: backup.id, error: { code, message, hint: kind.hint } };
}

function renderList(backups: readonly ListedBackup[]): string {
  const heads = ['BACKUP', 'CREATED', 'CLUSTER', 'TOPICS', 'SEGMENTS', 'STORED', 'RESTORABLE FROM', 'RESTORABLE TO'];
  const rows = backups.map((backup) => {
    if (backup.kind === 'unreadable') {
      return [
        backup.id,
        ...heads.slice(1).map(() => '-'),
        '-',
        `${backup.error.code}: ${printable(backup.error.message)}`,
      ];
    }
    const { createdAtMs, clusterId, topics, totals, window, isUncommitted } = backup.outline;
    return [
      backup.id,
      formatInstant(createdAtMs),
      printable(clusterId),
      String(topics.length),
      formatCount(totals.segments),
      formatBytes(totals.storedBytes),
      formatInstant(window.fromMs),
      formatInstant(window.toMs),
      formatInstant(window.newestCaptureMs),
      isUncommitted ? UNCOMMITTED : totals.gaps === 0 ? '' : gapText(totals),
    ];
  });
  return renderTable([...heads, 'NEWEST CAPTURE', 'NOTES'], rows);
}
