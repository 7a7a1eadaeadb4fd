// Turns a backup of OSO kafka-backup into one of ours: founds the backup, or goes on with the same import, notes the topics, and
// imports the partitions, several at a time. What the peer's format does not hold is made up so that it is the same each time: topic
// ids are derived from the peer's backup and the topic's name. Producer ids, leader epochs and transactions are left out.

import { createHash } from 'node:crypto';
import { assertCommittable } from '../catalog/assert-committable.ts';
import { assertNeverFounded, foundBackup, readIdentity } from '../catalog/backup-identity.ts';
import { readCatalog } from '../catalog/catalog-reader.ts';
import { CatalogWriter } from '../catalog/catalog-writer.ts';
import type { CatalogAction, TopicObservation } from '../catalog/commit.ts';
import type { ObjectLayout } from '../catalog/object-layout.ts';
import { maxStoredSize } from '../compression/frame-codec.ts';
import { SharedBufferPool } from '../compression/shared-buffer-pool.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import { BackupError, errorOf } from '../model/errors.ts';
import { toJson } from '../model/json-fields.ts';
import type { Logger } from '../model/logger.ts';
import type { Patience } from '../model/patience.ts';
import type { RequestCounts } from '../model/request-counts.ts';
import { comparePartitions, partitionName, type TopicPartition } from '../model/topic/topic-partition.ts';
import type { SegmentSettings } from '../segment/segment-writer.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { PatientStore } from '../storage/patient-store.ts';
import { type ImportCounters, newCounters } from './import-counters.ts';
import type { SegmentFilling } from './open-segment.ts';
import { type ImportChoices, PartitionImport } from './partition-import.ts';
import {
  isPeerBackup,
  type OffsetRange,
  type PeerManifest,
  type PeerPartition,
  type PeerTopic,
  readPeerManifest,
  rereadPeerManifest,
} from './peer/peer-manifest.ts';
import { accountOf, listUnnamed } from './peer/unnamed-files.ts';
import { SharedCommits } from './shared-commits.ts';

const FRAMES_PER_THREAD = 2;
const TOPIC_ID_BYTES = 16;
/** How long the peer's store is waited for when it is away. */
const PATIENCE_MS = 600_000;

export interface ImportSettings {
  readonly segments: SegmentSettings;
  readonly frameBytes: number;
  readonly segmentMaxBytes: number;
  readonly segmentMaxRecords: number | null;
  readonly maxConcurrentPartitions: number;
}

export interface ImportOptions {
  /** The peer's store; its backups stay as they are. */
  readonly peer: ObjectStore;
  /** Which of its backups; undefined when there is only one. */
  readonly peerBackupId: string | undefined;
  readonly choices: ImportChoices;
  readonly store: ObjectStore;
  /** What went to it so far, for the catalog to tell; none unless given. */
  readonly storeRequests?: (() => RequestCounts) | undefined;
  readonly layout: ObjectLayout;
  readonly settings: ImportSettings;
  readonly workers: WorkerPool;
  readonly logger: Logger;
  readonly monotonicMs: () => number;
  readonly wallMs: () => number;
  /** Resolves after so long, or at once when the signal aborts. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

export interface ImportProgress {
  readonly partitionsDone: number;
  readonly partitionsTotal: number;
  readonly filesTotal: number;
  readonly bytesRead: number;
  /** As the manifest tells it. */
  readonly bytesTotal: number;
  readonly counters: Readonly<ImportCounters>;
}

export interface ImportReport extends ImportProgress {
  readonly peerBackupId: string;
  readonly backupId: string;
  readonly catalogVersion: number;
  readonly topics: number;
  /** Files that could not be read, in the order of their partitions. */
  readonly damaged: readonly DamagedFile[];
  /** Keys of segment files that the peer's manifest does not name, ascending; they are left out. */
  readonly unnamed: readonly string[];
}

export interface DamagedFile extends TopicPartition {
  /** Names the file and the position. */
  readonly message: string;
  /** True where its offsets are a gap now; otherwise nothing behind it was imported. */
  readonly isGap: boolean;
}

interface Part {
  readonly topic: string;
  readonly topicId: string;
  readonly source: PeerPartition;
}

export class ImportRun {
  readonly #options: ImportOptions;
  readonly #counters = newCounters();
  readonly #damaged: DamagedFile[] = [];
  #parts: readonly Part[] = [];
  #partitionsDone = 0;
  #bytesRead = 0;

  constructor(options: ImportOptions) {
    this.#options = options;
  }

