import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { WorkerPool } from '../../../../src/compression/worker-pool.ts';
import { RestoreJournal } from '../../../../src/restore/journal/restore-journal.ts';
import { RESTORE_ALL, type RestoreRequest } from '../../../../src/restore/restore-job.ts';
import type { RestoreService } from '../../../../src/restore/restore-service.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory-object-store.ts';
import { jsonBatch, startWorkers, TestBackup } from '../../../support/stored-backup.ts';
import { Fault } from './fault.ts';
import { ModelCluster } from './model-target.ts';
import { processOf } from './run-fixture.ts';

const TARGET = 'live';
const OWN_CONFIGS = { 'retention.ms': '7654321', 'cleanup.policy': 'compact' };
const PARTITION = { topic: TARGET, partition: 0 };

describe('a restore that nobody can finish', () => {
  let workers: WorkerPool;
  let backup: TestBackup;
  let cluster: ModelCluster;
  before(() => {
    workers = startWorkers(2);
  });
  after(() => workers.close());

  beforeEach(async () => {
    backup = await TestBackup.create(new MemoryObjectStore(), workers);
    await backup.observe(1);
    for (let segment = 0n; segment < 6n; segment += 1n) await backup.add([jsonBatch(segment * 10n, 10)]);
    cluster = new ModelCluster();
    cluster.create({ topic: TARGET, partitions: 1, configs: OWN_CONFIGS });
    cluster.logOf(PARTITION).append(jsonBatch(0n, 5));
  });

  function serviceOf(fault = new Fault()): RestoreService {
    return processOf(backup, cluster, workers, fault);
  }

  async function restore(change: Partial<RestoreRequest> = {}, fault = new Fault()) {
    const service = serviceOf(fault);
    const topicMapping = { orders: TARGET };
    const request = { ...RESTORE_ALL, topicMapping, intoExisting: 'append' as const, target: 'default', ...change };
    return service.finished(service.submit(request).id);
  }

  /** Dies once some of its records are there. @returns its id. */
  async function die(): Promise<string> {
    for (let call = 50; ; call += 1) {
      await assert.rejects(restore({}, new Fault(call)), /the process is dead/);
      if (cluster.logOf(PARTITION).end > 5n) break;
    }
    const ids = new Set<string>();
    for await (const { key } of backup.store.list(backup.layout.restoresPrefix)) ids.add(backup.layout.restoreOf(key)!);
    assert.equal(ids.size, 1);
    return [...ids][0]!;
  }

  function configs(): Record<string, string> {
    return Object.fromEntries(cluster.topics.get(TARGET)!.configs);
  }

  test('holds its topic until it is abandoned: the topic has its own configuration then, and is restored to anew', async () => {
    const id = await die();
    cluster.logOf(PARTITION).append(jsonBatch(0n, 1));
    await assert.rejects(restore(), { code: 'TARGET_CHANGED', message: new RegExp(`restore --abandon ${id}$`) });
    const other = { includeTopics: ['orders'] };
    await assert.rejects(restore(other), { code: 'PREFLIGHT_BLOCKED', message: new RegExp(`--abandon ${id}`) });
    assert.equal(configs()['retention.ms'], '-1');
    assert.deepEqual(await serviceOf().abandon(id), {
      id,
      topics: [{ topic: TARGET, isReleased: true, startOffsets: [5n] }],
    });
    assert.deepEqual(configs(), OWN_CONFIGS);
    await assert.rejects(
      serviceOf()
        .resume(id)
        .then((job) => serviceOf().finished(job.id)),
      {
        code: 'RESTORE_NOT_FOUND',
      },
    );
    const end = cluster.logOf(PARTITION).end;
    const job = await restore(other);
    assert.notEqual(job.id, id);
    assert.equal(cluster.logOf(PARTITION).end, end + 60n);
    assert.deepEqual(configs(), OWN_CONFIGS);
  });

  test('is not carried on once it is abandoned, by its id or by the same request', async () => {
    const id = await die();
    await serviceOf().abandon(id);
    const service = serviceOf();
    const resumed = await service.resume(id);
    await assert.rejects(service.finished(resumed.id), { code: 'PREFLIGHT_BLOCKED', message: /was abandoned/ });
    assert.notEqual((await restore()).id, id);
  });

  test('may be abandoned again at any time: what others have done to its topic since stays', async () => {
    const id = await die();
    for (let call = 1; ; call += 1) {
      const fault = new Fault(call);
      const outcome = await serviceOf(fault)
        .abandon(id)
        .catch(() => undefined);
      if (outcome !== undefined) break;
    }
    assert.deepEqual(configs(), OWN_CONFIGS);
    cluster.topics.get(TARGET)!.configs.set('retention.ms', '5');
    const [again] = (await serviceOf().abandon(id)).topics;
    assert.deepEqual([again!.isReleased, configs()['retention.ms']], [false, '5']);
    cluster.topics.delete(TARGET);
    assert.equal((await serviceOf().abandon(id)).topics[0]!.isReleased, false);
  });

  test('is not complete when its topic was made anew before it could say so, and leaves that one as it is', async () => {
    const { id } = await restore();
    await backup.store.delete(backup.layout.restoreObject(id, 'report'));
    const anew = { 'retention.ms': '5', 'cleanup.policy': 'compact' };
    for (const makeAnew of [
      () => cluster.create({ topic: TARGET, partitions: 1, configs: anew }),
      () => cluster.topics.delete(TARGET),
    ]) {
      makeAnew();
      const service = serviceOf();
      const resumed = await service.resume(id);
      await assert.rejects(service.finished(resumed.id), {
        code: 'TARGET_CHANGED',
        message: new RegExp(`topic live .*restore --abandon ${id}$`),
      });
      if (cluster.topics.has(TARGET)) assert.deepEqual(configs(), anew);
    }
    assert.deepEqual(
      (await serviceOf().abandon(id)).topics.map(({ isReleased }) => isReleased),
      [false],
    );
  });

  test('is not abandoned when it is complete, or not known', async () => {
    const { id } = await restore();
    await assert.rejects(serviceOf().abandon(id), { code: 'USAGE_INVALID', message: /complete/ });
    await assert.rejects(serviceOf().abandon('rst_none'), { code: 'RESTORE_NOT_FOUND' });
    assert.equal(await new RestoreJournal(backup.store, backup.layout, id).endedAs(), undefined);
  });
});
