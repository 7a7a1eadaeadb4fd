// Instants as people write them, on the command line, in the configuration and to the control port alike: RFC 3339, local time of
// a named zone, epoch milliseconds, an age. Reading (what is it?) and resolving (which millisecond is it?) are two steps, since
// the second one needs a clock and a zone. A local time that a zone does not have, or has twice, is never guessed.

/** An instant that was understood. Digits below a millisecond were dropped. */
export type WrittenInstant =
  | { readonly kind: 'epoch'; readonly text: string; readonly epochMs: number }
  | { readonly kind: 'age'; readonly text: string; readonly ageMs: number }
  /** `wallMs`: what a clock on the wall shows, as if it were UTC. */
  | { readonly kind: 'local'; readonly text: string; readonly wallMs: number };

export type ResolvedInstant =
  | { readonly kind: 'instant'; readonly epochMs: number }
  /** A sentence that says what is wrong and what to write instead. */
  | { readonly kind: 'fault'; readonly message: string };

export interface InstantContext {
  readonly nowMs: number;
  /** IANA name of the zone of local times; null when none was given, and then those are refused. */
  readonly timeZone: string | null;
}

export const INSTANT_FORMS =
  'write 2026-11-20T03:00:00Z, "2026-11-20 03:00" with a time zone, epoch milliseconds, or an age such as -2h';

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** The latest that a date holds, ECMAScript's and ours. */
export const LAST_INSTANT_MS = 8_640_000_000_000_000;
const DAY_MS = 86_400_000;
const DATE_TIME = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d)(:\d\d)?(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)?$/;

/** Undefined for what is no instant. */
export function readInstant(text: string): WrittenInstant | undefined {
  if (/^\d{1,16}$/.test(text)) {
    const epochMs = Number(text);
    return epochMs <= LAST_INSTANT_MS ? { kind: 'epoch', text, epochMs } : undefined;
  }
  const age = /^-(\d{1,9})([smhd])$/.exec(text);
  if (age !== null) return { kind: 'age', text, ageMs: Number(age[1]) * (UNIT_MS[age[2] ?? ''] ?? 0) };
  const [, day, minutes, seconds, fraction, offset] = DATE_TIME.exec(text) ?? [];
  if (day === undefined || minutes === undefined || (fraction !== undefined && seconds === undefined)) return undefined;
  const wallMs = Date.parse(`${day}T${minutes}${seconds ?? ':00'}${(fraction ?? '').slice(0, 4)}Z`);
  // Date.parse takes 30 February for 2 March.
  if (Number.isNaN(wallMs) || !new Date(`${day}T00:00:00Z`).toJSON().startsWith(day)) return undefined;
  if (offset === undefined) return { kind: 'local', text, wallMs };
  const offsetMs = Date.parse(`1970-01-02T00:00:00Z`) - Date.parse(`1970-01-02T00:00:00${offset.toUpperCase()}`);
  return Number.isNaN(offsetMs) ? undefined : { kind: 'epoch', text, epochMs: wallMs - offsetMs };
}

/** The millisecond that is meant; ages count back from `nowMs`. */
export function resolveInstant(written: WrittenInstant, { nowMs, timeZone }: InstantContext): ResolvedInstant {
  switch (written.kind) {
    case 'epoch':
      return isLikelySeconds(written.text)
        ? fault(secondsText(written))
        : { kind: 'instant', epochMs: written.epochMs };
    case 'age':
      return { kind: 'instant', epochMs: nowMs - written.ageMs };
    case 'local':
      if (timeZone === null)
        return fault(`${quoted(written.text)} has no time zone; end it with Z or +01:00, or name one`);
      if (!isTimeZone(timeZone)) return fault(`${quoted(timeZone)} is not a time zone; an example is Europe/Berlin`);
      return resolveLocal(written, timeZone);
  }
}

/** Why no record can be of that instant yet or at all, as the end of a sentence; undefined when one can. */
export function whyNoTimestamp(epochMs: number, nowMs: number): string | undefined {
  if (epochMs > nowMs) return `lies in the future; it is ${utcText(nowMs)}`;
  return epochMs < 0 ? "lies before 1970, when Kafka's timestamps begin" : undefined;
}

/** Both steps in one. */
export function parseInstant(text: string, context: InstantContext): ResolvedInstant {
  const written = readInstant(text);
  if (written === undefined) return fault(`${quoted(text)} is not an instant; ${INSTANT_FORMS}`);
  return resolveInstant(written, context);
}

/** True for names of the IANA time zone database that this Node knows. */
export function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** RFC 3339 in UTC with milliseconds; in milliseconds what is beyond any date. */
export function utcText(epochMs: number): string {
  return Math.abs(epochMs) > LAST_INSTANT_MS ? `${epochMs} ms` : new Date(epochMs).toISOString();
}

function resolveLocal({ text, wallMs }: WrittenInstant & { kind: 'local' }, timeZone: string): ResolvedInstant {
  // Clocks are not set twice within a day: the offsets around the time are all it can have.
  const offsets = new Set([wallMs - DAY_MS, wallMs, wallMs + DAY_MS].map((at) => offsetMs(at, timeZone)));
  const meant = [...offsets]
    .map((offset) => wallMs - offset)
    .filter((epochMs) => epochMs + offsetMs(epochMs, timeZone) === wallMs)
    .sort((a, b) => a - b);
  const [first, second] = meant;
  if (first === undefined) {
    return fault(
      `${quoted(text)} does not exist in ${timeZone}: clocks were put forward over it; name another time, or write it with Z`,
    );
  }
  if (second === undefined) return { kind: 'instant', epochMs: first };
  const both = meant.map((epochMs) => new Date(epochMs).toISOString()).join(' or ');
  return fault(`${quoted(text)} happened twice in ${timeZone}: clocks were put back over it; write ${both}`);
}

/** How far the zone's clocks are ahead of UTC at an instant. */
function offsetMs(epochMs: number, timeZone: string): number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const parts = new Map(format.formatToParts(epochMs).map(({ type, value }) => [type, Number(value)]));
  const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
  const wallMs = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
  return wallMs - Math.floor(epochMs / 1000) * 1000;
}

/** Ten digits, as `date +%s` prints them. In milliseconds they are of early 1970: a window to there is empty, one from there is everything. */
function isLikelySeconds(text: string): boolean {
  return /^[1-9]\d{9}$/.test(text);
}

function secondsText({ text, epochMs }: WrittenInstant & { kind: 'epoch' }): string {
  return `${quoted(text)} looks like seconds, and milliseconds are read; write ${text}000 for ${utcText(epochMs * 1000)}, or ${utcText(epochMs)} if that is meant`;
}

function fault(message: string): ResolvedInstant {
  return { kind: 'fault', message };
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
