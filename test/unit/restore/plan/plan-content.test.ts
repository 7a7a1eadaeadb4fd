import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CatalogAction } from '../../../../src/catalog/commit.ts';
import type { PlanOptions } from '../../../../src/restore/plan/plan-restore.ts';
import type { RestoreRequest } from '../../../../src/restore/restore-job.ts';
import { planIdOf, type TargetState } from '../../../../src/restore/restore-plan.ts';
import { gap, partition, plan, seen, stateOf, stored, T0, timed } from './plan-fixture.ts';

const A0 = partition('a', 0);
const EMPTY: TargetState = { clusterId: 'c', topics: [] };
const BASE: readonly CatalogAction[] = [
  seen('a', 2),
  timed(A0, [0n, 10n], [0, 100]),
  stored(A0, 10n, 20n, { maxTimestampMs: T0 + 200, isTransactional: true }),
];
const UNTIL: Partial<RestoreRequest> = { recoveryTarget: { cut: 'timestamp', toMs: T0 + 250 } };

function idOf(
  actions: readonly CatalogAction[],
  request: Partial<RestoreRequest> = {},
  { target = EMPTY, ...options }: Partial<PlanOptions> & { readonly target?: TargetState } = {},
): string {
  return planIdOf(plan(stateOf(...actions), request, options), target);
}

