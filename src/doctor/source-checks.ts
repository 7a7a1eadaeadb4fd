// The topics of a backup: whether they are there and may be read, whether their batches fit into the memory that is allowed, and
// whether the backup keeps ahead of their retention. One batch is fetched, and nothing is changed.

import type { CatalogHead } from '../catalog/catalog-head.ts';
import type { PartitionLog } from '../kafka/partition-log.ts';
import type { ClusterProbe } from '../kafka/probe/cluster-probe.ts';
import type { EffectiveConfig, RestoreSink } from '../kafka/restore-sink.ts';
import type { TopicDescription } from '../model/topic/topic-description.ts';
import { partitionName } from '../model/topic/topic-partition.ts';
import type { TopicPatterns } from '../model/topic/topic-selection.ts';
import { partitionsOf, selectTopics } from '../survey/selected-topics.ts';
import { CheckList, fail, type Finding, namesText, ok, warn } from './check-list.ts';

export interface SourceSubject {
  readonly log: PartitionLog;
  readonly probe: ClusterProbe;
  /** What a target can tell of its topics, asked of the source. */
  readonly admin: Pick<RestoreSink, 'allowedOperations' | 'describeEffectiveConfigs'>;
  readonly topics: TopicPatterns;
  readonly failsOnMissingTopic: boolean;
  readonly maxPartitionFetchBytes: number;
  readonly memoryBudgetBytes: number;
  /** What is backed up so far; null where that cannot be told. */
  readonly catalog: CatalogHead | null;
  readonly wallMs: () => number;
}

type Configs = ReadonlyMap<string, ReadonlyMap<string, EffectiveConfig>>;

const AREA = 'source';
const NEEDED = ['READ', 'DESCRIBE_CONFIGS'] as const;
const MAX_WAIT_MS = 1000;

export async function checkSource(subject: SourceSubject, list: CheckList): Promise<void> {
  let topics: readonly TopicDescription[] = [];
  await list.check(AREA, 'topics', async () => {
    const selected = await selectTopics(subject.log, subject.topics);
    ({ topics } = selected);
    return selectionFinding(selected, subject.failsOnMissingTopic);
  });
  if (topics.length === 0) return;
  await list.check(AREA, 'permissions', () => permissionsFinding(subject, topics));
  await list.check(AREA, 'fetch', () => fetchFinding(subject, topics));
  const configs = new Map<string, ReadonlyMap<string, EffectiveConfig>>();
  const isDescribed = await list.check(AREA, 'batch sizes', async () => {
    for (const { topic } of topics) configs.set(topic, await subject.admin.describeEffectiveConfigs(topic));
    return sizesFinding(subject, configs);
  });
  if (isDescribed) await list.check(AREA, 'retention', () => retentionFinding(subject, topics, configs));
}

function selectionFinding(
  { topics, missing, denied }: Awaited<ReturnType<typeof selectTopics>>,
  failsOnMissingTopic: boolean,
): Finding {
  const partitions = partitionsOf(topics).length;
  const found = `${topics.length} topic(s) with ${partitions} partition(s)`;
  if (denied.length > 0) {
    return fail(`${found}; may not be described: ${namesText(denied)}`, 'Grant DESCRIBE on these topics.');
  }
  if (missing.length > 0) {
    const text = `${found}; not there: ${namesText(missing)}`;
    const remedy = 'Create them, or take them out of source.topics.include.';
    return failsOnMissingTopic ? fail(text, remedy) : warn(`${text}, which a continuous backup waits for`, remedy);
  }
  if (topics.length === 0) return warn('no topic matches source.topics', 'Check include and exclude.');
  return ok(found);
}

async function permissionsFinding({ admin }: SourceSubject, topics: readonly TopicDescription[]): Promise<Finding> {
  const names = topics.map(({ topic }) => topic);
  const allowed = await admin.allowedOperations(names);
  const lacking = names.flatMap((topic) => {
    const operations = allowed.get(topic);
    const denied = operations === undefined ? [] : NEEDED.filter((operation) => !operations.has(operation));
    return denied.length === 0 ? [] : [`${denied.join(' and ')} on ${topic}`];
  });
  if (lacking.length > 0)
    return fail(`not allowed: ${namesText(lacking)}`, 'Grant them to the principal of the agent.');
  if (allowed.size < names.length) return ok('the brokers do not tell');
  return ok('DESCRIBE, READ and DESCRIBE_CONFIGS on every topic');
}

