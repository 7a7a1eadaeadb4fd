// Numbers as people read them. Bytes in the summary are decimal megabytes, as the peer prints them; elsewhere binary units.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** `2,456,789`; a string of decimal digits is an offset as JSON carries it. */
export function formatCount(count: number | bigint | string): string {
  return count.toString().replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** `18.2 GiB` */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

/** `4m 23s`, `1h 02m 03s`, `3.2s` */
export function formatDuration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  const rest = `${String(whole % 60).padStart(2, '0')}s`;
  return minutes < 60
    ? `${minutes}m ${rest}`
    : `${Math.floor(minutes / 60)}h ${String(minutes % 60).padStart(2, '0')}m ${rest}`;
}

/** RFC 3339 in UTC with milliseconds, or a dash. */
export function formatInstant(epochMs: number | null): string {
  return epochMs === null || Math.abs(epochMs) > 8.64e15 ? '-' : new Date(epochMs).toISOString();
}
