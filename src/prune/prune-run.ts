// Finds what crashes leave behind, and removes it when that is confirmed: objects under data/ that no commit names, uploads of
// whatever object that never ended, and checkpoints that others have replaced. A segment is uploaded first and named by a commit
// afterwards, so only age tells one that is about to be named from one that never will be; the catalog is read again right before
// each batch is removed, so that a commit that has just landed wins. Commits and restores are never touched: an upload that goes only
// by an empty object in its place (Azure's) is discarded under data/, where that is one orphan more, and nowhere else. Objects older
// than the first commit stay: a backup begins anew where its catalog was lost, and then they are all that is left of it. Killed at
// any instant, what was removed was nobody's. What the store refuses for one object, or for one kind of them, keeps nothing else
// from being removed.

import type { ObjectLayout } from '../catalog/object-layout.ts';
import { requireIdentity } from '../inspection/stored-backup.ts';
import { BackupError, type ErrorCode } from '../model/errors.ts';
import { decodeFooter, footerSizeIn } from '../segment/segment-format.ts';
import type { ObjectInfo, ObjectStore } from '../storage/object-store.ts';
import { type Leftover, LeftoverList, type LeftoverTally } from './leftover-list.ts';
import { assertNotStopped, NamedObjects } from './named-objects.ts';
import { pruneCheckpoints } from './superseded-checkpoints.ts';

/** Objects removed between two looks at the catalog. */
const BATCH_OBJECTS = 100;
/** Holds the footer of most segments. */
const TAIL_BYTES = 64 * 1024;
const MAX_FOOTER_BYTES = 64 * 1024 * 1024;
/** Objects that a store may refuse to remove before no more of their kind are tried. */
const MOST_REFUSED = 10;
/** What ends it at once. */
const FATAL: ReadonlySet<ErrorCode> = new Set(['INTERRUPTED', 'CATALOG_CORRUPT', 'FORMAT_TOO_NEW']);

export interface PruneOptions {
  readonly store: ObjectStore;
  readonly layout: ObjectLayout;
  /** What is younger is left alone. */
  readonly olderThanMs: number;
  /** False only looks. */
  readonly isConfirmed: boolean;
  readonly signal: AbortSignal;
}

export interface PruneReport {
  readonly backupId: string;
  readonly catalogVersion: number;
  readonly isConfirmed: boolean;
  readonly olderThanMs: number;
  /** By the store's own clock. */
  readonly startedAtMs: number;
  /** Removed, or what would be. */
  readonly orphans: LeftoverTally;
  /** Discarded, or what would be. */
  readonly uploads: LeftoverTally;
  /** Indexes and pieces; removed, or what would be. */
  readonly checkpoints: LeftoverTally;
  /** Of what was removed: what the store goes on keeping as older versions. */
  readonly hidden: LeftoverTally;
  /** Left alone: too young, or of an age that nothing tells. */
  readonly young: LeftoverTally;
  /** Left alone: older than the first commit, as what a catalog that was lost has named. */
  readonly older: LeftoverTally;
  /** Uploads left to the store, which drops them itself: in their place discarding would show an object that is none. */
  readonly lapsing: LeftoverTally;
  /** The first thousand of what was removed or would be. */
  readonly listed: readonly Leftover[];
  /** What could not be looked at or removed; empty when it is complete. */
  readonly failures: readonly BackupError[];
}

export class PruneRun {
  readonly #options: PruneOptions;
  readonly #named = new NamedObjects();
  readonly #leftovers = new LeftoverList();
  readonly #failures: BackupError[] = [];
  #startedAtMs = 0;
  /** Of the first commit, as the store lists it. */
  #firstCommitAtMs = Number.NEGATIVE_INFINITY;
  #looked = 0;

  constructor(options: PruneOptions) {
    this.#options = options;
  }

