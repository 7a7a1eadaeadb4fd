// Catalog states to plan from, and requests and settings that ask for everything unless told otherwise.

import { CatalogState } from '../../../../src/catalog/catalog-state.ts';
import type { CatalogAction, TopicObservation } from '../../../../src/catalog/commit.ts';
import type { PartitionIdentity, SegmentSummary } from '../../../../src/model/segment/segment.ts';
import { type PlanOptions, planRestore } from '../../../../src/restore/plan/plan-restore.ts';
import { RESTORE_ALL, type RestoreRequest } from '../../../../src/restore/restore-job.ts';
import type { RestorePlan } from '../../../../src/restore/restore-plan.ts';
import { partition, segment, T0 } from '../../catalog/catalog-fixture.ts';

export { gap, partition, start, T0, truncation } from '../../catalog/catalog-fixture.ts';

export const NOW_MS = T0 + 1_000_000_000;

/** A segment whose object's name is its base offset, so that plans of equal states are equal. */
export function stored(
  identity: PartitionIdentity,
  baseOffset: bigint,
  nextOffset: bigint,
  change: Partial<SegmentSummary> = {},
): CatalogAction {
  const action = segment(identity, baseOffset, nextOffset, { random: 'r' });
  if (action.kind !== 'segment') throw new Error('no segment');
  return { kind: 'segment', segment: { ...action.segment, minTimestampMs: T0, ...change } };
}

/** One whose records have the timestamps `[fromMs, toMs]`, counted from {@link T0}. */
export function timed(
  identity: PartitionIdentity,
  [baseOffset, nextOffset]: readonly [bigint, bigint],
  [fromMs, toMs]: readonly [number | null, number],
): CatalogAction {
  const minTimestampMs = fromMs === null ? null : T0 + fromMs;
  return stored(identity, baseOffset, nextOffset, { minTimestampMs, maxTimestampMs: T0 + toMs });
}

export function seen(
  topic: string,
  partitions: number,
  change: Partial<TopicObservation> & { readonly letter?: string } = {},
): CatalogAction {
  const { letter = 'A', ...rest } = change;
  const { topicId } = partition(topic, 0, letter);
  const observation = { topic, topicId, partitions, replicationFactor: 3, configs: {}, observedAtMs: T0, ...rest };
  return { kind: 'topic', topic: observation };
}

export function stateOf(...actions: readonly CatalogAction[]): CatalogState {
  const state = new CatalogState();
  for (const action of actions) state.applyAction(action);
  state.version = 7;
  return state;
}

export function plan(
  state: CatalogState,
  request: Partial<RestoreRequest> = {},
  options: Partial<PlanOptions> = {},
): RestorePlan {
  return planRestore(
    state,
    'nightly',
    { ...RESTORE_ALL, target: 'default', ...request },
    { isolation: 'read_committed', replicationFactor: -1, topicConfigs: {}, nowMs: NOW_MS, ...options },
  );
}

/** Per lane: `topic/partition offsets -> target partitions`. */
export function outline({ topics }: RestorePlan): string[] {
  return topics.flatMap(({ targetTopic, lanes }) =>
    lanes.map(({ sources, targets }) => {
      const from = sources.map(({ source, segments }) => {
        const offsets = segments.map(({ fromOffset, toOffset }) => `${fromOffset}-${toOffset}`).join(',');
        return `${source.topic}/${source.partition}[${offsets}]`;
      });
      return `${from.join('+')} -> ${targetTopic}/${targets.join(',')}`;
    }),
  );
}
