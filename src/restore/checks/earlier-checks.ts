// What is said of a restore that was found begun, or complete, when it is asked for again.

import { isDeepStrictEqual } from 'node:util';
import type { EarlierRestore } from '../journal/find-earlier.ts';
import type { RestoreIntent } from '../journal/restore-intent.ts';
import type { RestoreReport } from '../journal/restore-report.ts';
import type { PreflightResult } from '../preflight.ts';
import type { PreflightCheck } from '../restore-job.ts';
import { type RestoreSettings, SETTING_KEYS } from '../restore-settings.ts';

/** Partitions that a message names. */
const PARTITIONS_SHOWN = 5;
const TOPICS_SHOWN = 5;

/** Of a plan that was made before, with what has become of it in the first place. */
export function withCheck(
  checked: PreflightResult,
  planId: string,
  check: PreflightCheck | undefined,
): PreflightResult {
  return { ...checked, planId, checks: check === undefined ? checked.checks : [check, ...checked.checks] };
}

export function completeCheck({ report, deleted }: Extract<EarlierRestore, { kind: 'complete' }>): PreflightCheck {
  if (deleted.length > 0) return { level: 'warn', name: 'restore', message: deletedText(report, deleted) };
  const message = `restore ${report.id} of this plan is complete, and nobody has written to its target since: restore leaves it so`;
  return { level: 'ok', name: 'restore', message };
}

/** Undefined unless records that are appended would be there twice. Whoever wants that says so by the id of the plan. */
export function repeatedCheck(earlier: EarlierRestore, planId: string): PreflightCheck | undefined {
  const isComplete = earlier.kind === 'complete' || earlier.kind === 'overtaken';
  if (!isComplete || earlier.holding.length === 0) return undefined;
  const { holding, report } = earlier;
  const more = holding.length > TOPICS_SHOWN ? ` and ${holding.length - TOPICS_SHOWN} topics more` : '';
  const message = `restore ${report.id} of the same request is complete, and its records are in ${holding.slice(0, TOPICS_SHOWN).join(', ')}${more}: appended again they are there twice; if that is wanted, carry out this plan by its id: restore --plan ${planId}`;
  return { level: 'block', name: 'restore', message };
}

export function deletedText({ id }: RestoreReport, deleted: readonly string[]): string {
  const more = deleted.length > PARTITIONS_SHOWN ? `, and of ${deleted.length - PARTITIONS_SHOWN} partitions more` : '';
  return `restore ${id} is complete, and the target has deleted of it since: ${deleted.slice(0, PARTITIONS_SHOWN).join(', ')}${more}; nothing is sent again: to have all of it, delete the topic or map it to another name, and look at its retention`;
}

/** Keys of settings that a restore was begun with and that are others by now. */
export function differingSettings({ settings }: RestoreIntent, now: RestoreSettings): string[] {
  const names = ['isolation', 'replicationFactor', 'topicConfigs', 'compression'] as const;
  return names
    .filter((name) => !isDeepStrictEqual(settings[name], now[name]))
    .map((name) => `restore.${SETTING_KEYS[name]}`);
}

export function unfinishedCheck({ id }: RestoreIntent): PreflightCheck {
  const message = `restore ${id} of this plan is unfinished: restore carries it on from where it ended`;
  return { level: 'warn', name: 'restore', message };
}
