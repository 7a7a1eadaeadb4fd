// Instants as people write them on a command line. The resolved instant is always echoed in UTC.

import { BackupError } from '../model/errors.ts';

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

/** RFC 3339 with an offset, epoch milliseconds, or an age such as `-2h`. @throws USAGE_INVALID. */
export function parseInstant(text: string, nowMs: number): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  const age = /^-(\d{1,9})([smhd])$/.exec(text);
  if (age !== null) return nowMs - Number(age[1]) * (UNIT_MS[age[2] ?? ''] ?? 0);
  const instant = RFC_3339.test(text) ? Date.parse(text.replace(' ', 'T')) : Number.NaN;
  if (Number.isNaN(instant)) {
    throw new BackupError(
      'USAGE_INVALID',
      `${JSON.stringify(text)} is not an instant; write 2026-11-20T03:00:00Z, epoch milliseconds or -2h`,
    );
  }
  return instant;
}
