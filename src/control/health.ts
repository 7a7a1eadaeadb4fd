// Liveness and readiness. Alive means that the event loop turns: it never depends on Kafka or the store, whose trouble a restart
// does not mend. Ready means assigned and fetched once, and stays so through outages: the readiness of a sidecar counts for the
// whole pod, and must not take the user's broker out of its service. Trouble is listed, and alerted on by metrics.

import type { BackupStatus } from '../backup/progress/backup-status.ts';

export interface HealthCheck {
  readonly name: string;
  readonly ok: boolean;
  /** False: listed for people, without effect on readiness. */
  readonly required: boolean;
  readonly message: string;
}

export interface Readiness {
  readonly isReady: boolean;
  readonly checks: readonly HealthCheck[];
}

const CHECK_SCHEMA = {
  type: 'object',
  properties: {
    name: { type: 'string' },
    ok: { type: 'boolean' },
    required: { type: 'boolean' },
    message: { type: 'string' },
  },
} as const;

export const LIVE_SCHEMA = {
  type: 'object',
  properties: { status: { type: 'string' }, version: { type: 'string' }, uptime_seconds: { type: 'integer' } },
} as const;

export const READY_SCHEMA = {
  type: 'object',
  properties: { status: { type: 'string' }, checks: { type: 'array', items: CHECK_SCHEMA } },
} as const;

/** Of a process that only restores. */
export type NoBackup = 'no-backup';

/** Judges a snapshot; null while no backup has started. A process that only restores is ready at once. A check named in `excluded` is listed but no longer required. */
export function judgeReadiness(status: BackupStatus | NoBackup | null, excluded: readonly string[]): Readiness {
  const checks = listChecks(status).map((found) => {
    return excluded.includes(found.name) ? { ...found, required: false } : found;
  });
  return { isReady: checks.every(({ ok, required }) => ok || !required), checks };
}

function listChecks(status: BackupStatus | NoBackup | null): readonly HealthCheck[] {
  if (status === null) return [check('backup', false, true, 'no backup has started')];
  if (status === 'no-backup') return [check('restore', true, true, 'this process makes no backup')];
  const { partitions, trouble } = status;
  const fetched = partitions.filter(({ highWatermark }) => highWatermark >= 0n).length;
  const failed = partitions.filter(({ state }) => state === 'failed' || state === 'fenced').length;
  return [
    check('backup', true, true, `${status.backupId} runs, ${status.mode}`),
    check('assignment', partitions.length > 0, true, `${partitions.length} partitions assigned`),
    check('first-fetch', fetched > 0, true, `${fetched} of ${partitions.length} partitions fetched`),
    check('partitions', failed === 0, false, `${failed} partitions failed or fenced`),
    check('surroundings', trouble === null, false, trouble ?? 'Kafka and the store answer'),
  ];
}

function check(name: string, ok: boolean, required: boolean, message: string): HealthCheck {
  return { name, ok, required, message };
}
