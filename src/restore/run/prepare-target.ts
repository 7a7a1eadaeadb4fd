// Makes the target ready for the first record: topics created or checked, this restore the only one that fills them, in the state
// for filling, and written down who writes and from where. Killed anywhere in it, a restore does all of it again; nothing of it is harmful twice.

import { BackupError } from '../../model/errors.ts';
import type { TopicDescription } from '../../model/topic/topic-description.ts';
import { partitionName, type TopicPartition } from '../../model/topic/topic-partition.ts';
import type { IntendedTopic, RestoreIntent, RestoreProducers, StartingTopic } from '../journal/restore-intent.ts';
import type { RestoreJournal } from '../journal/restore-journal.ts';
import type { TopicFillings } from '../journal/topic-fillings.ts';
import type { PatientTarget } from './patience/patient-target.ts';

export interface PreparationJournal {
  readonly journal: RestoreJournal;
  readonly fillings: TopicFillings;
}

/**
 * @throws PREFLIGHT_BLOCKED when a topic cannot be created after all, TARGET_CHANGED when a topic that has to be empty holds
 * records by now, FENCED when another restore fills one of the topics: this one is withdrawn then.
 */
export async function prepareTarget(
  intent: RestoreIntent,
  target: PatientTarget,
  { journal, fillings }: PreparationJournal,
): Promise<RestoreProducers> {
  const { topics, request } = intent;
  for (const topic of topics) await createTopic(topic, target);
  const described = await target.describeLed(topics.map(({ topic }) => topic));
  await beginFilling(intent.id, [...described.values()], { journal, fillings });
  for (const { topic } of topics) await target.holdConfigs(topic);
  const all = [...described.values()].flatMap(({ topic, partitions }) =>
    partitions.map(({ partition }) => ({ topic, partition })),
  );
  const [ends, identity] = await Promise.all([target.offsets(all, 'latest'), target.obtainProducer()]);
  const starting = [...described.values()].map(({ topic, topicId, partitions }): StartingTopic => {
    const startOffsets = partitions.map(({ partition }) => ends.get(partitionName({ topic, partition })) ?? -1n);
    return { topic, topicId, startOffsets };
  });
  if (request.intoExisting === 'refuse') await assertEmpty(all, ends, target);
  return journal.putProducers({ identity, topics: starting });
}

async function createTopic({ topic, creation, partitions }: IntendedTopic, target: PatientTarget): Promise<void> {
  const refusal =
    creation === null || (await target.describe([topic])).has(topic) ? null : await target.createTopic(creation);
  const found = refusal === null ? undefined : (await target.describe([topic])).get(topic);
  // Refused and there all the same: the answer to an earlier request was lost.
  if (refusal !== null && found === undefined) {
    throw new BackupError('PREFLIGHT_BLOCKED', `create topic ${topic}: ${refusal}`);
  }
  const described = found ?? (await target.describeLed([topic])).get(topic);
  if (described !== undefined && described.partitions.length >= partitions) return;
  throw new BackupError(
    'TARGET_CHANGED',
    `${topic} has ${described?.partitions.length ?? 0} partition(s), ${partitions} were planned`,
    { context: { topic } },
  );
}

/** One after the other and in the same order by everybody: of restores that share topics, one gets all of those. */
async function beginFilling(
  restore: string,
  topics: readonly TopicDescription[],
  { journal, fillings }: PreparationJournal,
): Promise<void> {
  const inOrder = topics.toSorted((a, b) => (a.topicId < b.topicId ? -1 : 1));
  for (const { topic, topicId } of inOrder) {
    const filler = await fillings.begin(topicId, restore);
    if (filler === undefined) continue;
    await journal.putWithdrawn(filler);
    throw new BackupError(
      'FENCED',
      `restore ${restore} has written nothing and gave way: ${topic} is being filled by restore ${filler} of another process; should that one have ended, continue it with restore --resume ${filler}, or give it up with restore --abandon ${filler}`,
      { context: { topic } },
    );
  }
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