/** The permission of one topic is no proof for another: {@link permissionsFinding} looks at all. */
async function fetchFinding({ log }: SourceSubject, topics: readonly TopicDescription[]): Promise<Finding> {
  const earliest = await log.listOffsets(partitionsOf(topics), 'earliest');
  const latest = await log.listOffsets(partitionsOf(topics), 'latest');
  for (const { topic, topicId, partitions } of topics) {
    for (const { partition, leader } of partitions) {
      const name = partitionName({ topic, partition });
      const nextOffset = earliest.get(name);
      if (nextOffset === undefined || leader < 0 || nextOffset === latest.get(name)) continue;
      const limits = { maxWaitMs: MAX_WAIT_MS, minBytes: 1, maxBytes: 1, maxPartitionBytes: 1 };
      const result = await log.fetchOnce(leader, [{ topic, topicId, partition, nextOffset, lastEpoch: -1 }], limits);
      const [answer] = result.partitions;
      const refusal =
        answer !== undefined && 'kafkaError' in answer ? answer.kafkaError : (answer?.kind ?? 'no answer');
      const sizeBytes = answer?.kind === 'records' ? answer.records.byteLength : 0;
      result.release();
      if (sizeBytes > 0) return ok(`a batch of ${sizeBytes} bytes from ${name}`);
      return fail(
        `${name} from offset ${nextOffset}: ${refusal}`,
        'See the log of its leader, and the permission READ.',
      );
    }
  }
  return ok('no topic holds a record yet');
}

function sizesFinding({ maxPartitionFetchBytes, memoryBudgetBytes }: SourceSubject, configs: Configs): Finding {
  const larger = (limit: number): string[] =>
    [...configs].flatMap(([topic, entries]) => {
      const maxBytes = Number(entries.get('max.message.bytes')?.value ?? 0);
      return maxBytes > limit ? [`${topic} (${maxBytes})`] : [];
    });
  const overBudget = larger(memoryBudgetBytes);
  if (overBudget.length > 0) {
    return fail(
      `max.message.bytes above backup.memory_budget_bytes (${memoryBudgetBytes}): ${namesText(overBudget)}`,
      'Raise backup.memory_budget_bytes above the largest batch.',
    );
  }
  const overFetch = larger(maxPartitionFetchBytes);
  if (overFetch.length > 0) {
    return warn(
      `max.message.bytes above backup.max_partition_fetch_bytes (${maxPartitionFetchBytes}): ${namesText(overFetch)}`,
      'Such batches are fetched one by one: raise max_partition_fetch_bytes where they are common.',
    );
  }
  return ok('every batch that the topics allow fits into one fetch');
}

/** Warns when what is not backed up yet has used half of its time, so that there is time to do something. */
async function retentionFinding(
  { probe, log, catalog, wallMs }: SourceSubject,
  topics: readonly TopicDescription[],
  configs: Configs,
): Promise<Finding> {
  if (catalog === null || catalog.version === 0) return ok('nothing is backed up yet');
  const late: string[] = [];
  const lost: string[] = [];
  for (const { topic, topicId, partitions } of topics) {
    const entries = configs.get(topic);
    const retentionMs = Number(entries?.get('retention.ms')?.value ?? -1);
    const isDeleted = entries?.get('cleanup.policy')?.value.includes('delete') ?? true;
    if (!isDeleted) continue;
    const all = partitions.map(({ partition }) => ({ topic, partition }));
    const starts = await log.listOffsets(all, 'earliest');
    const ends = await log.listOffsets(all, 'latest');
    const half = retentionMs > 0 ? await probe.offsetsAt(all, wallMs() - Math.floor(retentionMs / 2)) : new Map();
    for (const one of all) {
      const name = partitionName(one);
      const nextOffset = catalog.incarnation(topic, topicId).partitions.get(one.partition)?.resume?.nextOffset;
      if (nextOffset === undefined) continue;
      const halfOffset = half.has(name) ? (half.get(name)?.offset ?? ends.get(name)) : undefined;
      if (nextOffset < (starts.get(name) ?? 0n)) lost.push(name);
      else if (halfOffset !== undefined && nextOffset < halfOffset) late.push(name);
    }
  }
  const remedy = 'Let the agent catch up (more memory_budget_bytes, more agents), or raise retention.ms meanwhile.';
  if (lost.length > 0) return fail(`deleted before they were backed up: records of ${namesText(lost)}`, remedy);
  if (late.length > 0) return warn(`behind by more than half of retention.ms: ${namesText(late)}`, remedy);
  return ok('the backup is ahead of what retention deletes');
}
