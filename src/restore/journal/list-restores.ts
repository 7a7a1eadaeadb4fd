// The restores of a backup as their journals tell of them, whichever process ran them: what an operator needs to name one.

import type { ObjectLayout } from '../../catalog/object-layout.ts';
import type { ObjectStore } from '../../storage/object-store.ts';
import { type KnownRestore, newestRestores, type OnDamaged, unlessDamaged } from './restore-journal.ts';

export interface ListedRestore {
  readonly id: string;
  /**
   * `unfinished`: killed, failed, cancelled or running; `withdrawn`: it gave way to another one, and wrote nothing; `abandoned`:
   * given up by somebody.
   */
  readonly state: 'completed' | 'unfinished' | 'withdrawn' | 'abandoned';
  readonly createdAtMs: number;
  /** Null unless it is completed. */
  readonly finishedAtMs: number | null;
  /** Name of the target in the configuration that it was asked for with. */
  readonly target: string;
  readonly targetTopics: readonly string[];
  /** Null unless it is completed: of others only the target knows. */
  readonly records: number | null;
}

/** Reports read at once. */
const READ_AHEAD = 16;

/** The newest 200 that have begun, newest first; those with damaged documents are told of instead. */
export async function listRestores(
  store: ObjectStore,
  layout: ObjectLayout,
  onDamaged: OnDamaged,
): Promise<ListedRestore[]> {
  const known = await newestRestores(store, layout, onDamaged);
  const listed: ListedRestore[] = [];
  for (let from = 0; from < known.length; from += READ_AHEAD) {
    const described = known
      .slice(from, from + READ_AHEAD)
      .map((one) => unlessDamaged(one.intent.id, onDamaged, () => describe(one)));
    for (const one of await Promise.all(described)) if (one !== undefined) listed.push(one);
  }
  return listed;
}

async function describe({ intent, journal, isComplete, isGivenUp }: KnownRestore): Promise<ListedRestore> {
  const report = isComplete ? await journal.report() : undefined;
  const ending = isGivenUp ? await journal.endedAs() : undefined;
  const { id, createdAtMs, request, topics } = intent;
  return {
    id,
    state: report === undefined ? (ending ?? 'unfinished') : 'completed',
    createdAtMs,
    finishedAtMs: report?.finishedAtMs ?? null,
    target: request.target,
    targetTopics: topics.map(({ topic }) => topic),
    records: report?.allAttempts.recordsRestored ?? null,
  };
}
