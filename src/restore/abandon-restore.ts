// Gives an unfinished restore up for good: whoever still runs it is fenced, its topics get their own configuration, and the journal
// says that it is never carried on, so that other restores may fill them. The records that it has written stay. Killed anywhere
// in it, it can be asked for again.

import type { RestoreSink } from '../kafka/restore-sink.ts';
import { BackupError } from '../model/errors.ts';
import { type BegunRestore, NO_PATIENCE_MS } from './begun-restore.ts';
import { LOOK_HOLDS_MS } from './journal/attempts/attempt-watch.ts';
import type { IntendedTopic, RestoreProducers } from './journal/restore-intent.ts';
import type { RestoreJournal } from './journal/restore-journal.ts';
import type { TopicFillings } from './journal/topic-fillings.ts';
import type { AbandonedRestore, AbandonedTopic } from './restore-job.ts';
import { PatientTarget } from './run/patience/patient-target.ts';
import { neededConfigs } from './target-topic.ts';

/**
 * A restore that was abandoned before is looked at again: topics that are in the state for filling are released.
 * @throws USAGE_INVALID when the restore is complete, FENCED when another process carries it on meanwhile, and what the store and
 * the target fail with: nothing is waited out.
 */
export async function abandonRestore(
  begun: BegunRestore,
  sink: RestoreSink,
  wallMs: () => number,
): Promise<AbandonedRestore> {
  const { id, topics } = begun.intent;
  const { journal, attempts, fillings, patience } = begun.patient(new AbortController().signal, NO_PATIENCE_MS);
  await assertIncomplete(journal);
  const wasAbandoned = (await journal.endedAs()) === 'abandoned';
  const attempt = await attempts.begin(wallMs());
  // From then on nobody who had the restore before writes to the target.
  await patience.wait(LOOK_HOLDS_MS, patience.signal);
  await assertIncomplete(journal);
  const target = new PatientTarget(sink, patience);
  const producers = await journal.producers();
  const released: AbandonedTopic[] = [];
  for (const topic of topics) {
    const isReleased = await release(topic, { id, producers, target, fillings, sink, wasAbandoned });
    const startOffsets = producers?.topics.find((one) => one.topic === topic.topic)?.startOffsets ?? [];
    released.push({ topic: topic.topic, isReleased, startOffsets });
  }
  await attempts.assertNewest(attempt);
  await journal.putAbandoned(wallMs());
  // Fences whoever took over between that look and the put; who comes later finds what was put.
  if ((await attempts.begin(wallMs())) !== attempt + 1) {
    throw new BackupError('FENCED', `restore ${id} was carried on by another process just now; abandon it again`);
  }
  return { id, topics: released };
}

interface Release {
  readonly id: string;
  readonly producers: RestoreProducers | undefined;
  readonly target: PatientTarget;
  readonly fillings: TopicFillings;
  readonly sink: RestoreSink;
  readonly wasAbandoned: boolean;
}

/** Returns false for a topic that is not the restore's to change. */
async function release(
  { topic, creation, finalConfigs }: IntendedTopic,
  { id, producers, target, fillings, sink, wasAbandoned }: Release,
): Promise<boolean> {
  const description = (await target.describe([topic])).get(topic);
  if (description === undefined) return false;
  const filler = await fillings.lastFillerOf(description.topicId);
  // It is created before it is filled.
  const isCreated = filler === undefined && creation !== null && producers === undefined;
  if (filler !== id && !isCreated) return false;
  // What its owner has changed since is not touched.
  if (wasAbandoned && Object.keys(neededConfigs(await sink.describeEffectiveConfigs(topic))).length > 0) return false;
  await target.alterConfigs(topic, finalConfigs);
  return true;
}

async function assertIncomplete(journal: RestoreJournal): Promise<void> {
  if (!(await journal.isComplete())) return;
  throw new BackupError('USAGE_INVALID', `restore ${journal.id} is complete: there is nothing to abandon`);
}
