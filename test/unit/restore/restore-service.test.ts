import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { foundBackup } from '../../../src/catalog/backup-identity.ts';
import type { RestoreSink } from '../../../src/kafka/restore-sink.ts';
import { pause } from '../../../src/model/back-off.ts';
import { RESTORE_ALL } from '../../../src/restore/restore-job.ts';
import { RestoreService, type RestoreServiceOptions } from '../../../src/restore/restore-service.ts';
import { MemoryObjectStore } from '../../../src/storage/memory-object-store.ts';
import { LAYOUT, T0 } from '../catalog/catalog-fixture.ts';

describe('a restore', { timeout: 10_000 }, () => {
  test('that is cancelled while its target is silent ends at once, as cancelled', async () => {
    const store = new MemoryObjectStore();
    await foundBackup(store, LAYOUT, 'cluster-1', T0);
    let isClosed = false;
    const silent = {
      connect: () => new Promise<never>(() => {}),
      close: async () => {
        isClosed = true;
      },
    };
    const options: Partial<RestoreServiceOptions> = {
      store,
      layout: LAYOUT,
      targets: ['default'],
      openSink: () => silent as unknown as RestoreSink,
      beforePlan: async () => {},
      logger: { debug() {}, info() {}, warn() {}, error() {} },
      wallMs: () => T0,
    };
    const service = new RestoreService(options as RestoreServiceOptions);
    const { id } = service.submit({ ...RESTORE_ALL, target: 'default' });
    await pause(20);
    service.cancel(id);
    await assert.rejects(service.finished(id), { code: 'INTERRUPTED' });
    assert.equal(service.get(id)?.state, 'CANCELLED');
    assert.ok(isClosed);
  });
});
