// Runs one backup: finds the partitions, starts a fetch loop for every broker that leads some, grants the slots for catching
// up, seals by age, commits, and drains at the end. A partition in trouble does not stop the others.

import { assertCommittable } from '../catalog/assert-committable.ts';
import { assertCluster } from '../catalog/backup-identity.ts';
import type { CatalogWriter, CommitResult } from '../catalog/catalog-writer.ts';
import { partitionOf } from '../catalog/commit.ts';
import { SharedBufferPool } from '../compression/shared-buffer-pool.ts';
import { maxStoredSize } from '../compression/frame-codec.ts';
import { pause } from '../model/back-off.ts';
import { BackupError, type ErrorCode, errorOf } from '../model/errors.ts';
import { unlessAborted } from '../model/unless-aborted.ts';
import { BackupOpening } from './backup-opening.ts';
import { BackupProgress } from './progress/backup-progress.ts';
import type { BackupOptions } from './backup-options.ts';
import type { BackupStatus } from './progress/backup-status.ts';
import type { TroubleSource } from './progress/source-trouble.ts';
import type { BrokerFetchLoopOptions } from './fetch/broker-fetch-loop.ts';
import { CommitQueue } from './commit-queue.ts';
import { FetchLoops } from './fetch/fetch-loops.ts';
import { FrameMemory } from './frame/frame-memory.ts';
import type { PartitionContext } from './partition-backup.ts';
import { PartitionRoster } from './roster/partition-roster.ts';
import { UploadBudget } from './upload-budget.ts';
import { PartitionTrouble } from './partition-trouble.ts';
import { RosterIntake } from './roster/roster-intake.ts';
import { type Discovery, TopicDiscovery } from './roster/topic-discovery.ts';
import type { TrackedPartition } from './roster/tracked-partition.ts';
import { shortfallsOf } from './shortfalls.ts';

/** How a run ended. `complete`: everything wanted is committed. */
export interface BackupOutcome {
  readonly isComplete: boolean;
  /** In words, what is missing and why; empty when complete. */
  readonly shortfalls: readonly string[];
  readonly status: BackupStatus;
}

const TICK_MS = 250;
const UP_TO_DATE_TIMEOUT_MS = 15_000;
/** Frames being packed or waiting to be written: two for each thread keep all of them busy. */
const OUTPUTS_PER_THREAD = 2;

export class BackupSupervisor {
  readonly #options: BackupOptions;
  readonly #progress: BackupProgress;
  readonly #roster: PartitionRoster;
  readonly #loops = new FetchLoops((nodeId) => this.#loopOptions(nodeId));
  readonly #memory: FrameMemory;
  readonly #uploads: UploadBudget;
  readonly #trouble: PartitionTrouble;
  readonly #discovery: TopicDiscovery;
  readonly #opening: BackupOpening;
  #catalog: CatalogWriter | undefined;
  #queue: CommitQueue | undefined;
  #intake: RosterIntake | undefined;
  /** Nothing is committed before. */
  #founded = (): Promise<void> => Promise.resolve();
  #refreshAtMs = 0;
  #isRefreshing = false;
  /** Aborted when the run is to end, or a partition of a one-shot backup is done: all may be. */
  #news = new AbortController();
  #failure: Error | undefined;

