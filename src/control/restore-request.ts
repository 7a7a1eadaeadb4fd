// The body of POST /v1/restores: its JSON Schema, and the rules that a schema cannot say. All faults are told at once. No
// host, path or credential is ever taken from a request: a restore names a target of the configuration. Regular
// expressions are not taken either, since one from outside could hold up the event loop; globs are.

import { isInternalTopic, isTopicName } from '../model/topic-partition.ts';
import type { RestoreRequest } from '../restore/restore-job.ts';
import type { RequestIssue } from './error-body.ts';

const MAX_TOPICS = 1000;
const PATTERNS = { type: 'array', minItems: 1, maxItems: MAX_TOPICS, items: { type: 'string' } } as const;
const INSTANT = { type: ['string', 'integer'] } as const;

export const RESTORE_REQUEST_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  properties: {
    point_in_time: INSTANT,
    time_window_start: INSTANT,
    topics: {
      ...PATTERNS,
      type: ['array', 'object'],
      additionalProperties: false,
      properties: { include: PATTERNS, exclude: PATTERNS },
    },
    topic_mapping: { type: 'object', maxProperties: MAX_TOPICS, additionalProperties: { type: 'string' } },
    target: { type: 'string', minLength: 1, maxLength: 249 },
    dry_run: { type: 'boolean' },
  },
} as const;

/** A body that the schema has accepted. */
export interface RestoreRequestBody {
  readonly point_in_time?: string | number;
  readonly time_window_start?: string | number;
  readonly topics?: readonly string[] | { readonly include?: readonly string[]; readonly exclude?: readonly string[] };
  readonly topic_mapping?: Readonly<Record<string, string>>;
  readonly target?: string;
  readonly dry_run?: boolean;
}

export type ParsedRestoreRequest =
  | { readonly kind: 'request'; readonly request: RestoreRequest }
  | { readonly kind: 'invalid'; readonly issues: readonly RequestIssue[] };

/**
 * Without topics everything is restored, without an instant the latest state. Both ends of the window are inclusive.
 * `topicMapping` of the result has no prototype: a topic called `constructor` is only found when it was given.
 */
export function parseRestoreRequest(
  body: RestoreRequestBody,
  options: { readonly defaultTarget: string; readonly nowMs: number },
): ParsedRestoreRequest {
  const issues: RequestIssue[] = [];
  const window = parseWindow(body, options.nowMs, issues);
  const { include, exclude } = parseTopics(body.topics, issues);
  const topicMapping = parseMapping(body.topic_mapping ?? {}, issues);
  checkDestinations(include, exclude, topicMapping, issues);
  if (issues.length > 0) return { kind: 'invalid', issues };
  const request: RestoreRequest = {
    recoveryTarget: { ...window, cut: 'timestamp' },
    includeTopics: include,
    excludeTopics: exclude,
    topicMapping,
    target: body.target ?? options.defaultTarget,
    dryRun: body.dry_run ?? false,
  };
  return { kind: 'request', request };
}

/** Epoch milliseconds of an RFC 3339 instant with a zone, or of an epoch itself; digits below a millisecond are dropped. */
export function parseInstant(value: string | number): number | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : null;
  const match = /^(\d{4}-\d\d-\d\d)[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/.exec(value);
  const day = match?.[1];
  if (day === undefined) return null;
  const instantMs = Date.parse(value.toUpperCase().replace(' ', 'T'));
  // Date.parse takes 30 February for 2 March.
  const isRealDay = new Date(`${day}T00:00:00Z`).toJSON()?.startsWith(day) ?? false;
  return isRealDay && instantMs >= 0 ? instantMs : null;
}

