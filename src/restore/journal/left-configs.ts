// What a topic in the state for filling has to get back, where a restore has left it so that will not do it itself.
//
// A restore changes a life of a topic only behind the put that says that it fills that life (topic-fillings.ts). So a life in that
// state is of the restore that fills it last. An unfinished one keeps all others away. One that is complete, or was abandoned, has put
// the topic's own configuration on before it was called so. What is left is what a restore has created, which is in that state
// from its creation on: until it is filled, and for good where the restore was killed in between or gave way for another topic's
// sake. Such a restore has no `producers`. Its topic may be gone by now, and one of its owner's may have the name, which sets what
// it likes; hence the look at every entry.

import type { EffectiveConfig } from '../../kafka/restore-sink.ts';
import type { ConfigChanges } from './restore-intent.ts';
import type { KnownRestore } from './restore-journal.ts';
import { isAsCreated } from '../target-topic.ts';

/** What puts a topic's own configuration on again, where it is in the state for filling; empty for one that keeps what it has. */
export type LeftConfigs = (topic: string, present: ReadonlyMap<string, EffectiveConfig>) => Promise<ConfigChanges>;

/** `unfinished`: restores of this cluster that are not complete, newest first. Empty where nothing was left. */
export async function leftConfigs(
  topic: string,
  present: ReadonlyMap<string, EffectiveConfig>,
  unfinished: readonly KnownRestore[],
): Promise<ConfigChanges> {
  if (!isAsCreated(present)) return {};
  for (const { intent, journal } of unfinished) {
    const left = intent.topics.find((one) => one.topic === topic && one.creation !== null);
    if (left === undefined) continue;
    const [producers, ended] = await Promise.all([journal.producers(), journal.endedAs()]);
    if (producers === undefined && ended !== 'abandoned') return left.finalConfigs;
  }
  return {};
}