  constructor(options: BackupOptions) {
    this.#options = options;
    const { settings, log, logger, monotonicMs, wallMs } = options;
    this.#progress = new BackupProgress(settings.backupId, settings.continuous, wallMs, monotonicMs);
    this.#roster = new PartitionRoster(settings.maxConcurrentPartitions, (nodeId) => this.#loops.begin(nodeId).wake());
    this.#memory = new FrameMemory(settings.memoryBudgetBytes, settings.frameBytes);
    this.#uploads = new UploadBudget(settings.uploadBudgetBytes, settings.uploadPartBytes);
    this.#discovery = new TopicDiscovery(log, settings.topics, logger, wallMs);
    this.#opening = new BackupOpening({
      log,
      store: options.store,
      storeRequests: options.storeRequests,
      layout: options.layout,
      discovery: this.#discovery,
      logger,
      wallMs,
      isPatient: settings.continuous,
      onTrouble: (error) => {
        this.#onTrouble('opening', error);
        this.#refreshWithin(1000);
      },
    });
    this.#trouble = new PartitionTrouble({
      log,
      logger,
      monotonicMs,
      refreshSoon: () => this.#refreshWithin(1000),
      onGap: (_partition, records, reason) => {
        this.#progress.gap(records);
        options.observer.gap(reason, Number(records));
      },
      onError: (code) => this.#countError(code),
      // As a commit ends with it: credentials that were read once come back with another process only.
      onLockedOut: (error) => this.#fail(error),
      patienceMs: settings.continuous ? Number.POSITIVE_INFINITY : settings.oneShotPatienceMs,
    });
  }

  status(): BackupStatus {
    const store = this.#options.storeTraffic?.() ?? null;
    return { ...this.#progress.status(this.#roster.all(), this.#catalog?.state), store };
  }

  /**
   * Runs until everything is backed up (one-shot) or the signal aborts, then drains: what is in hand is sealed, uploaded and
   * committed within the shutdown time.
   * @throws the codes of the source, the store and the catalog, when the backup cannot start or the catalog cannot be kept.
   */
  async run(signal: AbortSignal): Promise<BackupOutcome> {
    const isOpen = await this.#open(signal);
    const ticker = setInterval(() => this.#tick(), TICK_MS);
    try {
      if (isOpen && !signal.aborted) await this.#untilDone(signal);
    } catch (error) {
      // What cannot be committed any more is not taken in either.
      void this.#loops.stop();
      this.#queue?.stop();
      throw error;
    } finally {
      clearInterval(ticker);
    }
    return this.#drain(signal.aborted, isOpen);
  }

  /**
   * Commits everything that the source holds now, as far as it can be had: waits until it is taken in, seals and commits. For
   * a restore that is to see the latest. Without a source, what is in hand is committed.
   */
  async bringUpToDate(signal: AbortSignal): Promise<void> {
    const live = this.#roster.all().filter(({ isFetching }) => isFetching);
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(UP_TO_DATE_TIMEOUT_MS)]);
    const latest = await this.#options.log
      .listOffsets(
        live.map(({ backup }) => backup.identity),
        'latest',
      )
      .catch((): ReadonlyMap<string, bigint> => new Map());
    const isBehind = ({ name, backup, isFetching }: TrackedPartition): boolean =>
      isFetching && backup.nextOffset < (latest.get(name) ?? 0n);
    while (live.some(isBehind) && !deadline.aborted) await pause(TICK_MS / 5, deadline);
    for (const { backup } of this.#roster.all()) backup.seal('request');
    await Promise.allSettled(this.#roster.all().map(({ backup }) => backup.settled()));
    await this.#queue?.flush(deadline);
  }

  /** False when the signal aborted before it was known what there is to back up. */
  async #open(signal: AbortSignal): Promise<boolean> {
    const { settings, log, logger, store, layout } = this.#options;
    const ground = await this.#opening.run(signal);
    if (ground === undefined) return false;
    const { catalog, founded, discovery } = ground;
    this.#progress.trouble.served('opening');
    this.#catalog = catalog;
    this.#founded = founded;
    this.#progress.clusterId = log.clusterId;
    this.#queue = new CommitQueue({
      catalog,
      ready: async (actions) => {
        await founded();
        await assertCommittable(store, layout, actions);
      },
      intervalMs: settings.commitIntervalMs,
      onCommit: (result) => this.#onCommit(result),
      onTrouble: (error) => this.#onTrouble('store', error),
      onError: (error) => this.#onError(error),
      onFailure: (error) => {
        this.#failure = errorOf(error);
      },
    });
    this.#intake = new RosterIntake({
      log,
      logger,
      catalog: catalog.state,
      context: this.#contextOf(this.#queue),
      isContinuous: settings.continuous,
      startOffset: settings.startOffset,
      roster: this.#roster,
      progress: this.#progress,
      trouble: this.#trouble,
      prepare: (nodeId) => void this.#loops.begin(nodeId),
      refreshSoon: () => this.#refreshWithin(1000),
      commitSoon: () => this.#queue?.commitSoon(),
      onError: (error) => this.#onError(error),
    });
    if (settings.failOnMissingTopic && discovery.missing.length > 0) {
      throw new BackupError('TOPIC_NOT_FOUND', `no such topic: ${discovery.missing.join(', ')}`);
    }
    if (discovery.topics.length === 0) logger.warn('no topic at the source is selected by source.topics');
    const adopting = this.#adopt(discovery).then(() => true);
    return (await unlessAborted(adopting, signal)) === true;
  }

  #contextOf(queue: CommitQueue): PartitionContext {
    const { settings, layout, store, workers, monotonicMs, wallMs, observer } = this.#options;
    return {
      layout,
      store,
      workers,
      outputs: new SharedBufferPool(maxStoredSize(settings.frameBytes), workers.threads * OUTPUTS_PER_THREAD),
      memory: this.#memory,
      uploads: this.#uploads,
      settings: settings.segments,
      limits: settings.limits,
      recompress: settings.recompress,
      monotonicMs,
      wallMs,
      queue: (action) => queue.add(action),
      relieveMemory: () => this.#roster.relieveMemory(this.#memory),
      relieveUploads: () => this.#roster.relieveUploads(this.#uploads),
      onSealed: (reason) => observer.segmentSealed(reason),
    };
  }

  async #adopt(discovery: Discovery): Promise<void> {
    for (const action of discovery.observations) this.#queue?.add(action);
    this.#refreshAtMs = this.#options.monotonicMs() + this.#options.settings.topicRefreshMs;
    await this.#intake?.adopt(discovery);
  }

  #loopOptions(nodeId: number): BrokerFetchLoopOptions {
    const { settings, log, monotonicMs, wallMs } = this.#options;
    const { trouble } = this.#progress;
    const source = `broker ${nodeId}` as const;
    return {
      nodeId,
      log,
      partitions: () => this.#roster.ledBy(nodeId),
      limits: {
        maxWaitMs: settings.fetchMaxWaitMs,
        minBytes: settings.continuous ? settings.fetchMinBytes : 1,
        maxBytes: settings.fetchMaxBytes,
        maxPartitionBytes: settings.maxPartitionFetchBytes,
      },
      monotonicMs,
      wallMs,
      onOutcome: async (partition, outcome) => {
        await this.#trouble.outcome(partition, outcome);
        this.#advance(partition);
      },
      isTiered: (topic) => this.#trouble.isTiered(topic),
      onEndInSight: (partition) => this.#passSlotOn(partition),
      onProgress: (partition) => this.#onProgress(partition),
      onFailure: (partition, error) => this.#trouble.failure(partition, error),
      onTrouble: (error) => {
        this.#onTrouble(source, error);
        this.#refreshWithin(1000);
      },
      onAnswered: () => trouble.served(source),
      onIdle: () => trouble.drop(source),
    };
  }

  #onProgress(partition: TrackedPartition): void {
    this.#trouble.answered(partition);
    this.#advance(partition);
  }

  /** Records were taken in, or what remained turned out to be gone: the partition may be at its end. */
  #advance(partition: TrackedPartition): void {
    if (partition.state !== 'catching-up') return;
    if (partition.isTakenIn) {
      partition.backup.seal('end');
      partition.state = 'done';
      this.#news.abort();
    } else if (partition.endOffset === undefined && partition.backup.nextOffset >= partition.backup.highWatermark) {
      partition.state = 'tailing';
    } else return;
    this.#roster.grantSlots();
  }

  /**
   * The slot goes to another partition of the same broker before the next request goes out: without one, that would wait as long
   * as a broker waits for more to come, and so would every few partitions of thousands.
   */
  #passSlotOn(partition: TrackedPartition): void {
    if (partition.state !== 'catching-up' || partition.endOffset !== undefined) return;
    partition.state = 'tailing';
    this.#roster.grantSlots(partition.leader);
  }

  #tick(): void {
    for (const partition of this.#roster.all()) {
      const { backup } = partition;
      backup.sealIfDue();
      this.#trouble.review(partition);
      if (backup.failure === undefined || partition.isOver) continue;
      void this.#trouble.failure(partition, backup.failure).catch((error: unknown) => this.#fail(error));
    }
    this.#roster.grantSlots();
    const isDue = this.#options.monotonicMs() >= this.#refreshAtMs;
    if (isDue && this.#intake !== undefined && !this.#isRefreshing) void this.#refresh();
  }

  async #refresh(): Promise<void> {
    this.#isRefreshing = true;
    this.#refreshAtMs = Number.POSITIVE_INFINITY;
    try {
      await this.#founded();
      const found = await this.#discovery.find();
      this.#assertSameCluster();
      await this.#adopt(this.#discovery.observe(found));
      this.#progress.trouble.drop('topics');
      this.#progress.trouble.drop('opening');
    } catch (error) {
      if (error instanceof BackupError && error.code === 'BACKUP_OF_OTHER_CLUSTER') this.#fail(error);
      else this.#onTrouble('topics', error);
      this.#refreshWithin(1000);
    } finally {
      this.#isRefreshing = false;
    }
  }

  /** Another cluster may have come to be behind the same address: what it holds is no part of this backup. */
  #assertSameCluster(): void {
    const { log, store, layout } = this.#options;
    const { clusterId } = this.#progress;
    assertCluster({ backupId: layout.backupId, clusterId }, log.clusterId, store);
  }

  #refreshWithin(ms: number): void {
    this.#refreshAtMs = Math.min(this.#refreshAtMs, this.#options.monotonicMs() + ms);
  }

  async #untilDone(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#news.abort(), { once: true });
    while (!signal.aborted && this.#failure === undefined) {
      this.#news = new AbortController();
      const partitions = this.#roster.all();
      if (partitions.length > 0 && partitions.every(({ state }) => state === 'fenced')) return;
      this.#assertPatience();
      // A refresh may be seeing a partition off.
      const isSettled = !this.#isRefreshing && partitions.every(({ isOver }) => isOver);
      if (!this.#options.settings.continuous && isSettled) {
        await Promise.allSettled(partitions.map(({ backup }) => backup.settled()));
        if (partitions.every(({ isOver }) => isOver)) return;
      }
      await pause(TICK_MS, this.#news.signal);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** @throws what a one-shot backup has been waiting for too long. */
  #assertPatience(): void {
    const { settings } = this.#options;
    const { trouble } = this.#progress;
    if (settings.continuous || trouble.error === null) return;
    if (trouble.stalledMs >= settings.oneShotPatienceMs) throw trouble.error;
  }

  async #drain(isShutdown: boolean, isOpen: boolean): Promise<BackupOutcome> {
    const { settings } = this.#options;
    const deadline = AbortSignal.timeout(
      settings.continuous || isShutdown ? settings.shutdownTimeoutMs : settings.oneShotPatienceMs,
    );
    try {
      await unlessAborted(this.#sealAndCommit(deadline), deadline);
    } finally {
      this.#queue?.stop();
    }
    // What was stored just now may have ended a trouble that the last look at the partition still saw.
    for (const partition of this.#roster.all()) this.#trouble.review(partition);
    const shortfalls = shortfallsOf({
      partitions: this.#roster.all(),
      retired: this.#intake?.retired ?? [],
      progress: this.#progress,
      isContinuous: settings.continuous,
      unreached: isOpen ? [] : this.#opening.unreached,
      isTimedOut: deadline.aborted,
      isShutdown,
    });
    return { isComplete: shortfalls.length === 0, shortfalls, status: this.status() };
  }

  async #sealAndCommit(deadline: AbortSignal): Promise<void> {
    await this.#loops.stop();
    const partitions = this.#roster.all();
    for (const { backup } of partitions) backup.seal('shutdown');
    await Promise.allSettled(partitions.map(({ backup }) => backup.settled()));
    await this.#queue?.flush(deadline);
    if (!deadline.aborted) await this.#founded();
    await this.#catalog?.checkpoint().catch((error: unknown) => this.#onError(error));
  }

  #onCommit(result: CommitResult): void {
    this.#progress.committed(result, (identity) => this.#roster.get(identity));
    this.#options.observer.committed(result);
    for (const action of result.fenced) {
      if (action.kind === 'segment') {
        void this.#options.store.delete(action.segment.key).catch((error: unknown) => this.#onError(error));
      }
      const identity = partitionOf(action);
      const partition = identity && this.#roster.get(identity);
      if (partition === undefined || partition.state === 'fenced') continue;
      partition.state = 'fenced';
      partition.failure = 'another agent has committed this partition';
      this.#countError('FENCED');
      this.#options.logger.error('fenced: another agent commits this partition; it is stopped here', {
        ...partition.backup.identity,
      });
      void partition.backup.reset();
    }
  }

  /** The source fails us, and is tried again until it serves. */
  #onTrouble(source: TroubleSource, error: unknown): void {
    if (error instanceof BackupError) this.#progress.trouble.begin(source, error);
    this.#onError(error);
  }

  /** Something failed that holds nothing up. */
  #onError(error: unknown): void {
    if (!(error instanceof BackupError)) {
      this.#fail(error);
      return;
    }
    this.#countError(error.code);
    this.#options.logger.warn('in trouble; trying again', { error });
  }

  /** What no repetition mends, such as a defect of ours: the run ends with it. */
  #fail(error: unknown): void {
    this.#failure ??= errorOf(error);
  }

  #countError(code: ErrorCode): void {
    this.#progress.error();
    this.#options.observer.error(code);
  }
}
