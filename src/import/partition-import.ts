// Imports one partition: its files in the order of their offsets, behind what the catalog holds of it already. Each offset is taken
// once, whatever the files repeat; what lies between two of them is a gap. Commits are made where files end, so an import that is
// killed goes on there. A damaged file costs what was read of it and of those before it since the last commit: the files before it
// are read again and committed, and the file ends the partition, or becomes a gap where that is wanted.

import { randomBytes } from 'node:crypto';
import type { CatalogAction } from '../catalog/commit.ts';
import type { ObjectLayout } from '../catalog/object-layout.ts';
import { BackupError } from '../model/errors.ts';
import type { Gap, PartitionIdentity, SegmentSummary } from '../model/segment/segment.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { addCounters, type ImportCounters, newCounters } from './import-counters.ts';
import { heldInGaps } from './held-in-gaps.ts';
import { OpenSegment, type SegmentFilling } from './open-segment.ts';
import { headContradiction, isRestIn, recordContradiction } from './peer/entry-contradiction.ts';
import type { OffsetRange, PeerPartition, PeerSegmentEntry } from './peer/peer-manifest.ts';
import { PeerRecordCursor } from './peer/peer-record.ts';
import { type PeerSegmentHeader, readPeerHeader, readPeerRecords } from './peer/peer-segment.ts';

export interface ImportChoices {
  /** The headers that the peer adds to every record. */
  readonly keepsAddedHeaders: boolean;
  /** Leave out records that look like the ends of transactions. */
  readonly dropsMarkers: boolean;
  /** What becomes of a file that cannot be read: the end of its partition, or a gap. */
  readonly damaged: 'stop' | 'gap';
}

export interface PartitionImportOptions {
  readonly identity: PartitionIdentity;
  /** Behind everything that the catalog holds of the partition by now; undefined while that is nothing. */
  readonly committedOffset: () => bigint | undefined;
  /** What earlier imports have left out for good. */
  readonly earlierGaps: readonly OffsetRange[];
  readonly peer: ObjectStore;
  readonly layout: ObjectLayout;
  readonly filling: SegmentFilling;
  readonly choices: ImportChoices;
  readonly limits: { readonly segmentMaxBytes: number; readonly segmentMaxRecords: number | null };
  /** Resolves when they are committed. @throws FENCED. */
  readonly commit: (actions: readonly CatalogAction[]) => Promise<void>;
  /** Takes what was counted of what is committed. */
  readonly counters: ImportCounters;
  /** Bytes of a file that were read. */
  readonly onRead: (bytes: number) => void;
  /** When a file without a time of its own was made at the earliest. */
  readonly createdAtMs: number;
  readonly signal: AbortSignal;
  readonly wallMs: () => number;
}

interface HeldFile extends OffsetRange {
  readonly key: string;
  readonly hasNoNews: boolean;
}

export class PartitionImport {
  readonly #source: PeerPartition;
  readonly #options: PartitionImportOptions;
  /** Files that were found damaged, and how. */
  readonly #damage = new Map<string, BackupError>();
  /** What files hold, by their heads. */
  readonly #held = new Map<string, HeldFile>();
  #segment: OpenSegment | undefined;
  /** First offset that the open segment, or the next one, covers. */
  #baseOffset: bigint | undefined;
  /** Behind everything that was taken. */
  #nextOffset: bigint | undefined;
  #capturedAtMs = 0;
  /** Since the last commit. */
  #counted = newCounters();

  constructor(source: PeerPartition, options: PartitionImportOptions) {
    this.#source = source;
    this.#options = options;
  }

