// To which state a restore goes. The meaning of a timestamp is settled here, once (DESIGN 6): with `cut: timestamp` exactly
// the records whose timestamp lies in the window are kept, in log order, whatever the order of the timestamps; with
// `cut: log` the prefix of the log before the first record past the end of the window, whatever kind of record that is: of an
// aborted transaction, or the marker that ends one. A transaction counts as committed when its marker lies in that prefix.

export type Cut = 'timestamp' | 'log';

/** Both ends inclusive, epoch milliseconds; absent means unbounded. Both absent means the latest state. */
export interface RecoveryTarget {
  readonly fromMs?: number;
  readonly toMs?: number;
  readonly cut: Cut;
}

/**
 * The recovery target of one partition: the instants, and the offsets of the source between which records are wanted.
 * `fromOffset` is inclusive, `toOffset` exclusive: it is the end of the log to go back to, so a transaction whose commit marker
 * lies at or after it had not been committed then.
 */
export interface PartitionTarget extends RecoveryTarget {
  readonly fromOffset?: bigint;
  readonly toOffset?: bigint;
}

export type Isolation = 'read_committed' | 'read_uncommitted';

/** Why a record that the backup holds is not written to the target. */
export type DropReason =
  | 'outside-window'
  | 'aborted-transaction'
  | 'undecided-transaction'
  | 'decided-after-target'
  | 'control-batch'
  | 'filtered';

export type DropCounts = Readonly<Record<DropReason, number>>;

export const NO_DROPS: DropCounts = {
  'outside-window': 0,
  'aborted-transaction': 0,
  'undecided-transaction': 0,
  'decided-after-target': 0,
  'control-batch': 0,
  filtered: 0,
};

/** Sum of two drop counts, reason by reason. */
export function addDrops(a: DropCounts, b: DropCounts): DropCounts {
  const sum = { ...a };
  for (const reason of Object.keys(b) as DropReason[]) sum[reason] += b[reason];
  return sum;
}
