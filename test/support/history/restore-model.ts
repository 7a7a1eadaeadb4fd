// What a restore to a target means for the records of one partition (DESIGN 6), in as few words as it can be said. Knows the
// history, not the backup.
import type { PlacedRecord } from './random-history.ts';

export interface RestoreTarget {
  readonly fromMs?: number;
  /** Either the instant between the two halves of the history, or later than all of it. */
  readonly toMs?: number;
  readonly cut?: 'timestamp' | 'log';
  readonly isolation?: 'read_committed' | 'read_uncommitted';
  /** By partition: from inclusive, to exclusive. No end of a transaction lies between the instant and `to`. */
  readonly offsets?: ReadonlyMap<number, { readonly from: bigint; readonly to: bigint }>;
  /** Only records with a key that it matches, and with this header. */
  readonly filter?: { readonly key: RegExp; readonly header: string; readonly headerValue: RegExp };
}

/** The records that the restored partition holds, in order. */
export function restoredRecords(log: readonly PlacedRecord[], target: RestoreTarget): PlacedRecord[] {
  const { fromMs = -Infinity, toMs = Infinity, cut = 'timestamp', filter } = target;
  const visible = log.filter((record) => isAskedFor(record, target) && isCommitted(record, target));
  const firstPast = visible.findIndex(({ timestampMs }) => timestampMs > toMs);
  const prefix = cut === 'log' && firstPast >= 0 ? visible.slice(0, firstPast) : visible;
  const inside = prefix.filter(({ timestampMs }) => timestampMs >= fromMs && timestampMs <= toMs);
  return filter === undefined ? inside : inside.filter((record) => passes(record, filter));
}

function isAskedFor({ partition, offset }: PlacedRecord, { offsets }: RestoreTarget): boolean {
  const limits = offsets?.get(partition);
  return limits === undefined || (offset >= limits.from && offset < limits.to);
}

function isCommitted({ transaction }: PlacedRecord, { isolation, toMs, offsets }: RestoreTarget): boolean {
  if (transaction === null || isolation === 'read_uncommitted') return true;
  const isToInstant = toMs !== undefined || offsets !== undefined;
  return transaction.outcome === 'commit' && (!isToInstant || transaction.isEarly);
}

function passes({ key, headers }: PlacedRecord, filter: NonNullable<RestoreTarget['filter']>): boolean {
  const isNamed = headers.some(
    (header) => header.key === filter.header && header.value !== null && filter.headerValue.test(header.value),
  );
  return key !== null && filter.key.test(key) && isNamed;
}

/** Records that are dropped for their transaction, by reason, when everything else is kept. */
export function droppedTransactional(log: readonly PlacedRecord[]): Record<string, number> {
  const dropped: Record<string, number> = {};
  for (const { transaction } of log) {
    if (transaction === null || transaction.outcome === 'commit') continue;
    const reason = transaction.outcome === 'abort' ? 'aborted-transaction' : 'undecided-transaction';
    dropped[reason] = (dropped[reason] ?? 0) + 1;
  }
  return dropped;
}
