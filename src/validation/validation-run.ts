// `validate`: does the store hold what the catalog says, and would a restore read it? It reads every byte and holds it
// against its hash; deep it decodes all records besides, quick it reads the catalog, a listing and the footers alone. It never stops at the first problem, and it never calls valid what it has not
// looked at: a store that fails ends it with the store's error. By sample, presence and size of every object are checked all the
// same; only a share of them is opened.

import type { ObjectLayout } from '../catalog/object-layout.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import { BackupError } from '../model/errors.ts';
import type { SegmentSummary } from '../model/segment/segment.ts';
import { requireIdentity } from '../inspection/stored-backup.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { WitnessedStore } from '../storage/witnessed-store.ts';
import { CatalogAudit } from './catalog-audit.ts';
import { type Orphans, takeInventory } from './object-inventory.ts';
import { type Problem, ProblemList } from './problem-list.ts';
import { auditFooter, ByteAudit } from './segment-audit.ts';
import { type SampleChoice, sampleOf } from './segment-sample.ts';

/** Objects looked at together: their requests overlap. */
const CONCURRENT_OBJECTS = 4;

/** What is looked at of an object: its footer; all its bytes; all its records. */
export type ValidationDepth = 'quick' | 'bytes' | 'deep';

export interface ValidationOptions {
  readonly store: ObjectStore;
  readonly layout: ObjectLayout;
  readonly depth: ValidationDepth;
  /** What hashes and decodes. */
  readonly workers: WorkerPool;
  /** Which objects to open; null for all. */
  readonly sample: SampleChoice | null;
  readonly signal: AbortSignal;
}

export interface ValidationProgress {
  readonly commits: number;
  readonly objects: number;
  readonly objectsTotal: number;
  readonly bytesRead: number;
  readonly bytesTotal: number;
  readonly problems: number;
}

export interface ValidationReport {
  readonly backupId: string;
  readonly depth: ValidationDepth;
  /** Null when every object was opened. */
  readonly sample: (SampleChoice & { readonly segments: number }) | null;
  readonly isValid: boolean;
  readonly catalogVersion: number;
  readonly commits: number;
  /** The checkpoint that was held against the log; null without one. */
  readonly checkpointVersion: number | null;
  readonly topics: number;
  readonly partitions: number;
  /** Committed segments. */
  readonly segments: number;
  readonly records: number;
  readonly storedBytes: number;
  /** Frames' bytes read and verified: none of them when quick. */
  readonly bytesRead: number;
  readonly gaps: number;
  readonly gapOffsets: bigint;
  readonly orphans: Orphans;
  readonly problemCount: number;
  /** The first thousand. */
  readonly problems: readonly Problem[];
}

export class ValidationRun {
  readonly #options: ValidationOptions;
  readonly #problems = new ProblemList();
  #catalog: CatalogAudit | undefined;
  #segments: readonly SegmentSummary[] = [];
  /** Those to open. */
  #chosen: readonly SegmentSummary[] = [];
  #objects = 0;
  #bytesRead = 0;

  constructor(options: ValidationOptions) {
    this.#options = options;
  }

  progress(): ValidationProgress {
    return {
      commits: this.#catalog?.commits ?? 0,
      objects: this.#objects,
      objectsTotal: this.#chosen.length,
      bytesRead: this.#bytesRead,
      bytesTotal: this.#options.depth === 'quick' ? 0 : storedBytesOf(this.#chosen),
      problems: this.#problems.count,
    };
  }

