// Partitions of all topics share the places that the limit gives: there are never more under way at once, and never fewer while
// others wait.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { WorkerPool } from '../../../../src/compression/worker-pool.ts';
import type { PartitionProducer, ProducerPosition } from '../../../../src/kafka/restore-sink.ts';
import type { TopicPartition } from '../../../../src/model/topic/topic-partition.ts';
import { RESTORE_ALL } from '../../../../src/restore/restore-job.ts';
import { RestoreService } from '../../../../src/restore/restore-service.ts';
import { MemoryObjectStore } from '../../../../src/storage/memory-object-store.ts';
import { jsonBatch, startWorkers, TestBackup } from '../../../support/stored-backup.ts';
import { Fault } from './fault.ts';
import { ModelCluster, ModelSink } from './model-target.ts';
import { SETTINGS, SURROUNDINGS } from './run-fixture.ts';

const TOPICS = ['orders', 'payments'];
const PARTITIONS = 3;
const SEGMENTS = 4;

/** Notes which partitions have sent something and are not done yet. */
class WatchedSink extends ModelSink {
  readonly #left = new Map<string, number>();
  readonly seen: number[] = [];

  override openPartition(partition: TopicPartition, position: ProducerPosition): PartitionProducer {
    const producer = super.openPartition(partition, position);
    const send = producer.send.bind(producer);
    const name = `${partition.topic}/${partition.partition}`;
    producer.send = async (batch, recordCount) => {
      if (!this.#left.has(name)) this.#left.set(name, SEGMENTS * 10);
      this.seen.push([...this.#left.values()].filter((left) => left > 0).length);
      const sent = await send(batch, recordCount);
      const acknowledged = sent.acknowledged.then(() => {
        this.#left.set(name, (this.#left.get(name) ?? 0) - recordCount);
      });
      return { ...sent, acknowledged };
    };
    return producer;
  }
}

describe('a restore of several topics', () => {
  let workers: WorkerPool;
  let backup: TestBackup;
  before(async () => {
    workers = startWorkers(2);
    backup = await TestBackup.create(new MemoryObjectStore(), workers);
    for (const [index, topic] of TOPICS.entries()) {
      const topicId = `${'AB'.charAt(index)}AAAAAAAAAAAAAAAAAAAAQ`;
      await backup.observe(PARTITIONS, { topic, topicId });
      for (let partition = 0; partition < PARTITIONS; partition += 1) {
        for (let segment = 0n; segment < BigInt(SEGMENTS); segment += 1n) {
          await backup.add([jsonBatch(segment * 10n, 10)], { topic, topicId, partition });
        }
      }
    }
  });
  after(() => workers.close());

  for (const limit of [1, 2, 4]) {
    test(`has ${limit} partition(s) under way at once, and no more`, async () => {
      const sink = new WatchedSink(new ModelCluster(), new Fault());
      const store = new MemoryObjectStore();
      for await (const { key } of backup.store.list('')) await store.putIfAbsent(key, [await backup.bytes(key)]);
      let acknowledged = 0;
      const service = new RestoreService({
        store,
        layout: backup.layout,
        settings: { ...SETTINGS, maxConcurrentPartitions: limit, maxBatchRecords: 5 },
        openSink: () => sink,
        openWorkers: () => ({ ...workers, run: workers.run.bind(workers), close: async () => {} }),
        ...SURROUNDINGS,
        observer: { ...SURROUNDINGS.observer, acknowledged: (records) => (acknowledged += records) },
        wait: (_ms, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
      });
      const { id } = service.submit({ ...RESTORE_ALL, target: 'default' });
      const { report } = await service.finished(id);
      assert.equal(
        report!.sources.reduce((total, { recordsRestored }) => total + recordsRestored, 0),
        TOPICS.length * PARTITIONS * SEGMENTS * 10,
      );
      assert.equal(acknowledged, TOPICS.length * PARTITIONS * SEGMENTS * 10);
      assert.equal(Math.max(...sink.seen), limit);
    });
  }
});
