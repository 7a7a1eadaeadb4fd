// The instants of a restore, resolved: with the clock and the time zone, what was written becomes milliseconds. The rules report
// what does not resolve; the assembly relies on it.

import { resolveInstant, type WrittenInstant } from '../../model/instant.ts';
import type { RecoveryTarget } from '../../model/restore/recovery-target.ts';
import type { TargetOverride } from '../../model/restore/restore-shape.ts';
import type { WrittenTarget } from '../formats/restore-formats.ts';
import type { SchemaValues } from '../schema/schema.ts';

/** Called for what does not resolve, with the key below `restore`. */
export type ReportInstant = (key: string, message: string) => void;

export interface ResolvedTargets {
  readonly recoveryTarget: RecoveryTarget;
  readonly topicTargets: ReadonlyMap<string, TargetOverride>;
}

/** What does not resolve is reported, and left out. */
export function resolveTargets(
  restore: SchemaValues['restore'],
  nowMs: number,
  report: ReportInstant,
): ResolvedTargets {
  const resolve = (key: string, written: WrittenInstant | null | undefined): number | undefined => {
    if (written == null) return undefined;
    const resolved = resolveInstant(written, { nowMs, timeZone: restore.time_zone });
    if (resolved.kind === 'instant') return resolved.epochMs;
    report(key, resolved.message);
    return undefined;
  };
  const fromMs = resolve('time_window_start', restore.time_window_start);
  const toMs = resolve('time_window_end', restore.time_window_end);
  const override = ({ start, end, cut }: WrittenTarget): TargetOverride => {
    const topicFromMs = resolve('topic_targets', start);
    const topicToMs = end === 'latest' ? null : resolve('topic_targets', end);
    return {
      ...(topicFromMs === undefined ? {} : { fromMs: topicFromMs }),
      ...(topicToMs === undefined ? {} : { toMs: topicToMs }),
      ...(cut === undefined ? {} : { cut }),
    };
  };
  return {
    recoveryTarget: {
      ...(fromMs === undefined ? {} : { fromMs }),
      ...(toMs === undefined ? {} : { toMs }),
      cut: restore.cut,
    },
    topicTargets: new Map([...restore.topic_targets].map(([topic, target]) => [topic, override(target)])),
  };
}
