// How many records of one partition a restore drops for their transactions, and markers with them, before a body is read: the
// footers tell how many records each producer's runs have, and what is decided for a run is decided as the restore does, by the
// same index over the same frames. A window does not blur this, since a transaction is judged before the timestamps of its records;
// what does is an end of the wanted offsets inside a run, and a cut by the log, whose place only bodies tell: then the counts are
// bounds.

import type { CurrentSegment } from '../../../catalog/catalog-state.ts';
import type { DropReason, Isolation } from '../../../model/restore/recovery-target.ts';
import type { FrameEntry, SegmentFooter, SegmentSummary, TransactionStart } from '../../../model/segment/segment.ts';
import { MarkerCursor } from '../../judge/forward-cursors.ts';
import type { MarkerVerdict } from '../../judge/judge-task.ts';
import { cutPlan } from '../../judge/log-cut.ts';
import type { PlannedCount } from '../../restore-job.ts';
import { framesToRead, type PartitionRestorePlan } from '../../restore-plan.ts';
import { TransactionIndex } from '../transaction-index.ts';
import { addCounts, exactly, UNKNOWN } from './planned-counts.ts';

export type TransactionDrops = Readonly<Record<TransactionReason, PlannedCount>>;

type TransactionReason = Exclude<DropReason, 'outside-window' | 'filtered'>;
type ReadFooter = (segment: SegmentSummary) => Promise<SegmentFooter>;

/** Of a partition without transactions. */
export const NO_TRANSACTIONS: TransactionDrops = dropsOf(exactly(0));
/** Where the footers are not read. */
export const UNKNOWN_DROPS: TransactionDrops = dropsOf(UNKNOWN);

/** Footers are read in the order of the log, those of the selected segments first. @throws what `readFooter` does. */
export async function countTransactionDrops(
  plan: PartitionRestorePlan,
  isolation: Isolation,
  readFooter: ReadFooter,
): Promise<TransactionDrops> {
  const selected = plan.segments.filter(({ segment }) => segment.isTransactional);
  if (selected.length === 0) return NO_TRANSACTIONS;
  const { judged, isCutKnown } = await asJudged(plan, readFooter);
  const tally = new Tally(isolation, isCutKnown);
  const index = new TransactionIndex(judged, readFooter);
  for (const current of judged.segments) {
    if (!current.segment.isTransactional) continue;
    const footer = await index.enter(current.segment);
    if (footer.transactions.starts.some(({ recordCount }) => recordCount === null)) tally.addUncounted();
    const runs = new ForwardList(footer.transactions.starts, ({ firstOffset }) => firstOffset);
    const markers = new ForwardList(footer.transactions.markers, ({ offset }) => offset);
    for (const frame of framesToRead(footer, current, judged.recoveryTarget)) {
      const { markers: verdicts, decidedBelow } = index.decisionsFor(frame);
      const range = { current, frame, decidedBelow };
      tally.addMarkers(markers.inside(frame), range);
      tally.addRuns(runs.inside(frame), verdicts, range);
    }
  }
  return tally.drops;
}

interface JudgedPlan {
  readonly judged: PartitionRestorePlan;
  readonly isCutKnown: boolean;
}

/**
 * The plan as the restore judges by it. With `cut: log` that ends at the first record past the instant, which is somewhere behind
 * the first that the footers suspect: a commit from there on may be late, and everything before the end that the plan has may be read.
 */
async function asJudged(plan: PartitionRestorePlan, readFooter: ReadFooter): Promise<JudgedPlan> {
  let suspect: bigint | null = null;
  const firstPast = async ({ fromOffset }: CurrentSegment, { baseOffset }: FrameEntry): Promise<bigint> => {
    suspect = baseOffset > fromOffset ? baseOffset : fromOffset;
    return suspect;
  };
  const cut = await cutPlan(plan, { readFooter, firstPast });
  // Where the wanted offsets end before it, the suspect does not matter.
  const isCutKnown = suspect === null || cut.recoveryTarget.toOffset !== suspect;
  return { judged: isCutKnown ? cut : { ...cut, segments: plan.segments }, isCutKnown };
}

