import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { WorkerPool } from '../../../../src/compression/worker-pool.ts';
import type { TopicSpec } from '../../../../src/kafka/restore-sink.ts';
import { LOOK_EVERY_MS } from '../../../../src/restore/journal/attempts/attempt-watch.ts';
import { judgeFrame } from '../../../../src/restore/judge/judge-frame.ts';
import type { JudgeTask } from '../../../../src/restore/judge/judge-task.ts';
import { RESTORE_ALL } from '../../../../src/restore/restore-job.ts';
import { RestoreService } from '../../../../src/restore/restore-service.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory-object-store.ts';
import { encodeBatch, readBatch, text } from '../../../support/record-batches.ts';
import { startWorkers, T0, TestBackup } from '../../../support/stored-backup.ts';
import { Fault } from './fault.ts';
import { ModelCluster, ModelSink } from './model-target.ts';
import { SETTINGS, SURROUNDINGS } from './run-fixture.ts';

/** Creates a topic as it is told to. */
class HeldSink extends ModelSink {
  readonly #creating: (spec: TopicSpec) => Promise<string | null>;

  constructor(cluster: ModelCluster, creating: (spec: TopicSpec) => Promise<string | null>) {
    super(cluster, new Fault());
    this.#creating = creating;
  }

  override async createTopic(spec: TopicSpec): Promise<string | null> {
    return (await this.#creating(spec)) ?? super.createTopic(spec);
  }
}

describe('a fresh restore', { timeout: 20_000 }, () => {
  let workers: WorkerPool;
  let backup: TestBackup;
  before(() => {
    workers = startWorkers(2);
  });
  // Of a restore that an earlier attempt has begun nothing is read ahead: each test has a store of its own.
  beforeEach(async () => {
    backup = await TestBackup.create(new MemoryObjectStore(), workers);
    await backup.observe(1);
    const frames = [0n, 1n, 2n].map((baseOffset) => {
      const records = [{ timestampMs: T0, key: null, value: text(`offset ${baseOffset}`) }];
      return [encodeBatch({ baseOffset, records })];
    });
    await backup.commit({ kind: 'segment', segment: await backup.segment(frames) });
  });
  after(() => workers.close());

  async function restore(sink: ModelSink, judged: () => void): Promise<void> {
    const judging: WorkerPool = {
      threads: 2,
      run: async (_kind, task) => {
        const result = judgeFrame(task as JudgeTask);
        judged();
        return result as never;
      },
      usage: () => ({ queued: 0, utilization: 0 }),
      close: async () => {},
    };
    const service = new RestoreService({
      store: backup.store,
      layout: backup.layout,
      settings: SETTINGS,
      openSink: () => sink,
      openWorkers: () => judging,
      ...SURROUNDINGS,
      wait: async (ms, signal) => {
        if (ms === LOOK_EVERY_MS)
          await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      },
    });
    const { id } = service.submit({ ...RESTORE_ALL, includeTopics: ['orders'], target: 'default' });
    await service.finished(id);
  }

  test('ends with the reason when its topic is refused, whatever it has read by then', async () => {
    const cluster = new ModelCluster();
    const judged = Promise.withResolvers<void>();
    const refusing = new HeldSink(cluster, async () => {
      await judged.promise;
      return 'POLICY_VIOLATION: not today';
    });
    await assert.rejects(restore(refusing, judged.resolve), { code: 'PREFLIGHT_BLOCKED', message: /not today/ });
    assert.equal(cluster.topics.size, 0);
  });

  test('reads and judges its first frames while its topic is made, and writes them when that is there', async () => {
    const cluster = new ModelCluster();
    const judged = Promise.withResolvers<void>();
    const waiting = new HeldSink(cluster, async () => {
      await judged.promise;
      return null;
    });
    await restore(waiting, judged.resolve);
    const [log] = cluster.topics.get('orders')?.logs ?? [];
    const values = log?.batches
      .flatMap(({ bytes }) => readBatch(bytes))
      .map(({ value }) => Buffer.from(value!).toString());
    assert.deepEqual(values, ['offset 0', 'offset 1', 'offset 2']);
  });
});