  progress(): { readonly objects: number; readonly orphans: number; readonly uploads: number } {
    const { count: orphans } = this.#leftovers.tally('orphan');
    return { objects: this.#looked, orphans, uploads: this.#leftovers.tally('upload').count };
  }

  /**
   * @throws BACKUP_NOT_FOUND, CATALOG_CORRUPT before anything is removed, INTERRUPTED, and what the store failed with first; what was
   * done until then is in {@link report}.
   */
  async run(): Promise<PruneReport> {
    const { store, layout, signal, olderThanMs } = this.#options;
    await requireIdentity(store, layout);
    await this.#named.readOn(store, layout, signal);
    this.#startedAtMs = await store.clock();
    this.#firstCommitAtMs = await firstCommitTime(store, layout);
    const bornBeforeMs = this.#startedAtMs - olderThanMs;
    await this.#asFarAsPossible(() => this.#pruneOrphans(bornBeforeMs));
    await this.#asFarAsPossible(() => this.#pruneUploads(bornBeforeMs));
    const remove = (object: ObjectInfo): Promise<void> => this.#remove('checkpoint', object);
    const leftovers = this.#leftovers;
    await this.#asFarAsPossible(() => pruneCheckpoints({ store, layout, bornBeforeMs, leftovers, remove }));
    const [failure] = this.#failures;
    if (failure !== undefined) throw failure;
    return this.report();
  }

  /** Of what was done so far. */
  report(): PruneReport {
    const { layout, olderThanMs, isConfirmed } = this.#options;
    const leftovers = this.#leftovers;
    return {
      ...{ backupId: layout.backupId, catalogVersion: this.#named.version, isConfirmed, olderThanMs },
      startedAtMs: this.#startedAtMs,
      orphans: leftovers.tally('orphan'),
      uploads: leftovers.tally('upload'),
      checkpoints: leftovers.tally('checkpoint'),
      hidden: leftovers.tally('hidden'),
      young: leftovers.tally('young'),
      older: leftovers.tally('older'),
      lapsing: leftovers.tally('lapsing'),
      listed: leftovers.listed,
      failures: this.#failures,
    };
  }

  async #asFarAsPossible(prune: () => Promise<void>): Promise<void> {
    try {
      await prune();
    } catch (error) {
      if (!(error instanceof BackupError)) throw error;
      if (!this.#failures.includes(error)) this.#failures.push(error);
      if (FATAL.has(error.code)) throw error;
    }
  }

  async #pruneOrphans(bornBeforeMs: number): Promise<void> {
    const { store, layout, signal } = this.#options;
    let batch: ObjectInfo[] = [];
    for await (const object of store.list(layout.dataPrefix)) {
      assertNotStopped(signal, layout);
      this.#looked += 1;
      if (this.#named.has(object.key)) continue;
      this.#assertCatalog(object.key);
      if (object.modifiedAtMs > bornBeforeMs) this.#leftovers.spare('young', object);
      else if (object.modifiedAtMs < this.#firstCommitAtMs) this.#leftovers.spare('older', object);
      else batch.push(object);
      if (batch.length < BATCH_OBJECTS) continue;
      await this.#removeBatch(batch, bornBeforeMs);
      batch = [];
    }
    if (batch.length > 0) await this.#removeBatch(batch, bornBeforeMs);
  }

  /** Where nothing at all was committed, all data would go: a catalog that was lost looks just the same. */
  #assertCatalog(key: string): void {
    if (this.#named.version > 0) return;
    const { backupId } = this.#options.layout;
    throw new BackupError(
      'CATALOG_CORRUPT',
      `backup ${backupId} has no commit, but objects such as ${key}: a catalog that was lost looks the same, so nothing is removed`,
      { context: { key } },
    );
  }

  async #removeBatch(batch: readonly ObjectInfo[], bornBeforeMs: number): Promise<void> {
    const { store, layout, signal, isConfirmed } = this.#options;
    const old: ObjectInfo[] = [];
    for (const object of batch) {
      // A store may stamp an object with the time at which its upload began (S3 does): its footer tells when it was sealed.
      const sealedAtMs = await sealTime(store, object);
      if (sealedAtMs === undefined || sealedAtMs <= bornBeforeMs) old.push(object);
      else this.#leftovers.spare('young', object);
    }
    if (isConfirmed) await this.#named.readOn(store, layout, signal);
    for (const object of old) if (!this.#named.has(object.key)) await this.#remove('orphan', object);
  }

  async #pruneUploads(bornBeforeMs: number): Promise<void> {
    const { store, layout, signal, isConfirmed } = this.#options;
    for await (const upload of store.unfinished(`${layout.root}/`)) {
      assertNotStopped(signal, layout);
      const { name, sizeBytes, touchedAtMs, appearsWhenDiscarded = false } = upload;
      if (touchedAtMs === null || touchedAtMs > bornBeforeMs) {
        this.#leftovers.spare('young', upload);
      } else if (appearsWhenDiscarded && !name.startsWith(layout.dataPrefix)) {
        this.#leftovers.spare('lapsing', upload);
      } else {
        if (isConfirmed) await store.discard(upload);
        this.#leftovers.add({ kind: 'upload', name, sizeBytes, touchedAtMs });
      }
    }
  }

  async #remove(kind: Leftover['kind'], { key, sizeBytes, modifiedAtMs }: ObjectInfo): Promise<void> {
    const { store, layout, signal, isConfirmed } = this.#options;
    assertNotStopped(signal, layout);
    try {
      if (isConfirmed && (await store.delete(key)) === 'hidden') this.#leftovers.hide({ sizeBytes });
      this.#leftovers.add({ kind, name: key, sizeBytes, touchedAtMs: modifiedAtMs });
    } catch (error) {
      if (!(error instanceof BackupError)) throw error;
      this.#failures.push(error);
      if (FATAL.has(error.code) || this.#failures.length >= MOST_REFUSED) throw error;
    }
  }
}

async function firstCommitTime(store: ObjectStore, layout: ObjectLayout): Promise<number> {
  for await (const { key, modifiedAtMs } of store.list(layout.catalogPrefix)) {
    if (layout.versionOfCommit(key) === 1) return modifiedAtMs;
  }
  return Number.NEGATIVE_INFINITY;
}

/** When its writer sealed the segment, by that host's clock; undefined for what is no whole segment, or gone. */
async function sealTime(store: ObjectStore, { key }: ObjectInfo): Promise<number | undefined> {
  try {
    const tail = await store.get(key, { suffixBytes: TAIL_BYTES });
    if (tail === undefined) return undefined;
    const suffixBytes = footerSizeIn(tail, key);
    if (suffixBytes > MAX_FOOTER_BYTES) return undefined;
    const footer =
      suffixBytes <= tail.byteLength
        ? tail.subarray(tail.byteLength - suffixBytes)
        : await store.get(key, { suffixBytes });
    return footer === undefined ? undefined : decodeFooter(footer, key).description.capturedAtMs;
  } catch (error) {
    if (error instanceof BackupError && error.code === 'OBJECT_CORRUPT') return undefined;
    throw error;
  }
}
