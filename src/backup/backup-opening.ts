// How a backup begins: source, identity and catalog are asked side by side, since a store may be far away. A backup that is not
// there yet is founded beside its first fetch; nothing is committed before.

import {
  assertCluster,
  assertNeverFounded,
  firstDataKey,
  foundBackup,
  readIdentity,
} from '../catalog/backup-identity.ts';
import { CatalogWriter } from '../catalog/catalog-writer.ts';
import type { ObjectLayout } from '../catalog/object-layout.ts';
import type { PartitionLog } from '../kafka/partition-log.ts';
import { BackOff, pause } from '../model/back-off.ts';
import { isRetriable } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import { once } from '../model/once.ts';
import { unlessAborted } from '../model/unless-aborted.ts';
import type { RequestCounts } from '../model/request-counts.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { Discovery, TopicDiscovery } from './roster/topic-discovery.ts';

export interface BackupOpeningOptions {
  readonly log: PartitionLog;
  readonly store: ObjectStore;
  readonly storeRequests?: (() => RequestCounts) | undefined;
  readonly layout: ObjectLayout;
  readonly discovery: TopicDiscovery;
  readonly logger: Logger;
  readonly wallMs: () => number;
  /** True: a source or store that is away is waited for; false: it fails the opening at once. */
  readonly isPatient: boolean;
  /** A failed attempt to open or to found the backup; it is repeated. */
  readonly onTrouble: (error: unknown) => void;
}

/** What a backup stands on once it is open. */
export interface BackupGround {
  readonly catalog: CatalogWriter;
  readonly discovery: Discovery;
  /** Resolves when the backup has its identity; asked again after a failure, it tries again. */
  readonly founded: () => Promise<void>;
}

/** What has to answer before it is known what there is to back up. */
export type OpeningSide = 'source' | 'store';

export class BackupOpening {
  readonly #options: BackupOpeningOptions;
  #catalog: CatalogWriter | undefined;
  #founded = (): Promise<void> => Promise.resolve();
  /** By the last attempt. */
  readonly #unreached = new Set<OpeningSide>();

  constructor(options: BackupOpeningOptions) {
    this.#options = options;
  }

  /** What a stop in the middle of it has not heard from. Behind the opening it is the source that is still asked for offsets. */
  get unreached(): readonly OpeningSide[] {
    return this.#unreached.size === 0 ? ['source'] : [...this.#unreached];
  }

  /**
   * Undefined when the signal aborted before.
   * @throws the codes of source, store and catalog; BACKUP_OF_OTHER_CLUSTER; CATALOG_CORRUPT also when the identity was lost.
   */
  async run(signal: AbortSignal): Promise<BackupGround | undefined> {
    const { isPatient, onTrouble } = this.#options;
    const backOff = new BackOff();
    while (!signal.aborted) {
      try {
        // A source that accepts a connection and then is silent would hold up a stop for half a minute.
        return await unlessAborted(this.#attempt(), signal);
      } catch (error) {
        if (!isPatient || !isRetriable(error)) throw error;
        onTrouble(error);
        await pause(backOff.nextDelayMs(), signal);
      }
    }
    return undefined;
  }

  async #attempt(): Promise<BackupGround> {
    const { log, store, storeRequests, layout, discovery, wallMs } = this.#options;
    const reading = readIdentity(store, layout);
    reading.catch(() => {});
    const opening = Promise.resolve(this.#catalog ?? CatalogWriter.open(store, layout, wallMs, storeRequests));
    this.#unreached.add('source').add('store');
    Promise.all([reading, opening]).then(
      () => this.#unreached.delete('store'),
      () => {},
    );
    await log.connect();
    const finding = discovery.find();
    finding.then(
      () => this.#unreached.delete('source'),
      () => {},
    );
    const known = await reading;
    if (known !== undefined) assertCluster(known, log.clusterId, store);
    const catalog = await opening;
    this.#catalog = catalog;
    if (catalog.state.version === 0) this.#lookForData();
    else if (known === undefined) await assertNeverFounded(store, layout);
    if (known === undefined) this.#found();
    discovery.remember(catalog.state);
    return { catalog, discovery: discovery.observe(await finding), founded: () => this.#founded() };
  }

  /** A catalog that is gone as a whole looks like one that was never begun; its data stays. Nothing waits for the look. */
  #lookForData(): void {
    const { store, layout, logger } = this.#options;
    firstDataKey(store, layout).then(
      (key) => {
        if (key === undefined) return;
        logger.warn(
          'this backup begins anew, though there is data that no commit names: a run was killed before its first commit, or the catalog was lost',
          { key },
        );
      },
      () => {},
    );
  }

  /** Begins it, and does not wait: fetching and compressing need no identity. */
  #found(): void {
    const { log, store, layout, wallMs, onTrouble } = this.#options;
    const { clusterId } = log;
    this.#founded = once(async () => {
      await foundBackup(store, layout, clusterId, wallMs());
    });
    this.#founded().catch(onTrouble);
  }
}
