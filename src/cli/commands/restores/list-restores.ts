// `kafka-backup list --restores`: the restores of one backup by their ids, which other commands ask for.

import { readIdentity } from '../../../catalog/backup-identity.ts';
import { BackupError } from '../../../model/errors.ts';
import { toJson } from '../../../model/json-fields.ts';
import { type ListedRestore, listRestores } from '../../../restore/journal/list-restores.ts';
import { type CommandContext, type StoreFlags, withBackup } from '../../command-context.ts';
import { formatCount, formatInstant } from '../../output/format-quantities.ts';
import { renderTable } from '../../output/render-table.ts';
import { printable } from '../../output/terminal.ts';

/** Topics of a restore that a line names. */
const TOPICS_NAMED = 3;

/** @throws BACKUP_NOT_FOUND, and what the store fails with. */
export function showRestores(context: CommandContext, flags: StoreFlags): Promise<number> {
  const { terminal } = context;
  return withBackup(context, flags, async (store, layout) => {
    const { backupId } = layout;
    if ((await readIdentity(store, layout)) === undefined) {
      throw new BackupError('BACKUP_NOT_FOUND', `no backup ${backupId} in ${store.description}`);
    }
    const restores = await listRestores(store, layout, ({ message }, id) => {
      terminal.say(`warning: restore ${id} is left out, since its documents are damaged: ${printable(message)}`);
    });
    if (flags.json) {
      const document = { store: store.description, backup_id: backupId, restores: restores.map(restoreJson) };
      terminal.result(toJson(document));
    } else if (restores.length === 0) {
      terminal.result(`No restore of ${backupId} has begun.`);
    } else {
      terminal.result(renderRestores(restores));
    }
    return 0;
  });
}

function restoreJson(restore: ListedRestore): unknown {
  const { id, state, createdAtMs, finishedAtMs, target, targetTopics, records } = restore;
  return {
    id,
    state,
    created_at: formatInstant(createdAtMs),
    finished_at: finishedAtMs === null ? null : formatInstant(finishedAtMs),
    target,
    target_topics: targetTopics,
    records,
  };
}

function renderRestores(restores: readonly ListedRestore[]): string {
  const rows = restores.map(({ id, state, createdAtMs, finishedAtMs, target, targetTopics, records }) => [
    id,
    state,
    formatInstant(createdAtMs),
    formatInstant(finishedAtMs),
    records === null ? '-' : formatCount(records),
    printable(target),
    topicsText(targetTopics),
  ]);
  return renderTable(['RESTORE', 'STATE', 'BEGUN', 'FINISHED', 'RECORDS', 'TARGET', 'TARGET TOPICS'], rows);
}

function topicsText(topics: readonly string[]): string {
  const more = topics.length - TOPICS_NAMED;
  const named = topics.slice(0, TOPICS_NAMED).map(printable).join(', ');
  return more > 0 ? `${named} and ${more} more` : named;
}
