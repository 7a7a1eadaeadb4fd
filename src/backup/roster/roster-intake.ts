// Brings the roster in line with what a discovery found: new partitions begin where the catalog or the configuration says, those
// with another leader move, those that are gone are retired with what is in hand. Where a partition begins is told to the catalog
// at once, also while it is empty: whatever comes from there on is stored or recorded as a gap.

import type { CatalogHead, ResumePosition } from '../../catalog/catalog-head.ts';
import type { PartitionLog } from '../../kafka/partition-log.ts';
import { isRetriable } from '../../model/errors.ts';
import type { Logger } from '../../model/logger.ts';
import { partitionName } from '../../model/topic/topic-partition.ts';
import type { StartOffset } from '../backup-settings.ts';
import { PartitionBackup, type PartitionContext } from '../partition-backup.ts';
import type { PartitionTrouble } from '../partition-trouble.ts';
import type { BackupProgress } from '../progress/backup-progress.ts';
import { lastStoredEpoch } from '../stored-epochs.ts';
import type { PartitionRoster } from './partition-roster.ts';
import { checkPositions, startPositions, type StartPosition, unmetStarts } from './start-positions.ts';
import { deniedTopic, type Discovery, type FoundPartition } from './topic-discovery.ts';
import { keyOf, TrackedPartition } from './tracked-partition.ts';

export interface RosterIntakeOptions {
  readonly log: PartitionLog;
  readonly logger: Logger;
  readonly catalog: CatalogHead;
  readonly context: PartitionContext;
  readonly isContinuous: boolean;
  readonly startOffset: StartOffset;
  readonly roster: PartitionRoster;
  readonly progress: BackupProgress;
  readonly trouble: PartitionTrouble;
  /** Connects to a broker that leads a partition, ahead of its first fetch. */
  readonly prepare: (nodeId: number) => void;
  readonly refreshSoon: () => void;
  /** Where new partitions begin is queued for the catalog: until it is there, it is lost with the process. */
  readonly commitSoon: () => void;
  /** A leader did not answer, or what was in hand of a partition that is gone could not be stored. */
  readonly onError: (error: unknown) => void;
}

export class RosterIntake {
  readonly #options: RosterIntakeOptions;
  /** Partitions that are there at the start, of topics never backed up before: only they begin where the configuration says. */
  #first: ReadonlySet<string> | undefined;
  /** By key. A topic may be missing from one answer alone: found again, it goes on behind what is on its way to the catalog. */
  readonly #retired = new Map<string, TrackedPartition>();
  /** Ids of all lives that were ever shown: a broker that lags may show a former one again, which is no later life. */
  readonly #shown: Set<string>;

  constructor(options: RosterIntakeOptions) {
    this.#options = options;
    this.#shown = new Set(options.catalog.incarnations.map(({ topicId }) => topicId));
  }

  /** Partitions that are gone from the source. */
  get retired(): readonly TrackedPartition[] {
    return [...this.#retired.values()];
  }

  /** Takes over new partitions, new leaders, topics that are gone or were made anew. Not to be called before the last call is done. */
  async adopt(discovery: Discovery): Promise<void> {
    const { roster, prepare } = this.#options;
    this.#tellMissing(discovery);
    if (this.#first === undefined) this.#tellUnmetStarts(discovery);
    const found = new Map(discovery.partitions.map((partition) => [keyOf(partition), partition]));
    for (const partition of roster.all()) {
      const leader = found.get(partition.key)?.leader;
      if (leader === undefined) await this.#retire(partition);
      else roster.lead(partition, leader);
    }
    this.#noteLost(discovery);
    const fresh = discovery.partitions.filter((partition) => roster.get(partition) === undefined);
    this.#first ??= this.#neverBackedUp(fresh);
    if (fresh.length > 0) {
      for (const { leader } of fresh) if (leader >= 0) prepare(leader);
      const positions = (await Promise.all(byLeader(fresh).map((led) => this.#begin(led)))).flat();
      this.#noteLeaderless(fresh, positions);
    }
    roster.grantSlots();
  }

  /** Begins the partitions of one leader. */
  async #begin(led: readonly FoundPartition[]): Promise<readonly StartPosition[]> {
    const asked = startPositions(this.#options.log, led, {
      resumeOf: (partition) => this.#resumeOf(partition),
      startOf: (partition) => this.#startOf(partition),
    });
    const positions = (await this.#unlessAway(asked.then((told) => this.#withEpochs(told)))) ?? [];
    for (const position of positions) this.#track(position);
    if (positions.some(({ isResumed }) => !isResumed)) this.#options.commitSoon();
    await this.#checkResumed(positions);
    return positions;
  }

  /** A truncation does not tell the epoch of what it left: without that, another one that came since would go unseen. */
  async #withEpochs(positions: readonly StartPosition[]): Promise<StartPosition[]> {
    const { store, layout } = this.#options.context;
    const known: StartPosition[] = [];
    for (const position of positions) {
      const { resume, partition } = position;
      const isCut = resume.timeline > 0 && resume.leaderEpoch < 0;
      const { topic, topicId, partition: index } = partition;
      const log = { store, layout, identity: { topic, topicId, partition: index }, nextOffset: resume.nextOffset };
      // One after another: each reads what the catalog holds of its topic.
      known.push(isCut ? { ...position, resume: { ...resume, leaderEpoch: await lastStoredEpoch(log) } } : position);
    }
    return known;
  }

  /** A continuous backup does without a leader that does not answer, and asks it again later. */
  async #unlessAway<T>(asked: Promise<T>): Promise<T | undefined> {
    try {
      return await asked;
    } catch (error) {
      if (!this.#options.isContinuous || !isRetriable(error)) throw error;
      this.#options.onError(error);
      return undefined;
    }
  }

  #resumeOf(partition: FoundPartition): ResumePosition | undefined {
    const { topic, topicId, partition: index } = partition;
    const retired = this.#retired.get(keyOf(partition));
    return retired?.backup.durable ?? this.#options.catalog.incarnation(topic, topicId).partitions.get(index)?.resume;
  }

  /** Of other topics, partitions that the catalog does not know, and later lives, have appeared since. */
  #neverBackedUp(partitions: readonly FoundPartition[]): ReadonlySet<string> {
    const lives = this.#options.catalog.incarnations.filter((life) => life.partitions.size > 0);
    const known = new Set(lives.map(({ topic }) => topic));
    return new Set(partitions.filter(({ topic }) => !known.has(topic)).map(keyOf));
  }

  /** A partition that appeared since its topic was first backed up is wanted from its beginning, whether or not an agent ran then. */
  #startOf(partition: FoundPartition): StartOffset {
    return this.#first?.has(keyOf(partition)) === true ? this.#options.startOffset : { kind: 'earliest' };
  }

