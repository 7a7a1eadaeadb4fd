// Plans that were shown, kept in the backup's store under their id: `restore --plan ID` carries out what somebody has read and
// agreed to, or says what has changed since.

import type { ObjectLayout } from '../../catalog/object-layout.ts';
import { BackupError } from '../../model/errors.ts';
import { parseJson } from '../../model/json-fields.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import type { PreflightResult } from '../preflight.ts';
import { decodeRequest, requestText } from '../request-json.ts';
import type { RestoreRequest } from '../restore-job.ts';
import type { RestorePlan, TargetState } from '../restore-plan.ts';

const PLAN_ID = /^[0-9a-f]{12}$/;
const CHANGES_SHOWN = 5;

export interface StoredPlan {
  readonly planId: string;
  readonly request: RestoreRequest;
  /** What the plan said, by what it is about: to tell what has changed. */
  readonly facts: Readonly<Record<string, string>>;
}

/** Keeps a plan; the same plan again changes nothing. */
export async function putPlan(
  store: ObjectStore,
  layout: ObjectLayout,
  request: RestoreRequest,
  { plan, checked }: { readonly plan: RestorePlan; readonly checked: PreflightResult },
): Promise<void> {
  const { planId } = checked;
  const facts = factsOf(plan, checked);
  const text = `{"planId":${JSON.stringify(planId)},"request":${requestText(request)},"facts":${JSON.stringify(facts)}}\n`;
  await store.putIfAbsent(layout.restorePlan(planId), [Buffer.from(text)]);
}

/** @throws USAGE_INVALID when no plan of that id was kept, CATALOG_CORRUPT when it cannot be read. */
export async function getPlan(store: ObjectStore, layout: ObjectLayout, planId: string): Promise<StoredPlan> {
  const key = PLAN_ID.test(planId) ? layout.restorePlan(planId) : undefined;
  const bytes = key === undefined ? undefined : await store.get(key);
  if (key === undefined || bytes === undefined) {
    throw new BackupError(
      'USAGE_INVALID',
      `backup ${layout.backupId} knows no plan ${JSON.stringify(planId.slice(0, 40))}; validate-restore prints plans and their ids`,
    );
  }
  const fields = parseJson(bytes, key, 'CATALOG_CORRUPT');
  return { planId, request: decodeRequest(fields.fields('request')), facts: fields.strings('facts') };
}

/** @throws PLAN_STALE, naming what has changed, unless the plan that was made now is the one that was kept. */
export function assertSamePlan(stored: StoredPlan, plan: RestorePlan, checked: PreflightResult): void {
  if (stored.planId === checked.planId) return;
  const now = factsOf(plan, checked);
  const changes = [...new Set([...Object.keys(stored.facts), ...Object.keys(now)])]
    .filter((what) => stored.facts[what] !== now[what])
    .map((what) => `${what}: was ${stored.facts[what] ?? 'not planned'}, is ${now[what] ?? 'not planned'}`);
  const more = changes.length > CHANGES_SHOWN ? ` and ${changes.length - CHANGES_SHOWN} more` : '';
  throw new BackupError(
    'PLAN_STALE',
    `plan ${stored.planId} no longer holds: ${changes.slice(0, CHANGES_SHOWN).join('; ')}${more}`,
  );
}

/** What the plan says, and the target as it was found. */
function factsOf(plan: RestorePlan, { target }: PreflightResult): Readonly<Record<string, string>> {
  const facts: Record<string, string> = { ...plan.facts, 'target cluster': target.clusterId };
  for (const { targetTopic } of plan.topics) {
    const found = target.topics.find(({ topic }) => topic === targetTopic);
    facts[`target topic ${targetTopic}`] =
      found === undefined
        ? 'not there'
        : `id ${found.topicId} with log ends ${found.endOffsets.join(', ')}${ownText(found)}`;
  }
  return facts;
}

function ownText({ configs }: TargetState['topics'][number]): string {
  const entries = Object.entries(configs).map(([name, value]) => `${name}=${value}`);
  return entries.length === 0 ? '' : ` and ${entries.join(', ')}`;
}