function parseWindow(
  body: RestoreRequestBody,
  nowMs: number,
  issues: RequestIssue[],
): { readonly fromMs?: number; readonly toMs?: number } {
  const fromMs = parseEnd('time_window_start', body.time_window_start, nowMs, issues);
  const toMs = parseEnd('point_in_time', body.point_in_time, nowMs, issues);
  if (fromMs !== undefined && toMs !== undefined && fromMs > toMs) {
    issues.push({ path: 'body/time_window_start', message: 'the window starts after its end, point_in_time' });
  }
  return { ...(fromMs === undefined ? {} : { fromMs }), ...(toMs === undefined ? {} : { toMs }) };
}

function parseEnd(
  name: 'point_in_time' | 'time_window_start',
  value: string | number | undefined,
  nowMs: number,
  issues: RequestIssue[],
): number | undefined {
  if (value === undefined) return undefined;
  const instantMs = parseInstant(value);
  const path = `body/${name}`;
  if (instantMs === null) {
    const message =
      'must be an RFC 3339 instant with a zone, as 2026-11-20T03:00:00Z, or epoch milliseconds as a number';
    issues.push({ path, message });
    return undefined;
  }
  if (instantMs > nowMs) issues.push({ path, message: 'lies in the future' });
  return instantMs;
}

function parseTopics(
  topics: RestoreRequestBody['topics'],
  issues: RequestIssue[],
): { readonly include: readonly string[]; readonly exclude: readonly string[] } {
  if (isList(topics)) return { include: checkPatterns('body/topics', topics, issues), exclude: [] };
  return {
    include: checkPatterns('body/topics/include', topics?.include ?? ['*'], issues),
    exclude: checkPatterns('body/topics/exclude', topics?.exclude ?? [], issues),
  };
}

function isList(topics: RestoreRequestBody['topics']): topics is readonly string[] {
  return Array.isArray(topics);
}

function checkPatterns(path: string, patterns: readonly string[], issues: RequestIssue[]): readonly string[] {
  patterns.forEach((pattern, index) => {
    if (isTopicName(pattern) || isGlob(pattern)) return;
    const message = pattern.startsWith('~')
      ? 'regular expressions are taken from the configuration only; use a glob'
      : 'is neither a topic name (a-z A-Z 0-9 . _ -, at most 249) nor a glob';
    issues.push({ path: `${path}/${index}`, message });
  });
  return patterns;
}

function isGlob(pattern: string): boolean {
  return /^[a-zA-Z0-9._*?[\]{},!-]{1,249}$/.test(pattern) && /[*?[{]/.test(pattern);
}

function parseMapping(
  given: Readonly<Record<string, string>>,
  issues: RequestIssue[],
): Readonly<Record<string, string>> {
  const mapping: Record<string, string> = Object.create(null);
  for (const [source, target] of Object.entries(given)) {
    mapping[source] = target;
    const path = `body/topic_mapping/${source}`;
    if (!isTopicName(source)) issues.push({ path, message: 'the source is not a topic name' });
    if (!isTopicName(target)) issues.push({ path, message: 'the target is not a topic name' });
    else if (isInternalTopic(target)) issues.push({ path, message: 'the target is an internal topic of Kafka' });
  }
  return mapping;
}

/** No two sources may end in one topic. What globs select is known only to the plan, which checks it again. */
function checkDestinations(
  include: readonly string[],
  exclude: readonly string[],
  mapping: Readonly<Record<string, string>>,
  issues: RequestIssue[],
): void {
  const sourceOf = new Map<string, string>();
  const sources = new Set([...Object.keys(mapping), ...include.filter(isTopicName)]);
  for (const source of sources) {
    if (exclude.includes(source)) continue;
    const target = mapping[source] ?? source;
    const other = sourceOf.get(target);
    sourceOf.set(target, source);
    const path = mapping[source] === undefined ? 'body/topics' : `body/topic_mapping/${source}`;
    if (other !== undefined) {
      issues.push({ path, message: `${other} and ${source} would both be restored into ${target}` });
    } else if (mapping[source] === undefined && isInternalTopic(source)) {
      issues.push({ path, message: `${source} is an internal topic of Kafka; map it to another name` });
    }
  }
}
