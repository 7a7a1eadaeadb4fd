// A restored topic is what a read_committed consumer saw at the source: every codec, batch shape, transaction and odd record.
// The agent runs as its users run it; Kafka's own consumer compares source and target by count and hash.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { assertExit, droppedRecords, onlyIncarnation, restoredRecords } from '../../support/agent-workspace.ts';
import { assertSameRecords } from '../../support/compare-topics.ts';
import {
  CODEC_TOPICS,
  CODECS,
  fillAppended,
  fillCodecs,
  fillCompacted,
  fillCompactedTransactions,
  fillConfigured,
  fillDisorder,
  fillMixed,
  fillPartlyEmpty,
  fillSizes,
  fillSmallBatches,
  fillSpanning,
  fillTransactions,
} from '../../support/journeys/fidelity-topics.ts';
import { startKafka } from '../../support/kafka-broker.ts';
import { KafkaProbe } from '../../support/kafka-probe.ts';
import type { SuitePlace, SystemFixture } from '../../support/system-fixture.ts';

export function describeFidelity({ name, timeoutMs, start }: SuitePlace): void {
  describe(name, { timeout: timeoutMs }, () => {
    let system: SystemFixture;
    let probe: KafkaProbe;

    before(async () => {
      system = await start();
      ({ probe } = system);
    });

    after(() => system?.stop());

    it('holds what producers with each codec wrote', async () => {
      await fillCodecs(probe);
      assertExit(await system.workspace.backup({ backupId: 'codecs', topics: ['codec-*'] }), 0);
      const topics = Object.fromEntries(CODEC_TOPICS.map((name) => [name, `${name}-restored`]));
      assertExit(await system.workspace.restore({ backupId: 'codecs', topics }), 0);
      for (const topic of CODEC_TOPICS) {
        const compared = await assertSameRecords({ probe, topic }, { probe, topic: `${topic}-restored` });
        assert.equal(compared, 4000);
      }
    });

    it('is one of those that a name, a glob or a regex means, and none that an exclusion does', async () => {
      for (const topic of [
        'eu.orders',
        'eu.orders-tmp',
        'eu-orders',
        'audit-7',
        'audit-7a',
        'pay-card',
        'pay-card-tmp',
      ]) {
        await probe.createTopic(topic);
        await probe.produce(topic, { records: 10 });
      }
      const topics = { include: ['eu.orders', 'pay-*', '~^audit-\\d+$'], exclude: ['*-tmp'] };
      const run = await system.workspace.backup({ backupId: 'chosen', topics: [], source: { topics } });
      assertExit(run, 0);
      assert.equal(run.summary.records, 30);
      const { incarnations } = await system.workspace.catalog('chosen');
      assert.deepEqual(incarnations.map(({ topic }) => topic).sort(), ['audit-7', 'eu.orders', 'pay-card']);
    });

    it('holds mixed codecs of one partition with every backup codec and way to recompress', async () => {
      const records = await fillMixed(probe);
      for (const compression of ['zstd', 'lz4', 'none']) {
        for (const recompress of ['auto', 'always', 'never']) {
          const backup = { compression, recompress, frame_bytes: '256KiB' };
          const { recordsCompared } = await system.roundTrip('mixed', {
            backup,
            target: `mixed-${compression}-${recompress}`,
          });
          assert.equal(recordsCompared, records);
        }
      }
    });

    it('holds the same records with each codec that a restore can write', async () => {
      for (const compression of CODECS) {
        await system.roundTrip('mixed', { restore: { compression }, target: `mixed-as-${compression}` });
      }
    });

    it('holds the records of committed transactions and neither those of aborted nor of open ones', async () => {
      const records = await fillTransactions(probe);
      const { summary, recordsCompared } = await system.roundTrip('transactions', {
        // What a consumer sees beyond the open transaction, it sees when that one is undone.
        between: () => probe.txAbort('open'),
      });
      assert.equal(recordsCompared, records);
      const { 'control-batch': markers = 0, ...dropped } = droppedRecords(summary);
      assert.deepEqual(dropped, { 'aborted-transaction': 240, 'undecided-transaction': 40 });
      assert.equal(markers, 5);
    });

    it('holds a transaction that spans segments, and drops an aborted one that does', async () => {
      await fillSpanning(probe);
      const backup = { segment_max_bytes: '32KiB', frame_bytes: '16KiB' };
      const { backupId, recordsCompared } = await system.roundTrip('spanning', { backup });
      assert.equal(recordsCompared, 240);
      const life = onlyIncarnation(await system.workspace.catalog(backupId), 'spanning');
      assert.ok((life.partitions.get(0)?.segments.length ?? 0) >= 5, 'the transactions span segments');
    });

    it('holds a compacted topic with its holes and tombstones', async () => {
      await fillCompacted(probe);
      const { recordsCompared } = await system.roundTrip('compacted', {
        backup: { segment_max_bytes: '16KiB', frame_bytes: '4KiB' },
      });
      const restored = await probe.records('compacted-restored', 0);
      assert.equal(restored.length, recordsCompared);
      assert.ok(
        restored.some(({ key, value }) => key !== null && value === null),
        'a tombstone is left',
      );
      const description = await probe.describeTopic('compacted-restored');
      assert.equal(description.configs['cleanup.policy'], 'compact');
    });

    it('holds committed transactions whose markers compaction has removed', async () => {
      await fillCompactedTransactions(probe);
      const { summary } = await system.roundTrip('compacted-transactions');
      const { 'control-batch': markers = 0 } = droppedRecords(summary);
      assert.ok(markers < 60, `${markers} of 60 markers are left`);
    });

    it('holds 20,000 batches of one record', async () => {
      await fillSmallBatches(probe);
      assert.equal(await batchesInLog('small-batches', 2), 20_000);
      const { recordsCompared } = await system.roundTrip('small-batches');
      assert.equal(recordsCompared, 20_000);
    });

    /** Of all partitions, as Kafka finds them in the broker's own files. */
    async function batchesInLog(topic: string, partitions: number): Promise<number> {
      let batches = 0;
      for (let partition = 0; partition < partitions; partition += 1) {
        const directory = join(system.broker.logDir, `${topic}-${partition}`);
        for (const file of (await readdir(directory)).filter((name) => name.endsWith('.log'))) {
          const dump = await probe.dumpLogSegments(join(directory, file));
          assert.ok(dump.isValid, dump.tail);
          batches += dump.batches;
        }
      }
      return batches;
    }

    it('holds records of 0 bytes and of 9 MB', async () => {
      const records = await fillSizes(probe);
      const { target, recordsCompared } = await system.roundTrip('sizes');
      assert.equal(recordsCompared, records);
      const { configs } = await probe.describeTopic(target);
      assert.equal(configs['max.message.bytes'], '12582912');
    });

    it('holds the times at which the broker appended, where that is what consumers saw', async () => {
      await fillAppended(probe);
      const { target } = await system.roundTrip('appended');
      const digest = (await probe.digest(target)).get(0);
      assert.deepEqual(digest?.timestampTypes, ['CreateTime']);
      assert.equal((await probe.describeTopic(target)).configs['message.timestamp.type'], 'LogAppendTime');
    });

    it('holds timestamps out of order, old ones and ones far ahead', async () => {
      await fillDisorder(probe);
      await system.roundTrip('disorder');
    });

    it('has the partitions of its source, the empty ones too', async () => {
      await fillPartlyEmpty(probe);
      await system.roundTrip('partly-empty');
      const { recordsCompared } = await system.roundTrip('empty');
      assert.equal(recordsCompared, 0);
      assert.equal((await probe.describeTopic('partly-empty-restored')).partitions, 7);
      assert.equal((await probe.describeTopic('empty-restored')).partitions, 3);
    });

    it('has the configuration of its source once it is complete, and keeps old records until then', async () => {
      await fillConfigured(probe);
      await system.roundTrip('configured');
      const source = await probe.describeTopic('configured');
      const restored = await probe.describeTopic('configured-restored');
      assert.deepEqual(restored.configs, source.configs);
      assert.equal(restored.partitions, source.partitions);
    });

    it('is the same on another cluster', async () => {
      assertExit(await system.workspace.backup({ backupId: 'abroad', topics: ['mixed', 'transactions'] }), 0);
      const other = await startKafka();
      const otherProbe = await KafkaProbe.start(other.bootstrap);
      try {
        const topics = { mixed: 'mixed', transactions: 'transactions' };
        const run = await system.workspace.restore({ backupId: 'abroad', topics, bootstrap: other.bootstrap });
        assertExit(run, 0);
        let compared = 0;
        for (const topic of Object.keys(topics)) {
          compared += await assertSameRecords({ probe, topic }, { probe: otherProbe, topic });
        }
        assert.equal(restoredRecords(run.summary), compared);
      } finally {
        await otherProbe.stop();
        await other.stop();
      }
    });
  });
}