  progress(): ImportProgress {
    const files = this.#parts.flatMap(({ source }) => source.segments);
    return {
      partitionsDone: this.#partitionsDone,
      partitionsTotal: this.#parts.length,
      filesTotal: files.length,
      bytesRead: this.#bytesRead,
      bytesTotal: files.reduce((total, { storedSizeBytes }) => total + storedSizeBytes, 0),
      counters: this.#counters,
    };
  }

  /**
   * Imports what is not in the backup yet; committed work is kept, whatever ends it.
   * @throws BACKUP_NOT_FOUND, USAGE_INVALID, BACKUP_OF_OTHER_CLUSTER when our backup is of another origin, CATALOG_CORRUPT when it has lost its identity, SOURCE_DAMAGED when the
   * manifest cannot be read, FENCED, INTERRUPTED, and what the stores fail with.
   */
  async run(signal: AbortSignal): Promise<ImportReport> {
    const { peer, peerBackupId, store, storeRequests, layout, wallMs } = this.#options;
    const manifest = await readPeerManifest(peer, peerBackupId);
    const origin = `oso-kafka-backup/${manifest.backupId}/${manifest.createdAtMs}`;
    await this.#claim(origin);
    this.#parts = partsOf(manifest, origin);
    const catalog = await CatalogWriter.open(store, layout, wallMs, storeRequests);
    const topics = observationsOf(manifest, origin, catalog, wallMs());
    const note: CatalogAction[] = catalog.state.version === 0 ? [{ kind: 'note', text: noteOn(manifest) }] : [];
    if (note.length + topics.length > 0) await catalog.commit([...note, ...topics]);
    const unnamed = await listUnnamed(this.#patientPeer(manifest, signal), manifest);
    await this.#importAll(catalog, manifest, signal);
    await catalog.checkpoint(true);
    return {
      ...this.progress(),
      peerBackupId: manifest.backupId,
      backupId: layout.backupId,
      catalogVersion: catalog.state.version,
      topics: manifest.topics.length,
      damaged: this.#damaged.sort(comparePartitions),
      unnamed: await this.#stillUnnamed(unnamed, manifest, signal),
    };
  }

  async #claim(origin: string): Promise<void> {
    const { store, layout, wallMs } = this.#options;
    if (await isPeerBackup(store, layout.root)) {
      const message = `${layout.backupId} in ${store.description} is a backup of the other program, and stays as it is; import into another backup_id, or another store`;
      throw new BackupError('USAGE_INVALID', message);
    }
    const known = await readIdentity(store, layout);
    if (known !== undefined && known.clusterId !== origin) {
      const message = `backup ${layout.backupId} in ${store.description} is of ${known.clusterId}; give the import of ${origin} a backup_id of its own`;
      throw new BackupError('BACKUP_OF_OTHER_CLUSTER', message);
    }
    if (known !== undefined) return;
    await assertNeverFounded(store, layout);
    await foundBackup(store, layout, origin, wallMs());
  }