  /** @throws BACKUP_NOT_FOUND, FORMAT_TOO_NEW, INTERRUPTED, and what the store fails with. */
  async run(): Promise<ValidationReport> {
    const { layout, signal } = this.#options;
    const store = await this.#auditIdentity();
    const catalog = new CatalogAudit(store, layout, this.#problems);
    this.#catalog = catalog;
    await catalog.run(signal);
    this.#segments = catalog.state.incarnations.flatMap(({ partitions }) =>
      [...partitions.values()].flatMap(({ segments }) => segments),
    );
    const { sample } = this.#options;
    this.#chosen = sample === null ? this.#segments : sampleOf(this.#segments, sample);
    const { present, orphans } = await takeInventory(store, layout, this.#segments, this.#problems, signal);
    if (catalog.state.version === 0 && orphans.count > 0) this.#reportLostCatalog(orphans.count);
    const toOpen = sample === null ? present : intersection(present, this.#chosen);
    this.#objects = this.#chosen.length - toOpen.length;
    await this.#auditObjects(store, toOpen);
    return this.#report(catalog, orphans);
  }

  /** Gives the store as it is read from then on: with an identity in it, what is missing may be so since the whole store has gone. */
  async #auditIdentity(): Promise<ObjectStore> {
    const { store, layout } = this.#options;
    const place = { key: layout.identity };
    try {
      const { backupId } = await requireIdentity(store, layout);
      if (backupId !== layout.backupId) {
        const message = `${layout.identity} is the identity of ${JSON.stringify(backupId)}`;
        this.#problems.add({ code: 'CATALOG_CORRUPT', message, ...place });
      }
      return new WitnessedStore(store, layout.identity);
    } catch (error) {
      this.#problems.addFailure(error, place);
      return store;
    }
  }

  #reportLostCatalog(objects: number): void {
    const { catalogPrefix, dataPrefix } = this.#options.layout;
    const message = `there is no commit under ${catalogPrefix}, though there are ${objects} objects under ${dataPrefix}: the catalog was lost, unless a first run has still to commit or was killed before it did`;
    this.#problems.add({ code: 'CATALOG_CORRUPT', message, key: catalogPrefix });
  }

  async #auditObjects(store: ObjectStore, present: readonly SegmentSummary[]): Promise<void> {
    const { depth, workers, signal } = this.#options;
    const problems = this.#problems;
    const onRead = (bytes: number): void => {
      this.#bytesRead += bytes;
    };
    const isDeep = depth === 'deep';
    const bytes = depth === 'quick' ? null : new ByteAudit({ store, workers, isDeep, problems, signal, onRead });
    const queue = present.values();
    let hasFailed = false;
    const auditNext = async (): Promise<void> => {
      for (const segment of queue) {
        if (hasFailed) return;
        if (signal.aborted) throw new BackupError('INTERRUPTED', `the validation of ${segment.key} was stopped`);
        const footer = await auditFooter(store, segment, problems);
        if (footer !== undefined) await bytes?.run(segment, footer);
        this.#objects += 1;
      }
    };
    const audits = Array.from({ length: CONCURRENT_OBJECTS }, () =>
      auditNext().catch((error: unknown) => {
        hasFailed = true;
        throw error;
      }),
    );
    await Promise.allSettled(audits);
    await Promise.all(audits);
  }

  #report({ state, commits, checkpointVersion }: CatalogAudit, orphans: Orphans): ValidationReport {
    const { layout, depth, sample } = this.#options;
    const histories = state.incarnations.flatMap(({ partitions }) => [...partitions.values()]);
    const gaps = histories.flatMap((history) => history.gaps);
    return {
      backupId: layout.backupId,
      depth,
      sample: sample === null ? null : { ...sample, segments: this.#chosen.length },
      isValid: this.#problems.count === 0,
      catalogVersion: state.version,
      commits,
      checkpointVersion,
      topics: new Set(state.incarnations.map(({ topic }) => topic)).size,
      partitions: histories.length,
      segments: this.#segments.length,
      records: this.#segments.reduce((total, { recordCount }) => total + recordCount, 0),
      storedBytes: storedBytesOf(this.#segments),
      bytesRead: this.#bytesRead,
      gaps: gaps.length,
      gapOffsets: gaps.reduce((total, { baseOffset, lastOffset }) => total + lastOffset - baseOffset + 1n, 0n),
      orphans,
      problemCount: this.#problems.count,
      problems: this.#problems.kept,
    };
  }
}

/** Those of `some` that are also among `others`, in the order of `some`. */
function intersection(some: readonly SegmentSummary[], others: readonly SegmentSummary[]): SegmentSummary[] {
  const wanted = new Set(others);
  return some.filter((segment) => wanted.has(segment));
}

function storedBytesOf(segments: readonly SegmentSummary[]): number {
  return segments.reduce((total, { storedSizeBytes }) => total + storedSizeBytes, 0);
}
