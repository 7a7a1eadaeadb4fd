import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { WorkerPool } from '../../../../src/compression/worker-pool.ts';
import { RESTORE_ALL } from '../../../../src/restore/restore-job.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory-object-store.ts';
import { jsonBatch, startWorkers, T0, TestBackup } from '../../../support/stored-backup.ts';
import { Fault } from './fault.ts';
import { ModelCluster } from './model-target.ts';
import { processOf } from './run-fixture.ts';

describe('the progress of a restore', { timeout: 20_000 }, () => {
  let workers: WorkerPool;
  before(() => {
    workers = startWorkers(1);
  });
  after(() => workers.close());

  test('has never read more than all, although a frame with the cut in it is read twice', async () => {
    const backup = await TestBackup.create(new MemoryObjectStore(), workers);
    await backup.observe();
    await backup.add([jsonBatch(0n, 1000)]);
    const service = processOf(backup, new ModelCluster(), workers, new Fault());
    const recoveryTarget = { toMs: T0 + 900, cut: 'log' } as const;
    const { id } = service.submit({ ...RESTORE_ALL, includeTopics: ['orders'], recoveryTarget, target: 'default' });
    const { progress } = await service.finished(id);
    assert.equal(progress?.recordsRestored, 901);
    assert.ok(progress.bytesRead > 0);
    assert.ok(progress.bytesRead <= progress.bytesTotal, `${progress.bytesRead} of ${progress.bytesTotal} bytes`);
  });
});