interface FrameRange {
  readonly current: CurrentSegment;
  readonly frame: FrameEntry;
  readonly decidedBelow: bigint;
}

class Tally {
  readonly drops: Record<TransactionReason, PlannedCount> = { ...NO_TRANSACTIONS };
  readonly #isolation: Isolation;
  readonly #isCutKnown: boolean;

  constructor(isolation: Isolation, isCutKnown: boolean) {
    this.#isolation = isolation;
    this.#isCutKnown = isCutKnown;
  }

  addMarkers(markers: readonly { readonly offset: bigint }[], { current }: FrameRange): void {
    const wanted = markers.filter(({ offset }) => offset >= current.fromOffset && offset < current.toOffset);
    if (wanted.length > 0) this.#add('control-batch', wanted.length, true);
  }

  /** A segment from before the runs' records were counted. */
  addUncounted(): void {
    if (this.#isolation === 'read_uncommitted') return;
    Object.assign(this.drops, { ...UNKNOWN_DROPS, 'control-batch': this.drops['control-batch'] });
  }

  addRuns(runs: readonly TransactionStart[], verdicts: readonly MarkerVerdict[], range: FrameRange): void {
    if (this.#isolation === 'read_uncommitted') return;
    const byProducer = Map.groupBy(verdicts, ({ producerId }) => producerId);
    const cursors = new Map([...byProducer].map(([id, markers]) => [id, new MarkerCursor(markers)]));
    for (const run of runs) {
      const deciding = cursors.get(run.producerId)?.after(run.firstOffset);
      this.#addRun(run, deciding, range);
    }
  }

  #addRun(
    run: TransactionStart,
    deciding: MarkerVerdict | undefined,
    { current, frame, decidedBelow }: FrameRange,
  ): void {
    const { firstOffset, recordCount } = run;
    // The run's batches lie before its marker.
    const end = deciding !== undefined && deciding.offset <= frame.lastOffset ? deciding.offset : frame.lastOffset + 1n;
    if (firstOffset >= current.toOffset || end <= current.fromOffset) return;
    const isInside = firstOffset >= current.fromOffset && end <= current.toOffset;
    if (deciding !== undefined) {
      if (deciding.verdict !== 'keep') this.#add(deciding.verdict, recordCount, isInside);
    } else if (end > decidedBelow) {
      // Of batches without a marker, those below are kept.
      this.#add('undecided-transaction', recordCount, isInside && firstOffset >= decidedBelow);
    }
  }

  #add(reason: TransactionReason, records: number | null, isExact: boolean): void {
    const kind = isExact && this.#isCutKnown ? 'exact' : 'at-most';
    const count: PlannedCount = records === null ? UNKNOWN : { kind, records };
    this.drops[reason] = addCounts(this.drops[reason], count);
  }
}

/** A footer's entries in offset order, taken frame by frame. */
class ForwardList<T> {
  readonly #entries: readonly T[];
  readonly #offsetOf: (entry: T) => bigint;
  #next = 0;

  constructor(entries: readonly T[], offsetOf: (entry: T) => bigint) {
    this.#entries = entries;
    this.#offsetOf = offsetOf;
  }

  /** Those in the frame, which must lie behind the last one asked for. */
  inside({ baseOffset, lastOffset }: FrameEntry): T[] {
    const found: T[] = [];
    for (let entry = this.#entries[this.#next]; entry !== undefined; entry = this.#entries[this.#next]) {
      const offset = this.#offsetOf(entry);
      if (offset > lastOffset) break;
      if (offset >= baseOffset) found.push(entry);
      this.#next += 1;
    }
    return found;
  }
}

function dropsOf(count: PlannedCount): TransactionDrops {
  return {
    'aborted-transaction': count,
    'undecided-transaction': count,
    'decided-after-target': count,
    'control-batch': count,
  };
}
