import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { WorkerPool } from '../../../../src/compression/worker-pool.ts';
import { RestoreAttempts } from '../../../../src/restore/journal/attempts/restore-attempts.ts';
import { RESTORE_ALL, type RestoreJob, type RestoreRequest } from '../../../../src/restore/restore-job.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory-object-store.ts';
import { jsonBatch, startWorkers, T0, TestBackup } from '../../../support/stored-backup.ts';
import { Fault } from './fault.ts';
import { ModelCluster } from './model-target.ts';
import { processOf } from './run-fixture.ts';

const TARGET = 'live';
const PARTITION = { topic: TARGET, partition: 0 };

describe('a restore that has appended to a topic, asked for again', () => {
  let workers: WorkerPool;
  let backup: TestBackup;
  let cluster: ModelCluster;
  let first: RestoreJob;
  before(() => {
    workers = startWorkers(2);
  });
  after(() => workers.close());

  beforeEach(async () => {
    backup = await TestBackup.create(new MemoryObjectStore(), workers);
    await backup.observe(1);
    await backup.add([jsonBatch(0n, 10)]);
    cluster = new ModelCluster();
    cluster.create({ topic: TARGET, partitions: 1, configs: {} });
    cluster.logOf(PARTITION).append(jsonBatch(0n, 5));
    first = await restore();
  });

  async function restore(change: Partial<RestoreRequest> = {}): Promise<RestoreJob> {
    const service = processOf(backup, cluster, workers, new Fault());
    const topicMapping = { orders: TARGET };
    const request = { ...RESTORE_ALL, topicMapping, intoExisting: 'append' as const, target: 'default', ...change };
    return service.finished(service.submit(request).id);
  }

  async function carryOut(planId: string): Promise<RestoreJob> {
    const service = processOf(backup, cluster, workers, new Fault());
    return service.finished((await service.submitPlan(planId)).id);
  }

  /** @returns the id of the plan that it names. */
  async function assertRefused(): Promise<string> {
    const { end } = cluster.logOf(PARTITION);
    const failure: unknown = await restore().catch((error: unknown) => error);
    const said = `restore ${first.id} of the same request is complete, and its records are in live: .*: restore --plan (\\w+)`;
    const [, planId = ''] = new RegExp(said).exec(String(failure)) ?? [];
    assert.notEqual(planId, '', String(failure));
    assert.equal(cluster.logOf(PARTITION).end, end);
    return planId;
  }

  test('is refused when what tells where its records begin is gone, complete or not', async () => {
    const { store, layout } = backup;
    const isRefused = { code: 'OBJECT_MISSING', message: /producers\.json is gone/ };
    await store.delete(layout.restoreObject(first.id, 'producers'));
    await assert.rejects(restore(), isRefused);
    for (const end of ['verified', 'report'] as const) await store.delete(layout.restoreObject(first.id, end));
    const done = { durationMs: 1, bytesSent: 1, bytesRead: 1 };
    await new RestoreAttempts(store, layout, first.id).putMark(1, 99, done);
    await assert.rejects(restore(), isRefused);
    assert.equal(cluster.logOf(PARTITION).end, 15n);
  });

  test('sends nothing while nobody has written there', async () => {
    const again = await restore();
    assert.deepEqual([again.id, cluster.logOf(PARTITION).end], [first.id, 15n]);
  });

  test('is refused once somebody has, and names the plan that writes everything again', async () => {
    cluster.logOf(PARTITION).append(jsonBatch(0n, 1));
    const planId = await assertRefused();
    const shown = await restore({ dryRun: true });
    assert.deepEqual([shown.plan!.planId, shown.plan!.checks[0]!.level], [planId, 'block']);
    const second = await carryOut(planId);
    assert.notEqual(second.id, first.id);
    assert.equal(cluster.logOf(PARTITION).end, 26n);
    // The same plan again, and the same request, are that second restore.
    for (const again of [await carryOut(planId), await restore()]) assert.equal(again.id, second.id);
    assert.equal(cluster.logOf(PARTITION).end, 26n);
  });

  test('is refused once the backup holds more: what it held is there already', async () => {
    await backup.add([jsonBatch(10n, 10)]);
    await carryOut(await assertRefused());
    assert.equal(cluster.logOf(PARTITION).end, 35n);
  });

  test('is refused when one of its topics is gone and another is not', async () => {
    await backup.observe(1, { topic: 'more', topicId: 'BBBBBBBBBBBBBBBBBBBBBQ' });
    await backup.add([jsonBatch(0n, 3)], { topic: 'more', topicId: 'BBBBBBBBBBBBBBBBBBBBBQ' });
    cluster.logOf(PARTITION).start = cluster.logOf(PARTITION).end;
    first = await restore();
    assert.ok(cluster.topics.delete('more'));
    await assertRefused();
  });

  test('begins anew once the target has deleted all that it wrote', async () => {
    cluster.logOf(PARTITION).append(jsonBatch(0n, 1));
    cluster.logOf(PARTITION).start = 15n;
    assert.notEqual((await restore()).id, first.id);
    assert.equal(cluster.logOf(PARTITION).end, 26n);
  });

  test('with another window is another request', async () => {
    cluster.logOf(PARTITION).append(jsonBatch(0n, 1));
    await restore({ recoveryTarget: { toMs: T0 + 2, cut: 'timestamp' } });
    assert.equal(cluster.logOf(PARTITION).end, 19n);
  });
});
