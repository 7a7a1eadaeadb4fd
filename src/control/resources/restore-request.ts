// The body of POST /v1/restores: the keys of the configuration's section `restore` that say what is restored, and where to. It is
// read by the configuration's own schema; what only a request has is settled here: the target by name, and a plan that was shown.
// All faults are told at once.

import { isInternalTopic, isTopicName } from '../../model/topic/topic-partition.ts';
import type { RestoreRequest } from '../../restore/restore-job.ts';
import type { RequestIssue } from '../error-body.ts';

/** Whatever else is wrong with a body is told by the reader, at its place. */
export const RESTORE_REQUEST_SCHEMA = { type: 'object' } as const;

/** Reads what of a body is written as in the configuration, of which agent.ts brings the schema. `otherKeys` are read here. */
export type ReadRestore = (
  body: Readonly<Record<string, unknown>>,
  options: { readonly nowMs: number; readonly otherKeys: readonly string[] },
) =>
  | { readonly kind: 'request'; readonly request: RestoreRequest }
  | { readonly kind: 'invalid'; readonly issues: readonly RequestIssue[] };

export type ParsedRestoreRequest =
  /** A plan that was shown before is to be carried out. */
  | { readonly kind: 'plan'; readonly planId: string }
  | { readonly kind: 'request'; readonly request: RestoreRequest }
  | { readonly kind: 'invalid'; readonly issues: readonly RequestIssue[] };

export interface RequestOptions {
  readonly read: ReadRestore;
  readonly defaultTarget: string;
  readonly nowMs: number;
}

const OWN_KEYS = ['target', 'plan'];
const LONGEST_NAME = 249;

/** Without topics everything is restored, without an instant the latest state. */
export function parseRestoreRequest(
  body: Readonly<Record<string, unknown>>,
  { read, defaultTarget, nowMs }: RequestOptions,
): ParsedRestoreRequest {
  const issues: RequestIssue[] = [];
  const target = nameAt('target', body, issues);
  const planId = nameAt('plan', body, issues);
  const result = read(body, { nowMs, otherKeys: OWN_KEYS });
  if (result.kind === 'invalid') return { kind: 'invalid', issues: [...issues, ...result.issues] };
  if (planId !== undefined) return planAlone(planId, body);
  checkDestinations(result.request, issues);
  if (issues.length > 0) return { kind: 'invalid', issues };
  return { kind: 'request', request: { ...result.request, target: target ?? defaultTarget } };
}

function nameAt(key: string, body: Readonly<Record<string, unknown>>, issues: RequestIssue[]): string | undefined {
  const value = Object.hasOwn(body, key) ? body[key] : undefined;
  if (value === undefined) return undefined;
  if (typeof value === 'string' && value !== '' && value.length <= LONGEST_NAME) return value;
  issues.push({ path: `body/${key}`, message: `is not a name of at most ${LONGEST_NAME} characters` });
  return undefined;
}

function planAlone(planId: string, body: Readonly<Record<string, unknown>>): ParsedRestoreRequest {
  const others = Object.keys(body).filter((name) => name !== 'plan');
  if (others.length === 0) return { kind: 'plan', planId };
  const message = `says all that is restored; leave out ${others.join(', ')}`;
  return { kind: 'invalid', issues: [{ path: 'body/plan', message }] };
}

/** No two sources may end in one topic. What patterns and rules select is known only to the plan, which checks it again. */
function checkDestinations(
  { includeTopics, excludeTopics, topicMapping, mappingRules }: RestoreRequest,
  issues: RequestIssue[],
): void {
  if (mappingRules.length > 0) return;
  const targetOf = (source: string): string =>
    (Object.hasOwn(topicMapping, source) ? topicMapping[source] : undefined) ?? source;
  const sourceOf = new Map<string, string>();
  for (const source of new Set([...Object.keys(topicMapping), ...includeTopics.filter(isTopicName)])) {
    if (excludeTopics.includes(source)) continue;
    const target = targetOf(source);
    const other = sourceOf.get(target);
    sourceOf.set(target, source);
    if (other !== undefined) {
      issues.push({ path: 'body/topics', message: `${other} and ${source} would both be restored into ${target}` });
    } else if (isInternalTopic(target)) {
      issues.push({ path: 'body/topics', message: `${target} is an internal topic of Kafka; map it to another name` });
    }
  }
}
