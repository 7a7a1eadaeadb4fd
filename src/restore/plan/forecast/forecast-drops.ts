// Reads the footers that tell what a plan drops for transactions: those of the selected segments that hold any, some ahead of the one
// that is counted, and those behind them in which transactions end. A plan is to be there at once, so a large one goes without
// these counts, which the report of the restore gives anyway: how large is decided by what the backup holds, never by time.

import { BackupError } from '../../../model/errors.ts';
import type { SegmentFooter, SegmentSummary } from '../../../model/segment/segment.ts';
import { type PartitionRestorePlan, type RestorePlan, sourcesOf } from '../../restore-plan.ts';
import { countTransactionDrops, NO_TRANSACTIONS, type TransactionDrops, UNKNOWN_DROPS } from './transaction-drops.ts';

/** Selected segments; and as many further reads, of segments behind them and of some for a second time. */
const MOST_FOOTERS = 1000;
/** Measured: a footer takes half a millisecond from a disk, and each of its runs and markers 1.3 us. */
const MOST_ENTRIES = 1_000_000;
/** About as many as a restore holds. */
const FOOTERS_AHEAD = 16;

type ReadFooter = (segment: SegmentSummary) => Promise<SegmentFooter>;

/**
 * What each partition of the plan drops for its transactions. Unknown where too much would have to be read for it, or an object is
 * missing, of which the preflight tells.
 * @throws INTERRUPTED when the signal aborts, OBJECT_CORRUPT, and what the store fails with.
 */
export async function forecastDrops(
  { topics, isolation }: RestorePlan,
  readFooter: ReadFooter,
  signal: AbortSignal,
): Promise<(source: PartitionRestorePlan) => TransactionDrops> {
  const sources = topics.flatMap(sourcesOf).filter((source) => transactionalOf(source).length > 0);
  const drops = new Map(sources.map((source) => [source, UNKNOWN_DROPS]));
  const expected = sources.flatMap(transactionalOf);
  const footers = new FootersAhead(expected, readFooter, signal);
  for (const source of expected.length > MOST_FOOTERS ? [] : sources) {
    drops.set(source, await orUnknown(countTransactionDrops(source, isolation, (segment) => footers.get(segment))));
  }
  return (source) => drops.get(source) ?? NO_TRANSACTIONS;
}

function transactionalOf({ segments }: PartitionRestorePlan): SegmentSummary[] {
  return segments.map(({ segment }) => segment).filter(({ isTransactional }) => isTransactional);
}

async function orUnknown(counting: Promise<TransactionDrops>): Promise<TransactionDrops> {
  try {
    return await counting;
  } catch (error) {
    const isMissing = error instanceof BackupError && error.code === 'OBJECT_MISSING';
    if (isMissing || error instanceof TooMuchToRead) return UNKNOWN_DROPS;
    throw error;
  }
}

class TooMuchToRead extends Error {}

/** Footers of a plan, asked for in the order of `expected` more or less, and read some ahead. */
class FootersAhead {
  readonly #expected: readonly SegmentSummary[];
  readonly #read: ReadFooter;
  readonly #signal: AbortSignal;
  readonly #ahead = new Map<string, Promise<SegmentFooter>>();
  /** Of `expected`, how many were begun. */
  #begun = 0;
  /** Read behind the selected segments, or again. */
  #further = 0;
  #entries = 0;

  constructor(expected: readonly SegmentSummary[], read: ReadFooter, signal: AbortSignal) {
    this.#expected = expected;
    this.#read = read;
    this.#signal = signal;
  }

  /** @throws INTERRUPTED, {@link TooMuchToRead} from then on, and what reading does. */
  async get(segment: SegmentSummary): Promise<SegmentFooter> {
    if (this.#signal.aborted) throw new BackupError('INTERRUPTED', 'the restore was stopped while it was planned');
    if (this.#further > MOST_FOOTERS || this.#entries > MOST_ENTRIES) throw new TooMuchToRead();
    this.#readAhead();
    const begun = this.#ahead.get(segment.key);
    this.#ahead.delete(segment.key);
    if (begun === undefined) this.#further += 1;
    const footer = await (begun ?? this.#read(segment));
    this.#entries += footer.transactions.starts.length + footer.transactions.markers.length;
    return footer;
  }

  #readAhead(): void {
    while (this.#ahead.size < FOOTERS_AHEAD) {
      const next = this.#expected[this.#begun];
      if (next === undefined) return;
      this.#begun += 1;
      const footer = this.#read(next);
      footer.catch(() => {});
      this.#ahead.set(next.key, footer);
    }
  }
}
