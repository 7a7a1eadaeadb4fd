// Decides the transactions of one partition across its segments, from their footers alone: the next marker of a producer after
// a batch decides it, and a commit that came after the recovery target had not happened then. It goes along with the segments
// that are restored and reads on only as far as transactions are left open, so that neither the length of the log nor the
// number of its transactions decides how much is read or held. Across a gap nothing is decided: the marker may have been in it.

import type { CurrentSegment } from '../../catalog/catalog-state.ts';
import type { PartitionTarget } from '../../model/restore/recovery-target.ts';
import type {
  Gap,
  SegmentFooter,
  SegmentSummary,
  TransactionFacts,
  TransactionMarker,
} from '../../model/segment/segment.ts';
import type { JudgeTask, MarkerVerdict, Verdict } from '../judge/judge-task.ts';

/** Of a partition's plan. */
export interface TransactionSource {
  /** All current segments with transaction facts, in offset order and whole, whatever is wanted of them. */
  readonly transactionalSegments: readonly CurrentSegment[];
  /** Below this a transactional batch without a marker was committed, where no gap follows it. */
  readonly decidedBelow: bigint;
  /** Of the newest timeline. */
  readonly gaps: readonly Gap[];
  readonly recoveryTarget: PartitionTarget;
}

/** What decides the transactional batches of one frame. */
export type TransactionDecisions = Pick<JudgeTask, 'markers' | 'decidedBelow'>;

/** Footers that were read ahead and are kept until their segment's turn. */
const KEPT_FOOTERS = 4;

/** The next marker of a producer that lies behind the present segment, or how many segments were searched for it in vain. */
interface Outlook {
  readonly marker: MarkerVerdict | null;
  readonly searched: number;
}

export class TransactionIndex {
  readonly #source: TransactionSource;
  readonly #readFooter: (segment: SegmentSummary) => Promise<SegmentFooter>;
  readonly #indexByKey: ReadonlyMap<string, number>;
  /** Of the gaps, in order, each with the offset below which everything before it was decided. */
  readonly #gaps: readonly { readonly offset: bigint; readonly decidedBelow: bigint }[];
  readonly #footers = new Map<string, SegmentFooter>();
  readonly #outlooks = new Map<bigint, Outlook>();
  /** By producer, in offset order: those of the present segment, and the next one after it. */
  #markers = new Map<bigint, MarkerVerdict[]>();
  #decidedBelow = 0n;

  constructor(source: TransactionSource, readFooter: (segment: SegmentSummary) => Promise<SegmentFooter>) {
    this.#source = source;
    this.#readFooter = readFooter;
    this.#indexByKey = new Map(source.transactionalSegments.map(({ segment }, index) => [segment.key, index]));
    const gapOffsets = source.gaps.map(({ baseOffset }) => baseOffset).sort((a, b) => (a < b ? -1 : 1));
    this.#gaps = gapOffsets.map((offset) => ({ offset, decidedBelow: decidedBefore(offset, source) }));
  }

