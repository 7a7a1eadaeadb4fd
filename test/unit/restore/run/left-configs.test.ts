// What a killed restore leaves of a topic's configuration: who says what of it afterwards, and who puts it back.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { WorkerPool } from '../../../../src/compression/worker-pool.ts';
import { TopicFillings } from '../../../../src/restore/journal/topic-fillings.ts';
import { RESTORE_ALL, type RestoreJob, type RestoreRequest } from '../../../../src/restore/restore-job.ts';
import type { RestoreService } from '../../../../src/restore/restore-service.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory-object-store.ts';
import { jsonBatch, startWorkers, T0, TestBackup } from '../../../support/stored-backup.ts';
import { Fault } from './fault.ts';
import { ModelCluster } from './model-target.ts';
import { processOf } from './run-fixture.ts';

const TARGET = 'copy';
const SOURCE_CONFIGS = { 'retention.ms': '1234' };
const ANY_DISTANCE = { 'message.timestamp.after.max.ms': '9223372036854775807' };
/** The records of the backup are about 100 s old. */
const SOON_GONE = { 'retention.ms': '5000', ...ANY_DISTANCE };
const KEPT = { 'retention.ms': '-1', ...ANY_DISTANCE };

describe('a topic that a killed restore has left', () => {
  let workers: WorkerPool;
  let backup: TestBackup;
  let cluster: ModelCluster;
  let nowMs: number;
  before(() => {
    workers = startWorkers(2);
  });
  after(() => workers.close());

  beforeEach(async () => {
    backup = await TestBackup.create(new MemoryObjectStore(), workers);
    await backup.observe(1, { configs: SOURCE_CONFIGS });
    for (let segment = 0n; segment < 6n; segment += 1n) await backup.add([jsonBatch(segment * 10n, 10)]);
    cluster = new ModelCluster();
    nowMs = T0 + 100_000;
  });

  function serviceOf(fault = new Fault()): RestoreService {
    return processOf(backup, cluster, workers, fault, { wallMs: () => nowMs });
  }

  async function restore(change: Partial<RestoreRequest> = {}, fault = new Fault()): Promise<RestoreJob> {
    const service = serviceOf(fault);
    const request = { ...RESTORE_ALL, topicMapping: { orders: TARGET }, target: 'default', ...change };
    return service.finished(service.submit(request).id);
  }

  /** Tries it again and again until one dies in that state, which is found at the target. @returns its id. */
  async function die(isThen: () => boolean | Promise<boolean>, change: Partial<RestoreRequest> = {}): Promise<string> {
    for (let call = 1; call < 200; call += 1) {
      await assert.rejects(restore(change, new Fault(call)), /the process is dead/);
      if (await isThen()) break;
    }
    const ids = new Set<string>();
    for await (const { key } of backup.store.list(backup.layout.restoresPrefix)) ids.add(backup.layout.restoreOf(key)!);
    return [...ids].at(-1)!;
  }

  const hasRecords = (): boolean => (cluster.topics.get(TARGET)?.logs[0]?.end ?? 0n) > 0n;
  const isCreated = (): boolean => cluster.topics.has(TARGET);
  const configs = (): Record<string, string> => Object.fromEntries(cluster.topics.get(TARGET)!.configs);
  const said = ({ plan }: RestoreJob, name: string): string =>
    plan!.checks.flatMap((one) => (one.name === name ? [`${one.level}: ${one.message}`] : [])).join('\n');

  test('keeps what its owner has set since the restore was abandoned', async () => {
    cluster.create({ topic: TARGET, partitions: 1, configs: SOON_GONE });
    const appending = { intoExisting: 'append' } as const;
    const id = await die(hasRecords, appending);
    await serviceOf().abandon(id);
    assert.deepEqual(configs(), SOON_GONE);
    cluster.topics.get(TARGET)!.configs.set('retention.ms', '-1');
    const job = await restore(appending);
    assert.match(said(job, 'retention'), /^ok: /);
    assert.deepEqual(configs(), KEPT);
  });

  test('gets nothing of it when it was deleted, and its owner has made another one', async () => {
    for (const isThen of [isCreated, hasRecords]) {
      await die(isThen);
      cluster.topics.delete(TARGET);
      cluster.create({ topic: TARGET, partitions: 1, configs: KEPT });
      assert.match(said(await restore({ includeTopics: ['orders'] }), 'retention'), /^ok: /);
      assert.deepEqual(configs(), KEPT);
      cluster.topics.delete(TARGET);
    }
  });

  test('gets its own back from another restore when it was created and nothing else: and that one says so', async () => {
    await die(isCreated);
    const topicId = cluster.topics.get(TARGET)!.topicId;
    assert.equal(await new TopicFillings(backup.store, backup.layout).lastFillerOf(topicId), undefined);
    const job = await restore({ includeTopics: ['orders'] });
    assert.match(said(job, 'retention'), /^warn: copy keeps records for 1234 ms/);
    assert.deepEqual(configs(), SOURCE_CONFIGS);
  });

  test('is looked at as what it will be when the restore is carried on, not as what it is', async () => {
    const id = await die(hasRecords);
    const planned = await restore({ dryRun: true });
    assert.match(said(planned, 'restore'), new RegExp(`restore ${id} of this plan is unfinished`));
    assert.match(said(planned, 'retention'), /^warn: copy keeps records for 1234 ms \(retention.ms\)/);
    assert.match(said(planned, 'configuration'), /^ok: copy is in the state for filling.*retention\.ms=1234, /);
    assert.deepEqual((await restore()).id, id);
    assert.deepEqual(configs(), SOURCE_CONFIGS);
  });

  test('is looked at with the defaults of the target where nothing was set on the source', async () => {
    await backup.observe(1, { configs: {} });
    await die(hasRecords);
    assert.match(said(await restore({ dryRun: true }), 'retention'), /^ok: /);
    nowMs += 8 * 86_400_000;
    const later = await restore({ dryRun: true });
    assert.match(said(later, 'retention'), /^warn: copy keeps records for 604800000 ms/);
    assert.match(said(later, 'configuration'), /retention\.ms=the default, /);
  });
});