  #tellMissing({ missing, denied }: Discovery): void {
    const { progress, logger } = this.#options;
    for (const topic of progress.newlyMissing(missing)) {
      logger.warn('a topic named in the configuration does not exist; it is waited for', { topic });
    }
    for (const topic of progress.newlyDenied(denied)) {
      logger.error('a topic may not be described; the others are backed up', { topic, error: deniedTopic([topic]) });
    }
  }

  /** Such an offset will never count: it may be misspelt, and what is misspelt begins elsewhere. */
  #tellUnmetStarts({ topics, denied }: Discovery): void {
    const { logger, startOffset } = this.#options;
    for (const { topic, partitions } of unmetStarts(startOffset, topics)) {
      if (denied.includes(topic)) continue;
      const unmet = partitions === null ? 'a topic' : 'partitions';
      logger.warn(
        `backup.start_offset names ${unmet} that the source does not have: what appears later begins at its start; correct or remove the entry`,
        { key: `backup.start_offset.specific.${topic}`, topic, ...(partitions === null ? {} : { partitions }) },
      );
    }
  }

  #track({ partition, resume, isResumed, log }: StartPosition): void {
    const { context, isContinuous, roster, catalog } = this.#options;
    const { topic, topicId, partition: index, leader } = partition;
    const identity = { topic, topicId, partition: index };
    const foundAtMs = context.wallMs();
    if (!isResumed) context.queue({ kind: 'start', start: { ...identity, offset: resume.nextOffset, foundAtMs } });
    const backup = new PartitionBackup(identity, resume, context);
    if (log !== undefined) backup.observeStart(log);
    const endOffset = isContinuous ? undefined : (log?.highWatermark ?? resume.nextOffset);
    const known = catalog.incarnation(topic, topicId).partitions.get(index)?.position;
    const heldToMs = known?.heldToMs ?? null;
    const key = keyOf(partition);
    const committedOffset = this.#retired.get(key)?.committedOffset ?? resume.nextOffset;
    const tracked = new TrackedPartition({ backup, leader, endOffset, committedOffset, heldToMs, foundAtMs });
    this.#retired.delete(key);
    if (log?.highWatermark === resume.nextOffset) tracked.state = isContinuous ? 'tailing' : 'done';
    if (log === undefined && !isContinuous) tracked.state = 'done';
    roster.add(tracked);
  }

  async #checkResumed(positions: readonly StartPosition[]): Promise<void> {
    const { log, roster, trouble } = this.#options;
    for (const outcome of (await this.#unlessAway(checkPositions(log, positions))) ?? []) {
      const partition = roster.get(outcome);
      if (partition === undefined || outcome.kind === 'records') continue;
      await trouble.outcome(partition, outcome);
      partition.rewind();
    }
  }

  /** A partition without a leader has no end to back up to: a continuous backup finds it later, a one-shot one must say so. */
  #noteLeaderless(found: readonly FoundPartition[], positions: readonly StartPosition[]): void {
    const { logger, progress, refreshSoon } = this.#options;
    const usable = new Set(positions.filter(({ log }) => log !== undefined).map(({ partition }) => partition));
    const leaderless = found.filter((partition) => !usable.has(partition)).map(partitionName);
    if (leaderless.length === 0) return;
    logger.warn('partitions have no leader just now', { partitions: leaderless });
    progress.leaderless = leaderless;
    refreshSoon();
  }

  /** The topic is gone, or another one has its name now: what is in hand is kept. */
  async #retire(partition: TrackedPartition): Promise<void> {
    const { logger, roster, onError } = this.#options;
    const { backup } = partition;
    logger.warn('a partition no longer exists at the source', { ...backup.identity });
    roster.remove(partition);
    this.#retired.set(partition.key, partition);
    const { nextOffset } = backup;
    backup.seal('log-change');
    const isStored = await backup.settled().then(
      () => true,
      (error: unknown) => {
        onError(error);
        return false;
      },
    );
    await backup.reset();
    // A hole that compaction has left at the end was read, though no segment covers it.
    if (isStored) backup.skipTo(nextOffset);
  }

  /** A topic that is gone may come back, but not once another one has its name: what was not read of it is lost then. */
  #noteLost({ topics }: Discovery): void {
    const later = new Set(topics.flatMap(({ topic, topicId }) => (this.#shown.has(topicId) ? [] : [topic])));
    for (const partition of this.#retired.values()) {
      if (later.has(partition.backup.identity.topic)) this.#options.trouble.remade(partition);
    }
    for (const { topicId } of topics) this.#shown.add(topicId);
  }
}

function byLeader(found: readonly FoundPartition[]): (readonly FoundPartition[])[] {
  return [...Map.groupBy(found, ({ leader }) => leader).values()];
}
