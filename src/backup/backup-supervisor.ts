// Runs one backup: finds the partitions, starts a fetch loop for every broker that leads some, grants the slots for catching
// up, seals by age, commits, and drains at the end. A partition in trouble does not stop the others.

import { assertCluster, foundBackup, readIdentity } from '../catalog/backup-identity.ts';
import { CatalogWriter, type CommitResult } from '../catalog/catalog-writer.ts';
import { partitionOf } from '../catalog/commit.ts';
import type { ObjectLayout } from '../catalog/object-layout.ts';
import { SharedBufferPool } from '../compression/shared-buffer-pool.ts';
import { maxStoredSize } from '../compression/frame-codec.ts';
import type { WorkerPool } from '../compression/worker-pool.ts';
import type { PartitionLog } from '../kafka/partition-log.ts';
import { BackOff, pause } from '../model/back-off.ts';
import { BackupError, type ErrorCode, errorOf, isRetriable, messageOf } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import { once } from '../model/once.ts';
import type { RequestCounts } from '../model/request-counts.ts';
import type { Gap } from '../model/segment/segment.ts';
import type { TopicConfigs } from '../model/topic/topic-description.ts';
import { partitionName } from '../model/topic/topic-partition.ts';
import type { SealReason } from '../segment/seal-policy.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { BackupProgress } from './progress/backup-progress.ts';
import type { BackupSettings } from './backup-settings.ts';
import type { BackupStatus, StoreTraffic } from './progress/backup-status.ts';
import { BrokerFetchLoop } from './broker-fetch-loop.ts';
import { CommitQueue } from './commit-queue.ts';
import { FrameMemory } from './frame/frame-memory.ts';
import { PartitionBackup, type PartitionContext } from './partition-backup.ts';
import { PartitionRoster } from './roster/partition-roster.ts';
import { UploadBudget } from './upload-budget.ts';
import { PartitionTrouble } from './partition-trouble.ts';
import { checkPositions, startPositions, type StartPosition } from './roster/start-positions.ts';
import { deniedTopic, type Discovery, type FoundPartition, TopicDiscovery } from './roster/topic-discovery.ts';
import { keyOf, TrackedPartition } from './roster/tracked-partition.ts';

/** What happens, for metrics. Called on the spot; must not throw. */
export interface BackupObserver {
  readonly segmentSealed: (reason: SealReason) => void;
  readonly committed: (result: CommitResult) => void;
  readonly gap: (reason: Gap['reason'], records: number) => void;
  readonly error: (code: ErrorCode) => void;
}

export interface BackupOptions {
  readonly settings: BackupSettings;
  readonly log: PartitionLog;
  readonly store: ObjectStore;
  /** Where the store makes requests over a network. */
  readonly storeTraffic?: () => StoreTraffic | null;
  /** What went to the store so far, for the catalog to tell; none unless given. */
  readonly storeRequests?: (() => RequestCounts) | undefined;
  readonly layout: ObjectLayout;
  readonly workers: WorkerPool;
  readonly logger: Logger;
  readonly observer: BackupObserver;
  readonly monotonicMs: () => number;
  readonly wallMs: () => number;
}

/** How a run ended. `complete`: everything wanted is committed. */
export interface BackupOutcome {
  readonly isComplete: boolean;
  /** In words, what is missing and why; empty when complete. */
  readonly shortfalls: readonly string[];
  readonly status: BackupStatus;
}

const TICK_MS = 250;
/** A one-shot backup ends as soon as it can. */
const ONE_SHOT_TICK_MS = 10;
const UP_TO_DATE_TIMEOUT_MS = 15_000;
/** Frames being packed or waiting to be written: two for each thread keep all of them busy. */
const OUTPUTS_PER_THREAD = 2;

export class BackupSupervisor {
  readonly #options: BackupOptions;
  readonly #progress: BackupProgress;
  readonly #roster: PartitionRoster;
  readonly #loops = new Map<number, BrokerFetchLoop>();
  readonly #memory: FrameMemory;
  readonly #uploads: UploadBudget;
  readonly #trouble: PartitionTrouble;
  readonly #discovery: TopicDiscovery;
  #catalog: CatalogWriter | undefined;
  #queue: CommitQueue | undefined;
  /** Nothing is committed before. */
  #founded = (): Promise<void> => Promise.resolve();
  #context: PartitionContext | undefined;
  #configs: ReadonlyMap<string, TopicConfigs> = new Map();
  #refreshAtMs = 0;
  #failure: Error | undefined;

