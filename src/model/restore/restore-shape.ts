// How what is restored differs from what was backed up: names, partitions and offsets. The same nouns in the configuration, in a
// request and in a plan.

import type { Cut, RecoveryTarget } from './recovery-target.ts';

/** A topic that `from` begins gets `to` instead of it; or one that `pattern` matches as a whole gets `name`, with `$1` for groups. */
export type MappingRule =
  | { readonly kind: 'prefix'; readonly from: string; readonly to: string }
  | { readonly kind: 'regex'; readonly pattern: string; readonly name: string };

/** `by-key` sends a record to the partition that the Java client would choose; `preserve` keeps it in the partition it was in. */
export interface Repartitioning {
  readonly partitions: number;
  readonly partitioning: 'preserve' | 'by-key';
}

/** Offsets of one partition of the backup. `fromOffset` inclusive, `toOffset` exclusive; null: no limit. */
export interface PartitionOffsets {
  readonly topic: string;
  readonly partition: number;
  readonly fromOffset: bigint | null;
  readonly toOffset: bigint | null;
}

/** What is different about the recovery target of one topic; null: no limit. What it does not say is as for the others. */
export interface TargetOverride {
  readonly fromMs?: number | null;
  readonly toMs?: number | null;
  readonly cut?: Cut;
}

/** `base` with what the override says. */
export function overrideTarget(base: RecoveryTarget, override: TargetOverride): RecoveryTarget {
  const { fromMs = base.fromMs ?? null, toMs = base.toMs ?? null, cut = base.cut } = override;
  return { ...(fromMs === null ? {} : { fromMs }), ...(toMs === null ? {} : { toMs }), cut };
}
