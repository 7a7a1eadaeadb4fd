// What the store holds of the backup, against what the configuration wants of it: a restore needs it there, with its topics; a
// backup may begin it, and goes on with it only from the same cluster.

import { assertCluster, assertNeverFounded, type BackupIdentity, readIdentity } from '../catalog/backup-identity.ts';
import type { CatalogHead } from '../catalog/catalog-head.ts';
import { readCatalog } from '../catalog/catalog-reader.ts';
import { CatalogWriter } from '../catalog/catalog-writer.ts';
import type { ObjectLayout } from '../catalog/object-layout.ts';
import type { PartitionLog } from '../kafka/partition-log.ts';
import { BackupError } from '../model/errors.ts';
import { type TopicPatterns, TopicSelection } from '../model/topic/topic-selection.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { type CheckList, fail, type Finding, namesText, ok } from './check-list.ts';

export interface CatalogSubject {
  readonly store: ObjectStore;
  readonly layout: ObjectLayout;
  readonly wallMs: () => number;
  /** What is to be restored; null where the configuration backs up. */
  readonly restored: RestoredSubject | null;
}

export interface RestoredSubject {
  readonly topics: TopicPatterns;
  /** Null: the newest. */
  readonly catalogVersion: number | null;
}

/** What is backed up so far. */
export interface FoundBackup {
  readonly identity: BackupIdentity;
  readonly head: CatalogHead;
}

/** Null where there is none, or it cannot be read. */
export async function checkCatalog(subject: CatalogSubject, list: CheckList): Promise<FoundBackup | null> {
  const { store, layout, wallMs, restored } = subject;
  let found: FoundBackup | null = null;
  await list.check('store', 'catalog', async () => {
    const identity = await readIdentity(store, layout);
    if (identity === undefined) {
      await assertNeverFounded(store, layout);
      if (restored === null) return ok(`backup ${layout.backupId} is not begun yet`);
      throw new BackupError('BACKUP_NOT_FOUND', `there is no backup ${layout.backupId} in ${store.description}`);
    }
    const head = (await CatalogWriter.open(store, layout, wallMs)).state;
    found = { identity, head };
    return ok(`backup ${layout.backupId}, version ${head.version}`);
  });
  if (found !== null && restored !== null) {
    await list.check('store', 'topics to restore', () => restoredFinding(subject, restored));
  }
  return found;
}

/** As a restore chooses its topics; of their partitions, times and offsets its plan says more. */
async function restoredFinding(
  { store, layout }: CatalogSubject,
  { topics, catalogVersion }: RestoredSubject,
): Promise<Finding> {
  const selection = new TopicSelection(topics);
  const { incarnations, version } = await readCatalog(store, layout, {
    topics: (topic) => selection.matches(topic),
    ...(catalogVersion === null ? {} : { version: catalogVersion }),
  });
  const seen = incarnations.filter(({ topic, observations }) => selection.matches(topic) && observations.length > 0);
  const held = new Set(seen.map(({ topic }) => topic));
  const absent = selection.literals.filter((topic) => !topics.exclude.includes(topic) && !held.has(topic));
  const all = [...new Set(incarnations.map(({ topic }) => topic))].sort();
  const there = `version ${version} of it holds ${all.length === 0 ? 'nothing yet' : namesText(all)}`;
  const remedy =
    'Correct restore.topics, or restore from another backup; kafka-backup describe shows what this one holds.';
  if (absent.length > 0) return fail(`not in the backup: ${namesText(absent)}; ${there}`, remedy);
  if (held.size === 0) return fail(`no topic of the backup is meant by restore.topics; ${there}`, remedy);
  return ok(`${held.size} in the backup: ${namesText([...held].sort())}`);
}

/** A backup goes on from the cluster that it was begun with, and no other. */
export async function checkClusterId(
  log: PartitionLog,
  { store, identity }: { readonly store: ObjectStore; readonly identity: BackupIdentity | null },
  list: CheckList,
): Promise<void> {
  await list.check('source', 'cluster', async () => {
    await log.connect();
    if (identity === null) return ok(log.clusterId);
    assertCluster(identity, log.clusterId, store);
    return ok(`${log.clusterId}, as in the backup`);
  });
}
