// What a restore to a target means for the records of one partition (DESIGN 6), in as few words as it can be said. Knows the
// history, not the backup.
import type { TransactionalBatch } from '../kafka-probe-types.ts';
import type { PlacedRecord } from './random-history.ts';

export interface RestoreTarget {
  readonly fromMs?: number;
  /** Either the instant between the two halves of the history, or later than all of it; {@link restoredWindow} takes any. */
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
  const visible = log.filter((record) => isAskedFor(record, target) && isCommitted(record, target));
  return insideOf(visible, target);
}

/**
 * The same for any window: which transactions were committed by its end is told by their markers, of which `transactional` is what
 * Kafka's own tool finds in the log. With `cut: log` the log ends before its first record past the window, be it a marker or of an
 * aborted transaction.
 */
export function restoredWindow(
  log: readonly PlacedRecord[],
  target: RestoreTarget,
  transactional: readonly TransactionalBatch[],
): PlacedRecord[] {
  const { toMs = Infinity, cut, isolation } = target;
  const markers = transactional.filter(({ isControl }) => isControl);
  const past = [
    ...log.filter(({ timestampMs }) => timestampMs > toMs).map(({ offset }) => offset),
    ...markers.filter(({ timestampMs }) => timestampMs > toMs).map(({ baseOffset }) => baseOffset),
  ];
  const end = cut === 'log' ? past.reduce((low, offset) => (offset < low ? offset : low), 2n ** 62n) : 2n ** 62n;
  const visible = log.filter(({ offset, transaction }) => {
    if (offset >= end) return false;
    if (transaction === null || isolation === 'read_uncommitted') return true;
    const batch = transactional.find((one) => one.baseOffset <= offset && one.lastOffset >= offset);
    const marker = markers.find((one) => one.producerId === batch?.producerId && one.baseOffset > offset);
    const isDecided = marker !== undefined && marker.baseOffset < end && marker.timestampMs <= toMs;
    return transaction.outcome === 'commit' && isDecided;
  });
  return insideOf(visible, target);
}

function insideOf(records: readonly PlacedRecord[], target: RestoreTarget): PlacedRecord[] {
  const { fromMs = -Infinity, toMs = Infinity, filter } = target;
  const inside = records.filter(({ timestampMs }) => timestampMs >= fromMs && timestampMs <= toMs);
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
