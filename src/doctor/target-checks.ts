// Whether a restore could write to a target: which operations are allowed on the topics that it would use, and whether the broker
// would create those that are not there. It is only asked; nothing is created or changed.

import type { RestoreSink, TopicOperation } from '../kafka/restore-sink.ts';
import { CheckList, fail, type Finding, namesText, ok, warn } from './check-list.ts';

export interface TargetSubject {
  readonly area: string;
  readonly sink: RestoreSink;
  /** Names at the target, as far as the configuration tells them. */
  readonly topics: readonly string[];
  readonly createsTopics: boolean;
  /** -1: as it was at the source, which is not known here. */
  readonly replicationFactor: number;
}

const NEEDED: readonly TopicOperation[] = ['WRITE', 'DESCRIBE_CONFIGS', 'ALTER_CONFIGS'];
/** Where the configuration names no topic. It is never created. */
const ANY_TOPIC = 'kafka-backup-doctor';

export async function checkTarget(subject: TargetSubject, list: CheckList): Promise<void> {
  const { area, sink } = subject;
  const names = subject.topics.length === 0 ? [ANY_TOPIC] : subject.topics;
  let absent: readonly string[] = [];
  const isListed = await list.check(area, 'topics', async () => {
    const { topics, missing, denied } = await sink.describeTopics(names);
    absent = [...missing, ...denied];
    if (denied.length > 0) return warn(`may not be described: ${namesText(denied)}`, 'Grant DESCRIBE on these topics.');
    return ok(`${topics.length} there, ${missing.length} to be created`);
  });
  if (!isListed) return;
  await list.check(area, 'permissions', () => permissionsFinding(subject, names));
  await list.check(area, 'create', () => creationFinding(subject, absent));
}

async function permissionsFinding({ sink }: TargetSubject, names: readonly string[]): Promise<Finding> {
  const allowed = await sink.allowedOperations(names);
  const lacking = [...allowed].flatMap(([topic, operations]) => {
    const denied = NEEDED.filter((operation) => !operations.has(operation));
    return denied.length === 0 ? [] : [`${denied.join(', ')} on ${topic}`];
  });
  if (lacking.length > 0)
    return fail(`not allowed: ${namesText(lacking)}`, 'Grant them to the principal of the agent.');
  const unreadable = [...allowed].flatMap(([topic, operations]) => (operations.has('READ') ? [] : [topic]));
  if (unreadable.length > 0) {
    const remedy = 'A restore works without it; resuming one and verify-restore need READ.';
    return warn(`not allowed: READ on ${namesText(unreadable)}`, remedy);
  }
  if (allowed.size < names.length) return ok('of topics that are not there, the brokers do not tell');
  return ok(`${NEEDED.join(', ')} and READ on every topic`);
}

async function creationFinding(subject: TargetSubject, absent: readonly string[]): Promise<Finding> {
  const { sink, createsTopics, replicationFactor } = subject;
  if (absent.length === 0) return ok('every topic is there');
  if (!createsTopics)
    return warn(`not there: ${namesText(absent)}`, 'Create them, or set restore.create_topics: true.');
  const refused: string[] = [];
  for (const topic of absent) {
    const answer = await sink.validateTopic({ topic, partitions: 1, replicationFactor, configs: {} });
    if (answer.kind === 'refused') refused.push(`${topic} (${answer.reason})`);
  }
  if (refused.length === 0) return ok('the broker would create what is not there');
  return fail(
    `the broker would not create ${namesText(refused)}`,
    'Grant CREATE, or change what the broker objects to.',
  );
}