  async #importAll(catalog: CatalogWriter, manifest: PeerManifest, signal: AbortSignal): Promise<void> {
    const { settings, store, layout } = this.#options;
    const commits = new SharedCommits(catalog, (actions) => assertCommittable(store, layout, actions));
    const filling = this.#filling();
    const stop = new AbortController();
    const isStopped = AbortSignal.any([signal, stop.signal]);
    const peer = this.#patientPeer(manifest, isStopped);
    const earlierGaps = await this.#earlierGaps(catalog);
    const queue = this.#parts.values();
    const importNext = async (): Promise<void> => {
      for (const part of queue) {
        if (isStopped.aborted) throw new BackupError('INTERRUPTED', 'the import was stopped');
        await this.#importPart(part, {
          peer,
          earlierGaps,
          catalog,
          commits,
          filling,
          createdAtMs: manifest.createdAtMs,
          signal: isStopped,
        });
        this.#partitionsDone += 1;
      }
    };
    let failure: unknown;
    const imports = Array.from({ length: settings.maxConcurrentPartitions }, () =>
      importNext().catch((error: unknown) => {
        // The others stop because of it; what made the first one fail is what is told.
        failure ??= error;
        stop.abort();
      }),
    );
    await Promise.all(imports);
    if (failure !== undefined) throw errorOf(failure);
  }

  async #importPart(
    { topic, topicId, source }: Part,
    run: {
      readonly peer: ObjectStore;
      readonly earlierGaps: ReadonlyMap<string, readonly OffsetRange[]>;
      readonly catalog: CatalogWriter;
      readonly commits: SharedCommits;
      readonly filling: SegmentFilling;
      readonly createdAtMs: number;
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    const { layout, choices, settings, wallMs } = this.#options;
    const { peer, filling, createdAtMs, signal } = run;
    const identity = { topic, topicId, partition: source.partition };
    const partition = new PartitionImport(source, {
      identity,
      // Asked anew each time: the writer may have made its state anew.
      committedOffset: () =>
        run.catalog.state.incarnation(topic, topicId).partition(source.partition).resume?.nextOffset,
      earlierGaps: run.earlierGaps.get(partitionName({ topic, partition: source.partition })) ?? [],
      peer,
      layout,
      filling,
      choices,
      limits: settings,
      commit: (actions) => run.commits.commit(actions),
      counters: this.#counters,
      onRead: (bytes) => {
        this.#bytesRead += bytes;
      },
      createdAtMs,
      signal,
      wallMs,
    });
    for (const { message } of await partition.run()) {
      this.#damaged.push({ topic, partition: source.partition, message, isGap: choices.damaged === 'gap' });
    }
  }

  /** By partition name. The writer's state does not hold them. */
  async #earlierGaps({ state }: CatalogWriter): Promise<ReadonlyMap<string, readonly OffsetRange[]>> {
    const { store, layout } = this.#options;
    const { incarnations } = await readCatalog(store, layout, { version: state.version });
    const histories = incarnations.flatMap(({ partitions }) => [...partitions.values()]);
    return new Map(histories.map((history) => [partitionName(history.identity), history.currentGaps()]));
  }

  /** A run of the peer that is still going on may have named some of them by now. */
  async #stillUnnamed(unnamed: readonly string[], manifest: PeerManifest, signal: AbortSignal): Promise<string[]> {
    if (unnamed.length === 0) return [];
    const isAccounted = accountOf(await rereadPeerManifest(this.#patientPeer(manifest, signal), manifest));
    return unnamed.filter((key) => !isAccounted(key));
  }

  /** A file is missing only where the manifest, which names it, is there. */
  #patientPeer({ key }: PeerManifest, signal: AbortSignal): ObjectStore {
    const { peer, logger, monotonicMs, wait } = this.#options;
    const patience: Patience = { work: 'the import', patienceMs: PATIENCE_MS, signal, logger, monotonicMs, wait };
    return new PatientStore(peer, key, patience);
  }

  #filling(): SegmentFilling {
    const { store, workers, settings, choices } = this.#options;
    const frames = settings.maxConcurrentPartitions + workers.threads * FRAMES_PER_THREAD;
    return {
      store,
      workers,
      settings: settings.segments,
      frames: new SharedBufferPool(settings.frameBytes, frames),
      outputs: new SharedBufferPool(maxStoredSize(settings.frameBytes), workers.threads * FRAMES_PER_THREAD),
      keepsAddedHeaders: choices.keepsAddedHeaders,
    };
  }
}

function partsOf({ topics }: PeerManifest, origin: string): Part[] {
  return topics.flatMap(({ topic, partitions }) =>
    partitions.map((source) => ({ topic, topicId: topicIdOf(origin, topic), source })),
  );
}

/** In Kafka's form. The peer keeps no topic ids, and mixes the lives of a topic that was made again. */
function topicIdOf(origin: string, topic: string): string {
  return createHash('sha256').update(`${origin}/${topic}`).digest().subarray(0, TOPIC_ID_BYTES).toString('base64url');
}

/** What the manifest says of topics, where the catalog does not say it yet. */
function observationsOf(
  { topics, createdAtMs }: PeerManifest,
  origin: string,
  { state }: CatalogWriter,
  nowMs: number,
): CatalogAction[] {
  return topics.flatMap((peerTopic): CatalogAction[] => {
    const { topic } = peerTopic;
    const topicId = topicIdOf(origin, topic);
    const known = state.incarnation(topic, topicId).observation;
    const seen = { topic, topicId, ...shapeOf(peerTopic) };
    if (known === undefined) return [{ kind: 'topic', topic: { ...seen, observedAtMs: createdAtMs } }];
    const isKnown = toJson({ ...seen, observedAtMs: known.observedAtMs }) === toJson(known);
    return isKnown ? [] : [{ kind: 'topic', topic: { ...seen, observedAtMs: nowMs } }];
  });
}

function shapeOf(topic: PeerTopic): Pick<TopicObservation, 'partitions' | 'replicationFactor' | 'configs'> {
  const { partitionCount, replicationFactor, configs } = topic;
  return { partitions: partitionCount, replicationFactor: replicationFactor ?? -1, configs };
}

function noteOn({ backupId, createdAtMs }: PeerManifest): string {
  const created = new Date(createdAtMs).toISOString();
  return (
    `imported from backup ${backupId} of oso-kafka-backup, created ${created}. Its format holds records with their offsets and ` +
    'timestamps; topic ids here are derived from its id and the name of the topic, batches are made anew without producer ids, leader ' +
    'epochs and transactions, and records of aborted transactions are data, as they were there'
  );
}
