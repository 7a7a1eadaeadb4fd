// Durations, sizes and speeds of links as people write them on a command line. A unit is always written: a bare number could be any.

import { BackupError } from '../../model/errors.ts';

const DURATIONS_MS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE_POWERS = ['', 'K', 'M', 'G', 'T'];

/** Milliseconds, from `30s`, `90m`, `24h` or `7d`. @throws USAGE_INVALID. */
export function parseDuration(text: string, flag: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (digits === '') throw invalid(text, flag, 'a duration', '30s, 90m, 24h or 7d');
  return Number(digits) * DURATIONS_MS[unit as keyof typeof DURATIONS_MS];
}

/** Bytes, from `64MiB`, `64MB` or `1GiB`. @throws USAGE_INVALID. */
export function parseSize(text: string, flag: string): number {
  const [, digits = '', prefix = '', binary = ''] = /^(\d{1,6})([KMGT]?)(i?)B$/.exec(text) ?? [];
  if (Number(digits) === 0) throw invalid(text, flag, 'a size', '64MiB or 1GiB');
  return Number(digits) * (binary === '' ? 1000 : 1024) ** SIZE_POWERS.indexOf(prefix);
}

/** Bytes per second, from `500Mbit/s`, `1Gbit/s` or `100MB/s`. @throws USAGE_INVALID. */
export function parseBandwidth(text: string, flag: string): number {
  const [, digits = '', prefix = '', unit = ''] = /^(\d{1,6}(?:\.\d{1,3})?)([KkMGT]?)(bit|iB|B)\/s$/.exec(text) ?? [];
  if (!(Number(digits) > 0)) throw invalid(text, flag, 'a bandwidth', '500Mbit/s, 1Gbit/s or 100MB/s');
  const scale = (unit === 'iB' ? 1024 : 1000) ** SIZE_POWERS.indexOf(prefix.toUpperCase());
  return (Number(digits) * scale) / (unit === 'bit' ? 8 : 1);
}

function invalid(text: string, flag: string, wanted: string, forms: string): BackupError {
  return new BackupError(
    'USAGE_INVALID',
    `${flag} ${JSON.stringify(text.slice(0, 100))} is not ${wanted}; write ${forms}`,
  );
}
