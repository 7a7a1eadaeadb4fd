// The instants of a restore, resolved: with the clock and the time zone, what was written becomes milliseconds. The rules report
// what does not resolve; the assembly relies on it.

import { resolveInstant, utcText, whyNoTimestamp, type WrittenInstant } from '../../model/instant.ts';
import type { RecoveryTarget } from '../../model/restore/recovery-target.ts';
import type { TargetOverride } from '../../model/restore/restore-shape.ts';
import type { WrittenTarget } from '../formats/restore-formats.ts';
import type { SchemaValues } from '../schema/schema.ts';

/** An instant of which there is no such millisecond, or none that a record can have. */
export interface InstantFault {
  /** The key below `restore`, and where in its map the instant stands. */
  readonly key: string;
  readonly within: readonly string[];
  readonly message: string;
  /** It lies in the time zone, or in that there is none. */
  readonly isOfZone: boolean;
}

export interface ResolvedTargets {
  readonly recoveryTarget: RecoveryTarget;
  readonly topicTargets: ReadonlyMap<string, TargetOverride>;
}

/** What does not resolve, or not into the time of records, is reported and left out. */
export function resolveTargets(
  restore: SchemaValues['restore'],
  nowMs: number,
  report: (fault: InstantFault) => void,
): ResolvedTargets {
  const resolve = (
    [key, ...within]: readonly [string, ...string[]],
    written: WrittenInstant | null | undefined,
  ): number | undefined => {
    if (written == null) return undefined;
    const resolved = resolveInstant(written, { nowMs, timeZone: restore.time_zone });
    if (resolved.kind === 'fault') {
      report({ key, within, message: resolved.message, isOfZone: written.kind === 'local' });
      return undefined;
    }
    const { epochMs } = resolved;
    const fault = whyNoTimestamp(epochMs, nowMs);
    if (fault === undefined) return epochMs;
    report({ key, within, message: `${utcText(epochMs)} ${fault}`, isOfZone: false });
    return undefined;
  };
  const fromMs = resolve(['time_window_start'], restore.time_window_start);
  const toMs = resolve(['time_window_end'], restore.time_window_end);
  const overrideOf = (topic: string, { start, end, cut }: WrittenTarget): TargetOverride => {
    const topicFromMs = resolve(['topic_targets', topic, 'time_window_start'], start);
    const topicToMs = end === 'latest' ? null : resolve(['topic_targets', topic, 'time_window_end'], end);
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
    topicTargets: new Map([...restore.topic_targets].map(([topic, target]) => [topic, overrideOf(topic, target)])),
  };
}
