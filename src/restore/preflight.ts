// The checks before anything is written (DESIGN 6). Each finding is ok, warn or block; one block and nothing is written.

import type { TopicDescription } from '../model/topic/topic-description.ts';
import { codecFault } from '../record/producer-compression.ts';
import { type BatchLimits, CheckList, type PreflightInput } from './checks/check-list.ts';
import { checkCodecs } from './checks/codec-checks.ts';
import { checkObjects } from './checks/object-checks.ts';
import { checkCoverage, checkReach, checkRetention, checkSizes } from './checks/record-checks.ts';
import { sayWhatIsWell } from './checks/silent-checks.ts';
import { checkCreation, checkExisting, checkNames, checkOverrides, checkReplicas } from './checks/topic-checks.ts';
import type { PreflightCheck } from './restore-job.ts';
import { planIdOf, type TargetState } from './restore-plan.ts';

export interface PreflightResult {
  readonly planId: string;
  /** What the plan id was made with. */
  readonly target: TargetState;
  readonly checks: readonly PreflightCheck[];
  /** Target topics that exist already. */
  readonly existing: ReadonlyMap<string, TopicDescription>;
  /** Of each target topic. */
  readonly batchLimits: ReadonlyMap<string, BatchLimits>;
}

/** @throws KAFKA_UNREACHABLE and other codes when the target or the store cannot be asked at all. */
export async function preflight(input: PreflightInput): Promise<PreflightResult> {
  const { plan, sink, store, nowMs } = input;
  const list = new CheckList();
  await sink.connect();
  list.ok('target', `cluster ${sink.clusterId} answers, ${sink.brokerCount} broker(s)`);
  const listing = await sink.describeTopics(plan.topics.map(({ targetTopic }) => targetTopic));
  const existing = new Map(listing.topics.map((topic) => [topic.topic, topic]));
  checkNames(plan.topics, list);
  checkOverrides(input, list);
  checkReach(plan, list);
  const batchLimits = new Map<string, BatchLimits>();
  const ends: TargetState['topics'][number][] = [];
  for (const topic of plan.topics) {
    const { targetTopic } = topic;
    if (listing.denied.includes(targetTopic)) {
      list.block('permission', `${targetTopic}: the principal lacks DESCRIBE on the topic; grant it at the target`);
      continue;
    }
    const description = existing.get(targetTopic);
    const present = description && (await checkExisting(topic, description, input, list));
    if (present !== undefined) ends.push(present.found);
    const lasting = present?.lasting ?? (await checkCreation(topic, input, list));
    checkReplicas(targetTopic, lasting, list);
    batchLimits.set(targetTopic, checkSizes(topic, lasting, input, list));
    checkRetention(topic, lasting, nowMs, list);
    checkCoverage(topic, list);
  }
  sayWhatIsWell(plan.topics.length, list);
  checkCodecs(plan, input.settings, codecFault, list);
  await checkObjects(plan, store, list);
  const target = { clusterId: sink.clusterId, topics: ends };
  return { planId: planIdOf(plan, target), target, checks: list.checks, existing, batchLimits };
}

/** True when nothing may be written. */
export function isBlocked(checks: readonly PreflightCheck[]): boolean {
  return checks.some(({ level }) => level === 'block');
}