  /** @returns the damaged files. @throws FENCED, INTERRUPTED, and what the stores fail with. */
  async run(): Promise<readonly BackupError[]> {
    // Each attempt that fails names a damaged file more.
    while (!(await this.#attempt()));
    this.#countHeld();
    return [...this.#damage.values()];
  }

  /** From the last commit to the end; false when a file turned out to be damaged on the way. */
  async #attempt(): Promise<boolean> {
    this.#baseOffset = this.#options.committedOffset();
    this.#nextOffset = this.#baseOffset;
    this.#counted = newCounters();
    try {
      await this.#importFiles();
      return true;
    } catch (error) {
      this.#segment?.abort();
      this.#segment = undefined;
      if (!(error instanceof PeerDamage)) throw error;
      this.#damage.set(error.key, error.reason);
      return false;
    }
  }

  async #importFiles(): Promise<void> {
    for (const entry of this.#source.segments) {
      if (this.#damage.has(entry.key)) {
        if (this.#options.choices.damaged === 'stop') return this.#seal();
        continue;
      }
      const header = await this.#readHeader(entry);
      this.#assertFits(entry, header);
      const isKnown = this.#nextOffset !== undefined && header.lastOffset < this.#nextOffset;
      this.#noteHeld(header, isKnown);
      if (isKnown) continue;
      const start = this.#nextOffset ?? this.#firstKnown(header.firstOffset);
      if (header.firstOffset > start) await this.#leaveGap(start, header.firstOffset - 1n);
      this.#baseOffset ??= header.firstOffset;
      await this.#importFile(entry, header);
      if (this.#isFull()) await this.#seal();
    }
    await this.#seal();
    await this.#leaveLastGap();
    this.#settle();
  }

  /** Seen again after damage behind it, a file keeps what it was at first: what this import took itself is no file without news. */
  #noteHeld({ key, firstOffset: baseOffset, lastOffset }: PeerSegmentHeader, hasNoNews: boolean): void {
    if (!this.#held.has(key)) this.#held.set(key, { key, baseOffset, lastOffset, hasNoNews });
  }

  #countHeld(): void {
    const { counters, earlierGaps } = this.#options;
    const whole = [...this.#held.values()].filter(({ key }) => !this.#damage.has(key));
    const { files, offsets } = heldInGaps(whole, earlierGaps);
    counters.filesInGaps += files.size;
    counters.offsetsInGaps += offsets;
    counters.skippedFiles += whole.filter((file) => file.hasNoNews && !files.has(file)).length;
  }

  /** A file whose offsets, by its entry and by itself, are all in the backup does not matter any more. @throws PeerDamage. */
  #assertFits(entry: PeerSegmentEntry, header: PeerSegmentHeader): void {
    const taken = this.#nextOffset ?? 0n;
    if (entry.lastOffset < taken && header.lastOffset < taken) return;
    const reached = header.lastOffset < taken ? taken : header.lastOffset + 1n;
    const wrong = headContradiction(entry, header, () => isRestIn(this.#source.segments, entry, reached));
    if (wrong !== undefined) throw new PeerDamage(entry.key, wrong);
  }

  async #importFile(entry: PeerSegmentEntry, header: PeerSegmentHeader): Promise<void> {
    const { peer, signal, onRead } = this.#options;
    const firstWanted = this.#nextOffset ?? header.firstOffset;
    const blocks = readPeerRecords(peer, header, { signal, onRead });
    try {
      for (;;) {
        const { value: block } = await ofPeer(header.key, blocks.next());
        if (block === undefined) break;
        const wrong = await this.#takeRecords(block, firstWanted, entry);
        if (wrong !== undefined) await ofPeer(header.key, blocks.throw(wrong));
      }
    } finally {
      await blocks.return();
    }
    this.#nextOffset = header.lastOffset + 1n;
    this.#capturedAtMs = entry.uploadedAtMs || this.#options.createdAtMs;
    this.#counted.files += 1;
  }

  /** @returns what is wrong with a record. @throws what our store or the threads fail with. */
  async #takeRecords(
    block: Uint8Array,
    firstWanted: bigint,
    entry: PeerSegmentEntry,
  ): Promise<BackupError | undefined> {
    const counted = this.#counted;
    const { choices } = this.#options;
    const cursor = new PeerRecordCursor(block);
    for (;;) {
      const next = nextOf(cursor);
      if (next === 'end') return undefined;
      if (next !== 'record') return next;
      const wrong = recordContradiction(entry, cursor);
      if (wrong !== undefined) return wrong;
      if (cursor.offset < firstWanted) {
        counted.repeatedRecords += 1;
        continue;
      }
      if (cursor.addedHeaders > 0) counted.recordsWithAddedHeaders += 1;
      if (cursor.isMarker) {
        counted.markers += 1;
        if (choices.dropsMarkers) continue;
      }
      const segment = this.#openSegment();
      if (!segment.hasRoomFor(cursor)) await segment.makeRoom();
      segment.append(cursor);
    }
  }

  #openSegment(): OpenSegment {
    if (this.#segment !== undefined) return this.#segment;
    const { layout, filling, identity } = this.#options;
    const baseOffset = this.#baseOffset ?? 0n;
    const key = layout.segment(identity, baseOffset, randomBytes(4).toString('hex'), filling.settings.codec);
    this.#segment = new OpenSegment(identity, key, baseOffset, filling);
    return this.#segment;
  }

  #isFull(): boolean {
    const { segmentMaxBytes, segmentMaxRecords } = this.#options.limits;
    if (this.#segment === undefined) return false;
    const { rawSizeBytes, recordCount } = this.#segment;
    return rawSizeBytes >= segmentMaxBytes || (segmentMaxRecords !== null && recordCount >= segmentMaxRecords);
  }

  /** Commits the open segment; without one, everything so far waits for a record. */
  async #seal(): Promise<void> {
    const segment = this.#segment;
    if (segment === undefined || this.#nextOffset === undefined) return;
    const summary = await segment.seal(this.#nextOffset, this.#capturedAtMs);
    this.#segment = undefined;
    this.#baseOffset = summary.nextOffset;
    await this.#options.commit([{ kind: 'segment', segment: summary }]);
    this.#count(summary);
  }

  async #leaveGap(from: bigint, lastOffset: bigint): Promise<void> {
    await this.#seal();
    // Where nothing but dropped records came before, no segment covers them.
    const baseOffset = this.#baseOffset ?? from;
    const isDeclared = this.#source.declaredGaps.some((gap) => gap.baseOffset <= lastOffset && gap.lastOffset >= from);
    const gap: Gap = {
      ...this.#options.identity,
      baseOffset,
      lastOffset,
      reason: isDeclared ? 'retention' : 'unknown',
      detectedAtMs: this.#options.wallMs(),
      timeline: 0,
    };
    await this.#options.commit([{ kind: 'gap', gap }]);
    this.#counted.gaps += 1;
    if (!isDeclared) this.#counted.undeclaredGaps += 1;
    this.#counted.gapOffsets += lastOffset - baseOffset + 1n;
    this.#settle();
    this.#baseOffset = lastOffset + 1n;
    this.#nextOffset = this.#baseOffset;
  }

  #count({ recordCount, rawSizeBytes, storedSizeBytes }: SegmentSummary): void {
    const counted = this.#counted;
    counted.records += recordCount;
    counted.rawBytes += rawSizeBytes;
    counted.storedBytes += storedSizeBytes;
    counted.segments += 1;
    this.#settle();
  }

  #settle(): void {
    addCounters(this.#options.counters, this.#counted);
    this.#counted = newCounters();
  }

  /** Where the partition begins: what was pruned before the first file, or cannot be read, belongs to it. */
  #firstKnown(firstOffset: bigint): bigint {
    return this.#unreadable().reduce((low, { baseOffset }) => (baseOffset < low ? baseOffset : low), firstOffset);
  }

