// Makes the target ready for the first record: topics created or checked, in the state for filling, and written down who writes
// and from where. Killed anywhere in it, a restore does all of it again; nothing of it is harmful twice.

import { BackupError } from '../../model/errors.ts';
import { partitionName, type TopicPartition } from '../../model/topic-partition.ts';
import type { IntendedTopic, RestoreIntent, RestoreProducers, StartingTopic } from '../journal/restore-intent.ts';
import type { RestoreJournal } from '../journal/restore-journal.ts';
import type { PatientTarget } from './patient-target.ts';

/**
 * @throws PREFLIGHT_BLOCKED when a topic cannot be created after all, TARGET_CHANGED when a topic that has to be empty holds
 * records by now.
 */
export async function prepareTarget(
  { topics, request }: RestoreIntent,
  target: PatientTarget,
  journal: RestoreJournal,
): Promise<RestoreProducers> {
  for (const topic of topics) await prepareTopic(topic, target);
  const described = await target.describeLed(topics.map(({ topic }) => topic));
  const all = [...described.values()].flatMap(({ topic, partitions }) =>
    partitions.map(({ partition }) => ({ topic, partition })),
  );
  const ends = await target.offsets(all, 'latest');
  const starting = [...described.values()].map(({ topic, topicId, partitions }): StartingTopic => {
    const startOffsets = partitions.map(({ partition }) => ends.get(partitionName({ topic, partition })) ?? -1n);
    return { topic, topicId, startOffsets };
  });
  if (request.intoExisting === 'refuse') await assertEmpty(all, ends, target);
  const identity = await target.obtainProducer();
  return journal.putProducers({ identity, topics: starting });
}

async function prepareTopic({ topic, creation, partitions }: IntendedTopic, target: PatientTarget): Promise<void> {
  const refusal =
    creation === null || (await target.describe([topic])).has(topic) ? null : await target.createTopic(creation);
  const found = refusal === null ? undefined : (await target.describe([topic])).get(topic);
  // Refused and there all the same: the answer to an earlier request was lost.
  if (refusal !== null && found === undefined) {
    throw new BackupError('PREFLIGHT_BLOCKED', `create topic ${topic}: ${refusal}`);
  }
  const described = found ?? (await target.describeLed([topic])).get(topic);
  if (described === undefined || described.partitions.length < partitions) {
    throw new BackupError(
      'TARGET_CHANGED',
      `${topic} has ${described?.partitions.length ?? 0} partition(s), ${partitions} were planned`,
      { context: { topic } },
    );
  }
  await target.holdConfigs(topic);
}

async function assertEmpty(
  all: readonly TopicPartition[],
  ends: ReadonlyMap<string, bigint>,
  target: PatientTarget,
): Promise<void> {
  const starts = await target.offsets(all, 'earliest');
  const filled = all.find((one) => starts.get(partitionName(one)) !== ends.get(partitionName(one)));
  if (filled === undefined) return;
  throw new BackupError(
    'TARGET_CHANGED',
    `${partitionName(filled)} was empty when the restore was planned and holds records now`,
    { context: filled },
  );
}
