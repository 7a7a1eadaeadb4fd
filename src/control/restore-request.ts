// The body of POST /v1/restores: its JSON Schema, and the rules that a schema cannot say. All faults are told at once. No
// host, path or credential is ever taken from a request: a restore names a target of the configuration. Regular
// expressions are not taken either, since one from outside could hold up the event loop; globs are.

import { type InstantContext, isTimeZone, parseInstant } from '../model/instant.ts';
import type { Cut, RecoveryTarget } from '../model/recovery-target.ts';
import { isInternalTopic, isTopicName } from '../model/topic-partition.ts';
import { RESTORE_ALL, type RestoreRequest } from '../restore/restore-job.ts';
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
    time_zone: { type: 'string', minLength: 1, maxLength: 100 },
    cut: { type: 'string', enum: ['timestamp', 'log'] },
    catalog_version: { type: 'integer', minimum: 1 },
    topics: {
      ...PATTERNS,
      type: ['array', 'object'],
      additionalProperties: false,
      properties: { include: PATTERNS, exclude: PATTERNS },
    },
    topic_mapping: { type: 'object', maxProperties: MAX_TOPICS, additionalProperties: { type: 'string' } },
    target: { type: 'string', minLength: 1, maxLength: 249 },
    plan: { type: 'string', minLength: 1, maxLength: 64 },
    dry_run: { type: 'boolean' },
  },
} as const;

/** A body that the schema has accepted. */
export interface RestoreRequestBody {
  readonly point_in_time?: string | number;
  readonly time_window_start?: string | number;
  /** Of instants without a zone. */
  readonly time_zone?: string;
  readonly cut?: Cut;
  readonly catalog_version?: number;
  readonly topics?: readonly string[] | { readonly include?: readonly string[]; readonly exclude?: readonly string[] };
  readonly topic_mapping?: Readonly<Record<string, string>>;
  readonly target?: string;
  /** Id of a plan that a dry run has shown; it says everything else. */
  readonly plan?: string;
  readonly dry_run?: boolean;
}

export type ParsedRestoreRequest =
  /** A plan that was shown before is to be carried out. */
  | { readonly kind: 'plan'; readonly planId: string }
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
  if (body.plan !== undefined) return parsePlan(body.plan, body);
  const issues: RequestIssue[] = [];
  const recoveryTarget = parseTarget(body, options.nowMs, issues);
  const { include, exclude } = parseTopics(body.topics, issues);
  const topicMapping = parseMapping(body.topic_mapping ?? {}, issues);
  checkDestinations(include, exclude, topicMapping, issues);
  if (issues.length > 0) return { kind: 'invalid', issues };
  const request: RestoreRequest = {
    ...RESTORE_ALL,
    recoveryTarget,
    catalogVersion: body.catalog_version ?? null,
    includeTopics: include,
    excludeTopics: exclude,
    topicMapping,
    target: body.target ?? options.defaultTarget,
    dryRun: body.dry_run ?? false,
  };
  return { kind: 'request', request };
}

function parsePlan(planId: string, body: RestoreRequestBody): ParsedRestoreRequest {
  const others = Object.keys(body).filter((name) => name !== 'plan');
  if (others.length === 0) return { kind: 'plan', planId };
  const message = `says all that is restored; leave out ${others.join(', ')}`;
  return { kind: 'invalid', issues: [{ path: 'body/plan', message }] };
}

function parseTarget(body: RestoreRequestBody, nowMs: number, issues: RequestIssue[]): RecoveryTarget {
  const timeZone = body.time_zone ?? null;
  if (timeZone !== null && !isTimeZone(timeZone)) {
    issues.push({ path: 'body/time_zone', message: 'is not a time zone; an example is Europe/Berlin' });
  }
  const parseEnd = (name: 'point_in_time' | 'time_window_start'): number | undefined =>
    parseInstantAt(`body/${name}`, body[name], { nowMs, timeZone }, issues);
  const [fromMs, toMs] = [parseEnd('time_window_start'), parseEnd('point_in_time')];
  if (fromMs !== undefined && toMs !== undefined && fromMs > toMs) {
    issues.push({ path: 'body/time_window_start', message: 'the window starts after its end, point_in_time' });
  }
  return {
    ...(fromMs === undefined ? {} : { fromMs }),
    ...(toMs === undefined ? {} : { toMs }),
    cut: body.cut ?? 'timestamp',
  };
}

/** A number is epoch milliseconds. */
function parseInstantAt(
  path: string,
  value: string | number | undefined,
  context: InstantContext,
  issues: RequestIssue[],
): number | undefined {
  if (value === undefined) return undefined;
  const resolved = parseInstant(String(value), context);
  if (resolved.kind === 'fault') {
    issues.push({ path, message: resolved.message });
    return undefined;
  }
  const { epochMs } = resolved;
  if (epochMs < 0) issues.push({ path, message: 'lies before 1970' });
  if (epochMs > context.nowMs) issues.push({ path, message: 'lies in the future' });
  return epochMs;
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