  async #leaveLastGap(): Promise<void> {
    const from = this.#nextOffset ?? this.#unreadable()[0]?.baseOffset;
    const end = this.#unreadable().reduce((high, { lastOffset }) => (lastOffset > high ? lastOffset : high), -1n);
    if (from !== undefined && end >= from) await this.#leaveGap(from, end);
  }

  /** Offsets that were the peer's to hold. */
  #unreadable(): OffsetRange[] {
    const damaged = this.#source.segments
      .filter(({ key }) => this.#damage.has(key))
      .map(({ firstOffset, lastOffset }) => ({ baseOffset: firstOffset, lastOffset }));
    return [...this.#source.declaredGaps, ...damaged].sort((a, b) => (a.baseOffset < b.baseOffset ? -1 : 1));
  }

  #readHeader({ key }: PeerSegmentEntry): Promise<PeerSegmentHeader> {
    return ofPeer(key, readPeerHeader(this.#options.peer, key));
  }
}

/** A file of the peer that cannot be read. */
class PeerDamage extends Error {
  readonly key: string;
  readonly reason: BackupError;

  constructor(key: string, reason: BackupError) {
    super(reason.message);
    this.key = key;
    this.reason = reason;
  }
}

/** What is wrong with a file of the peer that is read, told apart from trouble with a store. */
async function ofPeer<T>(key: string, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw error instanceof BackupError && error.code === 'SOURCE_DAMAGED' ? new PeerDamage(key, error) : error;
  }
}

function nextOf(cursor: PeerRecordCursor): 'record' | 'end' | BackupError {
  try {
    return cursor.next() ? 'record' : 'end';
  } catch (error) {
    if (error instanceof BackupError) return error;
    throw error;
  }
}