  constructor(options: BackupOptions) {
    this.#options = options;
    const { settings, log, logger, monotonicMs, wallMs } = options;
    this.#progress = new BackupProgress(settings.backupId, settings.continuous, wallMs, monotonicMs);
    this.#roster = new PartitionRoster(settings.maxConcurrentPartitions, (nodeId) => this.#loopOf(nodeId).wake());
    this.#memory = new FrameMemory(settings.memoryBudgetBytes, settings.frameBytes);
    this.#uploads = new UploadBudget(settings.uploadBudgetBytes, settings.uploadPartBytes);
    this.#discovery = new TopicDiscovery(log, settings.topics, logger, wallMs);
    this.#trouble = new PartitionTrouble({
      log,
      logger,
      monotonicMs,
      configsOf: (topic) => this.#configs.get(topic),
      refreshSoon: () => this.#refreshWithin(1000),
      onGap: (_partition, records, reason) => {
        this.#progress.gap(records);
        options.observer.gap(reason, Number(records));
      },
      onError: (code) => this.#countError(code),
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
    await this.#open(signal);
    const ticker = setInterval(() => this.#tick(), TICK_MS);
    try {
      if (!signal.aborted) await this.#untilDone(signal);
    } finally {
      clearInterval(ticker);
    }
    return this.#drain(signal.aborted);
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

  async #open(signal: AbortSignal): Promise<void> {
    const { log, store, storeRequests, layout, settings, workers, wallMs, monotonicMs } = this.#options;
    const discovery = await this.#patiently(signal, async () => {
      // Source, identity and catalog are asked side by side: a store may be far away.
      const reading = readIdentity(store, layout);
      reading.catch(() => {});
      const opening = Promise.resolve(this.#catalog ?? CatalogWriter.open(store, layout, wallMs, storeRequests));
      opening.catch(() => {});
      await log.connect();
      const finding = this.#discovery.find();
      finding.catch(() => {});
      const known = await reading;
      if (known !== undefined) assertCluster(known, log.clusterId, store);
      this.#catalog = await opening;
      if (known === undefined) this.#found();
      this.#discovery.remember(this.#catalog.state);
      return this.#discovery.observe(await finding);
    });
    if (discovery === undefined || this.#catalog === undefined) return;
    this.#progress.clusterId = log.clusterId;
    this.#queue = new CommitQueue({
      catalog: this.#catalog,
      founded: this.#founded,
      intervalMs: settings.commitIntervalMs,
      onCommit: (result) => this.#onCommit(result),
      onTrouble: (error) => this.#onTrouble(error),
      onFailure: (error) => {
        this.#failure = errorOf(error);
      },
    });
    const queue = this.#queue;
    this.#context = {
      layout,
      store,
      workers,
      outputs: this.#outputs(),
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
      onSealed: (reason) => this.#options.observer.segmentSealed(reason),
    };
    if (settings.failOnMissingTopic && discovery.missing.length > 0) {
      throw new BackupError('TOPIC_NOT_FOUND', `no such topic: ${discovery.missing.join(', ')}`);
    }
    await this.#adopt(discovery, true);
  }

  /** Begins it, and does not wait: fetching and compressing need no identity. */
  #found(): void {
    const { log, store, layout, wallMs } = this.#options;
    this.#founded = once(async () => {
      await foundBackup(store, layout, log.clusterId, wallMs());
    });
    this.#founded().catch(() => {});
  }

  #outputs(): SharedBufferPool {
    const { workers, settings } = this.#options;
    return new SharedBufferPool(maxStoredSize(settings.frameBytes), workers.threads * OUTPUTS_PER_THREAD);
  }

  /** A continuous backup waits for a source or store that is away; a one-shot one says so at once. */
  async #patiently<T>(signal: AbortSignal, action: () => Promise<T>): Promise<T | undefined> {
    const backOff = new BackOff();
    while (!signal.aborted) {
      try {
        return await action();
      } catch (error) {
        if (!this.#options.settings.continuous || !isRetriable(error)) throw error;
        this.#onTrouble(error);
        await pause(backOff.nextDelayMs(), signal);
      }
    }
    return undefined;
  }

  /** Takes over what a discovery found: new partitions, new leaders, topics that are gone or were made anew. */
  async #adopt(discovery: Discovery, isFirst: boolean): Promise<void> {
    const { settings, log, logger, monotonicMs } = this.#options;
    this.#refreshAtMs = monotonicMs() + settings.topicRefreshMs;
    this.#configs = discovery.configs;
    for (const action of discovery.observations) this.#queue?.add(action);
    for (const topic of this.#progress.newlyMissing(discovery.missing)) {
      logger.warn('a topic named in the configuration does not exist; it is waited for', { topic });
    }
    for (const topic of this.#progress.newlyDenied(discovery.denied)) {
      logger.error('a topic may not be described; the others are backed up', { topic, error: deniedTopic([topic]) });
    }
    const found = new Map(discovery.partitions.map((partition) => [keyOf(partition), partition]));
    for (const partition of this.#roster.all()) {
      const leader = found.get(partition.key)?.leader;
      if (leader === undefined) await this.#retire(partition);
      else this.#roster.lead(partition, leader);
    }
    const fresh = discovery.partitions.filter((partition) => this.#roster.get(partition) === undefined);
    if (fresh.length > 0 && this.#catalog !== undefined) {
      // A topic that appeared while the backup runs is wanted from its beginning.
      const start = isFirst ? settings.startOffset : ({ kind: 'earliest' } as const);
      for (const { leader } of fresh) if (leader >= 0) this.#loopOf(leader);
      const positions = await startPositions(log, this.#catalog.state, fresh, start);
      for (const position of positions) this.#track(position);
      await this.#checkResumed(positions);
      this.#noteLeaderless(fresh, positions);
    }
    this.#roster.grantSlots();
  }

  #track({ partition, resume, log }: StartPosition): void {
    if (this.#context === undefined) return;
    const { topic, topicId, partition: index, leader } = partition;
    const backup = new PartitionBackup({ topic, topicId, partition: index }, resume, this.#context);
    if (log !== undefined) backup.observe(log);
    const { continuous } = this.#options.settings;
    const tracked = new TrackedPartition(
      backup,
      leader,
      continuous ? undefined : (log?.highWatermark ?? resume.nextOffset),
    );
    if (log?.highWatermark === resume.nextOffset) tracked.state = continuous ? 'tailing' : 'done';
    if (log === undefined && !continuous) tracked.state = 'done';
    this.#roster.add(tracked);
  }

  /** A partition without a leader has no end to back up to: a continuous backup finds it later, a one-shot one must say so. */
  #noteLeaderless(found: readonly FoundPartition[], positions: readonly StartPosition[]): void {
    const usable = new Set(positions.filter(({ log }) => log !== undefined).map(({ partition }) => partition));
    const leaderless = found.filter((partition) => !usable.has(partition)).map(partitionName);
    if (leaderless.length === 0) return;
    this.#options.logger.warn('partitions have no leader just now', { partitions: leaderless });
    this.#progress.leaderless = leaderless;
    this.#refreshWithin(1000);
  }

  async #checkResumed(positions: readonly StartPosition[]): Promise<void> {
    for (const outcome of await checkPositions(this.#options.log, positions)) {
      const partition = this.#roster.get(outcome);
      if (partition === undefined || outcome.kind === 'records') continue;
      await this.#trouble.outcome(partition, outcome);
      partition.rewind();
    }
  }

  #loopOf(nodeId: number): BrokerFetchLoop {
    const running = this.#loops.get(nodeId);
    if (running !== undefined) return running;
    const { settings, log, monotonicMs } = this.#options;
    const loop = new BrokerFetchLoop({
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
      onOutcome: (partition, outcome) => this.#trouble.outcome(partition, outcome),
      onProgress: (partition) => this.#onProgress(partition),
      onFailure: (partition, error) => this.#trouble.failure(partition, error),
      onTrouble: (error) => {
        this.#onTrouble(error);
        this.#refreshWithin(1000);
      },
      onRecovered: () => this.#progress.answered(),
    });
    this.#loops.set(nodeId, loop);
    loop.start();
    return loop;
  }

  /** The topic is gone, or another one has its name now: what is in hand is kept. */
  async #retire(partition: TrackedPartition): Promise<void> {
    this.#options.logger.warn('a partition no longer exists at the source', { ...partition.backup.identity });
    this.#roster.remove(partition);
    partition.backup.seal('log-change');
    await partition.backup.settled().catch((error: unknown) => this.#onTrouble(error));
    this.#progress.retired(partition);
  }

  #onProgress(partition: TrackedPartition): void {
    this.#trouble.answered(partition);
    if (partition.state !== 'catching-up') return;
    if (partition.isTakenIn) {
      partition.backup.seal('end');
      partition.state = 'done';
    } else if (partition.endOffset === undefined && partition.backup.nextOffset >= partition.backup.highWatermark) {
      partition.state = 'tailing';
    } else return;
    this.#roster.grantSlots();
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
    if (this.#options.monotonicMs() >= this.#refreshAtMs && this.#catalog !== undefined) {
      this.#refreshAtMs = Number.POSITIVE_INFINITY;
      void this.#refresh();
    }
  }

  async #refresh(): Promise<void> {
    try {
      await this.#adopt(this.#discovery.observe(await this.#discovery.find()), false);
    } catch (error) {
      this.#onTrouble(error);
      this.#refreshAtMs = this.#options.monotonicMs() + 1000;
    }
  }

  #refreshWithin(ms: number): void {
    this.#refreshAtMs = Math.min(this.#refreshAtMs, this.#options.monotonicMs() + ms);
  }

  async #untilDone(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#failure === undefined) {
      const partitions = this.#roster.all();
      if (partitions.length > 0 && partitions.every(({ state }) => state === 'fenced')) return;
      this.#assertPatience();
      if (!this.#options.settings.continuous && partitions.every(({ isOver }) => isOver)) {
        await Promise.allSettled(partitions.map(({ backup }) => backup.settled()));
        if (partitions.every(({ isOver }) => isOver)) return;
      }
      await pause(this.#options.settings.continuous ? TICK_MS : ONE_SHOT_TICK_MS, signal);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** @throws what a one-shot backup has been waiting for too long. */
  #assertPatience(): void {
    const { settings } = this.#options;
    const { trouble } = this.#progress;
    if (settings.continuous || trouble === null) return;
    if (this.#options.monotonicMs() - trouble.sinceMs >= settings.oneShotPatienceMs) throw trouble.error;
  }

  async #drain(isShutdown: boolean): Promise<BackupOutcome> {
    const { settings } = this.#options;
    const deadline = AbortSignal.timeout(
      settings.continuous || isShutdown ? settings.shutdownTimeoutMs : settings.oneShotPatienceMs,
    );
    const drained = this.#sealAndCommit(deadline);
    await Promise.race([
      drained,
      new Promise((resolve) => deadline.addEventListener('abort', resolve, { once: true })),
    ]);
    this.#queue?.stop();
    // What was stored just now may have ended a trouble that the last look at the partition still saw.
    for (const partition of this.#roster.all()) this.#trouble.review(partition);
    const shortfalls = this.#shortfalls(deadline.aborted, isShutdown);
    return { isComplete: shortfalls.length === 0, shortfalls, status: this.status() };
  }

  async #sealAndCommit(deadline: AbortSignal): Promise<void> {
    await Promise.all([...this.#loops.values()].map((loop) => loop.stop()));
    const partitions = this.#roster.all();
    for (const { backup } of partitions) backup.seal('shutdown');
    await Promise.allSettled(partitions.map(({ backup }) => backup.settled()));
    await this.#queue?.flush(deadline);
    if (!deadline.aborted) await this.#founded();
    await this.#catalog?.checkpoint().catch((error: unknown) => this.#onTrouble(error));
  }

  #shortfalls(isTimedOut: boolean, isShutdown: boolean): string[] {
    const shortfalls: string[] = [];
    if (isTimedOut) shortfalls.push('the shutdown time ended before everything in hand was committed');
    for (const partition of this.#roster.all()) {
      const { name, state, failure, backup, committedOffset, givenUpOffset, endOffset } = partition;
      if (state === 'failed' || state === 'fenced') shortfalls.push(`${name}: ${failure ?? state}`);
      else if (backup.failure !== undefined) shortfalls.push(`${name}: ${messageOf(backup.failure)}`);
      else if (isShutdown && endOffset !== undefined && committedOffset < endOffset) {
        shortfalls.push(`${name}: stopped at offset ${committedOffset} of ${endOffset}`);
      } else if (committedOffset < givenUpOffset) {
        shortfalls.push(
          `${name}: read up to offset ${givenUpOffset}, stored up to ${committedOffset}: ${failure ?? state}`,
        );
      } else if (partition.isFetching && failure !== null) {
        shortfalls.push(`${name}: ${failure}`);
      }
    }
    for (const topic of this.#progress.deniedTopics) shortfalls.push(`${topic}: TOPIC_AUTHORIZATION_FAILED`);
    if (this.#options.settings.continuous) return shortfalls;
    const { gaps, gapRecords } = this.status().counters;
    if (gaps > 0)
      shortfalls.push(`${gapRecords} offsets in ${gaps} gap(s): deleted at the source before they were read`);
    shortfalls.push(...this.#progress.leaderless.map((name) => `${name}: has no leader`));
    shortfalls.push(...this.#progress.missingTopics.map((topic) => `${topic}: no such topic`));
    return shortfalls;
  }

  #onCommit(result: CommitResult): void {
    this.#progress.committed(result, (identity) => this.#roster.get(identity));
    this.#options.observer.committed(result);
    for (const action of result.fenced) {
      if (action.kind === 'segment') {
        void this.#options.store.delete(action.segment.key).catch((error: unknown) => this.#onTrouble(error));
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

  #onTrouble(error: unknown): void {
    if (!(error instanceof BackupError)) {
      this.#fail(error);
      return;
    }
    this.#countError(error.code);
    this.#progress.inTrouble(error);
    this.#options.logger.warn('in trouble; trying again', { error });
  }

  /** A defect of ours: the run ends with it. */
  #fail(error: unknown): void {
    this.#failure ??= errorOf(error);
  }

  #countError(code: ErrorCode): void {
    this.#progress.error();
    this.#options.observer.error(code);
  }
}