describe('the id of a plan', () => {
  test('is twelve hex digits, the same for the same plan', () => {
    assert.match(idOf(BASE), /^[0-9a-f]{12}$/);
    assert.equal(idOf(BASE), idOf(BASE));
  });

  test('does not depend on the order of what is said of how it is done', () => {
    const topicConfigs = { a: { x: '1', y: '2' }, b: {} };
    const swapped = { b: {}, a: { y: '2', x: '1' } };
    assert.equal(idOf(BASE, { settings: { topicConfigs } }), idOf(BASE, { settings: { topicConfigs: swapped } }));
  });

  test('does not depend on the version of the catalog', () => {
    const state = stateOf(...BASE);
    const before = planIdOf(plan(state), EMPTY);
    state.version += 1;
    assert.equal(planIdOf(plan(state), EMPTY), before);
  });

  const more: readonly (readonly [string, CatalogAction])[] = [
    ['a later segment', timed(A0, [20n, 30n], [300, 400])],
    ['a later segment with transactions', stored(A0, 20n, 30n, { minTimestampMs: T0 + 300, isTransactional: true })],
    ['a later configuration', seen('a', 2, { observedAtMs: T0 + 300, configs: { 'retention.ms': '1' } })],
    ['a later partition', timed(partition('a', 2), [0n, 9n], [300, 400])],
    ['another topic that is not selected', seen('b', 1, { letter: 'B' })],
  ];
  for (const [what, action] of more) {
    test(`stays when the backup gets ${what}, and changes for the latest state`, () => {
      const selected = { includeTopics: ['a'] };
      assert.equal(idOf([...BASE, action], { ...UNTIL, ...selected }), idOf(BASE, { ...UNTIL, ...selected }));
      if (what.startsWith('another')) return;
      assert.notEqual(idOf([...BASE, action], selected), idOf(BASE, selected));
    });
  }

  const changes: readonly (readonly [string, Partial<RestoreRequest>, Partial<PlanOptions>?])[] = [
    ['the recovery target', { recoveryTarget: { cut: 'timestamp', toMs: T0 + 251 } }],
    ['the cut', { recoveryTarget: { cut: 'log', toMs: T0 + 250 } }],
    ['offsets', { ...UNTIL, offsets: [{ topic: 'a', partition: 0, fromOffset: null, toOffset: 19n }] }],
    ['the name', { ...UNTIL, topicMapping: { a: 'b' } }],
    ['the selected partitions', { ...UNTIL, partitions: [0] }],
    ['the mapping of partitions', { ...UNTIL, partitionMapping: { 0: 1, 1: 0 } }],
    ['repartitioning', { ...UNTIL, repartitioning: { a: { partitions: 2, partitioning: 'by-key' } } }],
    ['the filter', { ...UNTIL, filter: { keyRegex: 'x', header: null } }],
    ['added headers', { ...UNTIL, includeOriginalOffsetHeader: true }],
    ['what it says of how it is done', { ...UNTIL, settings: { compression: 'zstd' } }],
    ['appending', { ...UNTIL, intoExisting: 'append' }],
    ['isolation', UNTIL, { isolation: 'read_uncommitted' }],
    ['the replication factor', UNTIL, { replicationFactor: 2 }],
    ['the configuration of the topic', UNTIL, { topicConfigs: { '*': { 'retention.ms': '1' } } }],
  ];
  for (const [what, request, options] of changes) {
    test(`changes with ${what}`, () => {
      assert.notEqual(idOf(BASE, request, options), idOf(BASE, UNTIL));
    });
  }

  const stores: readonly (readonly [string, CatalogAction])[] = [
    ['an object replaced', { kind: 'remove', key: keyOf(BASE[1]!), partition: A0 }],
    ['a gap', gap(partition('a', 1), 0n, 5n)],
    ['records in time', timed(partition('a', 1), [0n, 5n], [0, 10])],
  ];
  for (const [what, action] of stores) {
    test(`changes with ${what}`, () => {
      assert.notEqual(idOf([...BASE, action], UNTIL), idOf(BASE, UNTIL));
    });
  }

  test('changes with the target: its cluster, its topics and where their logs end', () => {
    const found = (endOffset: bigint, topicId = 'x'): TargetState => {
      return { clusterId: 'c', topics: [{ topic: 'a', topicId, endOffsets: [endOffset, 0n], configs: {} }] };
    };
    const targets = [EMPTY, { ...EMPTY, clusterId: 'd' }, found(0n), found(1n), found(0n, 'y')];
    assert.equal(new Set(targets.map((target) => idOf(BASE, UNTIL, { target }))).size, targets.length);
  });

  test('goes with facts that name what has changed', () => {
    const changed = (
      actions: readonly CatalogAction[],
      request: Partial<RestoreRequest>,
      options: Partial<PlanOptions> = {},
    ): string[] => {
      const [before, after] = [plan(stateOf(...BASE), UNTIL).facts, plan(stateOf(...actions), request, options).facts];
      return Object.keys(after).filter((what) => after[what] !== before[what]);
    };
    assert.deepEqual(changed(BASE, UNTIL), []);
    assert.deepEqual(changed([...BASE, timed(partition('a', 1), [0n, 5n], [0, 10])], UNTIL), ['partition a/1']);
    assert.deepEqual(changed(BASE, { ...UNTIL, includeOriginalOffsetHeader: true }), ['request']);
    assert.deepEqual(changed(BASE, { ...UNTIL, partitionMapping: { 0: 1, 1: 0 } }), ['topic a']);
    assert.deepEqual(changed(BASE, UNTIL, { isolation: 'read_uncommitted' }), ['isolation']);
    assert.deepEqual(changed(BASE, UNTIL, { replicationFactor: 2 }), ['default_replication_factor']);
    const topicConfigs = { '*': { 'retention.ms': '1' } };
    assert.deepEqual(changed(BASE, UNTIL, { topicConfigs }), ['configuration of a']);
    assert.match(plan(stateOf(...BASE), UNTIL, { topicConfigs }).facts['configuration of a']!, /retention\.ms=1/);
  });
});

test('a plan over 10,000 segments is made in under a second', (context) => {
  const actions = Array.from({ length: 10_000 }, (_, index) => {
    const base = BigInt(Math.floor(index / 10) * 1000);
    const isTransactional = index % 2 === 0;
    return stored(partition('a', index % 10), base, base + 1000n, { isTransactional, maxTimestampMs: T0 + index });
  });
  const state = stateOf(seen('a', 10), ...actions);
  const startedAt = performance.now();
  const made = plan(state, { recoveryTarget: { cut: 'timestamp', toMs: T0 + 9990 } });
  planIdOf(made, EMPTY);
  const tookMs = performance.now() - startedAt;
  context.diagnostic(`planned in ${tookMs.toFixed(0)} ms`);
  assert.equal(
    made.topics[0]!.lanes.flatMap(({ sources }) => sources.flatMap(({ segments }) => segments)).length,
    10_000,
  );
  assert.ok(tookMs < 1000, `${tookMs} ms`);
});

function keyOf(action: CatalogAction): string {
  if (action.kind !== 'segment') throw new Error('no segment');
  return action.segment.key;
}
