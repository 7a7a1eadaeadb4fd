import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseJson } from '../../../../src/model/json-fields.ts';
import { assertSamePlan, getPlan, putPlan } from '../../../../src/restore/plan/plan-store.ts';
import type { PreflightResult } from '../../../../src/restore/preflight.ts';
import { decodeRequest, requestText } from '../../../../src/restore/request-json.ts';
import { RESTORE_ALL, type RestoreRequest } from '../../../../src/restore/restore-job.ts';
import { planIdOf, type RestorePlan, type TargetState } from '../../../../src/restore/restore-plan.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory-object-store.ts';
import { copyWith, LAYOUT } from '../../catalog/catalog-fixture.ts';
import { partition, plan, seen, stateOf, stored, T0 } from './plan-fixture.ts';

const EVERYTHING: RestoreRequest = {
  recoveryTarget: { cut: 'log', fromMs: T0, toMs: T0 + 1 },
  topicTargets: { constructor: { cut: 'timestamp' as const, toMs: 5 } },
  offsets: [{ topic: 'a', partition: 0, fromOffset: null, toOffset: 2n ** 62n }],
  catalogVersion: 3,
  includeTopics: ['a', '~b'],
  excludeTopics: ['c*'],
  topicMapping: { a: 'b' },
  mappingRules: [
    { kind: 'prefix', from: '', to: 'x-' },
    { kind: 'regex', pattern: '(.*)', name: '$1' },
  ],
  partitions: [0, 2],
  partitionMapping: { 0: 2 },
  repartitioning: { b: { partitions: 3, partitioning: 'by-key' } },
  filter: { keyRegex: '^k', header: { name: 'h', valueRegex: null } },
  includeOriginalOffsetHeader: true,
  intoExisting: 'append',
  target: 'default',
  settings: {
    isolation: 'read_uncommitted',
    compression: 'zstd',
    maxConcurrentPartitions: 3,
    maxBatchRecords: 7,
    maxBatchBytes: 8,
    recordsPerSecond: 9,
    bytesPerSecond: 10,
    requireTopicConfigs: true,
    allowLogAppendTime: true,
    createTopics: false,
    replicationFactor: -1,
    topicConfigs: { '*': { 'retention.ms': '5', 'cleanup.policy': null } },
  },
  dryRun: false,
};

function read(text: string): RestoreRequest {
  return decodeRequest(parseJson(Buffer.from(text), 'request', 'CATALOG_CORRUPT'));
}

function checkedOf(made: RestorePlan, target: TargetState): PreflightResult {
  return { planId: planIdOf(made, target), target, checks: [], existing: new Map(), batchLimits: new Map() };
}

describe('a request as JSON', () => {
  test('is read back as it was, but for dry run', () => {
    for (const request of [EVERYTHING, { ...RESTORE_ALL, target: 't' }]) {
      assert.equal(requestText(read(requestText(request))), requestText(request));
    }
    assert.deepEqual(
      { ...read(requestText(EVERYTHING)) },
      {
        ...EVERYTHING,
        topicTargets: Object.assign(Object.create(null), EVERYTHING.topicTargets),
        partitionMapping: Object.assign(Object.create(null), EVERYTHING.partitionMapping),
        repartitioning: Object.assign(Object.create(null), EVERYTHING.repartitioning),
        settings: {
          ...EVERYTHING.settings,
          topicConfigs: Object.assign(Object.create(null), EVERYTHING.settings.topicConfigs),
        },
      },
    );
    assert.equal(requestText({ ...EVERYTHING, dryRun: true }), requestText(EVERYTHING));
  });

  test('is the same text in whatever order it was put together', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(Object.keys(EVERYTHING), { minLength: 17 }), (keys) => {
        const shuffled = Object.fromEntries(keys.map((key) => [key, EVERYTHING[key as keyof RestoreRequest]]));
        assert.equal(requestText(shuffled as unknown as RestoreRequest), requestText(EVERYTHING));
      }),
    );
    assert.equal(
      requestText({ ...EVERYTHING, topicMapping: { a: 'b', c: 'd' } }),
      requestText({ ...EVERYTHING, topicMapping: { c: 'd', a: 'b' } }),
    );
  });
});

describe('a plan that was kept', () => {
  const A0 = partition('a', 0);
  const state = stateOf(seen('a', 1), stored(A0, 0n, 10n));
  const request = { ...RESTORE_ALL, target: 'default' };
  const made = plan(state);
  const checked = checkedOf(made, { clusterId: 'c', topics: [] });

  test('is found under its id with its request', async () => {
    const store = new MemoryObjectStore();
    await putPlan(store, LAYOUT, request, { plan: made, checked });
    await putPlan(store, LAYOUT, request, { plan: made, checked });
    const stored = await getPlan(store, LAYOUT, checked.planId);
    assert.equal(requestText(stored.request), requestText(request));
    assertSamePlan(stored, made, checked);
  });

  test('is not found under another id, nor under what is no id', async () => {
    const store = new MemoryObjectStore();
    for (const planId of ['0123456789ab', '', '../../backup', 'x'.repeat(1000)]) {
      await assert.rejects(getPlan(store, LAYOUT, planId), { code: 'USAGE_INVALID', message: /knows no plan/ });
    }
  });

  test('is refused when it is damaged', async () => {
    const store = new MemoryObjectStore();
    await putPlan(store, LAYOUT, request, { plan: made, checked });
    const key = LAYOUT.restorePlan(checked.planId);
    const changes = [(bytes: Buffer) => bytes.subarray(0, 50), () => Buffer.from('{"request":{},"facts":{}}')];
    for (const change of changes) {
      const damaged = await copyWith(store, key, change);
      await assert.rejects(getPlan(damaged, LAYOUT, checked.planId), { code: 'CATALOG_CORRUPT' });
    }
  });

  test('no longer holds once the backup or the target has changed, and the message names what', async () => {
    const store = new MemoryObjectStore();
    await putPlan(store, LAYOUT, request, { plan: made, checked });
    const kept = await getPlan(store, LAYOUT, checked.planId);
    const grown = plan(stateOf(seen('a', 1), stored(A0, 0n, 10n), stored(A0, 10n, 20n)));
    assert.throws(() => assertSamePlan(kept, grown, checkedOf(grown, checked.target)), {
      code: 'PLAN_STALE',
      message: /no longer holds.*partition a\/0: was 1 object\(s\) up to offset 9 .*, is 2 object\(s\) up to offset 19/,
    });
    const target = {
      clusterId: 'c',
      topics: [{ topic: 'a', topicId: 'x', endOffsets: [4n], configs: { 'retention.ms': '1000' } }],
    };
    assert.throws(() => assertSamePlan(kept, made, checkedOf(made, target)), {
      message: /target topic a: was not there, is id x with log ends 4 and retention.ms=1000$/,
    });
  });
});