  /**
   * Goes to the next segment, which must be later than the last, and returns its footer. Reads footers of segments behind it as
   * long as a transaction of this one is undecided. @throws what reading a footer does.
   */
  async enter(segment: SegmentSummary): Promise<SegmentFooter> {
    const footer = this.#footers.get(segment.key) ?? (await this.#readFooter(segment));
    this.#footers.delete(segment.key);
    this.#markers = new Map();
    const index = this.#indexByKey.get(segment.key);
    const current = index === undefined ? undefined : this.#source.transactionalSegments[index];
    if (index === undefined || current === undefined) return footer;
    const gap = this.#gaps.find(({ offset }) => offset >= segment.baseOffset);
    this.#decidedBelow = gap?.decidedBelow ?? this.#source.decidedBelow;
    const markers = markersOf(footer, current);
    for (const marker of markers) this.#add(verdictOn(marker, this.#source.recoveryTarget));
    for (const [producerId, { marker }] of this.#outlooks) {
      if (marker !== null && marker.offset < current.toOffset) this.#outlooks.delete(producerId);
    }
    const open = openAtEnd(footer.transactions, markers, current);
    await this.#lookAhead(open, {
      from: index + 1,
      to: searchEnd(this.#source, index, { toOffset: current.toOffset, gapOffset: gap?.offset }),
    });
    for (const producerId of open) {
      const marker = this.#outlooks.get(producerId)?.marker;
      if (marker != null) this.#add(marker);
    }
    return footer;
  }

  /** For a batch with a base offset in `[baseOffset, lastOffset]` of the present segment. */
  decisionsFor({ baseOffset, lastOffset }: { readonly baseOffset: bigint; readonly lastOffset: bigint }) {
    const markers: MarkerVerdict[] = [];
    for (const list of this.#markers.values()) {
      for (let index = firstAfter(list, baseOffset); index < list.length; index += 1) {
        const marker = list[index];
        if (marker === undefined) break;
        markers.push(marker);
        if (marker.offset > lastOffset) break;
      }
    }
    return { markers, decidedBelow: this.#decidedBelow } satisfies TransactionDecisions;
  }

  #add(marker: MarkerVerdict): void {
    const list = this.#markers.get(marker.producerId);
    if (list === undefined) this.#markers.set(marker.producerId, [marker]);
    else list.push(marker);
  }

  /** Finds the next marker of each producer in the segments `[from, to)`, unless it is known. */
  async #lookAhead(
    producers: ReadonlySet<bigint>,
    { from, to }: { readonly from: number; readonly to: number },
  ): Promise<void> {
    const searchedBefore = (producerId: bigint): number => this.#outlooks.get(producerId)?.searched ?? 0;
    const wanted = new Set([...producers].filter((id) => this.#outlooks.get(id)?.marker == null));
    const start = Math.max(from, Math.min(...[...wanted].map(searchedBefore)));
    for (let index = start; index < to && wanted.size > 0; index += 1) {
      const current = this.#source.transactionalSegments[index];
      if (current === undefined) break;
      for (const marker of markersOf(await this.#footerAhead(current.segment), current)) {
        if (!wanted.delete(marker.producerId)) continue;
        const verdict = verdictOn(marker, this.#source.recoveryTarget);
        this.#outlooks.set(marker.producerId, { marker: verdict, searched: index + 1 });
      }
    }
    for (const producerId of wanted) this.#outlooks.set(producerId, { marker: null, searched: Math.max(from, to) });
  }

  async #footerAhead(segment: SegmentSummary): Promise<SegmentFooter> {
    const kept = this.#footers.get(segment.key);
    if (kept !== undefined) return kept;
    const footer = await this.#readFooter(segment);
    if (this.#footers.size < KEPT_FOOTERS) this.#footers.set(segment.key, footer);
    return footer;
  }
}

/** Segments behind the wanted ones whose footers may have to be read to decide what is in those. */
export function decidingSegments(source: TransactionSource & { readonly segments: readonly CurrentSegment[] }) {
  const { segments, transactionalSegments, gaps } = source;
  const last = segments.findLast(({ segment }) => segment.isTransactional)?.segment;
  const index = transactionalSegments.findIndex(({ segment }) => segment.key === last?.key);
  const current = transactionalSegments[index];
  if (last === undefined || current === undefined) return [];
  const behind = gaps.map(({ baseOffset }) => baseOffset).filter((offset) => offset >= last.baseOffset);
  const gapOffset = behind.reduce<bigint | undefined>(
    (low, one) => (low === undefined || one < low ? one : low),
    undefined,
  );
  const end = searchEnd(source, index, { toOffset: current.toOffset, gapOffset });
  return transactionalSegments.slice(index + 1, end);
}

/**
 * Index after the last segment that can hold a marker of a transaction from before `toOffset`: a last stable offset at or past
 * that was seen when every such marker lay below the end of its segment.
 */
function searchEnd(
  { transactionalSegments: segments }: TransactionSource,
  index: number,
  { toOffset, gapOffset }: { readonly toOffset: bigint; readonly gapOffset: bigint | undefined },
): number {
  let end = index;
  for (let at = index; at < segments.length; at += 1) {
    const one = segments[at];
    if (one === undefined || (gapOffset !== undefined && one.fromOffset > gapOffset)) break;
    end = at + 1;
    const isWhole = one.toOffset === one.segment.nextOffset;
    if (isWhole && one.segment.decidedOffset >= toOffset) break;
  }
  return end;
}

/** What the last stable offsets from before a gap vouch for: each was seen with every marker below the gap in reach. */
function decidedBefore(gapOffset: bigint, { transactionalSegments }: TransactionSource): bigint {
  let highest = 0n;
  for (const { segment, toOffset } of transactionalSegments) {
    if (segment.nextOffset > gapOffset || toOffset < segment.nextOffset) continue;
    if (segment.decidedOffset > highest) highest = segment.decidedOffset;
  }
  return highest;
}

function markersOf({ transactions }: SegmentFooter, { fromOffset, toOffset }: CurrentSegment): TransactionMarker[] {
  return transactions.markers.filter(({ offset }) => offset >= fromOffset && offset < toOffset);
}

/** Producers with a batch in this part of the segment and no marker after it there. */
function openAtEnd(
  { starts }: TransactionFacts,
  markers: readonly TransactionMarker[],
  { toOffset }: CurrentSegment,
): Set<bigint> {
  const open = new Map<bigint, bigint>();
  for (const { producerId, firstOffset } of starts) if (firstOffset < toOffset) open.set(producerId, firstOffset);
  for (const { producerId, offset } of markers) {
    const firstOffset = open.get(producerId);
    if (firstOffset !== undefined && firstOffset < offset) open.delete(producerId);
  }
  return new Set(open.keys());
}

function verdictOn({ producerId, offset, outcome, timestampMs }: TransactionMarker, target: PartitionTarget) {
  const { toMs, toOffset } = target;
  const isLate = (toMs !== undefined && timestampMs > toMs) || (toOffset !== undefined && offset >= toOffset);
  const committed: Verdict = isLate ? 'decided-after-target' : 'keep';
  return {
    producerId,
    offset,
    verdict: outcome === 'abort' ? 'aborted-transaction' : committed,
  } satisfies MarkerVerdict;
}

/** Index of the first marker whose offset is greater than `offset`. */
function firstAfter(list: readonly MarkerVerdict[], offset: bigint): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle]?.offset ?? 0n) > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}
